"""Ask a Bloom filter of Parquet whether a column chunk may hold a 64-bit integer.

The filters are split-block ones with XXH64, as the Parquet format says (parquet-format, BloomFilter.md); pyarrow writes
them and does not read them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from mastery.arrays import Int64s
from mastery.kernels import kernel

PRIME = (
    np.uint64(11400714785074694791),
    np.uint64(14029467366897019727),
    np.uint64(1609587929392839161),
    np.uint64(9650029242287828579),
    np.uint64(2870177450012600261),
)
"""The primes of XXH64."""

SALT = np.array(
    [0x47B6137B, 0x44974D91, 0x8824AD5B, 0xA2B7289D, 0x705495C7, 0x2DF1424B, 0x9EFC4947, 0x5C6BFB31], np.uint64
)
"""What the lower half of a hash is multiplied with for the bit in each of the eight words of a block."""

WORDS = 8
"""32-bit words in a block."""


def may_hold(words: npt.NDArray[np.uint32], values: Int64s) -> npt.NDArray[np.bool_]:
    """Return bool[n]: false where the filter says that a value is not there, and then it is not.

    Args:
        words: The filter, uint32[blocks x 8].
        values: int64[n].
    """
    out = np.empty(values.size, np.bool_)
    _ask(words, values.view(np.uint64), out)
    return out


def may_hold_any(words: npt.NDArray[np.uint32], values: Int64s) -> bool:
    """Return whether one of the values may be there; see `may_hold`."""
    return bool(_ask_until_one(words, values.view(np.uint64)))


@kernel
def _ask(words: Any, values: Any, out: Any) -> None:
    for i in range(values.size):
        out[i] = _passes(words, values[i])


@kernel
def _ask_until_one(words: Any, values: Any) -> Any:
    i = 0
    while i < values.size and not _passes(words, values[i]):
        i += 1
    return i < values.size


@kernel
def _passes(words: Any, value: Any) -> Any:
    blocks = np.uint64(words.size // WORDS)
    half, lower = np.uint64(32), np.uint64(0xFFFFFFFF)
    hashed = _xxh64(value)
    block = ((hashed >> half) * blocks) >> half
    for word in range(WORDS):
        bit = (((hashed & lower) * SALT[word]) & lower) >> np.uint64(27)
        if not (np.uint64(words[block * np.uint64(WORDS) + np.uint64(word)]) >> bit) & np.uint64(1):
            return False
    return True


@kernel
def _xxh64(value: Any) -> Any:
    """Return XXH64, seed 0, of the eight bytes of a number, little-endian."""
    mixed = value * PRIME[1]
    mixed = ((mixed << np.uint64(31)) | (mixed >> np.uint64(33))) * PRIME[0]
    hashed = (PRIME[4] + np.uint64(8)) ^ mixed
    hashed = ((hashed << np.uint64(27)) | (hashed >> np.uint64(37))) * PRIME[0] + PRIME[3]
    hashed = (hashed ^ (hashed >> np.uint64(33))) * PRIME[1]
    hashed = (hashed ^ (hashed >> np.uint64(29))) * PRIME[2]
    return hashed ^ (hashed >> np.uint64(32))
