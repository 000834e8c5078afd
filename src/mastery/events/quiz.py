"""Quiz answers: one row is one answer to one question."""

from __future__ import annotations

import pyarrow as pa

from mastery.events.columns import HINTS, INTERACTION, MOST, STUDENT, TIME_SPENT, TIMESTAMP, TOPIC, Column, own_ids
from mastery.events.rows import ParsedRows
from mastery.events.source import Source

ATTEMPT_NUMBER = Column("attempt_number", "whole", "number of the attempt at this question, from 1", low=0, high=MOST)


def shape(rows: ParsedRows) -> dict[str, pa.Array]:
    """Return columns of EVENTS: one attempt, and one success if it is right."""
    return {
        "item_id": rows["question_id"],
        "attempts": rows.constant(1),
        "success_ppm": rows.millionths("is_correct"),
        "duration_ms": rows.milliseconds("time_spent_sec"),
        "attempt_number": rows["attempt_number"],
        "hints": rows["hints_used"],
    }


QUIZ = Source(
    name="quiz_attempts",
    kind="quiz",
    doc="One answer to one question.",
    columns=(
        STUDENT,
        Column("question_id", "id", "the question, an item of the table `items`", "column"),
        TOPIC,
        Column("is_correct", "truth", "whether the answer was right", "column"),
        TIMESTAMP,
        TIME_SPENT,
        ATTEMPT_NUMBER,
        HINTS,
        INTERACTION,
        *own_ids("attempt_id", "event_id"),
    ),
    shape=shape,
    outcome="is_correct",
    own_id=("event_id", "attempt_id"),
)
