"""SplitMix64: 64-bit words mixed so that each bit of the result depends on every bit of the word.

Steele, Lea & Flood (2014), Fast splittable pseudorandom number generators, OOPSLA.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from mastery.kernels import inlined_kernel, kernel

UInt64s = npt.NDArray[np.uint64]

G1, G2, G3 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
XXHASH_2 = np.uint64(0xC2B2AE3D27D4EB4F)
"""The second prime of xxHash64: where a hash multiplies one word by `G1`, it multiplies the next one by this."""

S30, S27, S31 = np.uint64(30), np.uint64(27), np.uint64(31)


@inlined_kernel
def finalised(z: Any) -> Any:
    """Return the output of one 64-bit state."""
    z = (z ^ (z >> S30)) * G2
    z = (z ^ (z >> S27)) * G3
    return z ^ (z >> S31)


@kernel
def absorb(words: UInt64s, hashes: UInt64s) -> None:
    """Mix each word into the hash of its row, in place; the order of the words counts."""
    for i in range(words.size):
        hashes[i] = finalised((hashes[i] ^ words[i]) + G1)
