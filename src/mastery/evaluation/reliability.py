"""Whether predicted probabilities come true: reliability diagrams, and the expected calibration error (ECE).

Answers are cut by their prediction into bins of equal mass; the ECE is the mean distance of predicted and true share,
weighted by answers (Naeini, Cooper & Hauskrecht 2015, AAAI; equal mass in place of equal width: Nixon et al. 2019).
It is above 0 for a perfect model too, because outcomes are random: `perfect_ece` says how far on this very sample.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mastery.arrays import Floats, Int64s

BINS = 15

PERFECT_DRAWS = 200
"""Simulated samples that say what a perfect model would show: their 95th percentile is known to about a tenth."""


@dataclass(frozen=True)
class Reliability:
    """B bins of answers, B ≤ n, in order of prediction.

    Attributes:
        answers: int64[B].
        predicted, right: float64[B]. Mean prediction and share of right answers.
    """

    answers: Int64s
    predicted: Floats
    right: Floats

    @property
    def ece(self) -> float:
        """The expected calibration error; NaN without answers."""
        if self.answers.size == 0:
            return np.nan
        return float(np.sum(self.answers * np.abs(self.predicted - self.right)) / self.answers.sum())


def reliability(p: Floats, y: Floats, bins: int = BINS) -> Reliability:
    """Return the bins of n answers; fewer than `bins` where there are fewer answers."""
    order = np.argsort(p, kind="stable")
    edges = _edges(p.size, bins)
    if edges.size == 0:
        return Reliability(np.zeros(0, np.int64), np.zeros(0), np.zeros(0))
    answers = np.diff(np.append(edges, p.size))
    return Reliability(answers, np.add.reduceat(p[order], edges) / answers, np.add.reduceat(y[order], edges) / answers)


def ece(p: Floats, y: Floats, bins: int = BINS) -> float:
    """Return the expected calibration error of n answers."""
    return reliability(p, y, bins).ece


def bootstrap_ece(p: Floats, y: Floats, student: Int64s, draws: int, seed: int, bins: int = BINS) -> Floats:
    """Return float64[draws]: the ECE on students drawn with replacement, the same ones as `measures.bootstrap` draws.

    Args:
        student: int64[n]. Codes from 0.
    """
    found = np.full(draws, np.nan)
    if p.size == 0:
        return found
    order = np.argsort(p, kind="stable")
    p, y, owner = p[order], y[order], student[order]
    answers = np.bincount(student)
    chosen = np.flatnonzero(answers > 0)
    rng = np.random.default_rng(seed)
    for draw in range(draws):
        weight = np.zeros(answers.size)
        weight[chosen] = np.bincount(rng.integers(0, chosen.size, chosen.size), minlength=chosen.size)
        mass = weight[owner]
        before = np.cumsum(mass) - mass
        place = np.minimum(before * bins / mass.sum(), bins - 1).astype(np.int64)
        off = np.bincount(place, mass * (p - y), minlength=bins)
        found[draw] = np.abs(off).sum() / mass.sum()
    return found


def perfect_ece(
    p: Floats, seed: int, bins: int = BINS, draws: int = PERFECT_DRAWS, level: float = 0.95
) -> tuple[float, float]:
    """Return (mean, quantile `level`) of the ECE that these predictions would show if each were exactly right."""
    edges = _edges(p.size, bins)
    if edges.size == 0:
        return np.nan, np.nan
    ascending = np.sort(p)
    expected = np.add.reduceat(ascending, edges)
    rng = np.random.default_rng(seed)
    found = np.empty(draws)
    for draw in range(draws):
        right = np.add.reduceat((rng.random(p.size) < ascending).astype(np.float64), edges)
        found[draw] = np.abs(right - expected).sum() / p.size
    return float(found.mean()), float(np.quantile(found, level))


def _edges(n: int, bins: int) -> Int64s:
    """Return where each bin starts; bins differ by at most one answer."""
    return np.unique((np.arange(min(bins, n), dtype=np.int64) * n) // max(1, min(bins, n)))
