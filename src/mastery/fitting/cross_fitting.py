"""Cross-fitting by student: what scorers say of answers of students they have not learnt from.

A scorer that is fitted on the answers it is then asked about says too much of them; what is stacked on it would trust
it too much. So the students are dealt into CV folds, and each is predicted with what was fitted on all the others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pyarrow as pa

from mastery.arrays import Bools, Floats, Int64s
from mastery.events.murmur import murmur
from mastery.features.batch import Batch
from mastery.features.columns import QUIZ
from mastery.features.subset import rows_of_students, take_students
from mastery.scorers.base import Scorer
from mastery.scorers.fits import Fit
from mastery.scorers.parameters import Parameters
from mastery.scorers.predictions import predict_folding

FitScorer = Callable[..., Fit]
"""(batch, *, given, seed, threads) → Fit."""


def deal(students: Sequence[str], cv_folds: int, seed: int) -> Int64s:
    """Return int64[S]: the CV fold of each student, dealt out in the order of a hash of seed and name.

    Another hash than that of `held_out`, by which fits choose their settings.
    """
    cv_fold = np.zeros(len(students), np.int64)
    cv_fold[np.argsort(_hash(students, seed), kind="stable")] = np.arange(len(students)) % cv_folds
    return cv_fold


def own_names(batch: Batch, seed: int) -> Batch:
    """Return the batch with its students under other names: hashes of names choose other students than outside.

    Who calls a fit has often left out students by `held_out`; the same hash must not be used again inside.
    """
    return replace(batch, students=[f"fit {seed} {name}" for name in batch.students])


def labelled(batch: Batch) -> Bools:
    """Return bool[n]: quiz answers that are right or wrong and say something about mastery."""
    return (batch.kind == QUIZ) & (batch.weight > 0.0) & ((batch.y == 0.0) | (batch.y == 1.0))


def fit_in_order(
    batch: Batch,
    fits: Mapping[str, FitScorer],
    given: Mapping[str, Parameters],
    *,
    seed: int,
    threads: int,
    like: Mapping[str, Fit] | None = None,
) -> dict[str, Fit]:
    """Return what each fit finds, in order; every one is given what was found before it.

    Args:
        like: Fits whose settings are to be taken, where a fit can: choosing them takes most of its time.
    """
    found: dict[str, Fit] = {}
    for name, fit in fits.items():
        before = dict(given) | {earlier: made.parameters for earlier, made in found.items()}
        chosen = _settings_of(like[name]) if like is not None and name in like else {}
        found[name] = fit(batch, given=before, seed=seed, threads=threads, **chosen)
    return found


def _settings_of(fit: Fit) -> dict[str, object]:
    """Return the arguments with which a fit takes over the settings of an earlier one."""
    return {} if fit.chosen is None else {"chosen": fit.chosen}


def cross_fit(
    batch: Batch,
    cv_fold: Int64s,
    fits: Mapping[str, FitScorer],
    scorers: Mapping[str, Scorer],
    given: Mapping[str, Parameters],
    *,
    seed: int,
    threads: int,
    told: Callable[[str], None],
) -> tuple[dict[str, Fit], dict[str, Floats]]:
    """Return (fits on everybody, float64[n] by scorer predicted by fits without the row's CV fold of the students).

    With one CV fold alone nobody can be left out: then rows are predicted by the fits on everybody.

    Args:
        cv_fold: int64[S], from 0.
        told: Called after the fits on everybody and after those without each CV fold.
    """
    mine = {name: scorers[name] for name in fits}
    everybody = fit_in_order(batch, fits, given, seed=seed, threads=threads)
    told(", ".join(fits))
    cv_folds = int(cv_fold.max(initial=0)) + 1
    if cv_folds == 1:
        return everybody, predict_folding(mine, {name: fit.parameters for name, fit in everybody.items()}, batch)

    def without(which: int) -> dict[str, Floats]:
        left_out = cv_fold == which
        there = take_students(batch, ~left_out)
        found = fit_in_order(there, fits, given, seed=seed, threads=1, like=everybody)
        parameters = {name: fit.parameters for name, fit in found.items()}
        return predict_folding(mine, parameters, take_students(batch, left_out))

    out = {name: np.full(batch.row.size, np.nan) for name in fits}
    with ThreadPoolExecutor(max(1, threads)) as pool:
        for which, said in enumerate(pool.map(without, range(cv_folds))):
            rows = rows_of_students(batch, cv_fold == which)
            for name, probabilities in said.items():
                out[name][rows] = probabilities
            told(", ".join(fits))
    return everybody, out


def _hash(students: Sequence[str], seed: int) -> Int64s:
    hi, _ = murmur(pa.array([f"part {seed} {name}" for name in students], pa.string()))
    return np.asarray(hi)
