"""What a column of a log says of each student: a group, or an outcome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from mastery.arrays import Int64s
from mastery.errors import BadInput, did_you_mean
from mastery.evaluation.splits import Log
from mastery.events.values import read_text

MOST_VALUES = 50
"""A column with more values than this names no groups of students."""

STUDENT = "student_id"


@dataclass(frozen=True)
class StudentColumn:
    """What a column says of students.

    Attributes:
        of_student: Value by student; of students with one value, and only of these.
        empty, several: How many students have no value, and how many have several.
    """

    name: str
    of_student: Mapping[str, str]
    empty: int = 0
    several: int = 0
    values: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", tuple(sorted(set(self.of_student.values()))))

    def codes(self, students: Sequence[str]) -> Int64s:
        """Return int64[S]: the place in `values` of each student's, −1 for none."""
        place = {value: code for code, value in enumerate(self.values)}
        return np.array([place.get(self.of_student.get(name, ""), -1) for name in students], np.int64)


def column_of_rows(log: Log, name: str) -> StudentColumn:
    """Return what a column of the log's rows says of its students.

    Raises:
        BadInput: the log has no such column.
    """
    owner = np.repeat(np.arange(len(log.batch.students)), np.diff(log.batch.student_ptr))
    values = texts_of_rows(log, name)
    return _of(name, [log.batch.students[s] for s in owner.tolist()], values, log.batch.students)


def column_of_table(log: Log, table: pa.Table, name: str) -> StudentColumn:
    """Return what a table with a row per student, `student_id`, says of the log's students.

    Raises:
        BadInput: the table lacks a column, or knows none of the students.
    """
    students, values = (_texts(table, wanted, "the table of students") for wanted in (STUDENT, name))
    known = set(log.batch.students)
    if known.isdisjoint(students):
        raise BadInput(
            f"the table of students knows none of the log's {len(known):,} students; "
            f"expected their ids in its column {STUDENT!r}"
        )
    return _of(name, students, values, log.batch.students)


def texts_of_rows(log: Log, name: str) -> list[str | None]:
    """Return a column's value of each row of the log's batch.

    Raises:
        BadInput: the log has no such column.
    """
    if log.table is None:
        raise BadInput(f"events of the lake have no column {name!r}; give a FILE that has it")
    values = _texts(log.table, name, "the log")
    return [values[row] for row in log.batch.row.tolist()]


def _of(
    name: str, students: Sequence[str | None], values: Sequence[str | None], everybody: Sequence[str]
) -> StudentColumn:
    found: dict[str, set[str]] = {student: set() for student in everybody}
    for student, value in zip(students, values, strict=True):
        if student in found and value is not None:
            found[student].add(value)
    one = {student: next(iter(mine)) for student, mine in found.items() if len(mine) == 1}
    if not one:
        raise BadInput(f"column {name!r} has one value for none of the students; expected one for each")
    empty = sum(not mine for mine in found.values())
    return StudentColumn(name, one, empty, len(found) - len(one) - empty)


def _texts(table: pa.Table, name: str, where: str) -> list[str | None]:
    names = table.column_names
    if names.count(name) != 1:
        raise BadInput(
            f"{'several columns' if name in names else 'no column'} {name!r} in {where}"
            f"{did_you_mean(name, names)}; it has: {', '.join(names)}"
        )
    texts: list[str | None] = read_text(table[name].combine_chunks()).values.cast(pa.string()).to_pylist()
    return texts
