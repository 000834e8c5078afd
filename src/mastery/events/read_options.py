"""How a person says that files are to be read. One value goes from every door down to where single values are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from mastery.errors import BadInput
from mastery.given import mapping, text, texts


@dataclass(frozen=True)
class ReadOptions:
    """What is said about files, beside what they say themselves. Everything may be left out.

    Attributes:
        table: The source table that all of them are; None to recognise it from the columns.
        columns: Name of a column in the files → our name, where they differ: several of ours where it is used more
            than once, an empty text where it is not to be read at all.
        units: Column → unit, where it is not in its default one; see docs/events.md.
        timezone: IANA name of the zone of clocks that name none; None is UTC.
        constants: Our column → the text that it has in every row, `{file}` in it being the file's name; empty for none.
        joined: Our column → columns of the files whose values make one together; also `{file}` and `{question}`. Of an
            outcome two: the points that were reached, and those that could be.
        wide: Pattern of the columns that hold one question each → our column for their cells; see
            `mastery.events.wide`.
        profile: Name or file of a profile, which adds to all this; see `mastery.pipelines.ingest.profiles`.
        only: Column of the files → values of the rows that are to be read; other rows are left out.
        splits: Column of topics → what is between them where a row has several; of lists, where it is none of the
            usual separators.
        key: File with the right answer to each question: the outcome is what was answered then. See
            `mastery.pipelines.ingest.answer_keys`.
        repeats: What equal rows of one moment are, `answers` or `duplicates`; None: answers where no time stamp of a
            file has seconds. See mastery.events.ties.
        on_revision: What is done with a row that says something other than what is known of its event: it may
            `replace` it, `keep` leaves the event as it is known, `reject` rejects the row.
        values: Word in the column of the outcome → what it is worth, from 0 (wrong) to 1 (right).
        decimal: Sign before the decimals of a number, `.` or `,`.
        thousands: Sign between the thousands of a number; None for none.
        dates: Order of day and month, a key of `mastery.events.calendar.DATES`; None where dates say it themselves.
        day_zero: Numeric time stamps count days from this date.
        encoding: Of text files, such as windows-1252; None where they are UTF-8, or UTF-16 or UTF-32 by their bytes.
        sheet: Name of a workbook's sheet, or its number from 1; None where only one has cells.
        array: Name of the array that holds the rows of a JSON file, such as `data.rows`; None for the file itself.
    """

    table: str | None = None
    columns: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    timezone: str | None = None
    constants: Mapping[str, str] = field(default_factory=dict)
    joined: Mapping[str, Sequence[str]] = field(default_factory=dict)
    wide: Mapping[str, str] = field(default_factory=dict)
    only: Mapping[str, Sequence[str]] = field(default_factory=dict)
    splits: Mapping[str, str] = field(default_factory=dict)
    key: str | None = None
    repeats: str | None = None
    profile: str | None = None
    on_revision: str = "replace"
    values: Mapping[str, float] = field(default_factory=dict)
    decimal: str = "."
    thousands: str | None = None
    dates: str | None = None
    day_zero: date | None = None
    encoding: str | None = None
    sheet: str | None = None
    array: str | None = None

    def __post_init__(self) -> None:
        """Check the type of what is said, and make of one text where several may stand a sequence.

        Raises:
            BadInput: Something is of another type.
        """
        for name, example in EXAMPLES.items():
            mapping(name, getattr(self, name), example)
        for name in ("constants", "units", "wide", "splits"):
            for key, value in getattr(self, name).items():
                text(f"{name}[{key!r}]", value)
        for name in ("columns", "joined", "only"):
            for key, value in getattr(self, name).items():
                texts(f"{name}[{key!r}]", value)
        for name in ("joined", "only"):
            several = {key: texts(key, value) for key, value in getattr(self, name).items()}
            object.__setattr__(self, name, several)
        for name in TEXTS:
            if getattr(self, name) is not None:
                text(name, getattr(self, name))
        day: Any = self.day_zero
        if day is not None and (not isinstance(day, date) or isinstance(day, datetime)):
            raise BadInput(f"day_zero is {self.day_zero!r}; expected a date, such as datetime.date(2013, 10, 1)")

    @property
    def reshapes(self) -> bool:
        """Whether the rows that are read may be others than those of the file."""
        return bool(self.wide or self.only or self.profile)


EXAMPLES = {
    "columns": '{"pupil": "student_id"}',
    "units": '{"time_spent_sec": "ms"}',
    "constants": '{"topic_id": "fractions"}',
    "joined": '{"attempt_id": ["quiz", "try"]}',
    "wide": '{"Question *": "is_correct"}',
    "only": '{"kind": ["exercise"]}',
    "splits": '{"topic_id": "~~"}',
    "values": '{"solved": 1, "unsolved": 0}',
}
"""What is said by name of a column, pattern or word → how it is written."""

TEXTS = (
    "table",
    "timezone",
    "key",
    "repeats",
    "profile",
    "on_revision",
    "decimal",
    "thousands",
    "dates",
    "encoding",
    "sheet",
    "array",
)

NOTHING_SAID = ReadOptions()
"""Files say all of it themselves."""


def written(given: object) -> str | None:
    """Return a path, or the number of a sheet, as the text that the command line would have; None stays None."""
    return None if given is None else str(given)


def ours_of(said: str | Sequence[str]) -> tuple[str, ...]:
    """Return what a column of the files is said to be: none of ours, one, or several."""
    return tuple(name for name in ([said] if isinstance(said, str) else said) if name)
