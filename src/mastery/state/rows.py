"""The numbers of a record, row by row: quick to write and to read, and small enough where there are few.

    floats    student states of all scorers side by side
    P times   floats: slot states of all scorers side by side; integers: counters;
              1 byte: has an override, and if so 2 × 8 bytes
    H times   signed: slot less the slot before, day less the day before; integers: the other columns

Floats are one bit each that says "not +0.0" (filled up to a byte) and 8 bytes for each that is not. Integers are one
number with a bit for each that is not zero, and those, signed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mastery.kernels import kernel
from mastery.state.varints import put_number, put_signed, put_word, take_number, take_signed, take_word


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
            at = put_word(out, at, word)
    return at


@kernel
def _put_slot_floats(out: Any, at: Any, words: Any, p: Any, slots: Any, widths: Any) -> Any:
    bits, k, begin = at, 0, 0
    at += (widths.sum() + 7) // 8
    for i in range(bits, at):
        out[i] = np.uint8(0)
    for many in widths:
        for c in range(begin + p * many, begin + p * many + many):
            word = words[c]
            if word != np.uint64(0):
                out[bits + k // 8] |= np.uint8(1 << (k % 8))
                at = put_word(out, at, word)
            k += 1
        begin += slots * many
    return at


@kernel
def _put_integers(out: Any, at: Any, values: Any, row: Any, first: Any) -> Any:
    """Write which of a row's integers, from column `first`, are not zero as one mask, and then those."""
    mask = np.uint64(0)
    for k in range(first, values.shape[1]):
        if values[row, k] != 0:
            mask |= np.uint64(1) << np.uint64(k - first)
    at = put_number(out, at, mask)
    for k in range(first, values.shape[1]):
        if values[row, k] != 0:
            at = put_signed(out, at, values[row, k])
    return at


@kernel
def put_rows(
    out: Any, at: Any, s: Any, slot_ptr: Any, slot_words: Any, widths: Any, student_words: Any, counters: Any,
    ledger_ptr: Any, ledger: Any, override: Any,
) -> Any:  # fmt: skip
    """Write the numbers of student s of a block; return the place after them."""
    at = _put_floats(out, at, student_words, s)
    for p in range(slot_ptr[s], slot_ptr[s + 1]):
        at = _put_slot_floats(out, at, slot_words, p, counters.shape[0], widths)
        at = _put_integers(out, at, counters, p, 0)
        has = not (np.isnan(override[p, 0]) and np.isnan(override[p, 1]))
        out[at] = np.uint8(has)
        at += 1
        if has:
            words = override[p].view(np.uint64)
            at = put_word(out, at, words[0])
            at = put_word(out, at, words[1])
    slot, day = np.int64(0), np.int64(0)
    for h in range(ledger_ptr[s], ledger_ptr[s + 1]):
        at = put_signed(out, at, ledger[h, 0] - slot)
        at = put_signed(out, at, ledger[h, 1] - day)
        slot, day = ledger[h, 0], ledger[h, 1]
        at = _put_integers(out, at, ledger, h, 2)
    return at


@kernel
def _floats(data: Any, at: Any, words: Any, row: Any) -> Any:
    n = words.shape[1]
    bits = at
    at += (n + 7) // 8
    for k in range(n):
        if data[bits + k // 8] & (1 << (k % 8)):
            words[row, k] = take_word(data, at)
            at += 8
    return at


@kernel
def _slot_floats(data: Any, at: Any, words: Any, p: Any, slots: Any, widths: Any) -> Any:
    bits, k, begin = at, 0, 0
    at += (widths.sum() + 7) // 8
    for many in widths:
        for c in range(begin + p * many, begin + p * many + many):
            words[c] = 0
            if data[bits + k // 8] & (1 << (k % 8)):
                words[c] = take_word(data, at)
                at += 8
            k += 1
        begin += slots * many
    return at


@kernel
def _integers(data: Any, at: Any, values: Any, row: Any, first: Any) -> Any:
    mask, at = take_number(data, at)
    for k in range(first, values.shape[1]):
        if mask & (np.uint64(1) << np.uint64(k - first)):
            values[row, k], at = take_signed(data, at)
    return at


@kernel
def take_rows(
    data: Any, at: Any, slot_words: Any, first: Any, slots: Any, widths: Any, student_words: Any, counters: Any,
    ledger: Any, override: Any,
) -> Any:  # fmt: skip
    """Fill the arrays, which hold zeros (overrides NaN), as `mastery.state.kernels.decode_student` says.

    Return the place after them.
    """
    at = _floats(data, at, student_words, 0)
    for p in range(counters.shape[0]):
        at = _slot_floats(data, at, slot_words, first + p, slots, widths)
        at = _integers(data, at, counters, p, 0)
        at += 1
        if data[at - 1]:
            override[p, 0] = take_word(data, at)
            override[p, 1] = take_word(data, at + 8)
            at += 16
    slot, day = np.int64(0), np.int64(0)
    for h in range(ledger.shape[0]):
        step, at = take_signed(data, at)
        slot += step
        step, at = take_signed(data, at)
        day += step
        ledger[h, 0], ledger[h, 1] = slot, day
        at = _integers(data, at, ledger, h, 2)
    return at
