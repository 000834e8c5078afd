"""A table of the lake as one file, or on standard output, for other programs: CSV, Parquet or JSON.

DuckDB turns a bucket at a time into the columns that people read, and each batch is written before the next bucket is
read, so that memory holds one bucket and not the table. DuckDB writes nothing itself: COPY to /dev/stdout truncates the
file that a shell appends to, and a reader that goes away (`| head`) killed the process inside of a DuckDB thread.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import BinaryIO, Literal, Protocol

import duckdb
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from mastery.errors import BadInput, did_you_mean, writing
from mastery.insight.reasons import ROUNDING
from mastery.lake import Lake
from mastery.lake.reader import BUCKET
from mastery.pipelines.queries.gold_in_points import REFERENCE, GoldInPoints
from mastery.tables import CONTRIBUTIONS, GOLD, HISTORY, SUPERSEDED, TABLES, Table

Format = Literal["csv", "parquet", "json"]
FORMATS: tuple[Format, ...] = ("csv", "parquet", "json")

NAMES = TABLES | {"student_mastery": GOLD, "student_mastery_history": HISTORY}
"""Tables by every name they go by."""

EXPLANATION, POINTS, TOP_FACTORS = "explanation", "points", 3

ROW = "row"
"""The one column of a JSON export: the whole row as text."""

BATCH_ROWS = 65_536
"""Rows that are written together: a row group of Parquet. One for each of 64 small buckets made the file three times as
large."""

_INSTANT = "%Y-%m-%dT%H:%M:%S.%fZ"


def table_named(name: str) -> Table:
    """Return the table that goes by this name, or raise BadInput with the nearest one."""
    if name not in NAMES:
        raise BadInput(f"unknown table {name!r}{did_you_mean(name, list(NAMES))}; known: {', '.join(NAMES)}")
    return NAMES[name]


def export(
    lake: Lake,
    table: Table,
    out: Path | None,
    format: Format,  # noqa: A002 - the name of the command's option
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Write the whole table and return its number of rows. A file appears under its name when it is whole.

    Columns are those of the table without `bucket`. Gold's explanation keeps the contributions that its scorer has, 0
    for what rounding leaves behind; `points` are the same in points against `reference`, and `top_factors` the three
    that move the score most: lists and structs in Parquet, JSON otherwise. Instants are ISO 8601 in UTC in CSV and
    JSON.

    Args:
        lake: Where the table is.
        table: Which one.
        out: The file; None for standard output.
        format: `csv`, `parquet` or `json`: an array with one row on each line.
        progress: Called with (rows read, rows in all).

    Raises:
        BadInput: Parquet to standard output, an unknown format, or a folder that is not there.
        BrokenPipeError: Whoever read standard output has gone.
        Unwritable: The disk is full, or the folder may not be written to; nothing of the file is left.
    """
    if format not in FORMATS:
        raise BadInput(f"unknown format {format!r}{did_you_mean(format, list(FORMATS))}; known: {', '.join(FORMATS)}")
    if out is None and format == "parquet":
        raise BadInput("Parquet cannot be written to standard output; name a file with --out")
    if out is not None and not out.parent.is_dir():
        raise BadInput(f"{out}: there is no folder {out.parent}; make it first")
    written = 0
    into = "standard output" if out is None else out.absolute().parent
    with writing(f"the export of {table.name}", into), _sink(out) as sink, duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        shaped = _shaped(connection, table, format, pa.Table.from_batches([], _out(table)))
        with _WRITERS[format](sink, shaped.schema) as writer:
            for rows in _buckets(lake, table, progress):
                writer.write(_shaped(connection, table, format, rows))
                written += rows.num_rows
    return written


@contextmanager
def _sink(out: Path | None) -> Iterator[BinaryIO]:
    """Yield standard output, or a file beside `out` that takes its place once it is whole."""
    if out is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    unfinished = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        with unfinished.open("wb") as file:
            yield file
        unfinished.replace(out)
    finally:
        unfinished.unlink(missing_ok=True)


def _write(sink: BinaryIO, data: bytes | pa.Buffer) -> None:
    """Write all of it: where PYTHONUNBUFFERED is set, one call may write less."""
    left = memoryview(data)
    while left:
        left = left[sink.write(left) :]


class _Writer(Protocol):
    """Takes the rows of one export in turn."""

    def write(self, rows: pa.Table, /) -> None: ...


class _Csv:
    """Writes texts in quotes, numbers without, nulls as nothing between the commas."""

    def __init__(self, sink: BinaryIO) -> None:
        self._sink = sink

    def write(self, rows: pa.Table) -> None:
        # Into memory first: pyarrow reports an error of the sink as one of its own kind, without its errno.
        text = pa.BufferOutputStream()
        pyarrow.csv.write_csv(rows, text, pyarrow.csv.WriteOptions(include_header=False))
        _write(self._sink, text.getvalue())


class _Json:
    """Writes the rows of an array, the comma between two of them at the end of the first one's line."""

    def __init__(self, sink: BinaryIO) -> None:
        self._sink, self._between = sink, b""

    def write(self, rows: pa.Table) -> None:
        lines = [row.encode() for row in rows[ROW].to_pylist()]
        if lines:
            _write(self._sink, self._between + b",\n".join(lines))
            self._between = b",\n"


@contextmanager
def _csv(sink: BinaryIO, schema: pa.Schema) -> Iterator[_Writer]:
    _write(sink, (",".join(schema.names) + "\n").encode())
    yield _Csv(sink)


@contextmanager
def _json(sink: BinaryIO, _schema: pa.Schema) -> Iterator[_Writer]:
    _write(sink, b"[\n")
    yield _Json(sink)
    _write(sink, b"\n]\n")


def _parquet(sink: BinaryIO, schema: pa.Schema) -> AbstractContextManager[_Writer]:
    writer: AbstractContextManager[_Writer] = pyarrow.parquet.ParquetWriter(sink, schema, compression="zstd")
    return writer


_WRITERS: dict[Format, Callable[[BinaryIO, pa.Schema], AbstractContextManager[_Writer]]] = {
    "csv": _csv,
    "parquet": _parquet,
    "json": _json,
}


def _schema(table: Table) -> pa.Schema:
    return pa.schema([field for field in table.schema if field.name != BUCKET])


def _out(table: Table) -> pa.Schema:
    """Return the columns that are written, but for `top_factors`."""
    schema = _schema(table)
    return pa.schema([*schema, *REFERENCE]) if table is GOLD else schema


def _buckets(lake: Lake, table: Table, progress: Callable[[int, int], None] | None) -> Iterator[pa.Table]:
    """Yield the rows by whole buckets, at least `BATCH_ROWS` at a time but for the last."""
    schema, published = _schema(table), lake.publication()
    snapshot = lake.shown(table, published)
    if table is SUPERSEDED:  # some lie among the events until a compaction takes them out
        rows = lake.superseded(schema.names)
        yield rows
        if progress is not None:
            progress(rows.num_rows, rows.num_rows)
        return
    in_points = GoldInPoints(lake, published) if table is GOLD else None
    done, waiting = 0, pa.Table.from_batches([], _out(table))
    for bucket in snapshot.buckets if table.partition_by else [None] * bool(snapshot.files):
        rows = lake.scan(table) if bucket is None else lake.read_bucket(table, bucket, schema.names, at=snapshot)
        rows = rows.select(schema.names).cast(schema)
        waiting = pa.concat_tables([waiting, rows if in_points is None else in_points.explained(rows, bucket)])
        done += snapshot.rows_of(bucket)  # not what was read: some rows may not count
        if waiting.num_rows >= BATCH_ROWS or done == snapshot.rows:
            yield waiting
            waiting = waiting.slice(waiting.num_rows)
        if progress is not None:
            progress(done, snapshot.rows)


def _shaped(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    format: Format,  # noqa: A002
    rows: pa.Table,
) -> pa.Table:
    """Return the rows in the columns that are written."""
    columns: dict[str, str] = {}
    for field in _out(table):
        columns[field.name] = _expression(field, format)
        if field.name == POINTS:
            columns["top_factors"] = _top_factors(format)
    if format == "json":
        select = (
            "to_json({" + ", ".join(f"'{name}': {value}" for name, value in columns.items()) + f"}})::VARCHAR AS {ROW}"
        )
    else:
        select = ", ".join(f'{value} AS "{name}"' for name, value in columns.items())
    connection.register("rows", rows)
    try:
        return connection.execute(f"SELECT {select} FROM rows").to_arrow_table()
    finally:
        connection.unregister("rows")


def _expression(field: pa.Field, format: Format) -> str:  # noqa: A002
    """Return SQL of a column as it is written."""
    name = _without_rounding(field) if field.name == EXPLANATION else f'"{field.name}"'
    if format == "parquet":
        return name
    text = "::VARCHAR" if format == "csv" else ""
    if pa.types.is_struct(field.type):
        # Patching (RFC 7396) leaves the nulls out: contributions that this scorer does not have.
        return f"json_merge_patch('{{}}'::JSON, to_json({name})){text}"
    if pa.types.is_list(field.type):
        return f"to_json({name}){text}"
    if pa.types.is_timestamp(field.type):
        return f"strftime({name}::TIMESTAMP, '{_INSTANT}')"
    return name


def _without_rounding(field: pa.Field) -> str:
    """Return SQL of contributions with 0 for what rounding leaves behind; null where they were not made."""
    named = (f'{EXPLANATION}."{one.name}"' for one in field.type)
    shown = ", ".join(
        f"'{one.name}': CASE WHEN abs({name}) < {ROUNDING} THEN 0.0::DOUBLE ELSE {name} END"
        for one, name in zip(field.type, named, strict=True)
    )
    return f"CASE WHEN {EXPLANATION} IS NOT NULL THEN {{{shown}}} END"


def _top_factors(format: Format) -> str:  # noqa: A002
    """Return SQL of the contributions that move the score by most points, the largest first."""
    every = ", ".join(
        f"{{'size': -abs({POINTS}.\"{name}\"), 'name': '{name}', 'points': {POINTS}.\"{name}\"}}"
        for name in CONTRIBUTIONS
    )
    there = f"list_filter([{every}], lambda one: one.points <> 0)"
    ranked = f"list_slice(list_sort({there}), 1, {TOP_FACTORS})"
    top = f"list_transform({ranked}, lambda one: {{'name': one.name, 'points': one.points}})"
    top = f"CASE WHEN {POINTS} IS NOT NULL THEN {top} END"
    return {"csv": f"to_json({top})::VARCHAR", "json": f"to_json({top})", "parquet": top}[format]
