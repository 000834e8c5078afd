"""Numbers of any count of bits, one behind the other in 64-bit words, least bit first."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from mastery.kernels import kernel

ALL_BITS = np.uint64(2**64 - 1)


@kernel
def put_bits(words: Any, at: Any, value: Any, count: Any) -> Any:
    """Write the `count` bits of a number that has no more, into words that are zero; return the bit after them."""
    i, shift = at >> 6, at & 63
    words[i] |= value << np.uint64(shift)
    if shift + count > 64:
        words[i + 1] = value >> np.uint64(64 - shift)
    return at + count


@kernel
def take_bits(words: Any, at: Any, count: Any) -> Any:
    """Return the number of `count` bits at a bit."""
    if count == 0:
        return np.uint64(0)
    i, shift = at >> 6, at & 63
    value = words[i] >> np.uint64(shift)
    if shift + count > 64:
        value |= words[i + 1] << np.uint64(64 - shift)
    return value & (ALL_BITS >> np.uint64(64 - count))


@kernel
def put_many(words: Any, at: int, values: Any, n: int, count: int, less: Any, shift: Any) -> int:
    """Write n numbers, each less `less` and without its last `shift` bits, in `count` bits each; return the bit after.

    Each word is written in whole as often as a number ends in it, without a branch: whether a number goes on into the
    next word cannot be guessed, and a word that is read again has to wait for having been written.
    """
    i, filled = np.uint64(at >> 6), np.uint64(at & 63)
    word, step = words[i], np.uint64(count)
    for j in range(n):
        value = (values[j] - less) >> shift
        word |= value << filled
        words[i] = word
        over = (value >> np.uint64(1)) >> (np.uint64(63) - filled)
        filled += step
        word = over if filled >= np.uint64(64) else word
        i += filled >> np.uint64(6)
        filled &= np.uint64(63)
    words[i] = word
    return at + n * count


@kernel
def take_many(words: Any, at: int, values: Any, n: int, count: int) -> int:
    """Fill n numbers of `count` bits each; return the bit after them. Behind the last one there is one more word."""
    mask = ALL_BITS >> np.uint64(64 - count) if count else np.uint64(0)
    place, step = np.uint64(at), np.uint64(count)
    for j in range(n):
        i, shift = place >> np.uint64(6), place & np.uint64(63)
        values[j] = (
            (words[i] >> shift) | ((words[i + np.uint64(1)] << np.uint64(1)) << (np.uint64(63) - shift))
        ) & mask
        place += step
    return at + n * count


@kernel
def length(value: Any) -> Any:
    """Return how many bits an unsigned number has: 0 of 0, 64 at most.

    By the exponents of its halves, which are floats without rounding: halving it over and over is a branch each time.
    """
    high = value >> np.uint64(32)
    found = math.frexp(np.float64(high if high != np.uint64(0) else value))[1]
    return np.int64(found) + (32 if high != np.uint64(0) else 0)


@kernel
def zeros_below(value: Any) -> Any:
    """Return how many bits of a number that is not 0 come before its least one."""
    return length(value & (~value + np.uint64(1))) - 1


@kernel
def zigzag(value: Any) -> Any:
    """Return 0, 1, 2, 3, … for 0, −1, 1, −2, …: small numbers of either sign have few bits."""
    return np.uint64((value << np.int64(1)) ^ (value >> np.int64(63)))


@kernel
def unzigzag(value: Any) -> Any:
    """Return the signed number that `zigzag` made this of."""
    return np.int64(value >> np.uint64(1)) ^ -np.int64(value & np.uint64(1))
