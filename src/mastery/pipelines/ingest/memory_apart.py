"""Copies of what stays for a while in memory of its own, which goes back to the system when it is no longer used.

A block of a file is worked on in many steps, each of which makes and frees columns of some megabytes. What stays of it
among them would leave the C library's heap in pieces that no later step fits into: for 4 million answers, that took
600 MB more than they do.
"""

from __future__ import annotations

import mmap

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mastery.arrays import Int64s, Numbers

_ALIGNED = 64


def apart(size: int) -> npt.NDArray[np.uint8]:
    """Return uint8[size] in memory of their own, straight from the system.

    Not by `np.empty`, which asks for huge pages: finding those took more time than they save.
    """
    return np.frombuffer(mmap.mmap(-1, max(1, size)), np.uint8, size)


def ordered_apart(rows: pa.Table, order: Int64s) -> pa.Table:
    """Return the rows, in one chunk, in this order: numbers, instants and codes of texts in memory of their own.

    Columns with nulls, lists and texts that are no dictionary, which hardly any row has, stay in the heap.
    """
    columns = {name: rows[name].chunk(0) for name in rows.column_names}
    plain = {name: _plain(column) for name, column in columns.items() if _is_plain(column)}
    room = apart(sum(values.nbytes + _ALIGNED for values in plain.values()))
    used = 0
    for name, values in plain.items():
        out = room[used : used + order.size * values.itemsize].view(values.dtype)
        used += -(-out.nbytes // _ALIGNED) * _ALIGNED
        plain[name] = np.take(values, order, out=out, mode="clip")  # with "raise" it would be copied once more
    by = pa.array(order)
    return pa.table(
        {name: _like(column, plain[name]) if name in plain else column.take(by) for name, column in columns.items()}
    )


def _is_plain(column: pa.Array) -> bool:
    kind = column.type.index_type if pa.types.is_dictionary(column.type) else column.type
    return not column.null_count and (pa.types.is_integer(kind) or pa.types.is_timestamp(kind))


def _plain(column: pa.Array) -> Numbers:
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.indices
    elif pa.types.is_timestamp(kind):
        column = column.view(pa.int64())
    values: Numbers = column.to_numpy()
    return values


def _like(column: pa.Array, values: Numbers) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        return pa.DictionaryArray.from_arrays(pa.array(values), column.dictionary)
    return pa.array(values).view(column.type)
