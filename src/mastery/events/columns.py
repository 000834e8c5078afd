"""One column of a source table: how its values are read, and within which bounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["id", "text", "number", "whole", "truth", "moment", "ids"]
Needs = Literal["value", "column", "nothing"]

MOST = 1_000_000
"""No count of one event may be higher: sums of events then stay far inside of int64."""

LONGEST_MS = 1e12
"""No duration of one event may be longer: 31 years, likewise."""

SECONDS: Mapping[str, float] = {"s": 1000.0, "ms": 1.0}
"""Milliseconds in the units a duration may be given in; the first one unless another is declared."""

SHARES: Mapping[str, float] = {"percent": 0.01, "fraction": 1.0}


@dataclass(frozen=True)
class Column:
    """One column of a source table.

    Attributes:
        name: As in the file, after `--map`.
        kind: How its values are read; see `mastery.events.values`, `moments` and `lists`.
        doc: What it says, in words.
        needs: `value`: the column must be there, and a value in each row. `column`: it must be there, its
            values may be null. `nothing`: it may be left out.
        low, high: Bounds of the value in our unit, both included.
        units: What the value may be counted in → how many of our unit that is. The first is the default.
        private: It says who somebody is, so its values are shown and kept nowhere.
        distinct: Its values hardly repeat within a block, so a dictionary of them would be waste.
    """

    name: str
    kind: Kind
    doc: str
    needs: Needs = "nothing"
    low: float | None = None
    high: float | None = None
    units: Mapping[str, float] = field(default_factory=dict)
    private: bool = False
    distinct: bool = False


STUDENT = Column("student_id", "id", "the institution's id of the student", "value", private=True, distinct=True)
TOPIC = Column("topic_id", "id", "topic; empty: the event goes to the topic `unassigned`, without a score", "column")
TIMESTAMP = Column("timestamp", "moment", "when it happened", "value")
TIME_SPENT = Column("time_spent_sec", "number", "time on it", low=0, high=LONGEST_MS, units=SECONDS)
HINTS = Column("hints_used", "whole", "hints taken", low=0, high=MOST)
INTERACTION = Column(
    "interaction_id",
    "id",
    "rows that share it are one answer on several topics; `evaluate` counts it once",
    distinct=True,
)


def own_ids(*names: str) -> tuple[Column, ...]:
    """Return the optional columns that every table of events has: own ids, `replaces` and the source's order."""
    return (
        *(Column(name, "id", "the source's own id of this event", distinct=True) for name in names),
        Column("replaces", "id", "own id of the event that this one replaces", distinct=True),
        Column("sequence", "whole", "place in the source's order, among events of one moment"),
        Column("order", "whole", "the same under another name"),
    )
