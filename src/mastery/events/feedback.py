"""Teacher feedback: one row is one judgement of one student on one topic."""

from __future__ import annotations

import pyarrow as pa

from mastery.events.columns import FRACTION, STUDENT, TIMESTAMP, TOPIC, Column, own_ids
from mastery.events.rows import ParsedRows
from mastery.events.source import Source


def shape(rows: ParsedRows) -> dict[str, pa.Array]:
    """Return columns of EVENTS: one attempt with the score as its success."""
    return {
        "teacher_id": rows["teacher_id"],
        "attempts": rows.constant(1),
        "success_ppm": rows.millionths("score"),
        "reason": rows["reason"],
    }


FEEDBACK = Source(
    name="teacher_feedback",
    kind="feedback",
    doc="One teacher's judgement of one student on one topic.",
    columns=(
        Column("teacher_id", "id", "the institution's id of the teacher", "value", private=True),
        STUDENT,
        TOPIC,
        Column("score", "share", "mastery in the teacher's opinion, from 0 to 1", "column", units=FRACTION),
        TIMESTAMP,
        Column("reason", "text", "in the teacher's words", private=True),
        *own_ids("event_id"),
    ),
    shape=shape,
    outcome="score",
)
