"""MurmurHash3 x64_128, seed 0, over columns: of texts, and of blocks of 16 bytes.

Austin Appleby, https://github.com/aappleby/smhasher (public domain); tested against the `mmh3` package.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mastery.arrays import Int64s
from mastery.errors import BadInput
from mastery.kernels import kernel

Hashes = tuple[Int64s, Int64s]


NULL = (5177511712917721324, -419090864707416530)
"""What stands for a null, (hi, lo): the murmur of the one byte 0xFF, which no utf-8 text has."""

NO_NUMBER = np.iinfo(np.int64).min
"""Stands for a null integer within a block."""

_C1 = np.uint64(0x87C37B91114253D5)
_C2 = np.uint64(0x4CF5AD432745937F)
_M1 = np.uint64(0xFF51AFD7ED558CCD)
_M2 = np.uint64(0xC4CEB9FE1A85EC53)
_ADD1 = np.uint64(0x52DCE729)
_ADD2 = np.uint64(0x38495AB5)
_FIVE = np.uint64(5)


@kernel
def _rotl(x: Any, bits: Any) -> Any:
    return (x << np.uint64(bits)) | (x >> np.uint64(64 - bits))


@kernel
def _fmix(k: Any) -> Any:
    k = (k ^ (k >> np.uint64(33))) * _M1
    k = (k ^ (k >> np.uint64(33))) * _M2
    return k ^ (k >> np.uint64(33))


@kernel
def _mix1(k: Any) -> Any:
    return _rotl(k * _C1, 31) * _C2


@kernel
def _mix2(k: Any) -> Any:
    return _rotl(k * _C2, 33) * _C1


@kernel
def _step(h1: Any, h2: Any, k1: Any, k2: Any) -> Any:
    """Return the state after one block of 16 bytes."""
    h1 = (_rotl(h1 ^ _mix1(k1), 27) + h2) * _FIVE + _ADD1
    h2 = (_rotl(h2 ^ _mix2(k2), 31) + h1) * _FIVE + _ADD2
    return h1, h2


@kernel
def _finish(h1: Any, h2: Any, n_bytes: Any) -> Any:
    h1, h2 = h1 ^ np.uint64(n_bytes), h2 ^ np.uint64(n_bytes)
    h1 = h1 + h2
    h2 = h2 + h1
    h1, h2 = _fmix(h1), _fmix(h2)
    h1 = h1 + h2
    return h1, h2 + h1


@kernel
def _word(data: Any, at: Any, n_bytes: Any) -> Any:
    word = np.uint64(0)
    for j in range(n_bytes):
        word |= np.uint64(data[at + j]) << np.uint64(8 * j)
    return word


@kernel
def _murmur_texts(data: Any, offsets: Any, hi: Any, lo: Any) -> None:
    for i in range(offsets.size - 1):
        start, size = np.int64(offsets[i]), np.int64(offsets[i + 1] - offsets[i])
        h1, h2 = np.uint64(0), np.uint64(0)
        whole = size // 16
        for b in range(whole):
            at = start + 16 * b
            h1, h2 = _step(h1, h2, _word(data, at, 8), _word(data, at + 8, 8))
        at, rest = start + 16 * whole, size - 16 * whole
        if rest > 8:
            h2 ^= _mix2(_word(data, at + 8, rest - 8))
        if rest > 0:
            h1 ^= _mix1(_word(data, at, min(rest, 8)))
        h1, h2 = _finish(h1, h2, size)
        hi[i], lo[i] = np.int64(h1), np.int64(h2)


@kernel
def _add_block(h1: Any, h2: Any, k1: Any, k2: Any) -> None:
    for i in range(h1.size):
        h1[i], h2[i] = _step(h1[i], h2[i], np.uint64(k1[i]), np.uint64(k2[i]))


@kernel
def _add_coded(h1: Any, h2: Any, codes: Any, k1: Any, k2: Any) -> None:
    for i in range(h1.size):
        code = codes[i]
        h1[i], h2[i] = _step(h1[i], h2[i], np.uint64(k1[code]), np.uint64(k2[code]))


@kernel
def _add_same(h1: Any, h2: Any, k1: Any, k2: Any) -> None:
    for i in range(h1.size):
        h1[i], h2[i] = _step(h1[i], h2[i], np.uint64(k1), np.uint64(k2))


@kernel
def _finish_all(h1: Any, h2: Any, n_bytes: Any) -> None:
    for i in range(h1.size):
        h1[i], h2[i] = _finish(h1[i], h2[i], n_bytes)


def murmur(values: pa.Array | pa.ChunkedArray) -> Hashes:
    """Return (hi, lo), int64[n] each: MurmurHash3 x64_128 of each text's utf-8 bytes; `NULL` for a null.

    hi is the first of the two 64-bit words. A dictionary is hashed once per value it holds.
    """
    if isinstance(values, pa.ChunkedArray):
        if values.num_chunks == 1:
            return murmur(values.chunk(0))
        parts = [murmur(chunk) for chunk in values.chunks] or [(np.empty(0, np.int64), np.empty(0, np.int64))]
        return np.concatenate([hi for hi, _ in parts]), np.concatenate([lo for _, lo in parts])
    if pa.types.is_dictionary(values.type):
        return _murmur_dictionary(values)
    if pa.types.is_null(values.type):
        return np.full(len(values), NULL[0]), np.full(len(values), NULL[1])
    if not (pa.types.is_string(values.type) or pa.types.is_large_string(values.type)):
        raise BadInput(f"murmur of a column of type {values.type}; expected string: cast it to string first")
    _, offsets, data = values.buffers()
    width = np.int64 if pa.types.is_large_string(values.type) else np.int32
    hi, lo = np.empty(len(values), np.int64), np.empty(len(values), np.int64)
    if len(values) == 0:
        return hi, lo
    starts = np.frombuffer(offsets, width)[values.offset : values.offset + len(values) + 1]
    texts = np.frombuffer(data, np.uint8) if data is not None else np.empty(0, np.uint8)
    _murmur_texts(texts, starts, hi, lo)
    if values.null_count:
        missing = values.is_null().to_numpy(zero_copy_only=False)
        hi[missing], lo[missing] = NULL
    return hi, lo


def _coded(values: pa.DictionaryArray) -> tuple[npt.NDArray[np.int32], Int64s, Int64s]:
    """Return codes[n] and the hashes they point to: the dictionary's, and at the end that of a null."""
    hi, lo = murmur(values.dictionary)
    hi, lo = np.append(hi, NULL[0]), np.append(lo, NULL[1])
    codes = values.indices.cast(pa.int32())
    if codes.null_count:
        codes = pc.fill_null(codes, len(hi) - 1)
    return codes.to_numpy(), hi, lo


def coded_hashes(column: pa.Array | pa.ChunkedArray) -> tuple[npt.NDArray[np.int32], Int64s]:
    """Return codes[n] and the words (hi) of the murmurs that they point to, one for each text that there is."""
    if pa.types.is_null(column.type):
        return np.zeros(len(column), np.int32), np.array([NULL[0]])
    array = column if isinstance(column, pa.Array) else column.unify_dictionaries().combine_chunks()
    codes, hi, _ = _coded(array if pa.types.is_dictionary(array.type) else array.dictionary_encode())
    return codes, hi


def _murmur_dictionary(values: pa.DictionaryArray) -> Hashes:
    codes, hi, lo = _coded(values)
    return hi[codes], lo[codes]


class Blocks:
    """Murmur over n rows at once, block by block of 16 bytes, column after column."""

    def __init__(self, n: int) -> None:
        self._h1, self._h2 = np.zeros(n, np.uint64), np.zeros(n, np.uint64)
        self._n_bytes = 0

    def add(self, k1: Int64s, k2: Int64s) -> Blocks:
        _add_block(self._h1, self._h2, k1, k2)
        self._n_bytes += 16
        return self

    def text(self, column: pa.Array | pa.ChunkedArray) -> Blocks:
        if column.null_count == len(column):
            return self._same(NULL)
        if pa.types.is_dictionary(column.type):
            whole = column if isinstance(column, pa.Array) else column.unify_dictionaries().combine_chunks()
            _add_coded(self._h1, self._h2, *_coded(whole))
            self._n_bytes += 16
            return self
        return self.add(*murmur(column))

    def integers(self, first: pa.ChunkedArray, second: pa.ChunkedArray) -> Blocks:
        if first.null_count == len(first) and second.null_count == len(second):
            return self._same((NO_NUMBER, NO_NUMBER))
        return self.add(numbers(first), numbers(second))

    def _same(self, block: tuple[int, int]) -> Blocks:
        _add_same(self._h1, self._h2, np.int64(block[0]), np.int64(block[1]))
        self._n_bytes += 16
        return self

    def finish(self) -> Hashes:
        """Return (hi, lo). The blocks cannot be added to afterwards."""
        _finish_all(self._h1, self._h2, self._n_bytes)
        return self._h1.view(np.int64), self._h2.view(np.int64)


def numbers(column: pa.Array | pa.ChunkedArray) -> Int64s:
    """Return int64[n]: integers, or microseconds of a time stamp; `NO_NUMBER` for a null."""
    column = column.cast(pa.int64())
    if column.null_count:
        column = pc.fill_null(column, NO_NUMBER)
    return cast(Int64s, column.to_numpy())
