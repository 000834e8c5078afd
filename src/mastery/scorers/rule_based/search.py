"""Weights for the rule-based score, searched on answers that were still to come.

For each unaided first answer the score of its topic strictly before it is held against the outcome: the mean squared
difference (Brier, 1950, Verification of forecasts expressed in terms of probability, Monthly Weather Review 78(1)).
A coarse grid over the weights, then steps of 0.05 from the best of it, for each half-life of evidence. The answers of
held-out students choose nothing; they say what the choice is worth.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from mastery.arrays import Bools, Floats, Int64s
from mastery.errors import BadInput
from mastery.features.batch import Batch
from mastery.kernels import kernel
from mastery.scorers.rule_based.scorer import FACTORS, FIRST_FACTOR, HALF_LIFE, pre_answer_features, without_data
from mastery.scorers.scoring_rules import ScoringRules, Slice, Tuned

HALF_LIVES = (7.0, 14.0, 30.0, 60.0, 120.0)
"""Half-lives of evidence that are tried, in days, beside the one of the rules to start from."""

COARSE, FINE = 0.2, 0.05
HINT_WEIGHTS = (0.0, -0.05, -0.10)
HINTS = FACTORS.index("hints")
WEIGHTS = slice(FIRST_FACTOR, FIRST_FACTOR + 4 * len(FACTORS), 4)
"""Where the weights stand among the parameters."""

COARSE_ANSWERS = 30_000
"""The grid is walked on this many answers, evenly taken: 10,000 tell a thousandth of Brier score apart."""

LEAST_ANSWERS = 200
"""Fewer answers of either slice would tune to noise."""


@dataclass(frozen=True)
class _Answers:
    values: Floats
    start: Floats
    kept: Floats
    y: Floats
    held_out: Bools

    def take(self, rows: Int64s | Bools) -> _Answers:
        return _Answers(self.values[rows], self.start, self.kept[rows], self.y[rows], self.held_out[rows])

    def brier(self, weights: Floats) -> float:
        return float(_brier(self.values, self.start, self.kept, self.y, weights))


def search(
    base: ScoringRules,
    batches: Sequence[Batch],
    held_out: Sequence[Bools],
    half_lives: Sequence[float] = HALF_LIVES,
    progress: Callable[[int, int], None] | None = None,
) -> Tuned:
    """Return rules with the weights and the half-life that predict answers best; all else is the base's.

    Args:
        held_out: bool[S] by batch: students whose answers choose nothing.
        progress: Called with half-lives tried and half-lives in all.

    A factor that never varies in these answers gets weight 0: nothing can be said of it.

    Raises:
        BadInput: too few answers in either slice.
    """
    tried = sorted({float(base.params[HALF_LIFE]), *half_lives})
    best: tuple[float, float, Floats] | None = None
    for done, half_life in enumerate(tried):
        params = base.params.copy()
        params[HALF_LIFE] = half_life
        answers = _collect(batches, held_out, params)
        searched = answers.take(~answers.held_out)
        weights = _search_weights(searched)
        loss = searched.brier(weights)
        if best is None or loss < best[0]:
            best = loss, half_life, weights
        if progress is not None:
            progress(done + 1, len(tried))
    assert best is not None  # `tried` holds the base's own half-life at least
    tuned = base.params.copy()
    tuned[HALF_LIFE], tuned[WEIGHTS] = best[1], best[2]
    before, after = _collect(batches, held_out, base.params), _collect(batches, held_out, tuned)
    slices = [
        Slice(
            name,
            int(np.count_nonzero(mine)),
            before.take(mine).brier(base.params[WEIGHTS].copy()),
            after.take(mine).brier(best[2]),
        )
        for name, mine in (("search", ~before.held_out), ("held out", before.held_out))
    ]
    return Tuned(ScoringRules(f"{base.name}-tuned", base.version + 1, tuned), (slices[0], slices[1]))


def _collect(batches: Sequence[Batch], held_out: Sequence[Bools], params: Floats) -> _Answers:
    values, kept, y, out = [], [], [], []
    for batch, mine in zip(batches, held_out, strict=True):
        found, retained, row = pre_answer_features(batch, np.tile(params, (len(batch.topics), 1)))
        values.append(found)
        kept.append(retained)
        y.append(batch.y[row])
        out.append(mine[batch.slot_student[batch.slot[row]]])
    of_held_out = sum(int(np.count_nonzero(mine)) for mine in out)
    of_searched = sum(map(len, out)) - of_held_out
    if min(of_searched, of_held_out) < LEAST_ANSWERS:
        raise BadInput(
            f"too few answers to tune on: {of_searched:,} unaided first answers of the students searched on and "
            f"{of_held_out:,} of those held out; expected at least {LEAST_ANSWERS} of each. Ingest more quiz answers, "
            "or keep the rules as they are"
        )
    return _Answers(
        np.concatenate(values), without_data(params), np.concatenate(kept), np.concatenate(y), np.concatenate(out)
    )


def _search_weights(answers: _Answers) -> Floats:
    """Return the weights with the lowest Brier score: the coarse grid on some answers, then fine steps on all."""
    varies = np.flatnonzero(np.ptp(answers.values, axis=0) > 1e-9)
    stride = max(1, answers.y.size // COARSE_ANSWERS)
    some = answers.take(np.arange(0, answers.y.size, stride))
    losses = [(some.brier(weights), tuple(weights)) for weights in grid(varies)]
    best = np.array(min(losses)[1])
    loss = answers.brier(best)
    improved = True
    while improved:
        improved = False
        for weights in neighbours(best, varies):
            found = answers.brier(weights)
            if found < loss - 1e-9:
                best, loss, improved = weights, found, True
                break
    return best


def grid(varies: Int64s) -> list[Floats]:
    """Return the coarse grid: positive weights in fifths that add up to 1 at most, a few weights of hints."""
    positive = [int(f) for f in varies if f != HINTS]
    fifths = round(1 / COARSE)
    found = []
    for shares in itertools.product(range(fifths + 1), repeat=len(positive)):
        if sum(shares) <= fifths:
            for hints in HINT_WEIGHTS if HINTS in varies else (0.0,):
                weights = np.zeros(len(FACTORS))
                weights[positive] = np.array(shares) / fifths
                weights[HINTS] = hints
                found.append(weights)
    return found


def neighbours(weights: Floats, varies: Int64s) -> list[Floats]:
    """Return monotone weights a fine step away: one weight moved, or one lowered for another's sake."""
    moves = []
    for f in varies:
        for step in (FINE, -FINE):
            moved = weights.copy()
            moved[f] = round(moved[f] + step, 4)
            moves.append(moved)
    for f, g in itertools.permutations((int(f) for f in varies if f != HINTS), 2):
        moved = weights.copy()
        moved[f], moved[g] = round(moved[f] + FINE, 4), round(moved[g] - FINE, 4)
        moves.append(moved)
    return [moved for moved in moves if _monotone(moved)]


def _monotone(weights: Floats) -> bool:
    positive = np.delete(weights, HINTS)
    return bool(np.all(positive >= 0.0) and positive.sum() <= 1.0 + 1e-9 and -1.0 <= weights[HINTS] <= 0.0)


@kernel
def _brier(values: Floats, start: Floats, kept: Floats, y: Floats, weights: Floats) -> float:
    prior = 0.0
    for f in range(weights.size):
        prior += weights[f] * start[f]
    prior = min(1.0, max(0.0, prior))
    total = 0.0
    for i in range(y.size):
        last = 0.0
        for f in range(weights.size):
            last += weights[f] * values[i, f]
        last = min(1.0, max(0.0, last))
        rest = min(prior, last)
        total += (rest + kept[i] * (last - rest) - y[i]) ** 2
    return total / y.size
