"""A log of answers from one file, for fitting and evaluating without a lake. Columns: mastery.features.answer_log."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.json as pajson
import pyarrow.parquet as pq

from mastery.errors import BadInput, did_you_mean
from mastery.evaluation.splits import Log
from mastery.features.answer_log import Clock, answer_batch
from mastery.pipelines.ingest.files import Input, open_input

NAMES = ("student_id", "question_id", "topic_id", "interaction_id")
NUMBERS = ("is_correct", "order", "time_spent_sec", "attempts_count", "hints_used")
TIME = "timestamp"


def read_log(path: Path, clock: Clock, also: str = "") -> Log:
    """Return the answers in a file: Parquet, CSV or NDJSON, the last two also gzipped.

    Args:
        also: A column to split by, read beside those that the answers are made of; empty for none.

    Raises:
        NotFound: there is no such file.
        BadInput: it cannot be read, or a column is missing, there twice, or holds something else than it should.
    """
    return log_of(read_answers(path, also), clock)


def log_of(table: pa.Table, clock: Clock) -> Log:
    """Return the answers of a table. Rows without an outcome are left out.

    Raises:
        BadInput: as `read_log`.
    """
    for name in (*NAMES, *NUMBERS, TIME):
        if table.column_names.count(name) > 1:
            raise BadInput(f"the log has {table.column_names.count(name)} columns {name!r}; expected one")
    table = _typed(table)
    if "student_id" in table.column_names and table["student_id"].null_count:
        row = pc.index(pc.is_null(table["student_id"]), True).as_py()
        raise BadInput(f"row {row + 1} of the log has no student_id; {table['student_id'].null_count} rows in all")
    batch = answer_batch(table, clock)
    return Log(batch, table.filter(pc.is_valid(table["is_correct"])))


def read_answers(path: Path, also: str = "") -> pa.Table:
    """Return the columns of a file that answers are made of, and `also` where it is there."""
    source = open_input(path)
    wanted = [name for name in source.columns if name in (*NAMES, *NUMBERS, TIME, also)]
    if "student_id" not in wanted or "is_correct" not in wanted:
        missing = " and ".join(name for name in ("student_id", "is_correct") if name not in wanted)
        raise BadInput(f"{path}: no column {missing}; it has: {', '.join(source.columns)}")
    if also and also not in source.columns:
        raise BadInput(
            f"{path}: no column {also!r} to split by; it has: {', '.join(source.columns)}"
            f"{did_you_mean(also, list(source.columns))}"
        )
    try:
        return _read(source, wanted)
    except (pa.ArrowException, OSError, EOFError) as error:
        raise BadInput(f"{path}: cannot be read: {str(error).strip().splitlines()[0]}") from error


def _read(source: Input, wanted: list[str]) -> pa.Table:
    if source.format == "parquet":
        return pq.read_table(source.path, columns=wanted)
    with pa.input_stream(source.path, compression="detect") as stream:
        if source.format == "json":
            return pajson.read_json(stream).select(wanted)
        names = {name: pa.string() for name in wanted if name in NAMES}
        how = pacsv.ConvertOptions(
            include_columns=wanted, column_types=names, strings_can_be_null=True, null_values=["", "NA", "NULL", "null"]
        )
        return pacsv.read_csv(stream, convert_options=how)


def _typed(table: pa.Table) -> pa.Table:
    """Return the table with numbers and times that are texts made what they say."""
    for name in table.column_names:
        if name in NUMBERS and not _is_number(table.schema.field(name).type):
            table = _cast(table, name, pa.float64(), "a number")
        if name == TIME and not pa.types.is_timestamp(table.schema.field(name).type):
            kind = table.schema.field(name).type
            if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind)):
                raise BadInput(f"timestamp of the log is {kind}; expected time stamps, or texts in ISO 8601")
            table = _cast(table, name, pa.timestamp("us", tz="UTC"), "a time in ISO 8601")
    return table


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_null(kind))


def _cast(table: pa.Table, name: str, to: pa.DataType, expected: str) -> pa.Table:
    try:
        column = table[name].cast(to)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise BadInput(f"{name} of the log is {table.schema.field(name).type}; expected {expected}: {error}") from error
    return table.set_column(table.column_names.index(name), name, column)
