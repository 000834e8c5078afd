"""Practice: one row is one session with several attempts on one topic."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from mastery.events.columns import HINTS, MOST, SESSION_TIME, STUDENT, TIMESTAMP, TOPIC, Column, own_ids
from mastery.events.rows import ParsedRows
from mastery.events.source import Source
from mastery.events.values import mask


def shape(rows: ParsedRows) -> dict[str, pa.Array]:
    """Return columns of EVENTS: right answers are successes among the attempts."""
    return counted(rows, "attempts", "correct_count") | {
        "item_id": rows["item_id"],
        "duration_ms": rows.milliseconds("time_spent_sec"),
        "hints": rows["hints_used"],
    }


def counted(rows: ParsedRows, attempts: str, successes: str) -> dict[str, pa.Array]:
    """Return attempts and successes; rows with more successes than attempts, or with no attempts, are refused."""
    more = mask(pc.greater(rows[successes], rows[attempts]))
    rows.refuse(more, successes, "impossible", f"is more than {attempts}")
    of_nothing = mask(pc.and_(rows[attempts].is_null(), rows[successes].is_valid()))
    rows.refuse(of_nothing, attempts, "missing", "is empty, and a value is needed")
    return {"attempts": pc.fill_null(rows[attempts], 0), "success_ppm": rows.millionths(successes)}


PRACTICE = Source(
    name="practice_sessions",
    kind="practice",
    doc="One practice session on one topic.",
    columns=(
        STUDENT,
        TOPIC,
        Column("attempts", "whole", "answers given", "column", low=0, high=MOST),
        Column("correct_count", "whole", "right answers among them", "column", low=0, high=MOST),
        TIMESTAMP,
        Column("item_id", "id", "the item practised, if there was only one"),
        SESSION_TIME,
        HINTS,
        *own_ids("session_id", "event_id"),
    ),
    shape=shape,
    outcome="correct_count",
    own_id=("event_id", "session_id"),
)
