"""Calibration: a non-decreasing map of predicted log-odds, fitted on held-out answers, used only where it helps.

Whatever found it, it is kept in one form: knots on the log-odds scale, joined by straight lines, that go on beyond the
ends with the slope of the last piece. Candidates:

    identity   predictions as they are
    beta       c + a·ln p − b·ln(1 − p), a, b ≥ 0: Kull, Silva Filho & Flach (2017), AISTATS
    spline     a cubic spline of the log-odds whose coefficients do not fall, after Ramsay (1988), Statistical Science 3
    isotonic   the non-decreasing steps nearest to the outcomes: Zadrozny & Elkan (2002), KDD; joined at their centres

A candidate is taken only where its log loss on students it has not seen is below that of the identity: on four of six
public data sets isotonic calibration was worse than none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import BSpline
from scipy.optimize import isotonic_regression, minimize

from mastery.arrays import Bools, Floats, Int64s
from mastery.sums import dot, weigh_columns, weigh_rows

CV_FOLDS = 5
"""Cross-validation by student: the number of CV folds, each calibrated by the others."""

ENOUGH_STUDENTS = 2 * CV_FOLDS
"""With fewer students nothing can be said about how well a map carries over, and predictions stay as they are."""

LOWEST, HIGHEST = -12.0, 12.0
"""Log-odds beyond these count as these: probabilities of 6 in a million."""

CELL = 1.0 / 64.0
"""Answers whose log-odds fall into the same cell of this width are fitted as one: a million become some hundreds."""

GRID = 0.25
"""Distance of the knots of a smooth map: straight lines between them are off by less than 0.002 log-odds."""

MOST_STEPS = 200
"""Steps of an isotonic map that are kept; beyond, neighbours are put together by the number of their answers."""


@dataclass(frozen=True)
class Calibration:
    """A non-decreasing map of log-odds.

    Attributes:
        knots_x: float64[K], ascending, K ≥ 2.
        knots_y: float64[K], non-decreasing.
        logloss: Mean log loss on held-out students, by candidate; empty where too few were there to tell.
    """

    name: str
    knots_x: Floats
    knots_y: Floats
    logloss: tuple[tuple[str, float], ...] = ()


IDENTITY = Calibration("identity", np.array([-1.0, 1.0]), np.array([-1.0, 1.0]))


@dataclass(frozen=True)
class _Cells:
    """C cells of answers: mean log-odds ascending, answers, right ones."""

    x: Floats
    n: Floats
    right: Floats


def fit_calibration(logit: Floats, y: Floats, student: Int64s, weight: Floats | None = None) -> Calibration:
    """Return the candidate with the lowest held-out log loss, fitted on all rows; the identity where none beats it.

    Args:
        logit: float64[n]. Predicted log-odds of answers that nothing was learnt from; a NaN leaves its row out.
        y: float64[n]. Outcomes in [0, 1].
        student: int64[n]. Whose answer it is.
        weight: float64[n]. As how many answers each counts; as one when left out.
    """
    there = np.isfinite(logit) & np.isfinite(y)
    weight = np.ones(y.size) if weight is None else weight
    logit, y, student, weight = np.clip(logit[there], LOWEST, HIGHEST), y[there], student[there], weight[there]
    _, code = np.unique(student, return_inverse=True)
    students = int(code.max(initial=-1)) + 1
    if students < ENOUGH_STUDENTS or y.min() == y.max():
        return IDENTITY
    cv_fold = code % CV_FOLDS
    total = {"identity": (weight * _loss(logit, y)).sum()}
    for name, fit in CANDIDATES.items():
        total[name] = 0.0
        for k in range(CV_FOLDS):
            found, rest = fit(_cells(logit, y, weight, cv_fold != k)), cv_fold == k
            total[name] += (weight[rest] * _loss(apply(found, logit[rest]), y[rest])).sum()
    best = min(total, key=lambda name: (total[name], name != "identity"))
    chosen = IDENTITY if best == "identity" else CANDIDATES[best](_cells(logit, y, weight, np.ones(y.size, np.bool_)))
    loss = tuple((name, float(value / weight.sum())) for name, value in total.items())
    return Calibration(chosen.name, chosen.knots_x, chosen.knots_y, loss)


def apply(calibration: Calibration, logit: Floats) -> Floats:
    """Return float64 of the shape of `logit`: calibrated log-odds. A higher one never becomes a lower one."""
    x, y = calibration.knots_x, calibration.knots_y
    inside = np.interp(logit, x, y)
    below = y[0] + (logit - x[0]) * (y[1] - y[0]) / (x[1] - x[0])
    above = y[-1] + (logit - x[-1]) * (y[-1] - y[-2]) / (x[-1] - x[-2])
    mapped: Floats = np.where(logit < x[0], below, np.where(logit > x[-1], above, inside))
    return mapped


def _beta(cells: _Cells) -> Calibration:
    def basis(x: Floats) -> Floats:
        return np.column_stack([-np.logaddexp(0.0, -x), np.logaddexp(0.0, x)])

    bias, weights = _monotone(basis(cells.x), cells, np.ones(2))
    x = np.arange(LOWEST, HIGHEST + GRID / 2, GRID)
    return Calibration("beta", x, bias + weigh_columns(basis(x), weights))


def _spline(cells: _Cells) -> Calibration:
    share = np.cumsum(cells.n) / cells.n.sum()
    low, high = np.interp([0.002, 0.998], share, cells.x)
    inner = np.unique(np.interp(np.linspace(0.1, 0.9, 5), share, cells.x))
    inner = inner[(inner > low + 1e-6) & (inner < high - 1e-6)]
    if high - low < 1e-3 or inner.size == 0:
        return Calibration("spline", IDENTITY.knots_x, IDENTITY.knots_y)
    knots = np.concatenate([[low] * 4, inner, [high] * 4])

    def basis(x: Floats) -> Floats:
        # Coefficients that do not fall make a spline that does not: each column lifts all coefficients from one on.
        lifted = BSpline.design_matrix(np.clip(x, low, high), knots, 3).toarray()
        columns: Floats = np.cumsum(lifted[:, ::-1], axis=1)[:, -2::-1]
        return columns

    # Increments of the coefficients that give the identity: differences of the Greville abscissae.
    same = np.diff([knots[k + 1 : k + 4].mean() for k in range(knots.size - 4)])
    bias, weights = _monotone(basis(cells.x), cells, same)
    x = np.linspace(low, high, max(9, int((high - low) / GRID) + 1))
    return Calibration("spline", x, np.maximum.accumulate(bias + weigh_columns(basis(x), weights)))


def _isotonic(cells: _Cells) -> Calibration:
    found = isotonic_regression(cells.right / cells.n, weights=cells.n)
    blocks = np.asarray(found.blocks)
    n, right = np.add.reduceat(cells.n, blocks[:-1]), np.add.reduceat(cells.right, blocks[:-1])
    x = np.add.reduceat(cells.n * cells.x, blocks[:-1])
    # Neighbouring steps with few answers become one: a step of three answers at an end says nothing.
    least = max(cells.n.sum() / MOST_STEPS, 1.0)
    group = (np.maximum(np.cumsum(n) - n / 2.0, 0.0) / least).astype(np.int64)
    starts = np.flatnonzero(np.concatenate([[True], np.diff(group) != 0]))
    n, right, x = (np.add.reduceat(values, starts) for values in (n, right, x))
    x = x / n
    lowest = 0.5 / (cells.n.sum() + 1.0)
    p = np.clip(right / n, lowest, 1.0 - lowest)
    y = np.log(p / (1.0 - p))
    # Flat beyond the ends.
    return Calibration(
        "isotonic", np.concatenate([[x[0] - 1.0], x, [x[-1] + 1.0]]), np.concatenate([[y[0]], y, [y[-1]]])
    )


CANDIDATES: dict[str, Callable[[_Cells], Calibration]] = {"beta": _beta, "spline": _spline, "isotonic": _isotonic}


def _monotone(basis: Floats, cells: _Cells, prior: Floats) -> tuple[float, Floats]:
    """Return bias and weights ≥ 0 of the columns that make the outcomes likeliest; `prior` is pulled to, weakly."""

    def loss(at: Floats) -> tuple[float, Floats]:
        z = at[0] + weigh_columns(basis, at[1:])
        away = at[1:] - prior
        value = float(np.sum(cells.n * np.logaddexp(0.0, z) - cells.right * z) + 0.5 * dot(away, away))
        slope = cells.n / (1.0 + np.exp(-z)) - cells.right
        return value, np.concatenate([[slope.sum()], weigh_rows(slope, basis) + away])

    start = np.concatenate([[np.sum(cells.n * (cells.x - weigh_columns(basis, prior))) / cells.n.sum()], prior])
    bounds = [(None, None)] + [(0.0, None)] * prior.size
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 500, "ftol": 1e-12})
    return float(found.x[0]), found.x[1:]


def _cells(logit: Floats, y: Floats, weight: Floats, rows: Bools) -> _Cells:
    logit, y, weight = logit[rows], y[rows], weight[rows]
    place = ((logit - LOWEST) / CELL).astype(np.int64)
    n: Floats = np.bincount(place, weight).astype(np.float64)
    there = n > 0.0
    x, right = np.bincount(place, weight * logit), np.bincount(place, weight * y)
    return _Cells(x[there] / n[there], n[there], right[there].astype(np.float64))


def _loss(logit: Floats, y: Floats) -> Floats:
    lost: Floats = np.logaddexp(0.0, logit) - y * logit
    return lost
