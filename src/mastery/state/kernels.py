"""The loops of the record encoding. What the bytes mean: `mastery.state.encoding`."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mastery.arrays import Floats, Int64s
from mastery.kernels import kernel


class Texts(NamedTuple):
    """Texts one behind the other: text k is data[ptr[k]:ptr[k + 1]], as utf-8."""

    data: npt.NDArray[np.uint8]
    ptr: Int64s


class BlockArrays(NamedTuple):
    """A `mastery.state.record.RecordBlock` as kernels take it.

    `preamble` is what the records of a block begin with alike; states are the bits of their floats, side by side.
    """

    preamble: npt.NDArray[np.uint8]
    ids: Texts
    tenants: Texts
    topics: Texts
    slot_ptr: Int64s
    topic_codes: Int64s
    slot_words: npt.NDArray[np.uint64]
    student_words: npt.NDArray[np.uint64]
    counters: Int64s
    ledger_ptr: Int64s
    ledger: Int64s
    override: Floats
    recent_ptr: Int64s
    recent: Int64s
    newest: Int64s
    missing_ptr: Int64s
    missing: Int64s
    last_event_us: Int64s
    events_folded: Int64s


@kernel
def _put_number(out: Any, at: Any, value: Any) -> Any:
    """Write an unsigned 64-bit number, seven bits a byte, least first; return the place after it."""
    while value >= np.uint64(128):
        out[at] = np.uint8((value & np.uint64(127)) | np.uint64(128))
        value >>= np.uint64(7)
        at += 1
    out[at] = np.uint8(value)
    return at + 1


@kernel
def _put_signed(out: Any, at: Any, value: Any) -> Any:
    """Write a signed 64-bit number zig-zag: 0, −1, 1, −2, … become 0, 1, 2, 3, …"""
    return _put_number(out, at, np.uint64((value << np.int64(1)) ^ (value >> np.int64(63))))


@kernel
def _put_bytes(out: Any, at: Any, data: Any, start: Any, end: Any) -> Any:
    for i in range(start, end):
        out[at + i - start] = data[i]
    return at + end - start


@kernel
def _put_text(out: Any, at: Any, data: Any, start: Any, end: Any) -> Any:
    at = _put_number(out, at, np.uint64(end - start))
    return _put_bytes(out, at, data, start, end)


@kernel
def _put_word(out: Any, at: Any, word: Any) -> Any:
    """Write 8 bytes, least first."""
    for i in range(8):
        out[at + i] = np.uint8((word >> np.uint64(8 * i)) & np.uint64(255))
    return at + 8


@kernel
def _put_words(out: Any, at: Any, values: Any, start: Any, end: Any) -> Any:
    """Write rows of integers, 8 bytes each."""
    for r in range(start, end):
        for k in range(values.shape[1]):
            at = _put_word(out, at, np.uint64(values[r, k]))
    return at


@kernel
def _put_floats(out: Any, at: Any, words: Any, row: Any) -> Any:
    """Write which of a row's floats are not +0.0, one bit each, and then those."""
    n = words.shape[1]
    bits = at
    at += (n + 7) // 8
    for i in range(bits, at):
        out[i] = np.uint8(0)
    for k in range(n):
        word = words[row, k]
        if word != np.uint64(0):
            out[bits + k // 8] |= np.uint8(1 << (k % 8))
            at = _put_word(out, at, word)
    return at


@kernel
def _put_integers(out: Any, at: Any, values: Any, row: Any, first: Any) -> Any:
    """Write which of a row's integers, from column `first`, are not zero as one mask, and then those."""
    mask = np.uint64(0)
    for k in range(first, values.shape[1]):
        if values[row, k] != 0:
            mask |= np.uint64(1) << np.uint64(k - first)
    at = _put_number(out, at, mask)
    for k in range(first, values.shape[1]):
        if values[row, k] != 0:
            at = _put_signed(out, at, values[row, k])
    return at


@kernel
def encode_students(out: Any, ptr: Any, head_bytes: Any, block: BlockArrays) -> None:
    """Write each student's bytes behind the last one's into `out`, and the places into `ptr`.

    `head_bytes` are left free before each for magic and checksum. `out` must be large enough:
    `mastery.state.encoding.capacity`.
    """
    ids, tenants, topics = block.ids, block.tenants, block.topics
    slot_ptr, ledger_ptr, recent_ptr = block.slot_ptr, block.ledger_ptr, block.recent_ptr
    ledger, recent, override = block.ledger, block.recent, block.override
    newest, missing_ptr, missing = block.newest, block.missing_ptr, block.missing
    at = np.int64(0)
    for s in range(slot_ptr.size - 1):
        ptr[s] = at
        at += head_bytes
        at = _put_bytes(out, at, block.preamble, 0, block.preamble.size)
        at = _put_text(out, at, ids.data, ids.ptr[s], ids.ptr[s + 1])
        at = _put_text(out, at, tenants.data, tenants.ptr[s], tenants.ptr[s + 1])
        at = _put_number(out, at, np.uint64(slot_ptr[s + 1] - slot_ptr[s]))
        at = _put_number(out, at, np.uint64(ledger_ptr[s + 1] - ledger_ptr[s]))
        at = _put_number(out, at, np.uint64(recent_ptr[s + 1] - recent_ptr[s]))
        at = _put_number(out, at, np.uint64(missing_ptr[s + 1] - missing_ptr[s]))
        for p in range(slot_ptr[s], slot_ptr[s + 1]):
            code = block.topic_codes[p]
            at = _put_text(out, at, topics.data, topics.ptr[code], topics.ptr[code + 1])
        at = _put_signed(out, at, block.last_event_us[s])
        at = _put_signed(out, at, block.events_folded[s])
        at = _put_floats(out, at, block.student_words, s)
        for p in range(slot_ptr[s], slot_ptr[s + 1]):
            at = _put_floats(out, at, block.slot_words, p)
            at = _put_integers(out, at, block.counters, p, 0)
            has = not (np.isnan(override[p, 0]) and np.isnan(override[p, 1]))
            out[at] = np.uint8(has)
            at += 1
            if has:
                words = override[p].view(np.uint64)
                at = _put_word(out, at, words[0])
                at = _put_word(out, at, words[1])
        slot, day = np.int64(0), np.int64(0)
        for h in range(ledger_ptr[s], ledger_ptr[s + 1]):
            at = _put_signed(out, at, ledger[h, 0] - slot)
            at = _put_signed(out, at, ledger[h, 1] - day)
            slot, day = ledger[h, 0], ledger[h, 1]
            at = _put_integers(out, at, ledger, h, 2)
        at = _put_words(out, at, recent, recent_ptr[s], recent_ptr[s + 1])
        at = _put_signed(out, at, newest[s, 0] - block.last_event_us[s])
        at = _put_signed(out, at, newest[s, 1])
        for k in range(2, newest.shape[1]):
            at = _put_word(out, at, np.uint64(newest[s, k]))
        at = _put_words(out, at, missing, missing_ptr[s], missing_ptr[s + 1])
    ptr[slot_ptr.size - 1] = at


@kernel
def take_number(data: Any, at: Any) -> Any:
    """Return (an unsigned number, the place after it)."""
    value, shift = np.uint64(0), np.uint64(0)
    while data[at] >= 128:
        value |= np.uint64(data[at] & 127) << shift
        shift += np.uint64(7)
        at += 1
    return value | (np.uint64(data[at]) << shift), at + 1


@kernel
def take_signed(data: Any, at: Any) -> Any:
    """Return (a signed number, the place after it)."""
    value, at = take_number(data, at)
    return np.int64(value >> np.uint64(1)) ^ -np.int64(value & np.uint64(1)), at


@kernel
def _word(data: Any, at: Any) -> Any:
    word = np.uint64(0)
    for i in range(8):
        word |= np.uint64(data[at + i]) << np.uint64(8 * i)
    return word


@kernel
def _floats(data: Any, at: Any, words: Any, row: Any) -> Any:
    n = words.shape[1]
    bits = at
    at += (n + 7) // 8
    for k in range(n):
        if data[bits + k // 8] & (1 << (k % 8)):
            words[row, k] = _word(data, at)
            at += 8
    return at


@kernel
def _integers(data: Any, at: Any, values: Any, row: Any, first: Any) -> Any:
    mask, at = take_number(data, at)
    for k in range(first, values.shape[1]):
        if mask & (np.uint64(1) << np.uint64(k - first)):
            values[row, k], at = take_signed(data, at)
    return at


@kernel
def _words(data: Any, at: Any, values: Any) -> Any:
    for r in range(values.shape[0]):
        for k in range(values.shape[1]):
            values[r, k] = np.int64(_word(data, at))
            at += 8
    return at


@kernel
def decode_student(
    data: Any,
    at: Any,
    slot_words: Any,
    student_words: Any,
    counters: Any,
    ledger: Any,
    override: Any,
    recent: Any,
    newest: Any,
    missing: Any,
) -> Any:
    """Fill the arrays, which hold zeros (overrides NaN); return (place after, last_event_us, events_folded)."""
    last_event_us, at = take_signed(data, at)
    events_folded, at = take_signed(data, at)
    at = _floats(data, at, student_words, 0)
    for p in range(slot_words.shape[0]):
        at = _floats(data, at, slot_words, p)
        at = _integers(data, at, counters, p, 0)
        at += 1
        if data[at - 1]:
            override[p, 0] = _word(data, at)
            override[p, 1] = _word(data, at + 8)
            at += 16
    slot, day = np.int64(0), np.int64(0)
    for h in range(ledger.shape[0]):
        step, at = take_signed(data, at)
        slot += step
        step, at = take_signed(data, at)
        day += step
        ledger[h, 0], ledger[h, 1] = slot, day
        at = _integers(data, at, ledger, h, 2)
    at = _words(data, at, recent)
    step, at = take_signed(data, at)
    newest[0] = last_event_us + step
    newest[1], at = take_signed(data, at)
    for k in range(2, newest.size):
        newest[k] = np.int64(_word(data, at))
        at += 8
    at = _words(data, at, missing)
    return at, last_event_us, events_folded
