"""Rows in the columns of a table: as its files have them, and as they are read, from files of other versions too."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from mastery.errors import BadInput, Conflict
from mastery.lake.layout import Layout, layout
from mastery.tables import Table

STUDENT = "student_id"

FEW_VALUES = 64
"""A dictionary smaller than this is written as it is."""


def by_name(rows: pa.Table, table: Table, wanted: Sequence[str]) -> pa.Table:
    """Return the rows of one file in the columns of this version: null where the file lacks one, also within a struct.
    What only the file has is left out.

    Raises:
        Conflict: A column is of a type that does not fit this version's.
    """
    schema = encoded_schema(layout(table), wanted)
    if rows.schema.equals(schema):
        return rows
    return pa.table([_of_type(rows, table, field) for field in schema], schema=schema)


def _of_type(rows: pa.Table, table: Table, field: pa.Field) -> pa.ChunkedArray:
    if field.name not in rows.column_names:
        return pa.chunked_array([pa.nulls(rows.num_rows, field.type)])
    column = rows.column(field.name)
    try:
        if pa.types.is_struct(field.type):
            return pa.chunked_array([_struct(chunk, field.type) for chunk in column.chunks], field.type)
        return column.cast(field.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise Conflict(
            f"table {table.name!r}, column {field.name!r}: {column.type} of another version does not fit "
            f"{field.type}; run 'mastery recompute', which makes the table again"
        ) from error


def _struct(values: pa.StructArray, kind: pa.StructType) -> pa.StructArray:
    have = {field.name for field in values.type}
    own = [
        values.field(field.name).cast(field.type) if field.name in have else pa.nulls(len(values), field.type)
        for field in kind
    ]
    return pa.StructArray.from_arrays(own, fields=list(kind), mask=values.is_null())


def contiguous(rows: pa.Table, plan: Layout, wanted: Sequence[str]) -> pa.Table:
    """Return the rows with one chunk per column, one dictionary per string column, and columns as wanted."""
    return rows.select(list(wanted)).unify_dictionaries().combine_chunks().cast(encoded_schema(plan, wanted))


def encoded_schema(plan: Layout, wanted: Sequence[str]) -> pa.Schema:
    """Return the schema in which rows are read: the table's, strings as dictionaries with int32 codes."""
    encoded = pa.dictionary(pa.int32(), pa.string())
    return pa.schema(
        [pa.field(name, encoded if name in plan.strings else plan.schema.field(name).type) for name in wanted]
    )


def conform(table: Table, rows: pa.Table) -> pa.Table:
    """Return the rows with exactly the columns of the table's files, in their order and types.

    Raises:
        BadInput: A column is missing or unknown, or a value does not fit its type.
    """
    plan = layout(table)
    have, want = set(rows.column_names), set(plan.schema.names)
    if have - set(table.partition_by) != want:
        missing, unknown = sorted(want - have), sorted(have - want - set(table.partition_by))
        raise BadInput(
            f"rows for table {table.name!r}: missing columns {missing}, unknown columns {unknown}; "
            "its columns are listed in mastery/tables.py"
        )
    columns = []
    for field in plan.schema:
        column = rows.column(field.name)
        kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
        if kind != field.type:
            try:
                column = column.cast(field.type)
            except pa.ArrowInvalid as error:
                raise BadInput(
                    f"rows for table {table.name!r}, column {field.name!r}: {kind} does not fit {field.type} ({error})"
                ) from error
        columns.append(column)
    # Arrow gives a dictionary up when a later chunk brings another one, so they are made one first.
    return pa.table(columns, names=plan.schema.names).unify_dictionaries()


def with_used_values(rows: pa.Table) -> pa.Table:
    """Return the rows with dictionaries that hold only values which occur in them.

    Arrow writes a dictionary whole: of a slice of a million rows, or a row group of a sorted file, it
    would store every student of the slice's parent (reading one student took 8 ms instead of 2).
    """
    for index, column in enumerate(rows.columns):
        if not pa.types.is_dictionary(column.type) or column.num_chunks != 1:
            continue
        array = column.chunk(0)
        n_values = len(array.dictionary)
        if n_values < FEW_VALUES:
            continue
        indices = array.indices.fill_null(n_values) if array.null_count else array.indices
        codes = indices.to_numpy()
        used = np.zeros(n_values + 1, dtype=bool)
        used[codes] = True
        used[n_values] = False
        if used[:-1].all():
            continue
        own = np.cumsum(used, dtype=np.int32) - np.int32(1)
        indices = pa.array(own[codes], array.indices.type, mask=codes == n_values if array.null_count else None)
        values = array.dictionary.take(pa.array(np.flatnonzero(used)))
        rows = rows.set_column(index, rows.field(index), pa.DictionaryArray.from_arrays(indices, values))
    return rows
