"""The rows of one chunk while they are checked: their columns as read, and which rows are refused and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mastery.events.calendar import DATES, date_orders
from mastery.events.columns import LONGEST_MS, Column
from mastery.events.durations import read_durations
from mastery.events.ids import LOOKS_EMPTY, read_id
from mastery.events.lists import SEPARATORS, looks_like_lists, names_several, read_ids, read_topics
from mastery.events.moments import EPOCH_UNITS, UNCLEAR_DATE, Dating, read_moment
from mastery.events.numbers import UNCLEAR, Notation, of_other_notation, read_number, read_whole
from mastery.events.read_options import ReadOptions
from mastery.events.scales import Scale, scale_of
from mastery.events.shares import read_shares
from mastery.events.units import share_unit
from mastery.events.values import (
    CODES,
    NOT_A_VALUE,
    SINGLE_VALUE,
    Mask,
    Problem,
    Read,
    Remark,
    as_text,
    is_text,
    looks_missing,
    mask,
    nulls,
    read_text,
    read_truth,
)
from mastery.events.worth import read_worths
from mastery.tables import MILLION, STRINGS, UTC

TYPES: dict[str, pa.DataType] = {
    "id": CODES,
    "text": pa.string(),
    "number": pa.float64(),
    "share": pa.float64(),
    "duration": pa.float64(),
    "whole": pa.int64(),
    "truth": pa.bool_(),
    "moment": UTC,
    "ids": STRINGS,
}

LEFT_OUT = "left_out"
"""Remark on values that cannot be used and that nobody needs."""

MOST_WORDS = 64
"""Where an outcome has more words than this that are neither right nor wrong, it is no column of few words."""

SHOWN_LETTERS = 200
"""Characters of a refused value that are kept."""

Cells: TypeAlias = Mapping[str, pa.DictionaryArray]
"""Column → the question of each row, where it is the cells of a wide table."""

NO_CELLS: Cells = {}

REFUSED = pa.schema(
    [
        pa.field("row", pa.int64()),
        pa.field("column", pa.string()),
        pa.field("value", pa.string()),
        pa.field("reason", pa.string()),
        pa.field("code", pa.string()),
    ]
)
"""A refused row: its place in the chunk, the column at fault, its value (never an id of a person), the reason."""


class ParsedRows:
    """n rows of one source table, each column read and within its bounds, or null.

    Attributes:
        other_topics: Further topics of rows on several, null for others.
        unusable: Column that needs a value → rows in which it has none, or one of another type.
        scales: (Column whose unit nobody has declared, question of a wide table or nothing for all) → what its
            numbers are like.
        words: Word in the column of the outcome that is neither right nor wrong → rows;
            `MOST_WORDS` and one more where there are more.
        unclear: Numbers of the outcome of which nobody can say where their decimals begin.
        foreign: Column → numbers such as 1.234,5, where a decimal point is expected.
        dates: Order that dates can only be in → how many, of those whose order nobody has said; `date_orders`.
        ahead: Rows in the future.
    """

    def __init__(
        self,
        columns: Sequence[Column],
        outcome: str | None,
        raw: pa.Table,
        options: ReadOptions,
        cells: Cells = NO_CELLS,
    ) -> None:
        """Read `columns` of `raw` in this order; a value that cannot be used refuses its row.

        Args:
            outcome: The column that says how it went. It may be null where a row withdraws an event.
            options: What is said about how values are read.
            cells: Column → the question of each row, where it is the cells of a wide table.
        """
        self._cells = cells
        self.n = raw.num_rows
        self._outcome = outcome
        self._private = frozenset(column.name for column in columns if column.private)
        self.unusable: dict[str, int] = {}
        self.scales: dict[tuple[str, str], Scale] = {}
        self.words: dict[str, int] = {}
        self.unclear = 0
        self.foreign: dict[str, int] = {}
        self.dates: dict[str, int] = {}
        self.ahead = 0
        self._raw, self._options = raw, options
        self._notation = Notation(options.decimal, options.thousands)
        self._fault: npt.NDArray[np.int16] = np.full(self.n, -1, np.int16)
        self._faults: list[tuple[str, Problem]] = []
        self._remarks: list[tuple[str, Remark]] = []
        self.other_topics: pa.Array = nulls(self.n, STRINGS)
        self._columns = {column.name: self._read(column) for column in columns}

    def __getitem__(self, name: str) -> Any:
        """Return one column in the Arrow type of its kind, null where it has no usable value."""
        return self._columns[name]

    def refuse(self, where: Mask, column: str, code: str, reason: str) -> None:
        """Refuse the rows in `where`; a row that is refused already keeps its first reason."""
        self._add(column, Problem(where, code, reason))

    def refused(self) -> Mask:
        return self._fault >= 0

    def refusals(self) -> pa.Table:
        """Return the refused rows in the chunk's order, columns `REFUSED`."""
        at = np.flatnonzero(self._fault >= 0)
        fault = self._fault[at]
        names = pa.array([column for column, _ in self._faults], pa.string())
        value = pa.nulls(len(at), pa.string())
        for number, (column, _) in enumerate(self._faults):
            here = fault == number
            if here.any() and column in self._raw.column_names and column not in self._private:
                value = pc.if_else(pa.array(here), self._shown(column, at), value)
        return pa.table(
            [
                pa.array(at, pa.int64()),
                names.take(pa.array(fault)),
                value,
                pa.array([problem.reason for _, problem in self._faults], pa.string()).take(pa.array(fault)),
                pa.array([problem.code for _, problem in self._faults], pa.string()).take(pa.array(fault)),
            ],
            schema=REFUSED,
        )

    def remarks(self) -> dict[tuple[str, str], int]:
        """Return (column, code of a remark) → rows that it is true of, refused ones left out."""
        counts: dict[tuple[str, str], int] = {}
        fine = ~self.refused()
        for column, remark in self._remarks:
            rows = int((remark.where & fine).sum())
            if rows:
                counts[column, remark.code] = counts.get((column, remark.code), 0) + rows
        return counts

    def millionths(self, name: str) -> pa.Array:
        """Return a number as int64 millionths."""
        if self[name].null_count == self.n:
            return nulls(self.n, pa.int64())
        return pc.round(pc.multiply(self[name].cast(pa.float64()), float(MILLION))).cast(pa.int64())

    def milliseconds(self, name: str) -> pa.Array:
        if self[name].null_count == self.n:
            return nulls(self.n, pa.int64())
        return pc.round(self[name]).cast(pa.int64())

    def constant(self, value: int) -> pa.Array:
        return pa.array(np.full(self.n, value, np.int64))

    def _shown(self, column: str, at: npt.NDArray[np.int64]) -> pa.Array:
        values = self._raw[column].take(pa.array(at)).combine_chunks()
        if pa.types.is_nested(values.type):
            return pa.array([str(value)[:SHOWN_LETTERS] for value in values.to_pylist()], pa.string())
        return pc.utf8_slice_codeunits(as_text(values).cast(pa.string()), 0, SHOWN_LETTERS)

    def _add(self, column: str, problem: Problem) -> None:
        fresh = problem.where & (self._fault < 0)
        if fresh.any():
            self._fault[fresh] = len(self._faults)
            self._faults.append((column, problem))

    def _read(self, column: Column) -> pa.Array:
        if column.name not in self._raw.column_names:
            return nulls(self.n, TYPES[column.kind])
        given = _one(self._raw[column.name])
        read = self._bounded(column, self._values(column, given))
        if column.needs == "nothing" and (read.problems or read.remarks):
            read = _spared(column, given, read)
        self._remarks += [(column.name, remark) for remark in read.remarks]
        wrong = np.zeros(self.n, np.bool_)
        for problem in read.problems:
            self._add(column.name, problem)
            if problem.wrong_type:
                wrong |= problem.where
        values = read.values
        if column.name == self._outcome:
            self.unclear = sum(int(problem.where.sum()) for problem in read.problems if problem.code == UNCLEAR)
            if column.kind == "truth":
                self._count_words(given, read.problems)
            self.unusable[column.name] = int(wrong.sum())  # an empty one may be a withdrawal
        elif column.needs == "value":
            # a value that is there but out of bounds is of the right type
            self.unusable[column.name] = int(wrong.sum()) + int(_empty(read))
        if column.needs == "value" and values.null_count:
            self.refuse(mask(values.is_null()), column.name, "missing", "is empty, and a value is needed")
        return values

    def _values(self, column: Column, given: pa.Array) -> Read:
        if column.several and (column.name in self._options.splits or names_several(given)):
            read, self.other_topics = read_topics(given, self._options.splits.get(column.name))
            return read
        if pa.types.is_nested(given.type) and column.kind != "ids":
            where = mask(given.is_valid())
            problem = Problem(where, NOT_A_VALUE, SINGLE_VALUE, wrong_type=True)
            return Read(pa.nulls(self.n, TYPES[column.kind]), (problem,))
        if column.kind == "id":
            read = read_id(given)
            if pa.types.is_dictionary(read.values.type) or column.distinct:
                values = read.values
            else:
                values = read.values.dictionary_encode()
            remarks = looks_like_lists(values).remarks if column.several else ()
            return Read(values, read.problems, (*read.remarks, *remarks))
        if column.kind == "text":
            read = read_text(given)
            return Read(read.values.cast(pa.string()), read.problems)
        if column.kind == "moment":
            unit, options = self._options.units.get(column.name), self._options
            dates = None if options.dates is None else DATES[options.dates]
            counted = unit if unit in EPOCH_UNITS else None
            dating = Dating(options.timezone, counted, dates, options.day_zero, options.decimal)
            read = read_moment(given, dating)
            if any(problem.code == UNCLEAR_DATE for problem in read.problems):
                self.dates = date_orders(given)
            return read
        if column.name == self._outcome and self._options.values and column.kind in ("truth", "share"):
            return read_worths(
                given, self._options.values, lambda texts: self._numbers(column, texts), truth=column.kind == "truth"
            )
        read = self._numbers(column, given)
        if read.problems and self._notation.plain and is_text(given.type):
            where = np.logical_or.reduce([problem.where for problem in read.problems])
            if foreign := int(of_other_notation(as_text(given.filter(pa.array(where))).cast(pa.string())).sum()):
                self.foreign[column.name] = foreign
        return read

    def _numbers(self, column: Column, given: pa.Array) -> Read:
        notation, declared = self._notation, self._options.units.get(column.name)
        if column.kind == "share":
            unit = share_unit(declared or next(iter(column.units)))
            assert unit is not None  # checked before anything is read
            shares = read_shares(given, unit, notation, column.most)
            self._measure(column, shares.plain)
            return shares.read
        if column.kind == "duration":
            durations = read_durations(given, column.units[declared or next(iter(column.units))], notation)
            self._measure(column, durations.plain)
            return durations.read
        if column.kind in ("whole", "number"):
            return (read_whole if column.kind == "whole" else read_number)(given, notation)
        if column.kind == "truth":
            return read_truth(given)
        said = self._options.splits.get(column.name)
        return read_ids(given, SEPARATORS if said is None else (said,))

    def _measure(self, column: Column, plain: pa.Array) -> None:
        """Note the scale of a column of which nobody has declared the unit."""
        if column.name in self._options.units or (scale := scale_of(column, plain)) is None:
            return
        self.scales[column.name, ""] = scale
        questions = self._cells.get(column.name)
        if questions is None:
            return
        codes = questions.indices.to_numpy()
        order, names = np.argsort(codes, kind="stable"), questions.dictionary.to_pylist()
        ends = np.searchsorted(codes[order], np.arange(len(names) + 1))
        by_question = plain.take(pa.array(order))
        for name, start, stop in zip(names, ends[:-1].tolist(), ends[1:].tolist(), strict=True):
            if (scale := scale_of(column, by_question.slice(start, stop - start))) is not None:
                self.scales[column.name, name] = scale

    def _count_words(self, given: pa.Array, problems: Sequence[Problem]) -> None:
        """Count the words of the outcome that are neither right nor wrong, as long as they are few."""
        where = np.zeros(self.n, np.bool_)
        for problem in problems:
            where |= problem.where
        if not where.any() or pa.types.is_nested(given.type):
            return
        texts = as_text(given).cast(pa.string())
        words = pc.utf8_trim_whitespace(texts.filter(pa.array(where & ~looks_missing(texts))))
        # one more than are looked at: that there are too many is then known of the whole file too
        for counted in pc.value_counts(pc.utf8_slice_codeunits(words, 0, SHOWN_LETTERS))[: MOST_WORDS + 1].to_pylist():
            self.words[counted["values"]] = counted["counts"]

    def _bounded(self, column: Column, read: Read) -> Read:
        """Return the numbers of a column with those out of bounds as problems."""
        low, high = (0.0, LONGEST_MS) if column.kind == "duration" else (column.low, column.high)
        if low is None and high is None:
            return read
        values, problems = read.values, list(read.problems)
        found = pc.min_max(values).as_py()
        least, most = found["min"], found["max"]
        if least is None or ((low is None or low <= least) and (high is None or most <= high)):
            return read
        out = np.zeros(self.n, np.bool_)
        for bound, beyond, word in ((low, pc.less, "below"), (high, pc.greater, "above")):
            if bound is None:
                continue
            where = mask(beyond(values, bound))
            if where.any():
                out |= where
                reason = "is negative" if (word, bound) == ("below", 0) else f"is {word} {bound:.15g}"
                if column.kind == "duration" and word == "above":
                    reason = "is longer than 31 years"
                problems.append(Problem(where, "out_of_range", reason))
        if out.any():
            values = pc.if_else(pa.array(out), pa.scalar(None, values.type), values)
        return Read(values, tuple(problems), read.remarks)


def _spared(column: Column, given: pa.Array, read: Read) -> Read:
    """Return an optional column without the problems that cost a value and not its row, and with a remark on them.

    A column that identifies events spares only what stands for no value.
    """
    spared = np.zeros(len(given), np.bool_)
    values, remarks = read.values, read.remarks
    if column.kind == "id":
        if column.identifies:
            for remark in remarks:
                spared |= remark.where if remark.code == LOOKS_EMPTY else False
            remarks = tuple(remark for remark in remarks if remark.code != LOOKS_EMPTY)
            values = pc.if_else(pa.array(spared), pa.scalar(None, values.type), values) if spared.any() else values
    else:
        for problem in read.problems:
            spared |= problem.where
        if spared.any() and not column.spare:
            spared &= looks_missing(given)
    if not spared.any():
        return read
    problems = [
        Problem(problem.where & ~spared, problem.code, problem.reason, problem.wrong_type) for problem in read.problems
    ]
    return Read(values, tuple(problems), (*remarks, Remark(spared, LEFT_OUT)))


def _one(column: pa.ChunkedArray) -> pa.Array:
    if column.num_chunks == 1:
        return column.chunk(0)
    return column.unify_dictionaries().combine_chunks() if column.num_chunks else pa.array([], column.type)


def _empty(read: Read) -> int:
    if read.values.null_count == 0:
        return 0
    faulty = np.zeros(len(read.values), np.bool_)
    for problem in read.problems:
        faulty |= problem.where
    return int((mask(read.values.is_null()) & ~faulty).sum())
