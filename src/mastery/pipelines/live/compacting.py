"""What a worker compacts every few minutes, so that folding a student from the lake stays cheap.

Nobody who reads is disturbed: the files that were merged stay on the disk, and whoever has begun with them ends with
them. Only `mastery compact` deletes files, a week later.
"""

from __future__ import annotations

import logging

from mastery.lake import Lake
from mastery.tables import EVENTS

log = logging.getLogger(__name__)

FRESH_FILES = 2
"""Buckets with fewer files in order of arrival are left alone."""

BUCKETS = 8
"""At most this many buckets each time, those with most files first."""


def compact_some(lake: Lake) -> None:
    """Put the events of some buckets in order.

    Raises:
        Conflict: Others wrote each time.
        Unwritable: The disk is full, or may not be written to.
    """
    done = lake.compact(EVENTS, min_fresh_files=FRESH_FILES, most_buckets=BUCKETS)
    if done.buckets:
        log.info("compacted", extra={"buckets": done.buckets, "files": done.files_before, "rows": done.rows})
