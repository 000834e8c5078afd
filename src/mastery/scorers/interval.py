"""Interval of a share from the weight of its evidence, and what time does to a score. Scalar kernels."""

from __future__ import annotations

import math

from numba import njit

Z90 = 1.6448536269514722
"""The normal quantile that leaves 5 % on each side."""

LN2_PER_DAY_US = math.log(2.0) / 86_400e6

LEAST_RETAINED = 1e-12


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def kept_at(elapsed_us: float, rate_per_us: float) -> float:
    """Return λ(Δt) = e^(−rate Δt); the same bits as `retention`, for kernels that keep the rate."""
    elapsed_us = elapsed_us if elapsed_us > 0.0 else 0.0  # NaN too: before the first event nothing is forgotten
    return max(LEAST_RETAINED, math.exp(-rate_per_us * elapsed_us))


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def retention(elapsed_us: float, half_life_days: float) -> float:
    """Return λ(Δt) = 2^(−Δt / half-life), 1 where no time has passed, and never quite 0 (its log is a part)."""
    return kept_at(elapsed_us, LN2_PER_DAY_US / half_life_days)


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def forgotten(last: float, prior: float, kept: float) -> float:
    """Return the score after a time: rest + λ (last − rest), with rest = min(prior, last) and λ = `kept`.

    It grows with `last` and never exceeds it, so a right answer can only help and idle time can only cost.
    """
    rest = min(prior, last)
    return min(last, rest + kept * (last - rest))


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def wilson(share: float, weight: float) -> tuple[float, float]:
    """Return (lower, upper): the 90 % score interval of a share seen with this much evidence.

    Wilson (1927), Probable inference, the law of succession, and statistical inference, JASA 22(158), eq. 4 solved
    for p. It stays in [0, 1], holds the share, and is [0, 1] without evidence.
    """
    if weight <= 0.0:
        return 0.0, 1.0
    zz = Z90 * Z90 / weight
    centre = (share + 0.5 * zz) / (1.0 + zz)
    half = math.sqrt(Z90 * Z90 * share * (1.0 - share) / weight + 0.25 * zz * zz) / (1.0 + zz)
    return min(share, max(0.0, centre - half)), max(share, min(1.0, centre + half))
