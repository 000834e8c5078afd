"""Wide tables: one row per student, one column per question. They become one row per answer, a block at a time.

A pattern says which columns are questions: `Q. * /{points}`. In it `*` stands for the question, `{points}` for the
points that it can bring, `{text}` for anything; ` >> ` leads to the next column on the right, and the last column of a
pattern has the cells.
"""

from __future__ import annotations

import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mastery.arrays import Int64s
from mastery.errors import BadInput
from mastery.events.columns import Column
from mastery.events.header_words import columns_shown
from mastery.events.values import as_text

BESIDE = " >> "

_PLACES = {r"\*": r"(?P<question>(?s:.+?))", r"\{points\}": r"(?P<points>\d+(?:[.,]\d+)?)", r"\{text\}": r"(?s:.*)"}
_COPY = r"(?:#\d+)?"
"""What tells columns of one name apart."""

_NUMBER = r"^\s*-?(\d+([.,]\d*)?|[.,]\d+)\s*$"
_RATIO = r"^\s*(?P<reached>\d+(?:[.,]\d*)?)\s*/\s*(?P<points>\d+(?:[.,]\d*)?)\s*$"

NO_ANSWER = ("", "-")
"""Cells that are no answer: the question was not shown, or left out."""

ENOUGH = 1 - 1e-9
"""Of the points of a question: all of them, but for the noise of decimal fractions."""


@dataclass(frozen=True)
class Cells:
    """One column of a wide table: the cells of one question.

    Attributes:
        column: Its name in the file.
        points: What a right answer brings; None where the name does not say.
    """

    column: str
    points: float | None


Questions = Mapping[str, Mapping[str, Cells]]
"""Question → our column → where its cells are."""


def questions_in(names: Sequence[str], taken: Container[str], patterns: Mapping[str, str]) -> Questions:
    """Return the questions of a file, in its order.

    Args:
        names: The file's columns, in its order.
        taken: Those that are something other than a question.
        patterns: Pattern → our column for the cells.

    Raises:
        BadInput: A pattern fits no column, or two columns of one question. The message has no file name.
    """
    found: dict[str, dict[str, Cells]] = {}
    for pattern, ours in patterns.items():
        shapes = [_shape(part) for part in pattern.split(BESIDE)]
        fits = 0
        for first in range(len(names) - len(shapes) + 1):
            beside = names[first : first + len(shapes)]
            if any(name in taken for name in beside):
                continue
            matches = [shape.fullmatch(name) for shape, name in zip(shapes, beside, strict=True)]
            if not all(matches):
                continue
            said = {key: value for match in matches if match for key, value in match.groupdict().items()}
            question = said["question"].strip()
            cells = found.setdefault(question, {})
            if ours in cells:
                raise BadInput(
                    f"two columns are the question {question!r} by the pattern {pattern!r}: {cells[ours].column!r} "
                    f"and {beside[-1]!r}; expected one column for each question"
                )
            points = said.get("points")
            cells[ours] = Cells(beside[-1], None if points is None else float(points.replace(",", ".")))
            fits += 1
        if not fits:
            raise BadInput(
                f"no column of the file is a question by the pattern {pattern!r}; there are {columns_shown(names)}"
            )
    return found


def check_patterns(patterns: Mapping[str, str], known: Container[str]) -> None:
    """Raise BadInput for a pattern without a question, or cells that are none of our columns (`known`)."""
    for pattern, ours in patterns.items():
        if pattern.count("*") != 1 or pattern.count("{points}") > 1:
            raise BadInput(
                f"wide table {pattern!r}: expected one * where the name of the question stands, and {{points}} once at "
                "most, such as 'Question *=is_correct' or 'Q. * /{points}=is_correct'"
            )
        if ours not in known:
            raise BadInput(f"wide table {pattern!r}: no source table has a column {ours!r}, such as is_correct")


def _shape(pattern: str) -> re.Pattern[str]:
    text = re.escape(pattern.strip()).replace(r"\ ", " ")
    for place, found in _PLACES.items():
        text = text.replace(place, found)
    return re.compile(text + _COPY)


@dataclass(frozen=True)
class Answers:
    """The answers in some rows of a wide table, m in all: those of a row beside each other, in the order of columns.

    Attributes:
        row: int64[m]. Which of the rows each is from, ascending.
        question: int64[m]. Which of the questions it answers.
        values: Our column → text[m].
        partial: Answers with some of the points, which a right or wrong counts as wrong.
    """

    row: Int64s
    question: Int64s
    values: Mapping[str, pa.Array]
    partial: int


def answers_in(table: pa.Table, questions: Questions, columns: Mapping[str, Column]) -> Answers:
    """Return the answers in the cells of a table that has all columns of the questions.

    Points become true or false where our column is one (all points are right), else a share of those that the name of
    the column, or the cell itself (`7 / 10`), gives. A cell that is neither number nor ratio stays as it is.

    Args:
        columns: Our columns by name.
    """
    n, k = table.num_rows, len(questions)
    values: dict[str, pa.Array] = {}
    partial = 0
    across = (np.arange(n)[:, None] + n * np.arange(k)[None, :]).ravel()
    for ours in dict.fromkeys(ours for cells in questions.values() for ours in cells):
        pieces = []
        for cells in questions.values():
            at = cells.get(ours)
            if at is None or at.column not in table.column_names:
                pieces.append(pa.nulls(n, pa.string()))
                continue
            read, part = _read(table[at.column], at.points, columns[ours])
            pieces.append(read)
            partial += part
        values[ours] = pa.concat_arrays(pieces).take(pa.array(across)) if pieces else pa.array([], pa.string())
    there = np.zeros(n * k, np.bool_)
    for texts in values.values():
        there |= np.asarray(texts.is_valid())
    kept = np.flatnonzero(there)
    return Answers(
        kept // max(k, 1),
        kept % max(k, 1),
        {ours: texts.take(pa.array(kept)) for ours, texts in values.items()},
        partial,
    )


def _read(cells: pa.ChunkedArray, points: float | None, column: Column) -> tuple[pa.Array, int]:
    texts, none = _plain(cells), pa.scalar(None, pa.string())
    texts = pc.if_else(pc.is_in(pc.utf8_trim_whitespace(texts), pa.array(NO_ANSWER)), none, texts)
    if points == 0:  # a question of a survey: nothing is right or wrong
        texts = pa.nulls(len(texts), pa.string())
    if column.kind not in ("truth", "share") or texts.null_count == len(texts):
        return texts, 0
    ratio = pc.extract_regex(texts, _RATIO)
    number = pc.if_else(pc.match_substring_regex(texts, _NUMBER), texts, none)
    reached = pc.coalesce(pc.struct_field(ratio, "reached"), number if points is not None else none)
    whole = pc.coalesce(_number(pc.struct_field(ratio, "points")), pa.scalar(points, pa.float64()))
    return _of_points(texts, _number(reached), whole, column)


def points_reached(reached: pa.Array, points: pa.Array, column: Column) -> tuple[pa.Array, int]:
    """Return texts for a column that is a share or a truth, and how many are some of the points that count as wrong.

    Args:
        reached, points: Texts: the points that were reached, and those that could be. Where those are no number, or 0,
            there is no outcome; where `reached` is no number, its text stays as it is.
    """
    none = pa.scalar(None, pa.string())
    got, whole = (pc.if_else(pc.match_substring_regex(one, _NUMBER), one, none) for one in (reached, points))
    other = pc.if_else(got.is_valid(), none, reached)
    return _of_points(other, _number(got), _number(whole), column)


def _of_points(texts: pa.Array, reached: pa.Array, points: pa.Array, column: Column) -> tuple[pa.Array, int]:
    share = pc.divide(reached, pc.if_else(pc.greater(points, 0), points, pa.scalar(None, pa.float64())))
    if column.kind == "truth":
        right = pc.if_else(pc.greater_equal(share, ENOUGH), "1", "0")
        partial = pc.sum(pc.and_(pc.greater(share, 0), pc.less(share, ENOUGH))).as_py() or 0
        return pc.coalesce(right, texts), int(partial)
    percent = pc.binary_join_element_wise(as_text(pc.multiply(share, 100.0)), "%", "")
    return pc.coalesce(percent, texts), 0


def _plain(cells: pa.ChunkedArray) -> pa.Array:
    whole = cells.unify_dictionaries().combine_chunks() if cells.num_chunks != 1 else cells.chunk(0)
    if isinstance(whole, pa.ChunkedArray):  # of no chunks
        return pa.array([], pa.string())
    return as_text(whole).cast(pa.string())


def _number(texts: pa.Array) -> pa.Array:
    return pc.replace_substring(pc.utf8_trim_whitespace(texts), ",", ".").cast(pa.float64())
