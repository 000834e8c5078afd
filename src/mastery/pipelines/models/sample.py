"""Events to learn or to measure on: whole buckets of students, until there are enough.

A bucket holds all events of the students whose pseudonyms hash to it, so a few buckets are a fair sample of all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from mastery.lake import Lake
from mastery.tables import EVENTS

ENOUGH_EVENTS = 2_000_000
"""Buckets are read until this many events are there."""


def sampled_buckets(
    lake: Lake, columns: Sequence[str], *, enough: int, since_us: int | None = None, until_us: int | None = None
) -> Iterator[pa.Table]:
    """Yield the events of one bucket after another from `since_us` up to `until_us` (None: no bound), an empty table
    for a bucket without any, until `enough` rows are there. `columns` hold `occurred_at`.
    """
    snapshot, events = lake.snapshot(EVENTS), 0
    for bucket in range(lake.buckets):
        rows = lake.read_bucket(EVENTS, bucket, columns, at=snapshot)
        at_us = rows["occurred_at"].cast(pa.int64()).to_numpy()
        keep = np.ones(rows.num_rows, bool)
        if since_us is not None:
            keep &= at_us >= since_us
        if until_us is not None:
            keep &= at_us <= until_us
        rows = rows if keep.all() else rows.filter(pa.array(keep))
        events += rows.num_rows
        yield rows
        if events >= enough:
            return
