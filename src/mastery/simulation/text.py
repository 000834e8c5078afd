"""Tables as lines of text: CSV and newline-delimited JSON, rendered by columns and not by rows.

Neither writer of Arrow's will do: its CSV has a blank within time stamps and quotes around every
string, and it has none for JSON.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mastery.instants import DAY_S
from mastery.simulation.delivery import Delivery

TextFormat = Literal["csv", "ndjson"]

LIST_SEPARATOR = "|"


def header(schema: pa.Schema, form: TextFormat) -> bytes:
    """Return the first line of a file, empty for NDJSON."""
    return (",".join(schema.names) + "\n").encode() if form == "csv" else b""


def lines(delivery: Delivery, form: TextFormat) -> bytes:
    """Return the rows as they arrive as text, one line each, the broken ones broken."""
    table = delivery.rows
    if table.num_rows == 0:
        return b""
    columns = {name: cells(table[name], form) for name in table.column_names}
    for number, wrong in enumerate(delivery.defects):
        hit = delivery.defect == number
        if hit.any():
            columns[wrong.column] = pc.if_else(hit, _cell(wrong.value, form), columns[wrong.column])
    parts: list[pa.Array | str] = []
    for place, (name, column) in enumerate(columns.items()):
        if form == "csv":
            parts += [column, ","] if place < len(columns) - 1 else [column, "\n"]
        else:
            parts += [("{" if place == 0 else ",") + json.dumps(name) + ":", column]
    if form == "ndjson":
        parts.append("}\n")
    joined = pc.binary_join_element_wise(*_as_large(parts), pa.scalar("", pa.large_string()))
    offsets, data = joined.buffers()[1:3]
    ends = np.frombuffer(offsets, np.int64)[joined.offset : joined.offset + len(joined) + 1]
    return bytes(memoryview(data)[ends[0] : ends[-1]])


def _as_large(parts: list[pa.Array | str]) -> list[pa.Array | pa.Scalar]:
    # Plain strings count their bytes in 32 bits, and a chunk of a large school may have more than 2 GiB of text.
    return [
        pa.scalar(part, pa.large_string()) if isinstance(part, str) else part.cast(pa.large_string()) for part in parts
    ]


def cells(column: pa.ChunkedArray, form: TextFormat) -> pa.Array:
    """Return each value as text: an empty CSV cell or JSON null where there is none, lists as ``a|b|c`` in CSV."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(array, pa.ChunkedArray):  # combine_chunks keeps several when offsets would overflow
        array = pa.concat_arrays(array.chunks)
    text = _text(array, form)
    return pc.fill_null(text, _cell(None, form)) if text.null_count else text


def _text(array: pa.Array, form: TextFormat) -> pa.Array:
    kind = array.type
    if pa.types.is_dictionary(kind):
        return _text(array.dictionary, form).take(array.indices)
    if pa.types.is_string(kind):
        return _quoted(array, form)
    if pa.types.is_timestamp(kind):
        return _in_quotes(_instants(array), form)
    if pa.types.is_date(kind):
        return _in_quotes(array.cast(pa.string()), form)
    if pa.types.is_list(kind):
        return _lists(array, form)
    if pa.types.is_boolean(kind):
        return pc.if_else(array, "true", "false")
    return array.cast(pa.string())


def _lists(array: pa.Array, form: TextFormat) -> pa.Array:
    if form == "csv":
        return pc.binary_join(array, LIST_SEPARATOR)
    values = _quoted(array.flatten(), form)
    again = pa.ListArray.from_arrays(pc.subtract(array.offsets, array.offsets[0]), values)
    return pc.binary_join_element_wise("[", pc.binary_join(again, ","), "]", "")


def _quoted(array: pa.Array, form: TextFormat) -> pa.Array:
    if form == "ndjson":
        escaped = pc.replace_substring(pc.replace_substring(array, "\\", "\\\\"), '"', '\\"')
        return pc.binary_join_element_wise('"', escaped, '"', "")
    special = pc.match_substring_regex(array, '[,"\r\n]')
    if not pc.any(special).as_py():
        return array
    return pc.if_else(special, pc.binary_join_element_wise('"', pc.replace_substring(array, '"', '""'), '"', ""), array)


def _in_quotes(array: pa.Array, form: TextFormat) -> pa.Array:
    return pc.binary_join_element_wise('"', array, '"', "") if form == "ndjson" else array


def _instants(array: pa.Array) -> pa.Array:
    """Return whole seconds as ``2026-01-12T08:15:00Z``, by look-up: strftime takes ten times as long."""
    at_s = np.floor_divide(array.cast(pa.int64()).to_numpy(), 1_000_000)
    day, second = np.divmod(at_s, DAY_S)
    first = int(day.min())
    dates = np.arange(first, int(day.max()) + 1).astype("datetime64[D]").astype(str)
    return pc.binary_join_element_wise(pa.array(dates).take(pa.array(day - first)), _clock().take(pa.array(second)), "")


@lru_cache(maxsize=1)
def _clock() -> pa.Array:
    return pa.array([f"T{s // 3600:02d}:{s // 60 % 60:02d}:{s % 60:02d}Z" for s in range(DAY_S)])


def _cell(value: str | float | int | None, form: TextFormat) -> str:
    if form == "ndjson":
        return json.dumps(value)
    return "" if value is None else str(value)
