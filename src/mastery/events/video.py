"""Videos: one row is one viewing."""

from __future__ import annotations

import pyarrow as pa

from mastery.events.columns import LONGEST_MS, MOST, SECONDS, SHARES, STUDENT, TIMESTAMP, TOPIC, Column, own_ids
from mastery.events.rows import ParsedRows
from mastery.events.source import Source


def shape(rows: ParsedRows) -> dict[str, pa.Array]:
    """Return columns of EVENTS: one attempt with the share watched as its success."""
    return {
        "item_id": rows["video_id"],
        "attempts": rows.constant(1),
        "success_ppm": rows.millionths("watch_pct"),
        "duration_ms": rows.milliseconds("watch_duration"),
        "rewinds": rows["rewind_count"],
    }


VIDEO = Source(
    name="video_events",
    kind="video",
    doc="One viewing of one video.",
    columns=(
        STUDENT,
        Column("video_id", "id", "the video", "column"),
        TOPIC,
        Column("watch_pct", "number", "share of the video that was watched", "column", low=0, high=1, units=SHARES),
        TIMESTAMP,
        Column("watch_duration", "number", "time spent watching", low=0, high=LONGEST_MS, units=SECONDS),
        Column("rewind_count", "whole", "times the student went back", low=0, high=MOST),
        *own_ids("event_id"),
    ),
    shape=shape,
    outcome="watch_pct",
)
