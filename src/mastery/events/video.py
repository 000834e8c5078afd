"""Videos: one row is one viewing."""

from __future__ import annotations

import pyarrow as pa

from mastery.events.columns import EXTRA, MOST, PERCENT, SECONDS, SESSION_S, STUDENT, TIMESTAMP, TOPIC, Column, own_ids
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
        Column("watch_pct", "share", "share of the video that was watched", "column", units=PERCENT, most=EXTRA),
        TIMESTAMP,
        Column("watch_duration", "duration", "time spent watching", units=SECONDS, usual_s=SESSION_S),
        Column("rewind_count", "whole", "times the student went back", low=0, high=MOST),
        *own_ids("event_id"),
    ),
    shape=shape,
    outcome="watch_pct",
)
