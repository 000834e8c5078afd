"""Revisions of events that do not count any more, each beside the revision that does."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from mastery.lake import Lake
from mastery.lake.files import Only
from mastery.lake.reader import BUCKET
from mastery.tables import EVENTS

SAID = ("topic_id", "item_id", "occurred_at", "attempts", "success_ppm", "duration_ms", "attempt_number", "hints")
"""Columns of what a revision says of its event."""

READ = ("source", "received_at", *SAID)
SHOWN = ("student_id", "kind", *READ)

EVENT = ("event_id_hi", "event_id_lo")


def superseded_rows(lake: Lake, limit: int) -> tuple[list[dict[str, Any]], int]:
    """Return revisions of a tenant's events that do not count any more, the newest reading first, and how many there
    are in all; `limit` 0 returns all.

    Each row has the columns `SHOWN`, and as `replaced_by` those of `READ` of the revision that counts; None where the
    event itself has been removed.
    """
    rows = lake.superseded([BUCKET, *EVENT, *SHOWN])
    rows = rows.sort_by([("received_at", "descending"), ("source", "ascending"), ("occurred_at", "ascending")])
    total = rows.num_rows
    listed = rows.slice(0, min(limit or total, total)).to_pylist()
    now = _counting(lake, listed)
    for row in listed:
        row["replaced_by"] = now.get(tuple(row.pop(name) for name in EVENT))
        del row[BUCKET]
    return listed, total


def _counting(lake: Lake, rows: list[dict[str, Any]]) -> dict[tuple[int, ...], dict[str, Any]]:
    """Return what counts of the events of some revisions, by event id. A bucket is read at a time."""
    found = {}
    people: dict[int, set[str]] = {}
    for row in rows:
        people.setdefault(row[BUCKET], set()).add(row["student_id"])
    wanted = {tuple(row[name] for name in EVENT) for row in rows}
    for bucket, students in people.items():
        only = Only(column="student_id", values=tuple(sorted(students)))
        events: pa.Table = lake.read_bucket(EVENTS, bucket, [*EVENT, *READ], only=only)
        for event in events.to_pylist():
            key = tuple(event.pop(name) for name in EVENT)
            if key in wanted:
                found[key] = event
    return found
