"""Who an event is: 128-bit ids, body hashes and student buckets, all from MurmurHash3.

MurmurHash3 x64_128, seed 0: Austin Appleby, https://github.com/aappleby/smhasher (public domain).
An id is the murmur of 16-byte blocks: one block per text (the murmur of its utf-8 bytes) or per pair
of integers, little-endian. Anyone can recompute it with any murmur library: docs/events.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit

from mastery.errors import BadInput
from mastery.tables import EVENTS

Int64s = npt.NDArray[np.int64]
Hashes = tuple[Int64s, Int64s]
_F = TypeVar("_F", bound=Callable[..., Any])


def _kernel(function: _F) -> _F:
    return cast(_F, njit(cache=True, nogil=True, error_model="numpy")(function))


NULL = (5177511712917721324, -419090864707416530)
"""What stands for a null, (hi, lo): the murmur of the one byte 0xFF, which no utf-8 text has."""

NO_NUMBER = np.iinfo(np.int64).min
"""Stands for a null integer within a block."""

OWN_ID = "own_id"
"""Column of parsed events: the source's own id of the event, null where it has none."""

REPLACES = "replaces"
"""Column of parsed events: the source's own id of the event that this one replaces."""

_BODY_TEXTS = ("topic_id", "item_id", "teacher_id", "reason")
_BODY_NUMBERS = (
    ("occurred_at", "sequence"),
    ("attempts", "success_ppm"),
    ("duration_ms", "attempt_number"),
    ("hints", "rewinds"),
)

_C1 = np.uint64(0x87C37B91114253D5)
_C2 = np.uint64(0x4CF5AD432745937F)
_M1 = np.uint64(0xFF51AFD7ED558CCD)
_M2 = np.uint64(0xC4CEB9FE1A85EC53)
_ADD1 = np.uint64(0x52DCE729)
_ADD2 = np.uint64(0x38495AB5)
_FIVE = np.uint64(5)


@_kernel
def _rotl(x: Any, bits: Any) -> Any:
    return (x << np.uint64(bits)) | (x >> np.uint64(64 - bits))


@_kernel
def _fmix(k: Any) -> Any:
    k = (k ^ (k >> np.uint64(33))) * _M1
    k = (k ^ (k >> np.uint64(33))) * _M2
    return k ^ (k >> np.uint64(33))


@_kernel
def _mix1(k: Any) -> Any:
    return _rotl(k * _C1, 31) * _C2


@_kernel
def _mix2(k: Any) -> Any:
    return _rotl(k * _C2, 33) * _C1


@_kernel
def _step(h1: Any, h2: Any, k1: Any, k2: Any) -> Any:
    """Return the state after one block of 16 bytes."""
    h1 = (_rotl(h1 ^ _mix1(k1), 27) + h2) * _FIVE + _ADD1
    h2 = (_rotl(h2 ^ _mix2(k2), 31) + h1) * _FIVE + _ADD2
    return h1, h2


@_kernel
def _finish(h1: Any, h2: Any, n_bytes: Any) -> Any:
    h1, h2 = h1 ^ np.uint64(n_bytes), h2 ^ np.uint64(n_bytes)
    h1 = h1 + h2
    h2 = h2 + h1
    h1, h2 = _fmix(h1), _fmix(h2)
    h1 = h1 + h2
    return h1, h2 + h1


@_kernel
def _word(data: Any, at: Any, n_bytes: Any) -> Any:
    word = np.uint64(0)
    for j in range(n_bytes):
        word |= np.uint64(data[at + j]) << np.uint64(8 * j)
    return word


@_kernel
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


@_kernel
def _add_block(h1: Any, h2: Any, k1: Any, k2: Any) -> None:
    for i in range(h1.size):
        h1[i], h2[i] = _step(h1[i], h2[i], np.uint64(k1[i]), np.uint64(k2[i]))


@_kernel
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


def _murmur_dictionary(values: pa.DictionaryArray) -> Hashes:
    hi, lo = murmur(values.dictionary)
    # one place more than the dictionary has, for the rows that are null
    hi, lo = np.append(hi, NULL[0]), np.append(lo, NULL[1])
    indices = values.indices
    if indices.null_count:
        indices = pc.fill_null(indices.cast(pa.int64()), len(hi) - 1)
    at = indices.to_numpy(zero_copy_only=False)
    return hi[at], lo[at]


def buckets(student_ids: pa.Array | pa.ChunkedArray, count: int) -> npt.NDArray[np.int32]:
    """Return int32[n]: each pseudonym's bucket, its murmur's hi word as unsigned, modulo ``count``."""
    hi, _ = murmur(student_ids)
    return (hi.view(np.uint64) % np.uint64(count)).astype(np.int32)


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
        return self.add(*murmur(column))

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


def own_identity(
    tenant: pa.ChunkedArray, kind: pa.ChunkedArray, student: pa.ChunkedArray, own_id: pa.ChunkedArray
) -> Hashes:
    """Return the event ids that events with these own ids have: blocks tenant, kind, student, own id."""
    return Blocks(len(tenant)).text(tenant).text(kind).text(student).text(own_id).finish()


def event_identity(events: pa.Table) -> Hashes:
    """Return (hi, lo) of parsed, pseudonymised events, from what they are and never from their outcome.

    With an own id the blocks are tenant, kind, student, own id; without one: tenant, kind, student, item
    (for feedback the teacher), topic, (occurred_at, sequence).
    """
    blocks = Blocks(events.num_rows).text(events["tenant"]).text(events["kind"]).text(events["student_id"])
    item = murmur(events["item_id"])
    if events["teacher_id"].null_count < events.num_rows:
        # two teachers may speak of one topic in the same second
        teacher, has_item = murmur(events["teacher_id"]), events["item_id"].is_valid().to_numpy()
        item = np.where(has_item, item[0], teacher[0]), np.where(has_item, item[1], teacher[1])
    blocks.add(*item).text(events["topic_id"]).add(numbers(events["occurred_at"]), numbers(events["sequence"]))
    hi, lo = blocks.finish()
    own = events[OWN_ID]
    if own.null_count == events.num_rows:
        return hi, lo
    own_hi, own_lo = own_identity(events["tenant"], events["kind"], events["student_id"], own)
    if own.null_count == 0:
        return own_hi, own_lo
    has_own = own.is_valid().to_numpy()
    return np.where(has_own, own_hi, hi), np.where(has_own, own_lo, lo)


def _joined(lists: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.binary_join(lists, "\x1f")  # ids hold no control characters, so this cannot be ambiguous


def body_hashes(events: pa.Table, replaces: Hashes) -> Int64s:
    """Return int64[n]: murmur of everything an event says, but for where and when it was read."""
    blocks = Blocks(events.num_rows)
    for name in _BODY_TEXTS:
        blocks.text(events[name])
    blocks.text(_joined(events["other_topic_ids"]))
    for first, second in _BODY_NUMBERS:
        blocks.add(numbers(events[first]), numbers(events[second]))
    return blocks.add(*replaces).finish()[0]


def identify(events: pa.Table) -> pa.Table:
    """Return parsed events, students already pseudonyms, with ids and body hashes, in EVENTS' own columns.

    ``events`` has EVENTS' columns but bucket and the hashes, and `OWN_ID` and `REPLACES`, which go.
    ``bucket`` is left out still: the lake knows how many there are.
    """
    hi, lo = event_identity(events)
    replaces, n = events[REPLACES], events.num_rows
    none = np.full(n, NO_NUMBER)
    there = replaces.is_valid().to_numpy()
    replaces_hi, replaces_lo = none, none
    if there.any():
        found = own_identity(events["tenant"], events["kind"], events["student_id"], replaces)
        replaces_hi, replaces_lo = np.where(there, found[0], none), np.where(there, found[1], none)
    made = {
        "event_id_hi": pa.array(hi),
        "event_id_lo": pa.array(lo),
        "body_hash": pa.array(body_hashes(events, (replaces_hi, replaces_lo))),
        "replaces_hi": pa.array(replaces_hi, mask=~there),
        "replaces_lo": pa.array(replaces_lo, mask=~there),
    }
    names = [name for name in EVENTS.schema.names if name != "bucket"]
    return pa.table([made[name] if name in made else events[name] for name in names], names=names)
