"""Half widths of 90 % intervals: quantiles of how far the truth lies from a score, on simulated students.

Quantile regression (Koenker & Bassett 1978, Regression quantiles, Econometrica 46(1)) by majorize-minimize steps
(Hunter & Lange 2000, Quantile regression via an MM algorithm, JCGS 9(1)): of score − truth for the lower end, of
truth − score for the upper one, each a line in pieces in the score times what evidence makes of it; see
mastery.scorers.interval. Real answers hold no truth: fitted model sets carry the numbers that simulated schools gave.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from mastery.arrays import Bools, Floats, Int64s
from mastery.kernels import kernel
from mastery.scorers import SPECS
from mastery.scorers.base import place_of
from mastery.scorers.interval import KNOTS, LEAST, SCANT, Numbers
from mastery.scorers.parameters import KeyedRows, Parameters

HELD = 0.9
"""Share of intervals that should contain the truth."""

ANSWERS_HALF = (2.0, 5.0, 12.0)
RICH = (0.15, 0.3, 0.45, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0)
"""What is tried for the numbers that are not linear, side by side; the loss decides."""

CORNER = 1e-3
"""Distances below this count as this: the corner of the loss, rounded."""

PULL = 3.0
"""Half-widths at neighbouring knots are drawn together as by this many scores: some scorers never reach the last."""

SEARCHED = 6_000
"""Scores on which the numbers that are not linear are searched; a share of them is taken that leaves about this many.
"""

MOST_STEPS = 60
ENOUGH = 1e-4
ROUNDS = 3

PROBE = Numbers((1e-4,) * len(KNOTS), (1e-4,) * len(KNOTS), 1e3, 1e3, 1.0)
"""Numbers that let an interval tell the evidence behind it."""


def evidence_of(score: Floats, lower: Floats, upper: Floats) -> Floats:
    """Return float64[P]: the evidence behind intervals that were read with `PROBE`, 0 where it is scant."""
    width = np.maximum(upper - score, score - lower)  # one end may be 0 or 1
    left = 1.0 - (width / PROBE.below[0] - 1.0) / (PROBE.below_rich - 1.0)
    evidence: Floats = PROBE.answers_half * (1.0 / np.clip(left, 1e-4, 1.0) ** 2 - 1.0)
    return np.where(evidence < SCANT, 0.0, evidence)


def with_numbers(name: str, parameters: Parameters, numbers: Numbers) -> Parameters:
    """Return the parameters of one scorer with these half widths for every topic."""
    start = place_of(SPECS[name].parameters, "below_1").start
    values = np.array([*numbers.below, *numbers.above, *numbers[2:]])
    default, topics = parameters.default.copy(), parameters.topics.values.copy()
    default[start : start + values.size] = values
    topics[:, start : start + values.size] = values
    return replace(parameters, default=default, topics=KeyedRows(parameters.topics.keys, topics))


def fitted_intervals(scorers: Mapping[str, Parameters]) -> dict[str, Parameters]:
    """Return the parameters with the half widths that are shipped for fitted scorers, where there are any."""
    shipped = {name: spec.intervals.fitted for name, spec in SPECS.items() if spec.intervals is not None}
    return {
        name: with_numbers(name, mine, shipped[name]) if name in shipped else mine for name, mine in scorers.items()
    }


def fit_intervals(score: Floats, evidence: Floats, truth: Floats, held: float = HELD) -> Numbers:
    """Return the half widths whose intervals hold the truth in a share `held` of the cases, at every score.

    Half of the misses are to lie on each side. Where a side needs no width at all to miss less than that, the other
    side may miss more.

    Args:
        score, truth: float64[n], 0 to 1.
        evidence: float64[n], in answers. Rows with scant evidence are left out: their intervals go up to [0, 1].
    """
    there = np.isfinite(score) & np.isfinite(truth) & (evidence >= SCANT)
    score, evidence, truth = score[there], evidence[there], truth[there]
    piece = np.clip(np.searchsorted(KNOTS, score, side="right") - 1, 0, len(KNOTS) - 2)
    share = (score - np.take(KNOTS, piece)) / np.take(np.diff(KNOTS), piece)
    half = np.full(score.size, 0.5 + 0.5 * held)
    off = score - truth
    tried = {}
    some = slice(None, None, max(1, -(-score.size // SEARCHED)))
    for answers_half in ANSWERS_HALF:
        rich = 1.0 - 1.0 / np.sqrt(1.0 + evidence[some] / answers_half)
        factors = [1.0 + rich * (times - 1.0) for times in RICH]
        below = [_side(piece[some], share[some], factor, off[some], half[some]) for factor in factors]
        above = [_side(piece[some], share[some], factor, -off[some], half[some]) for factor in factors]
        down, up = (min(range(len(RICH)), key=[loss for _, loss in side].__getitem__) for side in (below, above))
        tried[below[down][1] + above[up][1]] = answers_half, down, up
    answers_half, down, up = tried[min(tried)]
    rich = 1.0 - 1.0 / np.sqrt(1.0 + evidence / answers_half)
    sides = [1.0 + rich * (RICH[down] - 1.0), 1.0 + rich * (RICH[up] - 1.0)]
    found = [_side(piece, share, sides[0], off, half)[0], _side(piece, share, sides[1], -off, half)[0]]
    for turn in range(2 * ROUNDS):
        mine, other = (turn + 1) % 2, turn % 2
        target = (off, -off)
        missed = target[other] > _line(piece, share, found[other]) * sides[other]
        level = np.clip(held + _around(piece, share, missed), held, half)
        found[mine] = _side(piece, share, sides[mine], target[mine], level)[0]
    below_widths, above_widths = (tuple(np.maximum(side, LEAST).tolist()) for side in found)
    return Numbers(below_widths, above_widths, max(RICH[down], LEAST), max(RICH[up], LEAST), answers_half)


def _line(piece: Int64s, share: Floats, widths: Floats) -> Floats:
    line: Floats = widths[piece] + share * (widths[piece + 1] - widths[piece])
    return line


def _around(piece: Int64s, share: Floats, missed: Bools) -> Floats:
    """Return float64[n]: the share of misses around each score."""
    knots = len(KNOTS)
    sums = [
        np.bincount(piece, (1.0 - share) * what, knots) + np.bincount(piece + 1, share * what, knots)
        for what in (missed.astype(np.float64), np.ones(missed.size))
    ]
    return _line(piece, share, sums[0] / np.maximum(sums[1], 1e-9))


def _side(piece: Int64s, share: Floats, factor: Floats, target: Floats, level: Floats) -> tuple[Floats, float]:
    """Return the half widths ≥ 0 whose line, times `factor`, leaves a share `level` of targets below it; the loss."""
    knots = len(KNOTS)
    steps = np.diff(np.eye(knots), axis=0)
    pull = PULL * steps.T @ steps + 1e-9 * np.eye(knots)
    found, normal, right = np.full(knots, 0.2), np.empty((knots, knots)), np.empty(knots)
    loss = 0.0
    for _ in range(MOST_STEPS):
        loss = float(_look(piece, share, factor, target, level, found, normal, right))
        again, free = np.zeros(knots), np.ones(knots, bool)
        while free.any():  # widths that would be negative are 0, and the others are found without them
            again[:] = 0.0
            again[free] = np.linalg.solve((normal + pull)[np.ix_(free, free)], right[free])
            if np.all(again >= 0.0):
                break
            free &= again > 0.0
        again = np.maximum(again, 0.0)
        done = float(np.abs(again - found).max()) < ENOUGH
        found = again
        if done:
            break
    return found, loss


@kernel
def _look(
    piece: Int64s, share: Floats, factor: Floats, target: Floats, level: Floats, widths: Floats, normal: Floats,
    right: Floats,
) -> float:  # fmt: skip
    """Return the loss at `widths`; write the weighted least squares that majorizes it."""
    normal[:] = 0.0
    right[:] = 0.0
    loss = 0.0
    for i in range(piece.size):
        k = piece[i]
        a, b = (1.0 - share[i]) * factor[i], share[i] * factor[i]
        left = target[i] - a * widths[k] - b * widths[k + 1]
        loss += left * (level[i] - (1.0 if left < 0.0 else 0.0))
        weight = 0.5 / max(abs(left), CORNER)
        normal[k, k] += weight * a * a
        normal[k + 1, k + 1] += weight * b * b
        normal[k, k + 1] += weight * a * b
        normal[k + 1, k] += weight * a * b
        drawn = weight * target[i] + level[i] - 0.5
        right[k] += drawn * a
        right[k + 1] += drawn * b
    return loss
