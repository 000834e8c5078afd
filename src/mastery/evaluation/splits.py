"""What is learnt from and what is tested on: by student, by time, or as a column of the log says.

    student             a seeded hash of each student's name: one in five is tested, or each of K parts in turn
    time[:MOMENT]       answers before the moment are learnt from, those after it tested; without one, 80 % lie before
    column:NAME[=VALUE] rows with the value are tested; without a value each value in turn

A row that is tested is never learnt from, nor is anything that its student did after the first of them. The test has
all of its students' rows, for what came before an answer is what it is predicted from; only some are counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mastery.arrays import Bools, Int64s
from mastery.errors import BadInput, did_you_mean
from mastery.events.identity import buckets
from mastery.events.values import read_text
from mastery.features.batch import Batch
from mastery.features.subset import take_students
from mastery.features.take_rows import take_rows

TESTED_ONE_IN = 5
"""Without a number of CV folds one student in five is tested."""

LEARNT_SHARE = 0.8
"""Without a moment, so much of the answers lies before it."""

STRAY_SHARE = 0.1
"""A CV fold numbered 0 that holds less than this share of a mean one is none: it marks who is never tested."""

Kind = Literal["student", "time", "column"]


@dataclass(frozen=True)
class Split:
    """One way of splitting; see `parse_split`."""

    kind: Kind
    name: str = ""
    value: str | None = None


@dataclass(frozen=True)
class Log:
    """Answers, and the columns of the file that they came from.

    Attributes:
        table: `batch.row` is a row of it; None where no column was kept, as for the events of a lake.
    """

    batch: Batch
    table: pa.Table | None = None

    @property
    def has_clock(self) -> bool:
        """Whether time passes between the rows."""
        return bool(self.batch.at_us.size and self.batch.at_us.min() != self.batch.at_us.max())


@dataclass(frozen=True)
class CvFold:
    """One part of a cross-validation: one training and one test.

    Attributes:
        train: What is learnt from.
        test: All that the tested students did.
        counted: bool[n of test]. The rows that are tested.
    """

    name: str
    train: Batch
    test: Batch
    counted: Bools


def parse_split(text: str) -> Split:
    """Return the split that a text names.

    Raises:
        BadInput: it names none.
    """
    kind, colon, rest = text.partition(":")
    if kind == "student" and not colon:
        return Split("student")
    if kind == "time" and (rest or not colon):
        return Split("time", value=rest or None)
    if kind == "column" and rest.partition("=")[0]:
        name, equals, value = rest.partition("=")
        return Split("column", name, value if equals else None)
    known = ["student", "time", "column"]
    raise BadInput(
        f"unknown split {text!r}; expected student, time, time:MOMENT, column:NAME or column:NAME=VALUE"
        f"{did_you_mean(kind, known) if kind not in known else ''}"
    )


def cv_folds_of(log: Log, split: Split, cv_folds: int | None, seed: int) -> tuple[list[str], Iterator[CvFold]]:
    """Return the names of the CV folds, and these one by one. `cv_folds`: their number, or that of values of a column.

    Raises:
        BadInput: the log cannot be split like this.
    """
    if cv_folds is not None and cv_folds < 1:
        raise BadInput(f"{cv_folds} folds; expected 1 or more")
    if log.batch.row.size == 0:
        raise BadInput("the log holds no answers")
    if split.kind == "student":
        return _by_student(log, cv_folds, seed)
    if cv_folds is not None and cv_folds > 1 and (split.kind == "time" or split.value is not None):
        raise BadInput(f"{cv_folds} folds of a split that has one test; leave --folds out")
    return _by_time(log, split.value) if split.kind == "time" else _by_column(log, split, cv_folds)


def _by_student(log: Log, cv_folds: int | None, seed: int) -> tuple[list[str], Iterator[CvFold]]:
    parts = TESTED_ONE_IN if cv_folds is None or cv_folds == 1 else cv_folds
    names = list(log.batch.students)
    if len(names) < 2:
        raise BadInput("the log has one student; a split by student needs two or more")
    # Another hash than that of mastery.scorers.fits.held_out. With the same one, a test of one in five may hold just
    # those students that a fit holds out for its choices, and leave it none to choose with.
    part = np.asarray(buckets(pa.array([f"test {seed}\x1f{name}" for name in names], pa.string()), parts))
    tested = range(parts) if parts == cv_folds else range(1)
    titles = [f"part {k + 1} of {parts}" for k in tested]
    for title, k in zip(titles, tested, strict=True):
        if (part == k).all() or not (part == k).any():
            has = "all" if (part == k).all() else "none"
            raise BadInput(
                f"{title} has {has} of the {len(names):,} students, who are dealt out by their ids; "
                "expected some on either side: take more students, or another number of folds"
            )
    return titles, (_of_students(log, title, part == k) for title, k in zip(titles, tested, strict=True))


def _by_time(log: Log, moment: str | None) -> tuple[list[str], Iterator[CvFold]]:
    if not log.has_clock:
        raise BadInput("the log has no time stamps to split by; split by student or by a column")
    at_us = log.batch.at_us
    at = int(np.quantile(at_us, LEARNT_SHARE)) if moment is None else _moment_us(moment)
    title = f"from {datetime.fromtimestamp(at / 1e6, UTC):%Y-%m-%d %H:%M} UTC"
    return [title], iter([_of_rows(log, title, at_us >= at)])


def _moment_us(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadInput(
            f"{text!r} is not a moment; expected ISO 8601, such as 2026-03-01 or 2026-03-01T08:00:00Z"
        ) from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1e6)


def _by_column(log: Log, split: Split, cv_folds: int | None) -> tuple[list[str], Iterator[CvFold]]:
    if log.table is None:
        raise BadInput("events of the lake have no columns to split by; split by student or by time")
    names = log.table.column_names
    if names.count(split.name) != 1:
        raise BadInput(
            f"{'several columns' if split.name in names else 'no column'} {split.name!r} in the log"
            f"{did_you_mean(split.name, names)}; it has: {', '.join(names)}"
        )
    texts = read_text(log.table[split.name].combine_chunks()).values.cast(pa.string())
    values: npt.NDArray[np.object_] = np.array(texts.to_pylist(), dtype=object)[log.batch.row]
    known = sorted({value for value in values.tolist() if value is not None}, key=_numbers_first)
    if split.value is not None:
        if split.value not in known:
            some = ", ".join(known[:12]) + (", …" if len(known) > 12 else "")
            raise BadInput(f"no row has {split.name} {split.value!r}; its values are: {some or 'none'}")
        tested = [split.value]
    else:
        tested = [value for value in known if not _stray(value, values)][: cv_folds or None]
        if len(known) > max(50, log.batch.row.size // 100):
            raise BadInput(f"{split.name} has {len(known)} values; name one: column:{split.name}=VALUE")
    if not tested:
        raise BadInput(f"column {split.name!r} is null in every row")
    titles = [f"{split.name}={value}" for value in tested]
    return titles, (_of_rows(log, title, values == value) for title, value in zip(titles, tested, strict=True))


def _stray(value: str, values: npt.NDArray[np.object_]) -> bool:
    """Whether the value marks rows that are never tested: 0 beside CV folds that are numbered from 1."""
    others = np.array([one is not None and one != "0" for one in values.tolist()])
    cv_folds = len(set(values[others].tolist()))
    return value == "0" and cv_folds > 1 and (values == "0").sum() < STRAY_SHARE * others.sum() / cv_folds


def _numbers_first(text: str) -> tuple[int, float, str]:
    try:
        return 0, float(text), text
    except ValueError:
        return 1, 0.0, text


def _of_rows(log: Log, title: str, counted: Bools) -> CvFold:
    """Return the CV fold that tests these rows."""
    batch = log.batch
    owner = np.repeat(np.arange(len(batch.students)), np.diff(batch.student_ptr))
    tests = np.bincount(owner, counted, minlength=len(batch.students))
    whole = (tests == 0) | (tests == np.diff(batch.student_ptr))
    if whole.all():
        return _of_students(log, title, tests > 0)
    # Some students are on both sides: of these only what came before is learnt from.
    so_far: Int64s = np.cumsum(counted) - counted
    before: Int64s = so_far - so_far[batch.student_ptr[:-1]][owner]
    return CvFold(title, take_rows(batch, ~counted & (before == 0)), take_students(batch, tests > 0),
                counted[(tests > 0)[owner]])  # fmt: skip


def _of_students(log: Log, title: str, tested: Bools) -> CvFold:
    test = take_students(log.batch, tested)
    return CvFold(title, take_students(log.batch, ~tested), test, np.ones(test.row.size, np.bool_))
