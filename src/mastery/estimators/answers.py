"""Answers of students as estimators take them: the caller's frame, and the events that it was understood as."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from propcache import cached_property

from mastery.arrays import Floats
from mastery.as_of import LATEST, OF_ANSWERS, Moment, as_of_us
from mastery.errors import BadInput
from mastery.events.read_options import ReadOptions, ours_of, written
from mastery.events.recognise import names_read
from mastery.features.answer_log import NO_TOPIC, Clock
from mastery.features.batch import Batch
from mastery.frames import Frame, frame_of, read_frame
from mastery.given import flag, text
from mastery.insight.words import counted
from mastery.instants import microseconds
from mastery.pipelines.ingest import answers as reader
from mastery.school_days import UTC_DAYS, SchoolDays, school_days
from mastery.time_zones import UTC_NAME

TENANT = "default"
"""Answers outside of a deployment are those of one institution."""


@dataclass(frozen=True, eq=False)
class Answers:
    """What students answered, read once: give it to as many models as you like.

    Attributes:
        frame: The frame that came in, or the columns of the file.
        read: The events that it was understood as; rows that cannot be used are in `rejected`.
        splits: Column of topics → what is between them where a row has several, such as `{"topic_id": "~~"}`.
        repeats: What equal rows of one moment are, `answers` or `duplicates`; None: answers where no time stamp has
            seconds.
        clock: Whether time stamps were taken when the question was shown (`start`) or answered (`answer`).
        days: Of the school.
    """

    frame: Frame
    read: reader.Answers
    clock: Clock
    renamed: Mapping[str, str | Sequence[str]]
    days: SchoolDays = UTC_DAYS

    def __len__(self) -> int:
        """Return the number of rows of the source."""
        return self.frame.table.num_rows

    def __repr__(self) -> str:
        """Say how much there is."""
        rejected = self.read.report.rejected
        also = f", {counted(rejected, 'row')} rejected" if rejected else ""
        return (
            f"<Answers: {self.read.events.num_rows:,} by {counted(len(self.students), 'student')} on "
            f"{counted(len(self.topics), 'topic')} and {counted(len(self.batch.items), 'item')}{also}>"
        )

    @cached_property
    def batch(self) -> Batch:
        """The answers as scorers take them, grouped by student and in time order."""
        return self.read.batch(self.clock, self.days)

    @property
    def students(self) -> list[str]:
        """Ids of the students, ascending."""
        return list(self.batch.students)

    @property
    def topics(self) -> list[str]:
        """Ids of the topics, ascending."""
        return [topic for _, topic in self.batch.topics]

    @property
    def rejected(self) -> Any:
        """Rows that cannot be used, as a frame: where they stand, the column, its value and the reason."""
        return frame_of(self.read.rejected, self.frame.kind)

    @property
    def notes(self) -> list[str]:
        """What somebody who learns from these answers should know, in whole sentences."""
        left_out = [
            f"column {name!r} was left out, for it cannot be read ({said})"
            for name, said in self.frame.left_out.items()
        ]
        return [*self.read.notes(), *left_out]

    @property
    def latest_us(self) -> int:
        """Time of the newest answer; 0 where there are no time stamps, or no answers."""
        return int(self.batch.at_us.max()) if self.batch.at_us.size else 0

    @cached_property
    def durations_are_gaps(self) -> bool:
        """Whether the time that an answer took is taken to be the time since the student's answer before."""
        events = self.read.events
        quiz = np.asarray(pc.equal(events["kind"].cast(pa.string()), "quiz"))
        return (
            self.read.timed
            and self.clock == "answer"
            and not bool(np.any(quiz & events["duration_ms"].is_valid().to_numpy()))
        )

    def moment_us(self, as_of: Moment) -> int:
        """Return the moment that is named, in microseconds; `latest` is the newest answer.

        Raises:
            BadInput: It is no moment, or there are no time stamps to compare it with.
        """
        if isinstance(as_of, str) and as_of.strip().lower() == LATEST:
            return self.latest_us
        if not self.read.timed:
            raise BadInput(f"these answers have no time stamps, so there is no state as of {as_of}; leave as_of out")
        return at_us(as_of, days=self.days)

    def until(self, as_of_us: int) -> Batch:
        """Return the answers that were given by then.

        Raises:
            BadInput: There are none.
        """
        if as_of_us >= self.latest_us:
            return self.batch
        events = self.read.events
        kept = np.asarray(events["occurred_at"].cast(pa.int64())) <= as_of_us
        if not kept.any():
            raise BadInput(f"there are no answers by {datetime.fromtimestamp(as_of_us / 1e6, UTC):%Y-%m-%d %H:%M} UTC")
        return replace(self.read, events=events.filter(pa.array(kept))).batch(self.clock, self.days)

    def ids(self, column: str, names: Sequence[str]) -> pa.Array:
        """Return ids with the type that they have in the source: numbers stay numbers, with null for no topic."""
        theirs = next((theirs for theirs, ours in self.renamed.items() if column in ours_of(ours)), column)
        table, found = self.frame.table, pa.array(names, pa.string())
        kind = table.schema.field(theirs).type if theirs in table.column_names else pa.string()
        if pa.types.is_integer(kind) or pa.types.is_floating(kind):
            return pc.if_else(pc.equal(found, NO_TOPIC), None, found).cast(kind)
        return found

    def frame_with(self, name: str, values: Floats) -> Any:
        """Return the frame that came in with one more column; values float64 by row of `batch`."""
        return self.frame.with_column(name, self.read.by_row(self.batch, values))


def read_answers(
    source: Any,
    *,
    columns: Mapping[str, str | Sequence[str]] | None = None,
    table: str | None = None,
    units: Mapping[str, str] | None = None,
    timezone: str | None = None,
    school_timezone: str = UTC_NAME,
    constants: Mapping[str, str] | None = None,
    joined: Mapping[str, Sequence[str]] | None = None,
    wide: Mapping[str, str] | None = None,
    only: Mapping[str, Sequence[str]] | None = None,
    splits: Mapping[str, str] | None = None,
    repeats: str | None = None,
    key: str | Path | None = None,
    profile: str | Path | None = None,
    values: Mapping[str, float] | None = None,
    decimal: str = ".",
    thousands: str | None = None,
    dates: str | None = None,
    day_zero: date | None = None,
    encoding: str | None = None,
    sheet: str | int | None = None,
    array: str | None = None,
    clock: Clock = "answer",
    strict: bool = False,
    frames: str | None = None,
) -> Answers:
    """Read what students answered, by the rules that `mastery ingest` and `mastery evaluate` read by.

    At least a student and an outcome are needed (`student_id`, `is_correct`); `topic_id`, `question_id`, `timestamp`
    and more are used where they are there. docs/events.md lists the columns. Ids stay as they are.

    Args:
        source: A frame of pandas, polars or pyarrow, a DuckDB relation, or the path of a CSV, Parquet or NDJSON file.
        columns: The source's name of a column → ours, where they differ; several of ours where it is used more than
            once, "" where it is not to be read.
        table: The source table that it is, such as `quiz_attempts`; None to tell from the columns.
        units: Column → unit, where it is not in its default one.
        timezone: IANA name of the zone of time stamps that name none; None is UTC.
        school_timezone: IANA name of the zone at whose midnights one school day ends and the next begins.
        constants: Our column → the text that it has in every row; `{file}` in it is the file's name.
        joined: Our column → columns of the source whose values make one together.
        wide: Pattern of the columns that hold one question each → our column for their cells; a row of the result is
            then an answer. See docs/events.md.
        only: Column of the source → values of the rows that are to be read.
        key: File with `question_id` and `correct_answer`; `is_correct` is what was answered then.
        profile: Name of a profile that ships, or the path of one in YAML; what else is said wins over it.
        values: Word in the column of the outcome → what it is worth, from 0 (wrong) to 1 (right).
        decimal: Sign before the decimals of a number, `.` or `,`.
        thousands: Sign between the thousands of a number; None for none.
        dates: How dates without the year in front are written: `D/M/Y`, `M/D/Y`; `serial`: as spreadsheets count.
        day_zero: Numeric time stamps count days from this date.
        encoding: Of a text file, where it is neither UTF-8 nor UTF-16.
        sheet: Of a workbook: its name, or its number from 1.
        array: Name of the array that holds the rows of a JSON file, such as `data.rows`.
        clock: Whether time stamps were taken when the `answer` was given, or at the `start`, when the question was
            shown. Where there are no durations they are told from it.
        strict: Refuse the source when a row cannot be used, instead of leaving the row out.
        frames: The kind of frames to return: pandas, polars, pyarrow or duckdb; None for that of the source, and
            pyarrow for a file.

    Raises:
        BadInput: It cannot be read, or lacks a column; the message says which.
        NotFound: There is no such file.

    >>> import mastery as ms
    >>> import pyarrow as pa
    >>> answers = ms.read_answers(
    ...     pa.table({"pupil": ["S1", "S1", "S2"], "topic_id": ["fractions"] * 3, "is_correct": [1, 0, 1]}),
    ...     columns={"pupil": "student_id"},
    ... )
    >>> answers
    <Answers: 3 by 2 students on 1 topic and 0 items>
    """
    if isinstance(source, Answers):
        raise BadInput(
            "these answers have been read already: give them to a model as they are, or read their .frame.native"
        )
    flag("strict", strict)
    days = school_days(text("school_timezone", school_timezone))
    if clock not in ("start", "answer"):
        raise BadInput(f"clock is {clock!r}; expected 'answer' or 'start'")
    is_path = isinstance(source, str | Path)
    options = ReadOptions(
        table,
        columns or {},
        units or {},
        timezone,
        constants=constants or {},
        joined=joined or {},
        wide=wide or {},
        only=only or {},
        splits=splits or {},
        repeats=repeats,
        key=written(key),
        profile=written(profile),
        values=values or {},
        decimal=decimal,
        thousands=thousands,
        dates=dates,
        day_zero=day_zero,
        encoding=encoding,
        sheet=written(sheet),
        array=array,
    )
    frame = None if is_path else read_frame(source, names_read(options))
    read = reader.read_answers(
        source if frame is None else frame.table,
        now=datetime.now(UTC),
        options=options,
        keep=None,
        strict=strict,
    )
    if frame is None or options.reshapes:
        kind = frames or (frame.kind if frame is not None else "pyarrow")
        frame = Frame(frame_of(read.table, kind), read.table, kind)
    elif frames is not None and frames != frame.kind:
        frame = Frame(frame_of(frame.table, frames), frame.table, frames, left_out=frame.left_out)
    return Answers(frame, read, clock, dict(columns or {}), days)


def as_answers(source: Any) -> Answers:
    """Return answers that were read, or those of a frame or file."""
    return source if isinstance(source, Answers) else read_answers(source)


def at_us(at: Moment, name: str = "as_of", newest_us: int | None = None, days: SchoolDays = UTC_DAYS) -> int:
    """Return a moment in microseconds since 1970; `latest` is `newest_us`, and now where there is none.

    Args:
        name: What the caller calls it, for the message.
        days: Of the school.

    Raises:
        BadInput: It is no moment.
    """
    return as_of_us(at, microseconds(datetime.now(UTC)), lambda: newest_us, name, OF_ANSWERS, days)
