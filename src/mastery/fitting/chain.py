"""Who is fitted, in which order, and who listens to whom."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from mastery.arrays import Floats, Int64s
from mastery.features.answer_log import Clock
from mastery.features.batch import Batch
from mastery.features.subset import take_students
from mastery.fitting import FITS
from mastery.fitting import ml as fitting_ml
from mastery.fitting import ml_free as fitting_ml_free
from mastery.fitting.crossfit import rows_of
from mastery.fitting.fit import Fit
from mastery.scorers import foretelling
from mastery.scorers.base import Scorer
from mastery.scorers.foretelling import logits
from mastery.scorers.parameters import Parameters

FOLDING: dict[str, Scorer] = {name: foretelling.FOLDING[name] for name in FITS}
"""Scorers that fold and are fitted to answers, in order."""

LAWFUL = ("bkt", "elo", "irt", "linear_rnn", "ml")
"""Members of the lawful blend."""

BLENDS = {"blend": LAWFUL, "blend_free": (*LAWFUL, "linear_rnn_free", "ml_free")}
"""Members of each blend, those that there are."""


@dataclass(frozen=True)
class Late:
    """A scorer that learns from what others say of each row.

    Attributes:
        fit: (batch, chances, given, clock, seed, threads) → Fit.
        foretell: (batch, parameters, chances, threads) → float64[n].
    """

    fit: Callable[[Batch, Mapping[str, Floats], Mapping[str, Parameters], Clock, int, int], Fit]
    foretell: Callable[[Batch, Parameters, Mapping[str, Floats], int], Floats]


def _fit_lawful(
    batch: Batch, chances: Mapping[str, Floats], given: Mapping[str, Parameters], _: Clock, seed: int, threads: int
) -> Fit:
    known = {name: parameters for name, parameters in given.items() if name in FOLDING}
    said = {name: values for name, values in chances.items() if name in LAWFUL}
    return fitting_ml.fit(batch, given=known, seed=seed, threads=threads, foretold=said)


def _fit_free(
    batch: Batch, chances: Mapping[str, Floats], _: Mapping[str, Parameters], clock: Clock, seed: int, threads: int
) -> Fit:
    read = tuple(name for name in FOLDING if name in chances)
    return fitting_ml_free.fit_free(batch, logits(chances, read), clock=clock, seed=seed, threads=threads)


LATE: dict[str, Late] = {
    "ml": Late(_fit_lawful, foretelling.LATE["ml"]),
    "ml_free": Late(_fit_free, foretelling.LATE["ml_free"]),
}
"""Scorers that learn from the chances of those that fold, in order."""


def cross_fit_late(
    batch: Batch,
    part: Int64s,
    left_out: Sequence[int],
    names: Sequence[str],
    chances: Mapping[str, Floats],
    given: Mapping[str, Parameters],
    *,
    clock: Clock,
    seed: int,
    threads: int,
    told: Callable[[str], None],
) -> tuple[dict[str, Fit], dict[str, Floats]]:
    """Return (fits on everybody, float64[n] by scorer foretold by fits without the row's part of the students).

    NaN on rows of parts that are not in `left_out`; where none is, rows are foretold by the fits on everybody.

    Args:
        chances: float64[n] by scorer, each foretold by what has not seen the row's student.
    """
    out = {name: np.full(batch.row.size, np.nan) for name in names}
    # Small fits run side by side; of large ones the features of two do not fit into memory.
    side_by_side = threads if len(left_out) != 1 else 1

    def one(job: tuple[str, int]) -> tuple[str, Fit | None]:
        name, which = job
        there = part != which
        rows = rows_of(batch, there)
        seen = batch if which < 0 else take_students(batch, there)
        said = {other: values[rows] for other, values in chances.items()}
        fit = LATE[name].fit(seen, said, given, clock, seed, max(1, threads // side_by_side))
        if which >= 0:
            asked = {other: values[~rows] for other, values in chances.items()}
            out[name][~rows] = LATE[name].foretell(take_students(batch, ~there), fit.parameters, asked, 1)
            return name, None
        if not left_out:
            out[name][:] = LATE[name].foretell(batch, fit.parameters, chances, 1)
        return name, fit

    everybody = {}
    with ThreadPoolExecutor(side_by_side) as pool:
        for name, fit in pool.map(one, [(name, which) for name in names for which in (*left_out, -1)]):
            if fit is not None:
                everybody[name] = fit
            told(name)
    return everybody, out
