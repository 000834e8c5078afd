"""What a source table is: its columns, and how its rows become events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import pyarrow as pa

if TYPE_CHECKING:
    from mastery.events.rows import ParsedRows

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


Shape = Callable[["ParsedRows"], dict[str, pa.Array]]


@dataclass(frozen=True)
class Source:
    """One source table.

    Attributes:
        name: As people call it: `quiz_attempts`.
        kind: The kind of its events; its table in the lake for metadata.
        doc: What one row is.
        columns: In the order in which they are checked: the first that fails is the reason given.
        shape: From the checked columns, the columns of EVENTS (or of the metadata table) that are its own.
        outcome: Its column that says how it went; null withdraws the event named in `replaces`.
        own_id: Columns that may hold the source's own id of the event; the first that is filled counts.
        marks: Columns by which a file is recognised as this table, when not simply those it needs.
        either: Columns of which a file must have at least one.
        metadata: Its rows describe topics or items, and are no events.
    """

    name: str
    kind: str
    doc: str
    columns: tuple[Column, ...]
    shape: Shape
    outcome: str | None = None
    own_id: tuple[str, ...] = ("event_id",)
    marks: frozenset[str] = frozenset()
    either: tuple[str, ...] = ()
    metadata: bool = False

    def needed(self) -> list[str]:
        """Return the columns that a file must have."""
        return [column.name for column in self.columns if column.needs != "nothing"]

    def column(self, name: str) -> Column:
        return next(column for column in self.columns if column.name == name)


STUDENT = Column("student_id", "id", "the institution's id of the student", "value", private=True, distinct=True)
TOPIC = Column("topic_id", "id", "topic; empty: the event goes to the topic `unassigned`, without a score", "column")
TIMESTAMP = Column("timestamp", "moment", "when it happened", "value")
TIME_SPENT = Column("time_spent_sec", "number", "time on it", low=0, high=LONGEST_MS, units=SECONDS)
HINTS = Column("hints_used", "whole", "hints taken", low=0, high=MOST)


def own_ids(*names: str) -> tuple[Column, ...]:
    """Return the optional columns that every table of events has: own ids, `replaces` and the source's order."""
    return (
        *(Column(name, "id", "the source's own id of this event", distinct=True) for name in names),
        Column("replaces", "id", "own id of the event that this one replaces", distinct=True),
        Column("sequence", "whole", "place in the source's order, among events of one moment"),
        Column("order", "whole", "the same under another name"),
    )
