"""Scorers that learn from what others predict: fitted after them, on predictions by fits that left the student out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from mastery.arrays import Floats, Int64s
from mastery.features.answer_log import Clock
from mastery.features.batch import Batch
from mastery.features.subset import rows_of_students, take_students
from mastery.scorers import SPECS
from mastery.scorers.fits import Fit
from mastery.scorers.parameters import Parameters


def fit_to_probabilities(
    name: str,
    batch: Batch,
    probabilities: Mapping[str, Floats],
    given: Mapping[str, Parameters],
    *,
    clock: Clock,
    seed: int,
    threads: int,
) -> Fit:
    """Return one scorer of Stage.PROBABILITIES fitted to what the scorers that it needs predict of each row."""
    spec = SPECS[name]
    read = {other: probabilities[other] for other in spec.needs if other in probabilities}
    fit: Fit = spec.load_fit()(batch, read, given=given, clock=clock, seed=seed, threads=threads)
    return fit


def predict_from(
    name: str, batch: Batch, parameters: Parameters, probabilities: Mapping[str, Floats], threads: int = 1
) -> Floats:
    """Return float64[n]: what one scorer predicts of each row from the predictions of others."""
    predicted: Floats = SPECS[name].load_predict()(batch, parameters, probabilities, threads)
    return predicted


def cross_fit_to_probabilities(
    batch: Batch,
    cv_fold: Int64s,
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
    """Return (fits on everybody, float64[n] by scorer predicted by fits without the row's CV fold of the students).

    NaN on rows of CV folds that are not in `left_out`; where none is, rows are predicted by the fits on everybody.

    Args:
        names: Scorers of Stage.PROBABILITIES.
        probabilities: float64[n] by scorer, each predicted by what has not seen the row's student.
    """
    out = {name: np.full(batch.row.size, np.nan) for name in names}
    # Small fits run side by side; of large ones the features of two do not fit into memory.
    side_by_side = threads if len(left_out) != 1 else 1

    def one(job: tuple[str, int]) -> tuple[str, Fit | None]:
        name, which = job
        there = cv_fold != which
        rows = rows_of_students(batch, there)
        seen = batch if which < 0 else take_students(batch, there)
        predicted = {other: values[rows] for other, values in probabilities.items()}
        fit = fit_to_probabilities(
            name, seen, predicted, given, clock=clock, seed=seed, threads=max(1, threads // side_by_side)
        )
        if which >= 0:
            of_others = {other: values[~rows] for other, values in probabilities.items()}
            out[name][~rows] = predict_from(name, take_students(batch, ~there), fit.parameters, of_others)
            return name, None
        if not left_out:
            out[name][:] = predict_from(name, batch, fit.parameters, probabilities)
        return name, fit

    everybody = {}
    with ThreadPoolExecutor(side_by_side) as pool:
        for name, fit in pool.map(one, [(name, which) for name in names for which in (*left_out, -1)]):
            if fit is not None:
                everybody[name] = fit
            told(name)
    return everybody, out
