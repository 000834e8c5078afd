"""Numbers, texts and words among the bytes of a record. What they mean: `mastery.state.encoding`."""

from __future__ import annotations

from typing import Any

import numpy as np

from mastery.kernels import kernel


@kernel
def put_number(out: Any, at: Any, value: Any) -> Any:
    """Write an unsigned 64-bit number, seven bits a byte, least first; return the place after it."""
    while value >= np.uint64(128):
        out[at] = np.uint8((value & np.uint64(127)) | np.uint64(128))
        value >>= np.uint64(7)
        at += 1
    out[at] = np.uint8(value)
    return at + 1


@kernel
def put_signed(out: Any, at: Any, value: Any) -> Any:
    """Write a signed 64-bit number zig-zag: 0, −1, 1, −2, … become 0, 1, 2, 3, …"""
    return put_number(out, at, np.uint64((value << np.int64(1)) ^ (value >> np.int64(63))))


@kernel
def put_bytes(out: Any, at: Any, data: Any, start: Any, end: Any) -> Any:
    """Write data[start:end]; return the place after it."""
    for i in range(start, end):
        out[at + i - start] = data[i]
    return at + end - start


@kernel
def put_text(out: Any, at: Any, data: Any, start: Any, end: Any) -> Any:
    """Write the length of data[start:end] and its bytes; return the place after them."""
    at = put_number(out, at, np.uint64(end - start))
    return put_bytes(out, at, data, start, end)


@kernel
def put_word(out: Any, at: Any, word: Any) -> Any:
    """Write 8 bytes, least first; return the place after them."""
    for i in range(8):
        out[at + i] = np.uint8((word >> np.uint64(8 * i)) & np.uint64(255))
    return at + 8


@kernel
def put_words(out: Any, at: Any, values: Any, start: Any, end: Any) -> Any:
    """Write rows of integers, 8 bytes each; return the place after them."""
    for r in range(start, end):
        for k in range(values.shape[1]):
            at = put_word(out, at, np.uint64(values[r, k]))
    return at


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
def take_word(data: Any, at: Any) -> Any:
    """Return the 8 bytes at a place, least first."""
    word = np.uint64(0)
    for i in range(8):
        word |= np.uint64(data[at + i]) << np.uint64(8 * i)
    return word


@kernel
def take_words(data: Any, at: Any, values: Any) -> Any:
    """Fill rows of integers of 8 bytes each; return the place after them."""
    for r in range(values.shape[0]):
        for k in range(values.shape[1]):
            values[r, k] = np.int64(take_word(data, at))
            at += 8
    return at
