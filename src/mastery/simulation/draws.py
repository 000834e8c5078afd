"""Random numbers for the kernels: SplitMix64, one stream per student.

See mastery.splitmix. A stream depends on
the seed and the student's number alone, so a student is the same whoever is simulated beside.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from mastery.kernels import kernel
from mastery.splitmix import G1, G2, finalised

Random = NDArray[np.uint64]  # one number: the state of the student's stream

S11 = np.uint64(11)


@kernel
def uniform(random: Random) -> float:
    """Return a number in [0, 1), 53 bits."""
    random[0] += G1
    return float(finalised(random[0]) >> S11) * (1.0 / 9007199254740992.0)


@kernel
def normal(random: Random) -> float:
    """Return a standard normal number (Box & Muller 1958; the second of the pair is not kept)."""
    radius = math.sqrt(-2.0 * math.log(1.0 - uniform(random)))
    return radius * math.cos(2.0 * math.pi * uniform(random))


@kernel
def poisson(random: Random, mean: float) -> int:
    """Return a Poisson number by multiplication (Knuth); means here are below 60."""
    limit, product, count = math.exp(-mean), uniform(random), 0
    while product > limit:
        product *= uniform(random)
        count += 1
    return count


@kernel
def lognormal(random: Random, median: float, spread: float) -> float:
    """Return `median` times the exponential of a normal number of that standard deviation."""
    return median * math.exp(spread * normal(random))


@kernel
def stream(random: Random, seed: int, student: int) -> None:
    """Set the stream to the start of the student's own."""
    random[0] = finalised(finalised(np.uint64(seed) + G1) + np.uint64(student) * G2)
