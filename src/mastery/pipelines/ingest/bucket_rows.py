"""The rows of one bucket out of all pieces that are written at once, with one dictionary per column of texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa

from mastery.arrays import Numbers
from mastery.pipelines.ingest.held_rows import HeldRows

Part = tuple[int, int, int]
"""Number of a piece, and which of its rows: the first, and the first behind them."""

Column = Callable[[Sequence[Part]], pa.Array]


class BucketRows:
    """The columns of some pieces, as they are put together for each bucket.

    Dictionaries are unified here once and not in each bucket.
    """

    def __init__(self, pieces: Sequence[HeldRows]) -> None:
        self._columns = {name: _column(pieces, name) for name in pieces[0].names}

    def rows(self, parts: Sequence[Part], names: Sequence[str] | None = None) -> pa.Table:
        """Return the rows of these parts, one after the other, with these columns (None: all)."""
        return pa.table({name: self._columns[name](parts) for name in names or self._columns})

    def codes(self, name: str, parts: Sequence[Part]) -> Numbers:
        """Return the codes of a column of texts without nulls: equal ones in all pieces have one."""
        found: Numbers = self._columns[name](parts).indices.to_numpy()
        return found


def _column(pieces: Sequence[HeldRows], name: str) -> Column:
    each = [piece.column(name) for piece in pieces]
    kind, nulls = each[0].type, [column.null_count for column in each]
    if all(n == len(column) for n, column in zip(nulls, each, strict=True)):
        return lambda parts: pa.nulls(_rows(parts), kind)
    if all(name in piece.same and piece.same[name].equals(each[0]) for piece in pieces):
        return lambda parts: each[0].take(pa.array(np.zeros(_rows(parts), np.int8)))
    if pa.types.is_dictionary(kind):
        codes = _codes_in_one(each)
        texts = codes.chunk(0).dictionary
        if any(nulls):
            recoded = [
                pa.DictionaryArray.from_arrays(chunk.indices.take(column.indices), texts)
                for chunk, column in zip(codes.chunks, each, strict=True)
            ]
            return _of_arrays(pieces, name, recoded)
        of_code = [chunk.indices.to_numpy() for chunk in codes.chunks]
        own = [piece.codes(name) for piece in pieces]
        return lambda parts: pa.DictionaryArray.from_arrays(
            pa.array(np.concatenate([of_code[p][own[p][start:stop]] for p, start, stop in parts])), texts
        )
    if any(nulls) or pa.types.is_nested(kind) or pa.types.is_string(kind) or pa.types.is_boolean(kind):
        return _of_arrays(pieces, name, each)
    values = [piece.numbers(name) for piece in pieces]
    return lambda parts: pa.array(_joined(values, parts)).view(kind)


def _codes_in_one(each: Sequence[pa.DictionaryArray]) -> pa.ChunkedArray:
    """Return, for each column, the code in one dictionary of all texts for each code of its own."""
    words = [column.dictionary for column in each]
    own = [pa.DictionaryArray.from_arrays(pa.array(np.arange(len(some), dtype=np.int32)), some) for some in words]
    return pa.chunked_array(own).unify_dictionaries()


def _of_arrays(pieces: Sequence[HeldRows], name: str, each: Sequence[pa.Array]) -> Column:
    def of(part: Part) -> pa.Array:
        piece, start, stop = part
        if name in pieces[piece].same:
            return each[piece].take(pa.array(np.zeros(stop - start, np.int8)))
        return each[piece].slice(start, stop - start)

    return lambda parts: pa.concat_arrays([of(part) for part in parts])


def _joined(values: Sequence[Numbers], parts: Sequence[Part]) -> Numbers:
    return np.concatenate([values[piece][start:stop] for piece, start, stop in parts])


def _rows(parts: Sequence[Part]) -> int:
    return sum(stop - start for _, start, stop in parts)
