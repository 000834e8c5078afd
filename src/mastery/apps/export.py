"""A table of the lake as one file that other programs read: CSV, Parquet or JSON.

DuckDB writes it from a stream of buckets, so that memory holds one bucket and not the table.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import duckdb
import pyarrow as pa

from mastery.errors import BadInput, did_you_mean
from mastery.lake import Lake
from mastery.lake.delta import BUCKET
from mastery.tables import GOLD, HISTORY, PARTS, TABLES, Table

Format = Literal["csv", "parquet", "json"]
FORMATS: tuple[Format, ...] = ("csv", "parquet", "json")

NAMES = TABLES | {"student_mastery": GOLD, "student_mastery_history": HISTORY}
"""Tables by every name they go by."""

TOP_FACTORS = 3

_OPTIONS = {
    "csv": "FORMAT csv, HEADER",
    "parquet": "FORMAT parquet, COMPRESSION zstd",
    "json": "FORMAT json, ARRAY true",
}
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
    """Write the whole table and return its rows. The file appears under its name when it is whole.

    Columns are those of the table without `bucket`. Gold's explanation keeps the parts that its scorer has, and
    `top_factors` names the three that move the score most: lists and structs in Parquet, JSON otherwise. Instants
    are ISO 8601 in UTC in CSV and JSON.

    Args:
        lake: Where the table is.
        table: Which one.
        out: The file; None for standard output.
        format: `csv`, `parquet` or `json`: an array with one row on each line.
        progress: Told (rows read, rows in all).

    Raises:
        BadInput: Parquet to standard output, an unknown format, or a folder that is not there.
    """
    if format not in FORMATS:
        raise BadInput(f"unknown format {format!r}{did_you_mean(format, list(FORMATS))}; known: {', '.join(FORMATS)}")
    if out is None and format == "parquet":
        raise BadInput("Parquet cannot be written to a pipe; name a file with --out")
    if out is not None and not out.parent.is_dir():
        raise BadInput(f"{out}: there is no folder {out.parent}; make it first")
    target = Path("/dev/stdout") if out is None else out.with_name(f".{out.name}.{os.getpid()}")
    try:
        with duckdb.connect() as connection:
            connection.execute("SET preserve_insertion_order = true; SET TimeZone = 'UTC'")
            rows = pa.RecordBatchReader.from_batches(_schema(table), _batches(lake, table, progress))
            connection.register("rows", rows)
            into = str(target).replace("'", "''")
            select = f"SELECT {_columns(table, format)} FROM rows"
            written = connection.execute(
                f"COPY ({select}) TO '{into}' ({_OPTIONS[format]}, USE_TMP_FILE false)"
            ).fetchone()
        if out is not None:
            target.replace(out)
    finally:
        if out is not None:
            target.unlink(missing_ok=True)
    return 0 if written is None else int(written[0])


def _schema(table: Table) -> pa.Schema:
    return pa.schema([field for field in table.schema if field.name != BUCKET])


def _batches(lake: Lake, table: Table, progress: Callable[[int, int], None] | None) -> Iterator[pa.RecordBatch]:
    """Yield the rows, a bucket at a time."""
    schema, snapshot = _schema(table), lake.snapshot(table)
    done = 0
    for bucket in sorted(snapshot.by_bucket, key=lambda bucket: -1 if bucket is None else bucket):
        rows = lake.scan(table) if bucket is None else lake.read_bucket(table, bucket, schema.names, at=snapshot)
        yield from rows.select(schema.names).cast(schema).to_batches()
        done += rows.num_rows
        if progress is not None:
            progress(done, snapshot.rows)


def _columns(table: Table, format: Format) -> str:  # noqa: A002
    return ", ".join(_expression(field, format) for field in _schema(table))


def _expression(field: pa.Field, format: Format) -> str:  # noqa: A002
    name = f'"{field.name}"'
    if pa.types.is_struct(field.type):
        if format == "parquet":
            return f"{name}, {_top(name)} AS top_factors"
        text = "::VARCHAR" if format == "csv" else ""
        # Patching (RFC 7396) leaves the nulls out: parts that this scorer does not have.
        return (
            f"json_merge_patch('{{}}'::JSON, to_json({name})){text} AS {name}, "
            f"to_json({_top(name)}){text} AS top_factors"
        )
    if pa.types.is_list(field.type) and format == "csv":
        return f"to_json({name})::VARCHAR AS {name}"
    if pa.types.is_timestamp(field.type) and format != "parquet":
        return f"strftime({name}::TIMESTAMP, '{_INSTANT}') AS {name}"
    return name


def _top(name: str) -> str:
    """Return SQL of the parts that move the score most, the largest first."""
    parts = ", ".join(
        f"{{'size': -abs({name}.\"{part}\"), 'name': '{part}', 'contribution': {name}.\"{part}\"}}" for part in PARTS
    )
    there = f"list_filter([{parts}], lambda part: part.contribution <> 0)"
    ranked = f"list_slice(list_sort({there}), 1, {TOP_FACTORS})"
    return f"list_transform({ranked}, lambda part: {{'name': part.name, 'contribution': part.contribution}})"
