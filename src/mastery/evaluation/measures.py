"""How good predicted probabilities are, as numbers.

AUC       probability that a right answer was given a higher prediction than a wrong one; a tie counts half
accuracy  share of answers whose likelier outcome (right from 0.5 on) came true
Brier     mean of (p − y)²; RMSE is its root
log loss  mean of −ln(the probability given to what happened)
ECE       see mastery.evaluation.reliability
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from mastery.arrays import Bools, Floats, Int32s, Int64s
from mastery.kernels import kernel
from mastery.sums import dot

MEASURES = ("auc", "accuracy", "rmse", "brier", "logloss")
"""What `measures` returns."""

LEAST_PROBABILITY = 1e-9
"""A probability below this counts as this in the log loss: one sure prediction gone wrong must not make it infinite."""


def measures(p: Floats, y: Floats) -> dict[str, float]:
    """Return `MEASURES` of n answers: p float64[n] in [0, 1], y float64[n] of 0 and 1. NaN where undefined."""
    return measures_of(auc(p, y), losses(p, y).sum(axis=0), float(p.size))


def measures_of(area: float, lost: Floats, n: float) -> dict[str, float]:
    """Return `MEASURES` of an AUC and of sums of the columns of `losses` over n answers."""
    hits, squares, logs = (float(value) / n if n > 0.0 else np.nan for value in lost)
    return {"auc": area, "accuracy": hits, "rmse": float(np.sqrt(squares)), "brier": squares, "logloss": logs}


def losses(p: Floats, y: Floats) -> Floats:
    """Return float64[n, 3]: whether the likelier outcome came true, the squared error, the log loss of each answer."""
    q = np.clip(p, LEAST_PROBABILITY, 1.0 - LEAST_PROBABILITY)
    log = -np.where(y > 0.5, np.log(q), np.log1p(-q))
    return np.column_stack([((p >= 0.5) == (y > 0.5)).astype(np.float64), np.square(p - y), log])


def auc(p: Floats, y: Floats) -> float:
    """Return the area under the ROC curve; NaN where all answers are right, or all wrong."""
    order = np.argsort(p, kind="stable")
    return weighted_auc(*ranked(p, y, order), np.zeros(p.size, np.int32), np.ones(1))


def auc_interval(p: Floats, y: Floats, student: Int64s) -> tuple[float, float]:
    """Return the ends of the 95 % interval of the AUC; NaN where it is undefined, or there is one student.

    From the placements of the answers, those of one student taken together: Obuchowski (1997), Nonparametric analysis
    of clustered ROC curve data, Biometrics 53(2), with Student's t. One more student is imagined, whose right and whose
    wrong answer tell nothing: else few answers that happen to be told apart would make the AUC sure to be 1. Takes one
    sort, where the bootstrap takes seconds a million answers.

    Args:
        student: int64[n]. Codes from 0.
    """
    right = y > 0.5
    rights, wrongs = int(right.sum()), int((~right).sum())
    owners = np.unique(student)
    if rights == 0 or wrongs == 0 or owners.size < 2:
        return np.nan, np.nan
    from scipy.special import stdtrit  # only who fits waits until it is loaded

    placed = np.empty(p.size)
    for mine, others in ((right, ~right), (~right, right)):
        against = np.sort(p[others])
        below = np.searchsorted(against, p[mine], side="left") + np.searchsorted(against, p[mine], side="right")
        placed[mine] = below / (2.0 * against.size)
    placed[~right] = 1.0 - placed[~right]
    area = float(np.mean(placed[right]))
    pull = (placed - area) / np.where(right, rights, wrongs)
    imagined = (0.5 - area) / rights + (0.5 - area) / wrongs
    squares = float(np.sum(np.square(np.bincount(student, pull)))) + imagined * imagined
    half = float(stdtrit(owners.size - 1, 0.975)) * math.sqrt(squares * (owners.size + 1) / owners.size)
    return max(0.0, area - half), min(1.0, area + half)


def ranked(p: Floats, y: Floats, order: Int64s) -> tuple[Bools, Bools]:
    """Return (right, new), bool[n] each, in the order of p: outcome, and whether p is above the one before."""
    ascending = p[order]
    new = np.ones(p.size, np.bool_)
    new[1:] = ascending[1:] != ascending[:-1]
    return y[order] > 0.5, new


@kernel
def weighted_auc(right: Bools, new: Bools, owner: Int32s, weight: Floats) -> float:
    """Return the AUC of answers in order of their predictions (`ranked`), each weighing `weight[owner[i]]`."""
    below, above, pairs = 0.0, 0.0, 0.0  # wrong ones so far, right ones in all, right above wrong
    tied_right, tied_wrong = 0.0, 0.0
    for i in range(right.size):
        if new[i]:
            pairs += tied_right * (below + 0.5 * tied_wrong)
            below += tied_wrong
            above += tied_right
            tied_right, tied_wrong = 0.0, 0.0
        w = weight[owner[i]]
        if right[i]:
            tied_right += w
        else:
            tied_wrong += w
    pairs += tied_right * (below + 0.5 * tied_wrong)
    below += tied_wrong
    above += tied_right
    if below <= 0.0 or above <= 0.0:
        return np.nan
    return pairs / (below * above)


def bootstrap(p: Floats, y: Floats, student: Int64s, draws: int, seed: int) -> Mapping[str, Floats]:
    """Return float64[draws] of each of `MEASURES`: on students drawn with replacement, all of their answers together.

    The same seed draws the same students, so two scorers can be compared draw by draw. An answer counts as often as
    its student was drawn; nothing is copied or sorted again.

    Args:
        student: int64[n]. Codes from 0.
    """
    students = int(student.max(initial=-1)) + 1
    order = np.argsort(p, kind="stable")
    right, new = ranked(p, y, order)
    owner = student[order].astype(np.int32)
    lost = losses(p, y)
    sums = np.column_stack([np.bincount(student, lost[:, k], minlength=students) for k in range(lost.shape[1])])
    answers = np.bincount(student, minlength=students).astype(np.float64)
    chosen = np.flatnonzero(answers > 0.0)
    rng = np.random.default_rng(seed)
    found: dict[str, Floats] = {name: np.empty(draws) for name in MEASURES}
    for draw in range(draws):
        weight = np.zeros(students)
        if chosen.size:
            weight[chosen] = np.bincount(rng.integers(0, chosen.size, chosen.size), minlength=chosen.size)
        one = measures_of(
            weighted_auc(right, new, owner, weight), (weight[:, None] * sums).sum(0), dot(weight, answers)
        )
        for name, value in one.items():
            found[name][draw] = value
    return found


def interval(draws: Floats, level: float = 0.95) -> tuple[float, float]:
    """Return the ends of the middle `level` of the draws; NaN where a draw is undefined more often than not."""
    there = draws[np.isfinite(draws)]
    if 2 * there.size <= draws.size:
        return np.nan, np.nan
    low, high = np.quantile(there, [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    return float(low), float(high)
