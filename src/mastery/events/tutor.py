"""Tutor chat: one row is one conversation with a tutor or chatbot about one topic."""

from __future__ import annotations

import pyarrow as pa

from mastery.events.columns import MOST, SESSION_TIME, STUDENT, TIMESTAMP, TOPIC, Column, own_ids
from mastery.events.practice import counted
from mastery.events.rows import ParsedRows
from mastery.events.source import Source


def shape(rows: ParsedRows) -> dict[str, pa.Array]:
    """Return columns of EVENTS: help requests are attempts, resolved ones successes."""
    return counted(rows, "queries", "resolved_count") | {"duration_ms": rows.milliseconds("time_spent_sec")}


TUTOR = Source(
    name="chatbot_interactions",
    kind="tutor",
    doc="One conversation in which help was asked for.",
    columns=(
        STUDENT,
        TOPIC,
        Column("queries", "whole", "help requests", "column", low=0, high=MOST),
        Column("resolved_count", "whole", "help requests that were resolved", "column", low=0, high=MOST),
        TIMESTAMP,
        SESSION_TIME,
        *own_ids("event_id"),
    ),
    shape=shape,
    outcome="resolved_count",
)
