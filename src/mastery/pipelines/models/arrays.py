"""A model set as rows of MODEL_ARRAYS, and rows as what they were made of; bit for bit, there and back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mastery.errors import BadInput, Conflict
from mastery.features.observations import OBSERVATION_VERSION
from mastery.scorers.model_set import ModelSet, meaning
from mastery.scorers.parameters import KeyedRows, Scoped

SCORER, DEFAULT, TOPIC, ITEM, SHARED = "scorer", "default", "topic", "item", "shared"
"""Roles of rows in MODEL_ARRAYS."""

CHUNK_BYTES = 1 << 30
"""The number of bytes of rows in one Arrow array: its offsets are int32."""

NOBODY = ("", "")


def array_rows(model_set: ModelSet) -> tuple[list[pa.Table], list[pa.Table]]:
    """Return the tables of everything but items, and those of items; each list one table, or none."""
    heads: list[pa.Table] = []
    items: list[pa.Table] = []
    for name, mine in model_set.scorers.items():
        said = {
            "version": meaning(name),
            "rules": OBSERVATION_VERSION,
            "topics": mine.topics.count,
            "topic_columns": mine.topics.columns,
            "items": mine.items.count,
            "item_columns": mine.items.columns,
        }
        manifest = pa.array([json.dumps(said).encode()], pa.binary())
        heads.append(_table(name, SCORER, [NOBODY], "json", (), manifest))
        heads.append(_one(name, DEFAULT, "", np.asarray(mine.default)))
        heads += [_table(name, TOPIC, *part) for part in _packed(mine.topics)]
        heads += [_one(name, SHARED, key, array) for key, array in mine.shared.items()]
        items += [_table(name, ITEM, *part) for part in _packed(mine.items)]
    return [pa.concat_tables(heads)] if heads else [], [pa.concat_tables(items)] if items else []


def _one(scorer: str, role: str, name: str, array: npt.NDArray[Any]) -> pa.Table:
    if array.dtype.hasobject or array.dtype.names is not None:
        raise BadInput(f"{scorer}: array {name!r} is of {array.dtype}; only plain numbers and texts can be stored")
    data = pa.array([array.tobytes()], pa.binary())
    return _table(scorer, role, [("", name)], array.dtype.str, array.shape, data)


def _packed(rows: KeyedRows) -> list[tuple[Sequence[Scoped], str, tuple[int, ...], pa.Array]]:
    """Return keys, type, shape and bytes of the rows, in parts that Arrow can address; the bytes are not copied."""
    if not rows.count:
        return []
    values = np.ascontiguousarray(rows.values, dtype=np.float64)
    width = values.shape[1] * values.itemsize
    step = max(1, CHUNK_BYTES // max(1, width))
    parts: list[tuple[Sequence[Scoped], str, tuple[int, ...], pa.Array]] = []
    for start in range(0, len(rows.keys), step):
        keys, mine = rows.keys[start : start + step], values[start : start + step]
        offsets = np.arange(len(keys) + 1, dtype=np.int32) * np.int32(width)
        buffers = [None, pa.py_buffer(offsets), pa.py_buffer(mine.reshape(-1))]
        data = pa.Array.from_buffers(pa.binary(), len(keys), buffers)
        parts.append((keys, values.dtype.str, values.shape[1:], data))
    return parts


def _table(
    scorer: str, role: str, keys: Sequence[Scoped], dtype: str, shape: tuple[int, ...], data: pa.Array
) -> pa.Table:
    n = len(keys)
    return pa.table(
        {
            "scorer": pa.array([scorer] * n, pa.string()),
            "role": pa.array([role] * n, pa.string()),
            "tenant": pa.array([tenant for tenant, _ in keys], pa.string()),
            "id": pa.array([one for _, one in keys], pa.string()),
            "dtype": pa.array([dtype] * n, pa.string()),
            "shape": pa.array([shape] * n, pa.list_(pa.int64())),
            "bytes": data,
        }
    )


def only(rows: pa.Table, scorer: str | None, role: str) -> pa.Table:
    """Return the rows of one role: of one scorer, or of all."""
    wanted = pc.equal(rows["role"], role)
    if scorer is not None:
        wanted = pc.and_(wanted, pc.equal(rows["scorer"], scorer))
    return rows.filter(wanted)


def rows_of(version: str, table: pa.Table, scorer: str, count: int, columns: int) -> KeyedRows:
    """Return the rows of numbers that a table of topics or items holds."""
    if table.num_rows != count:
        raise Conflict(
            f"model set {version!r}: {scorer} has {table.num_rows} rows of the {count} that were stored; "
            "a file of the lake is damaged: restore it, or fit again"
        )
    keys = tuple(zip(table["tenant"].to_pylist(), table["id"].to_pylist(), strict=True))
    values = np.empty((count, columns))
    at = 0
    for chunk in table["bytes"].chunks:
        if not len(chunk):
            continue
        offsets = np.frombuffer(chunk.buffers()[1], np.int32)[chunk.offset : chunk.offset + len(chunk) + 1]
        if columns:
            data = np.frombuffer(chunk.buffers()[2], np.uint8)[offsets[0] : offsets[-1]]
            values[at : at + len(chunk)] = data.view(np.float64).reshape(len(chunk), columns)
        at += len(chunk)
    return KeyedRows(keys, values)


def arrays_of(table: pa.Table) -> dict[str, npt.NDArray[Any]]:
    """Return arrays by name. Copies, for they are to be writable: kernels are compiled for such."""
    found: dict[str, npt.NDArray[Any]] = {}
    for row in table.select(["id", "dtype", "shape", "bytes"]).to_pylist():
        array = np.empty(row["shape"], np.dtype(row["dtype"]))
        if array.nbytes:
            array[...] = np.frombuffer(row["bytes"], array.dtype).reshape(array.shape)
        found[row["id"]] = array
    return found
