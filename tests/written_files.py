"""A table of answers as a file of any kind: the writer that the reader is tested against."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mastery.events.read_options import ReadOptions
from workbooks import undated, workbook
from written_values import (
    PLAIN_DATE,
    PLAIN_DURATION,
    PLAIN_ID,
    PLAIN_LIST,
    PLAIN_SHARE,
    PLAIN_TRUTH,
    Cell,
    Way,
)

QUIZ, ASSIGNMENTS, FEEDBACK = "quiz_attempts", "assignments", "teacher_feedback"


@dataclass(frozen=True)
class Row:
    """What one row says, whatever its table.

    Attributes:
        share: Of what could be reached, in thousandths.
        note: The words of a teacher; elsewhere a comment that nobody reads.
    """

    student: str
    item: str | None
    topics: tuple[str, ...]
    share: int
    at_us: int
    duration_ms: int | None = None
    attempt: int | None = None
    own_id: str | None = None
    note: str | None = None


@dataclass(frozen=True)
class Table:
    """Rows of one source table, one of those above."""

    source: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Encoding:
    """How letters become bytes.

    Attributes:
        mark: Bytes before all others.
        said: What is declared; None where the file says it.
    """

    codec: str
    mark: bytes = b""
    said: str | None = None

    def fits(self, text: str) -> bool:
        try:
            return text.encode(self.codec).decode(self.codec) == text
        except UnicodeEncodeError:
            return False


UTF8 = Encoding("utf-8")
ENCODINGS = (
    UTF8,
    Encoding("utf-8", b"\xef\xbb\xbf"),
    Encoding("utf-8", b"", "utf-8"),
    Encoding("utf-16-le", b"\xff\xfe"),
    Encoding("utf-16-be", b"\xfe\xff"),
    Encoding("utf-16-le", b"\xff\xfe", "utf-16"),
    Encoding("utf-16-le", b"", "utf-16-le"),
    Encoding("utf-16-be", b"", "utf-16-be"),
    Encoding("utf-16-le"),
    Encoding("utf-16-be"),
    Encoding("utf-32-le", b"\xff\xfe\x00\x00"),
    Encoding("latin-1", b"", "latin-1"),
    Encoding("cp1252", b"", "windows-1252"),
)

MINIMAL, EVERY, FILLED, LOOSE, PADDED = "minimal", "every field", "filled fields", "only where it must be", "padded"
QUOTING = (MINIMAL, EVERY, FILLED, LOOSE, PADDED)
ODD_NAMES = {
    "student_id": "Schüler, Nr.",
    "question_id": 'the "question"',
    "topic_id": "topic; area",
    "timestamp": "Date\nand time",
    "is_correct": "007",
    "score_pct": "score | %",
}
NESTED_NAMES = {
    "student_id": "actor.account.name",
    "timestamp": "at.when",
    "is_correct": "result.success",
    "score_pct": "result.score",
    "score": "result.score",
    "topic_id": 'context."https://x.example/topic"',
}


@dataclass(frozen=True)
class Style:
    """How a table is written.

    Attributes:
        kind: `csv`, `ndjson`, `json`, `nested`, `parquet` or `xlsx`.
        ending: Of the file's name, for the kind.
        packed: Empty, `gz`, `zst` or `zip`.
        separator, said_separator, quoting, line_end: Of CSV; the separator is said in a line `sep=`.
        closed: The last line has its end.
        decimal: Sign in plain numbers that are texts.
        names: Our names → the file's.
        shuffled: Seed for the order of the columns; None for ours.
        comments: There is a column that nobody reads, with texts of any kind, and others without a name.
        compact: JSON without blanks and line ends, letters as they are.
        texts: Arrow type of texts in Parquet.
        group: Rows of a row group in Parquet.
    """

    kind: str = "csv"
    ending: str = "csv"
    packed: str = ""
    encoding: Encoding = UTF8
    separator: str = ","
    said_separator: bool = False
    quoting: str = MINIMAL
    line_end: str = "\n"
    closed: bool = True
    decimal: str = "."
    names: Mapping[str, str] = field(default_factory=dict)
    shuffled: int | None = None
    comments: bool = False
    compact: bool = False
    texts: pa.DataType = pa.string()  # noqa: RUF009 - Arrow's types never change
    group: int = 1000
    student: Way = PLAIN_ID
    item: Way = PLAIN_ID
    truth: Way = PLAIN_TRUTH
    share: Way = PLAIN_SHARE
    topics: Way = PLAIN_LIST
    date: Way = PLAIN_DATE
    duration: Way = PLAIN_DURATION


PLAIN = Style()
"""The reference: CSV in UTF-8 with commas, ISO 8601 in UTC, seconds, per cents."""


@dataclass(frozen=True)
class Column:
    """One column of the file: its name, the cells, and the Arrow type that the cells are of, where it is not text."""

    name: str
    cells: Sequence[Cell]
    arrow: pa.DataType | None = None


def file_name(style: Style) -> str:
    return f"answers.{style.ending}" + (f".{style.packed}" if style.packed else "")


def written(table: Table, style: Style) -> bytes:
    """Return the bytes of the file."""
    return packed(plain_bytes(table, style), style)


def plain_bytes(table: Table, style: Style) -> bytes:
    """Return the bytes before they are packed."""
    columns = columns_of(table, style)
    if style.kind == "parquet":
        return _parquet(columns, style)
    if style.kind == "xlsx":
        rows = zip(*(column.cells for column in columns), strict=True)
        return workbook({"Answers": [[column.name for column in columns], *map(list, rows)]})  # type: ignore[arg-type]
    return encoded("".join(pieces(table, style)), style)


def encoded(text: str, style: Style) -> bytes:
    return style.encoding.mark + text.encode(style.encoding.codec)


def packed(content: bytes, style: Style) -> bytes:
    if style.packed == "gz":
        return gzip.compress(content, mtime=0)
    if style.packed == "zst":
        sink = pa.BufferOutputStream()
        with pa.CompressedOutputStream(sink, "zstd") as stream:
            stream.write(content)
        return bytes(sink.getvalue())
    if style.packed == "zip":
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(undated(f"answers.{style.ending}"), content)
        return file.getvalue()
    return content


def said(table: Table, style: Style) -> ReadOptions:
    """Return what must be said so that the file is read as it was meant."""
    fields: dict[str, Any] = {"units": {}, "columns": {}, "joined": {}}
    for ours, way in _ways(table, style).items():
        fields |= way.said
        if way.unit is not None:
            fields["units"][ours] = way.unit
        if way.parts:
            fields["joined"][ours] = tuple(way.parts)
    fields["columns"] = {theirs: ours for ours, theirs in _names(table, style).items() if theirs != ours}
    if style.encoding.said is not None and style.kind not in ("parquet", "xlsx"):
        fields["encoding"] = style.encoding.said
    if style.decimal != ".":
        fields["decimal"] = style.decimal
    if style.kind == "nested":
        fields["array"] = "data.rows"
    return ReadOptions(**fields)


def _ways(table: Table, style: Style) -> dict[str, Way]:
    """Return how the values of each of our columns are written."""
    plain = PLAIN_ID
    first = {"student_id": style.student, "timestamp": style.date}
    if table.source == QUIZ:
        more = {"question_id": style.item, "topic_id": plain, "is_correct": style.truth}
        return first | more | {"time_spent_sec": style.duration, "attempt_number": plain, "attempt_id": plain}
    if table.source == ASSIGNMENTS:
        more = {"assignment_id": style.item, "topic_ids": style.topics, "score_pct": style.share}
        return first | more | {"time_spent_sec": style.duration, "attempt_number": plain, "submission_id": plain}
    return first | {"teacher_id": style.item, "topic_id": plain, "score": style.share, "reason": plain}


def _names(table: Table, style: Style) -> dict[str, str]:
    ours = _ways(table, style)
    return {name: style.names.get(name, name) for name in ours if not ours[name].parts}


def _value(row: Row, ours: str) -> Any:
    if ours in ("topic_id", "topic_ids"):
        return (row.topics or None) if ours == "topic_ids" else next(iter(row.topics), None)
    if ours == "attempt_number":
        return None if row.attempt is None else str(row.attempt)
    fields = {
        "student_id": "student", "timestamp": "at_us", "is_correct": "share", "score_pct": "share", "score": "share",
        "time_spent_sec": "duration_ms", "reason": "note", "attempt_id": "own_id", "submission_id": "own_id",
    }  # fmt: skip
    return getattr(row, fields.get(ours, "item"))


def columns_of(table: Table, style: Style) -> list[Column]:
    """Return the columns of the file in their order."""
    names = _names(table, style)
    columns: list[Column] = []
    for ours, way in _ways(table, style).items():
        values = [_value(row, ours) for row in table.rows]
        cells = [None if value is None else _signed(way.write(value), way, style) for value in values]
        if way.parts:
            columns += [
                Column(part, [None if cell is None else cell[place] for cell in cells])  # type: ignore[index, misc]
                for place, part in enumerate(way.parts)
            ]
        else:
            columns.append(Column(names[ours], cells, way.arrow))  # type: ignore[arg-type]
    if style.comments:
        columns.append(Column("comment", [row.note for row in table.rows]))
        if style.kind in ("csv", "xlsx"):
            columns += [Column("", [None] * len(table.rows)), Column("comment", ["x"] * len(table.rows))]
    if style.shuffled is not None:
        Random(style.shuffled).shuffle(columns)
    return columns


def _signed(cell: Cell | tuple[Cell, ...], way: Way, style: Style) -> Cell | tuple[Cell, ...]:
    if style.decimal == ".":
        return cell
    if way.parts:
        return tuple(str(part).replace(".", style.decimal) for part in cell)  # type: ignore[union-attr]
    return cell.replace(".", style.decimal) if way.number and isinstance(cell, str) else cell


def pieces(table: Table, style: Style) -> list[str]:
    """Return the text of a CSV or JSON file: what comes before the rows, each row, what comes after them."""
    columns = columns_of(table, style)
    if style.kind == "csv":
        lines = _csv(columns, style)
        before = f"sep={style.separator}{style.line_end}" if style.said_separator else ""
        lines[0] = before + lines[0]
        if not style.closed:
            lines[-1] = lines[-1].removesuffix(style.line_end)
        return [*lines, ""]
    return _json(columns, style)


def _csv(columns: Sequence[Column], style: Style) -> list[str]:
    rows = [[column.name for column in columns], *zip(*(column.cells for column in columns), strict=True)]
    return [style.separator.join(_field(cell, style) for cell in row) + style.line_end for row in rows]  # type: ignore[arg-type]


def _field(cell: Cell, style: Style) -> str:
    text = "" if cell is None else str(cell)
    needs = any(sign in text for sign in (style.separator, "\n", "\r"))
    loose = needs or text.lstrip(" ").startswith('"')
    quoted = {
        MINIMAL: needs or '"' in text or text != text.strip(" "),
        EVERY: True,
        FILLED: bool(text),
        LOOSE: loose,
        PADDED: needs or '"' in text or bool(len(text) % 2),
    }[style.quoting]
    if not quoted:
        return text
    field = '"' + text.replace('"', '""') + '"'
    return f"  {field} " if style.quoting == PADDED else field


def _json(columns: Sequence[Column], style: Style) -> list[str]:
    rows = [
        _nested(
            {column.name: cell for column, cell in zip(columns, cells, strict=True) if cell is not None or not k % 2}
        )
        for k, cells in enumerate(zip(*(column.cells for column in columns), strict=True))
    ]
    how: dict[str, Any] = {"ensure_ascii": not style.compact, "separators": (",", ":") if style.compact else None}
    texts = [json.dumps(row, **how) for row in rows]
    end = style.line_end
    if style.kind == "ndjson":
        lines = [text + end for text in texts]
        return ["", *lines[:-1], *(line if style.closed else line.removesuffix(end) for line in lines[-1:]), ""]
    between = "" if style.compact else end
    last = len(texts) - 1
    lines = [text + ("," if k < last else "") + between for k, text in enumerate(texts)]
    if style.kind == "json":
        return ["[" + between, *lines, "]"]
    return [
        '{"version":"2.1","data":{"count":' + f'{len(texts)},"rows":[{between}',
        *lines,
        ']},"more":[{"a":1}]}' + end,
    ]


def _nested(row: Mapping[str, Cell]) -> dict[str, Any]:
    """Return the row with objects in it, where names have dots."""
    made: dict[str, Any] = {}
    for name, cell in row.items():
        *outer, last = [name] if name not in NESTED_NAMES.values() else _keys(name)
        place = made
        for key in outer:
            place = place.setdefault(key, {})
        place[last] = cell
    return made


def _keys(name: str) -> list[str]:
    before, quote, quoted = name.partition('."')
    return [*before.split("."), quoted.rstrip('"')] if quote else name.split(".")


def _parquet(columns: Sequence[Column], style: Style) -> bytes:
    arrays = [
        pa.array(column.cells, column.arrow) if column.arrow is not None else _texts(column.cells, style.texts)
        for column in columns
    ]
    file = io.BytesIO()
    table = pa.Table.from_arrays(arrays, names=[column.name for column in columns])
    pq.write_table(table, file, row_group_size=style.group, compression="zstd" if style.compact else "snappy")
    return file.getvalue()


def _texts(cells: Sequence[Cell], kind: pa.DataType) -> pa.Array:
    return pa.array(cells, pa.string()).cast(kind)


def in_sheets(table: Table) -> bool:
    """Return whether XML can hold every letter of the table as it is."""
    return not any(odd in repr(row) for row in table.rows for odd in ("\\r", "_x", "\\ufff"))


def fits(table: Table, style: Style) -> bool:
    """Return whether the encoding has every letter of the table."""
    return style.kind in ("parquet", "xlsx") or style.encoding.fits("".join(pieces(table, style)))
