"""Counts over the rows that were read, chunk by chunk, and the notes made from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from mastery.events.ids import APOSTROPHE, LOOKS_EMPTY
from mastery.events.rows import LEFT_OUT
from mastery.events.source import Source

REMARKS = {
    LEFT_OUT: "{} left out that cannot be used, such as NA or a negative one; the rows count without",
    LOOKS_EMPTY: "{} like NA, NULL or nan read as an id; leave it empty where there is none",
    APOSTROPHE: "{} with an apostrophe in front, as spreadsheets mark texts; kept: '7 and 7 are two ids",
}
"""What a note says of values with a remark, after the name of their column."""

SHOWN = 5
"""Names listed in a note."""


@dataclass(frozen=True)
class Tally:
    """Counts over some rows of one source table. Adding two gives that of both together.

    Attributes:
        rows: Rows read.
        unusable: Column that needs a value → rows without one, or with one of another type.
        unknown_topics: Topic missing from the metadata → events.
        unassigned: Events without a topic.
        untimed: Rows without a time stamp, placed by their order.
        highest: Column that may be counted in several units → its highest value, as written.
        left_out: Rows that were not to be read; they are not among `rows`.
        partial: Answers of a wide table with some of the points.
        remarks: (column, code of a remark) → rows that were not refused and that it is true of.
    """

    rows: int = 0
    unusable: Mapping[str, int] = field(default_factory=dict)
    unknown_topics: Mapping[str, int] = field(default_factory=dict)
    unassigned: int = 0
    untimed: int = 0
    highest: Mapping[str, float] = field(default_factory=dict)
    left_out: int = 0
    partial: int = 0
    remarks: Mapping[tuple[str, str], int] = field(default_factory=dict)

    def __add__(self, other: Tally) -> Tally:
        columns = {*self.highest, *other.highest}
        low = float("-inf")
        return Tally(
            self.rows + other.rows,
            Counter(self.unusable) + Counter(other.unusable),
            Counter(self.unknown_topics) + Counter(other.unknown_topics),
            self.unassigned + other.unassigned,
            self.untimed + other.untimed,
            {name: max(self.highest.get(name, low), other.highest.get(name, low)) for name in columns},
            self.left_out + other.left_out,
            self.partial + other.partial,
            Counter(self.remarks) + Counter(other.remarks),
        )

    def unusable_throughout(self) -> list[str]:
        """Return the columns without a usable value in any row; none for a single row, which may just be a bad one."""
        return [name for name, rows in self.unusable.items() if rows == self.rows and self.rows > 1]

    def notes(self, source: Source, units: Mapping[str, str]) -> list[str]:
        """Return what a person should know about these rows, in whole sentences."""
        notes = []
        if self.left_out:
            notes.append(f"{_number(self.left_out, 'row')} left out: other values were asked for (--only)")
        if self.partial:
            notes.append(
                f"{_number(self.partial, 'answer')} with some of the points, read as wrong; shares of points are "
                "score_pct (of assignments)"
            )
        if self.unknown_topics:
            names = sorted(self.unknown_topics, key=lambda name: (-self.unknown_topics[name], name))
            listed = ", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")
            notes.append(
                f"{_number(sum(self.unknown_topics.values()), 'event')} on {_number(len(names), 'topic')} missing from "
                f"`topics` ({listed}); accepted and scored, without a chapter"
            )
        if self.unassigned:
            notes.append(
                f"{_number(self.unassigned, 'event')} without a topic; assigned to `unassigned`, which has no score"
            )
        if self.untimed:
            notes.append(
                f"{_number(self.untimed, 'event')} without a time stamp; placed in time by `order`, where there is "
                "one, 10 s apart"
            )
        for name, highest in self.highest.items():
            column = source.column(name)
            if column.units.get("percent") and units.get(name) is None and 0 < highest <= 1:
                notes.append(
                    f"{name} was read as per cent, and no value is above 1; if it is a fraction, declare it: "
                    f'--unit {name}=fraction (in Python, units={{"{name}": "fraction"}})'
                )
        for (name, code), rows in sorted(self.remarks.items()):
            notes.append(f"{name}: {REMARKS[code].format(_number(rows, 'value'))}")
        return notes


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"
