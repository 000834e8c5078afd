"""One column of a source table: how its values are read, and within which bounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

Kind = Literal["id", "text", "number", "share", "duration", "whole", "truth", "moment", "ids"]
Needs = Literal["value", "column", "nothing"]

MOST = 1_000_000
"""The highest count of one event, so that sums of events stay far below the limit of int64."""

LONGEST_MS = 1e12
"""The longest duration of one event, 31 years, for the same reason."""

SECONDS: Mapping[str, float] = {"s": 1000.0, "ms": 1.0, "min": 60_000.0, "h": 3_600_000.0}
"""Units of a duration in milliseconds. The first is the default."""

PERCENT: Mapping[str, float] = {"percent": 0.01, "fraction": 1.0}
FRACTION: Mapping[str, float] = {"fraction": 1.0, "percent": 0.01}
"""Units of a share, of which `mastery.events.units` knows more. The first is the default."""

EXTRA = 2.0
"""More than all of the points may be reached, up to twice of them: extra credit."""

ANSWER_S, SESSION_S = 1800.0, 36_000.0
"""Half of the answers, or of longer work, take less time than this, or their unit is another."""

RENAMING = '--map THEIRS=OURS (in Python, columns={"THEIRS": "OURS"})'
"""What messages say of columns with other names: files are read by commands and by Python alike."""


@dataclass(frozen=True)
class Column:
    """One column of a source table.

    Attributes:
        name: As in the file, after `--map`.
        kind: How its values are read; see `mastery.events.values`, `moments` and `lists`.
        doc: What it means, in words.
        needs: `value`: the column must be there, and a value in each row. `column`: it must be there, its
            values may be null. `nothing`: it may be left out.
        low, high: Bounds of the value in our unit, both included.
        units: Unit that may be declared → its size in our unit. The first is the default.
        private: It identifies a person, so its values are never shown nor stored.
        distinct: Its values hardly repeat within a block, so that dictionary encoding would cost more than it saves.
        several: Of an id: the event may be on several of them, in a JSON list or with a separator that is declared.
        identifies: Which event a row is depends on it; it may be left out, but not damaged.
        most: Of a share: up to this one, more than all counts as all.
        usual_s: Of a duration: most are shorter.
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
    identifies: bool = False
    several: bool = False
    most: float = 1.0
    usual_s: float = 0.0

    @property
    def spare(self) -> bool:
        """Whether nobody needs its values: one that cannot be used is left out, and the row counts without it."""
        return self.needs == "nothing" and not self.identifies and self.kind != "id"


STUDENT = Column("student_id", "id", "the institution's id of the student", "value", private=True, distinct=True)
TOPIC = Column(
    "topic_id",
    "id",
    "topic; if empty, the event goes to the topic `unassigned`, which has no score",
    "column",
    several=True,
)
TIMESTAMP = Column("timestamp", "moment", "when it happened", "value")
TIME_SPENT = Column("time_spent_sec", "duration", "time on it", units=SECONDS, usual_s=ANSWER_S)
SESSION_TIME = replace(TIME_SPENT, usual_s=SESSION_S)
HINTS = Column("hints_used", "whole", "hints taken", low=0, high=MOST)
INTERACTION = Column(
    "interaction_id",
    "id",
    "rows that share it are one answer on several topics; `evaluate` counts it once",
    distinct=True,
    identifies=True,
)


def own_ids(*names: str) -> tuple[Column, ...]:
    """Return the optional columns of every table of events: own ids, `replaces`, the source's order and version."""
    return (
        *(Column(name, "id", "the source's own id of this event", distinct=True, identifies=True) for name in names),
        Column("replaces", "id", "own id of the event that this one replaces", distinct=True, identifies=True),
        Column("sequence", "whole", "place in the source's order, among events of one moment", identifies=True),
        Column("order", "whole", "another name of `sequence`: place in the source's order", identifies=True),
        Column("version", "whole", "the source's own number of this revision of the event; of two the higher counts"),
        Column("updated_at", "moment", "when the source last changed it; of two revisions the later counts"),
    )
