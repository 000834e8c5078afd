"""Research logs: one row is one answer, in the columns that published data sets share.

Some have no time stamps but an order. Such a row gets the instant 2000-01-01T00:00:00Z + order × 10 s, computed
from the row alone. Order in time is then the order of the source; the distance in time has no meaning.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mastery.events.columns import HINTS, INTERACTION, MOST, STUDENT, TIME_SPENT, Column, own_ids
from mastery.events.rows import ParsedRows
from mastery.events.source import Source
from mastery.events.values import mask
from mastery.tables import UTC

FIRST_US = 946_684_800_000_000
"""2000-01-01T00:00:00Z, the instant of order 0."""

STEP_US = 10_000_000
"""Ten seconds from one place in the order to the next. The highest order known, 38,309,982, falls in 2012."""

LAST_ORDER = 100_000_000
"""Falls in 2031. A higher order is refused."""


def shape(rows: ParsedRows) -> dict[str, pa.Array]:
    """Return columns of EVENTS, as of a quiz answer. Without a time stamp the instant is computed from the order."""
    order, at = rows["order"], rows["timestamp"]
    placed = pc.and_(pc.greater_equal(order, 0), pc.less_equal(order, LAST_ORDER))
    untimed = mask(at.is_null())
    rows.refuse(untimed & mask(order.is_null()), "timestamp", "missing", "is empty, and there is no order either")
    rows.refuse(untimed & ~mask(placed), "order", "out_of_range", f"is not between 0 and {LAST_ORDER}")
    if untimed.any():
        number = np.asarray(pc.fill_null(pc.if_else(placed, order, 0), 0), np.int64)
        at = pc.coalesce(at, pa.array(FIRST_US + STEP_US * number).cast(UTC))
    return {
        "occurred_at": at,
        "item_id": rows["question_id"],
        "attempts": rows.constant(1),
        "success_ppm": rows.millionths("is_correct"),
        "duration_ms": rows.milliseconds("time_spent_sec"),
        "attempt_number": rows["attempts_count"],
        "hints": rows["hints_used"],
    }


RESPONSES = Source(
    name="responses",
    kind="quiz",
    doc="One answer of a research log.",
    columns=(
        STUDENT,
        Column("question_id", "id", "the item; empty if the source has none"),
        Column("topic_id", "id", "skill or section; if empty, the topic is `unassigned`", several=True),
        Column("is_correct", "truth", "whether the answer was right; if empty, the row is rejected", "column"),
        Column("timestamp", "moment", "when it happened; if empty, computed from `order`", identifies=True),
        TIME_SPENT,
        Column("attempts_count", "whole", "number of the attempt at this item", low=0, high=MOST),
        HINTS,
        INTERACTION,
        *own_ids("event_id"),
    ),
    shape=shape,
    outcome="is_correct",
    either=("timestamp", "order"),
    marks=frozenset({"student_id", "question_id", "topic_id", "is_correct", "timestamp", "order", "attempts_count"}),
)
