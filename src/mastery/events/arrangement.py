"""Which columns of a file our columns come from: decided once for each file, applied to each block of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mastery.arrays import Int64s
from mastery.errors import BadInput, did_you_mean
from mastery.events.columns import Column
from mastery.events.read_options import ReadOptions, ours_of
from mastery.events.registry import SOURCES
from mastery.events.right_answers import judged
from mastery.events.source import Source
from mastery.events.values import CODES, as_text
from mastery.events.wide import Questions, answers_in, check_patterns, points_reached, questions_in

FILE, QUESTION = "{file}", "{question}"
"""What stands for the file's name without its ending, and for the question of a wide table."""

SEPARATOR = ":"
"""Between values that make one together."""

KNOWN: Mapping[str, Column] = {column.name: column for source in SOURCES.values() for column in source.columns}
"""Every column that some source table has, by name."""

NONE: Mapping[str, Sequence[str]] = {}

OUTCOME, ANSWERED = "is_correct", "reason"
"""With an answer key, the column of the outcome has what was answered: any text."""

Given: TypeAlias = pa.Array | pa.ChunkedArray

ITEM_OF_SHARE = "assignment_id"
"""What a question of a wide table is called where its cells are shares of points; else it is a `question_id`."""


@dataclass(frozen=True)
class Arrangement:
    """Where our columns come from in one file.

    Attributes:
        columns: Our column → the file's.
        constants: Our column → the text in all of its rows; empty for none.
        joined: Our column → columns of the file, `QUESTION` or `FILE`, whose values make one together: an id, or the
            points that were reached of those that could be.
        questions: The questions of a wide table, and where its cells are.
        item: Our column for the question.
        only: Column of the file → values of the rows that are read.
        said: Our columns that somebody named the file's column of.
        put_away: Columns of the file that somebody said are something else, or nothing.
        file: Name of the file without its ending.
        key: Question → its right answer, as `judged` expects them; None where the file itself says what is right.
        notes: What a person should know about it.
    """

    columns: Mapping[str, str]
    constants: Mapping[str, str] = field(default_factory=dict)
    joined: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    questions: Questions = field(default_factory=dict)
    item: str = "question_id"
    only: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    said: frozenset[str] = frozenset()
    put_away: frozenset[str] = frozenset()
    file: str = ""
    key: Mapping[str, str] | None = None
    notes: tuple[str, ...] = ()

    @property
    def ours(self) -> list[str]:
        """Return which of our columns there are."""
        cells = [ours for cells in self.questions.values() for ours in cells]
        item = [self.item] if self.questions and self.item not in {*self.columns, *self.constants, *self.joined} else []
        return list(dict.fromkeys([*self.columns, *self.constants, *self.joined, *item, *cells]))

    @property
    def plain(self) -> bool:
        """Whether rows stay rows and columns are only renamed, as in most files."""
        return not (self.constants or self.joined or self.questions or self.only or self.key is not None)

    def names(self, columns: Sequence[str]) -> list[str]:
        """Return what a file with these columns has: our names for its columns, and those of it that are not used.

        A key that may only come later in a file of JSON is not among them, unless somebody said so.
        """
        later = {ours for ours, theirs in self.columns.items() if theirs not in columns and ours not in self.said}
        by_place = {name: place for place, name in enumerate(columns)}
        ours = [name for name in self.ours if name not in later]
        ours.sort(key=lambda name: by_place.get(self.columns.get(name, ""), len(columns)))
        used = {*self.columns.values(), *self.put_away, *KNOWN}
        return [*ours, *(name for name in columns if name not in used)]

    def place(self, ours: str, question: str = "") -> str:
        """Return in words where one of our columns comes from; of a wide table, for one question or the first."""
        if question:
            return f"column {self.questions[question][ours].column!r}"
        if ours in self.columns:
            return f"column {self.columns[ours]!r}"
        cells = [each[ours].column for each in self.questions.values() if ours in each]
        return f"column {cells[0]!r}" if cells else f"`{ours}`"

    def source(self, ours: str) -> str:
        """Return in words where the values of one of our columns come from."""
        if ours in self.joined:
            return " and ".join(self.joined[ours])
        if ours in self.constants:
            return f"{self.constants[ours]!r} in all rows" if self.constants[ours].strip() else "empty in all rows"
        if ours in self.columns:
            return self.columns[ours]
        cells = [each[ours].column for each in self.questions.values() if ours in each]
        if not cells:
            return f"the name of {len(self.questions):,} columns"
        return cells[0] if len(cells) == 1 else f"cells of {len(cells):,} columns, {cells[0]} to {cells[-1]}"

    def of(self, source: Source) -> Arrangement:
        """Return it with the columns of one source table alone."""
        known = {column.name for column in source.columns}
        return replace(
            self,
            columns={ours: theirs for ours, theirs in self.columns.items() if ours in known},
            constants={ours: text for ours, text in self.constants.items() if ours in known},
            joined={ours: parts for ours, parts in self.joined.items() if ours in known},
            questions={
                question: {ours: at for ours, at in cells.items() if ours in known}
                for question, cells in self.questions.items()
            },
        )

    def wanted(self, source: Source) -> dict[str, bool]:
        """Return the file's columns to read → whether their values repeat."""
        repeats = {
            column.name: column.kind in ("id", "ids", "truth", "whole") and not column.distinct
            for column in source.columns
        }
        parts = [part for parts in self.joined.values() for part in parts if part not in (QUESTION, FILE)]
        cells = [at.column for each in self.questions.values() for at in each.values()]
        found = dict.fromkeys([*parts, *cells, *self.only], False)
        for ours, theirs in self.columns.items():
            found[theirs] = repeats[ours] or (bool(self.questions) and not cells.count(theirs))
        return found

    def arrange(self, table: pa.Table) -> Arranged:
        """Return the rows of a block under our names. `table` has the columns that are `wanted`, or a part of them."""
        if self.plain:
            ours = [(name, theirs) for name, theirs in self.columns.items() if theirs in table.column_names]
            raw = table.select([theirs for _, theirs in ours]).rename_columns([name for name, _ in ours])
            return Arranged(raw, None)
        rows = np.arange(table.num_rows)
        for theirs, values in self.only.items():
            same = pc.is_in(pc.utf8_trim_whitespace(_texts(table, theirs)), pa.array(values, pa.string()))
            rows = rows[np.asarray(same)[rows]]
        left_out = table.num_rows - len(rows)
        if left_out:
            table = table.take(pa.array(rows))
        made: dict[str, pa.Array | pa.ChunkedArray] = {}
        cells: dict[str, pa.DictionaryArray] = {}
        partial, question = 0, pa.nulls(0, pa.string())
        if self.questions:
            known = KNOWN if self.key is None else {**KNOWN, OUTCOME: KNOWN[ANSWERED]}
            answers = answers_in(table, self.questions, known)
            names = pa.array(list(self.questions), pa.string())
            question = pa.DictionaryArray.from_arrays(pa.array(answers.question, pa.int32()), names)
            cells = dict.fromkeys(answers.values, question)
            table, rows = table.take(pa.array(answers.row)), rows[answers.row]
            made = {self.item: question, **answers.values}
            partial = answers.partial
        for name, theirs in self.columns.items():
            if theirs in table.column_names:
                made[name] = table[theirs]
        for name, text in self.constants.items():
            made[name] = _constant(table.num_rows, text)
        for name, parts in self.joined.items():
            texts = [self._part(part, table, question) for part in parts]
            if of_points(KNOWN[name]):
                reached, points = texts
                made[name], some = points_reached(reached, points, KNOWN[name])
                partial += some
            else:
                made[name] = pc.binary_join_element_wise(*texts, SEPARATOR)
        unkeyed = 0
        items = question if self.questions else made.get(self.item)
        if self.key is not None and OUTCOME in made and items is not None:
            made[OUTCOME], unkeyed = judged(_whole(items), _whole(made[OUTCOME]), self.key)
        return Arranged(pa.table(made), rows, left_out, partial, unkeyed, cells)

    def _part(self, part: str, table: pa.Table, question: pa.Array) -> pa.Array:
        if part == QUESTION:
            return question.cast(pa.string())
        if part == FILE:
            return _constant(table.num_rows, self.file).cast(pa.string())
        return _texts(table, part)


def of_points(column: Column) -> bool:
    """Return whether two columns are joined as points out of points: for an outcome, or a share."""
    return column.kind in ("truth", "share")


@dataclass(frozen=True)
class Arranged:
    """The rows of a block under our names.

    Attributes:
        table: n rows; of a wide table one for each answer.
        row: int64[n]. Which row of the block each is from, ascending; None where all rows stay as they are.
        left_out: Rows that are not to be read.
        partial: Answers with some of the points that count as wrong.
        unkeyed: Answers to questions that the key has not.
        cells: Our column → the question of each row, where its values are the cells of a wide table.
    """

    table: pa.Table
    row: Int64s | None
    left_out: int = 0
    partial: int = 0
    unkeyed: int = 0
    cells: Mapping[str, pa.DictionaryArray] = field(default_factory=dict)


def check_arrangement(options: ReadOptions) -> None:
    """Raise BadInput where what is said about columns cannot be so, whatever the files are."""
    for theirs, said in options.columns.items():
        for ours in ours_of(said):
            if ours not in KNOWN:
                raise BadInput(
                    f"{theirs} renamed to {ours}: no source table has a column {ours!r}"
                    f"{did_you_mean(ours, sorted(KNOWN))}; expected the file's name first, then ours"
                )
    for ours in [*options.constants, *options.joined]:
        if ours not in KNOWN:
            raise BadInput(
                f"{ours!r} cannot be set: no source table has a column of this name{did_you_mean(ours, sorted(KNOWN))}"
            )
    for ours, parts in options.joined.items():
        if of_points(KNOWN[ours]) and len(parts) != 2:
            raise BadInput(
                f"{ours!r} is joined of {len(parts)} columns; expected two: the points reached, and those that could be"
            )
    check_patterns(options.wide, KNOWN)
    said = [ours for given in options.columns.values() for ours in ours_of(given)]
    every = [*dict.fromkeys(said), *options.constants, *options.joined]
    twice = sorted({ours for ours in every if every.count(ours) > 1})
    if twice:
        raise BadInput(f"{twice[0]!r} is renamed to and set as well; expected one of the two")


def arrange_columns(
    names: Sequence[str],
    options: ReadOptions,
    file: str,
    *,
    candidates: Mapping[str, Sequence[str]] = NONE,
    more: bool = False,
) -> Arrangement:
    """Return where our columns come from in a file with these columns. What is said wins over the file's own names.

    Args:
        names: The file's columns.
        file: Its name without the ending, for `FILE`.
        candidates: Our column → names that it may have in the file, unless somebody says otherwise: the first that is
            there.
        more: Further columns may come later in the file, as keys in NDJSON.

    Raises:
        BadInput: Two columns are said to be one of ours, or the file is no wide table. The message has no file name.
    """
    said: dict[str, str] = {}
    for theirs, given in options.columns.items():
        if theirs not in names and not more:
            continue
        for ours in ours_of(given):
            if ours in said:
                raise BadInput(
                    f"after renaming, two columns are called {ours!r}: {said[ours]!r} and {theirs!r}; expected one"
                )
            said[ours] = theirs
    columns = dict(said)
    settled = {*said, *options.constants, *options.joined}
    for ours, alternatives in candidates.items():
        here = [theirs for theirs in alternatives if theirs in names] or (list(alternatives[:1]) if more else [])
        if ours not in settled and here:
            columns[ours] = here[0]
    settled |= set(columns)
    notes = []
    for name in [*names, *(KNOWN if more else ())]:
        if name in options.columns or name not in KNOWN or name in said.values():
            continue
        if name not in settled and name in candidates:
            continue  # a profile is for files in which it has another name: this one is of another kind
        if name not in settled:
            columns[name] = name
            settled.add(name)
        elif name in names and columns.get(name) != name and name not in columns.values():
            instead = f"{columns[name]!r} is read in its place" if name in columns else "it is set for all rows"
            notes.append(f"column {name!r} of the file is not read: {instead}")
    only = {theirs: tuple(values) for theirs, values in options.only.items()}
    for theirs in [*only, *(part for given in options.joined.values() for part in given)]:
        if theirs not in (FILE, QUESTION) and theirs not in names and not more:
            raise BadInput(f"there is no column {theirs!r}{did_you_mean(theirs, list(names))}")
    arrangement = Arrangement(
        columns=columns,
        constants={ours: text.replace(FILE, file) for ours, text in options.constants.items()},
        joined={ours: tuple(parts) for ours, parts in options.joined.items()},
        only=only,
        said=frozenset(said),
        put_away=frozenset(options.columns),
        file=file,
        notes=tuple(notes),
    )
    return _wide(arrangement, names, options) if options.wide else arrangement


def _wide(plain: Arrangement, names: Sequence[str], options: ReadOptions) -> Arrangement:
    """Return it with the questions of a wide table; an own id of a row becomes one of each answer in it."""
    parts = [part for parts in plain.joined.values() for part in parts]
    taken = {*plain.columns.values(), *parts, *plain.only, *options.columns}
    questions = questions_in(names, taken, options.wide)
    cells = {ours for each in questions.values() for ours in each}
    both = sorted(cells & {*plain.columns, *plain.constants, *plain.joined})
    if both:
        raise BadInput(
            f"{both[0]!r} is in the cells of a wide table and comes from elsewhere too; expected one of the two"
        )
    own = {name for source in SOURCES.values() for name in source.own_id}
    return replace(
        plain,
        columns={ours: theirs for ours, theirs in plain.columns.items() if ours not in own},
        joined={ours: (theirs, QUESTION) for ours, theirs in plain.columns.items() if ours in own} | dict(plain.joined),
        questions=questions,
        item=ITEM_OF_SHARE if "score_pct" in cells else "question_id",
    )


def _whole(values: Given) -> pa.Array:
    chunks = values.chunks if isinstance(values, pa.ChunkedArray) else [values]
    return pa.concat_arrays([pa.array([], pa.string()), *(_text(chunk) for chunk in chunks)])


def _texts(table: pa.Table, name: str) -> pa.Array:
    if name not in table.column_names:
        return pa.nulls(table.num_rows, pa.string())
    return _whole(table[name])


def _text(values: pa.Array) -> pa.Array:
    return as_text(values).cast(pa.string())


def _constant(n: int, text: str) -> pa.Array:
    if not text.strip():
        return pa.nulls(n, CODES)
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(n, np.int32)), pa.array([text]))
