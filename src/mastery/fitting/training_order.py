"""Who is fitted, in which order, and who listens to whom."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from mastery.arrays import Floats, Int64s
from mastery.features.answer_log import Clock
from mastery.features.batch import Batch
from mastery.features.subset import rows_of_students, take_students
from mastery.fitting import FITS
from mastery.scorers import predictions
from mastery.scorers.base import Scorer
from mastery.scorers.boosting import fit as fitting_ml
from mastery.scorers.boosting import fit_unconstrained as fitting_ml_free
from mastery.scorers.fits import Fit
from mastery.scorers.parameters import Parameters
from mastery.scorers.predictions import logits

FOLDING: dict[str, Scorer] = {name: predictions.FOLDING[name] for name in FITS}
"""Scorers that fold and are fitted to answers, in order."""

MONOTONE = ("bkt", "elo", "irt", "linear_rnn", "ml")
"""Members of the monotone blend."""

BLENDS = {"blend": MONOTONE, "blend_unconstrained": (*MONOTONE, "linear_rnn_unconstrained", "ml_unconstrained")}
"""Members of each blend, those that there are."""


@dataclass(frozen=True)
class Late:
    """A scorer that learns from what others say of each row.

    Attributes:
        fit: (batch, probabilities, given, clock, seed, threads) → Fit.
        predict: (batch, parameters, probabilities, threads) → float64[n].
    """

    fit: Callable[[Batch, Mapping[str, Floats], Mapping[str, Parameters], Clock, int, int], Fit]
    predict: Callable[[Batch, Parameters, Mapping[str, Floats], int], Floats]


def _fit_monotone(
    batch: Batch,
    probabilities: Mapping[str, Floats],
    given: Mapping[str, Parameters],
    _: Clock,
    seed: int,
    threads: int,
) -> Fit:
    known = {name: parameters for name, parameters in given.items() if name in FOLDING}
    said = {name: values for name, values in probabilities.items() if name in MONOTONE}
    return fitting_ml.fit(batch, given=known, seed=seed, threads=threads, predicted=said)


def _fit_unconstrained(
    batch: Batch,
    probabilities: Mapping[str, Floats],
    _: Mapping[str, Parameters],
    clock: Clock,
    seed: int,
    threads: int,
) -> Fit:
    read = tuple(name for name in FOLDING if name in probabilities)
    return fitting_ml_free.fit_unconstrained(
        batch, logits(probabilities, read), clock=clock, seed=seed, threads=threads
    )


LATE: dict[str, Late] = {
    "ml": Late(_fit_monotone, predictions.LATE["ml"]),
    "ml_unconstrained": Late(_fit_unconstrained, predictions.LATE["ml_unconstrained"]),
}
"""Scorers that learn from the probabilities of those that fold, in order."""


def cross_fit_late(
    batch: Batch,
    part: Int64s,
    left_out: Sequence[int],
    names: Sequence[str],
    probabilities: Mapping[str, Floats],
    given: Mapping[str, Parameters],
    *,
    clock: Clock,
    seed: int,
    threads: int,
    told: Callable[[str], None],
) -> tuple[dict[str, Fit], dict[str, Floats]]:
    """Return (fits on everybody, float64[n] by scorer predicted by fits without the row's part of the students).

    NaN on rows of parts that are not in `left_out`; where none is, rows are predicted by the fits on everybody.

    Args:
        probabilities: float64[n] by scorer, each predicted by what has not seen the row's student.
    """
    out = {name: np.full(batch.row.size, np.nan) for name in names}
    # Small fits run side by side; of large ones the features of two do not fit into memory.
    side_by_side = threads if len(left_out) != 1 else 1

    def one(job: tuple[str, int]) -> tuple[str, Fit | None]:
        name, which = job
        there = part != which
        rows = rows_of_students(batch, there)
        seen = batch if which < 0 else take_students(batch, there)
        said = {other: values[rows] for other, values in probabilities.items()}
        fit = LATE[name].fit(seen, said, given, clock, seed, max(1, threads // side_by_side))
        if which >= 0:
            asked = {other: values[~rows] for other, values in probabilities.items()}
            out[name][~rows] = LATE[name].predict(take_students(batch, ~there), fit.parameters, asked, 1)
            return name, None
        if not left_out:
            out[name][:] = LATE[name].predict(batch, fit.parameters, probabilities, 1)
        return name, fit

    everybody = {}
    with ThreadPoolExecutor(side_by_side) as pool:
        for name, fit in pool.map(one, [(name, which) for name in names for which in (*left_out, -1)]):
            if fit is not None:
                everybody[name] = fit
            told(name)
    return everybody, out
