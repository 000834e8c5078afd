"""Assignments: one row is one graded submission, over one topic or several."""

from __future__ import annotations

import pyarrow as pa

from mastery.events.columns import EXTRA, MOST, PERCENT, SESSION_TIME, STUDENT, TIMESTAMP, Column, own_ids
from mastery.events.lists import first_and_rest
from mastery.events.rows import ParsedRows
from mastery.events.source import Source


def shape(rows: ParsedRows) -> dict[str, pa.Array]:
    """Return columns of EVENTS: one attempt with a fraction of a success, its first topic apart from the others."""
    first, others = first_and_rest(rows["topic_ids"])
    return {
        "topic_id": first.dictionary_encode(),
        "other_topic_ids": others,
        "item_id": rows["assignment_id"],
        "attempts": rows.constant(1),
        "success_ppm": rows.millionths("score_pct"),
        "duration_ms": rows.milliseconds("time_spent_sec"),
        "attempt_number": rows["attempt_number"],
    }


ASSIGNMENT = Source(
    name="assignments",
    kind="assignment",
    doc="One graded submission of one assignment.",
    columns=(
        STUDENT,
        Column("assignment_id", "id", "the assignment", "column"),
        Column("topic_ids", "ids", "its topics: `a|b|c`, a JSON list or a list", "column"),
        Column("score_pct", "share", "share of the points reached", "column", units=PERCENT, most=EXTRA),
        TIMESTAMP,
        SESSION_TIME,
        Column("attempt_number", "whole", "number of the submission, from 1", low=0, high=MOST),
        *own_ids("submission_id", "event_id"),
    ),
    shape=shape,
    outcome="score_pct",
    own_id=("event_id", "submission_id"),
)
