"""Texts that a table has as bytes: they become texts, and a row of which one is not UTF-8 is a broken line."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from mastery.arrays import Int64s
from mastery.pipelines.ingest.chunk import NOTHING_BROKEN, Chunk, broken_lines


def with_texts(rows: pa.Table, lines: Int64s, wanted: Mapping[str, bool | None]) -> Chunk:
    """Return the rows with their binary columns as texts, and those that cannot be read so as broken lines.

    Args:
        wanted: Column → None where it is only kept, so that it may hold anything.
    """
    lost: dict[int, bytes] = {}
    for place, field in enumerate(rows.schema):
        if wanted.get(field.name) is None or not _is_binary(field.type):
            continue
        values = rows.column(place)
        try:
            texts = values.cast(pa.string())
        except pa.ArrowInvalid:
            read = [_decoded(value) for value in values.to_pylist()]  # damaged bytes: rare, so slow is fine
            for row, text in enumerate(read):
                if isinstance(text, bytes):
                    lost.setdefault(row, text)
            texts = pa.chunked_array(
                [pa.array([None if isinstance(text, bytes) else text for text in read], pa.string())]
            )
        rows = rows.set_column(place, field.name, texts)
    if not lost:
        return Chunk(rows, lines, NOTHING_BROKEN)
    at = sorted(lost)
    fine = np.ones(len(lines), np.bool_)
    fine[at] = False
    broken = broken_lines(lines[at].tolist(), [("is not UTF-8", "utf8")] * len(at), [lost[row] for row in at])
    return Chunk(rows.filter(pa.array(fine)), lines[fine], broken)


def _is_binary(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    views = pa.types.is_binary_view(kind)
    return bool(
        views or pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind)
    )


def _decoded(value: bytes | None) -> str | bytes | None:
    """Return the text of these bytes, or the bytes where they are none."""
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return value
