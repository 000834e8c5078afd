"""Fits ml_unconstrained: encodings out of fold, then boosted trees, stopped early on students held out.

Where the settings come from, and what others gave on held-out students: docs/scorers/ml.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mastery.arrays import Bools, Floats, Floats32, Int32s
from mastery.events.murmur import murmur
from mastery.features.answer_log import Clock
from mastery.features.batch import Batch
from mastery.log_odds import bounded_log_odds_of
from mastery.scorers.boosting.answer_features import labelled
from mastery.scorers.boosting.encodings import learn_encodings
from mastery.scorers.boosting.unconstrained import CLOCKS, column_names, empty_matrix, encoded, pack, write_known
from mastery.scorers.fits import Fit
from mastery.scorers.parameters import Parameters, no_rows

CV_FOLDS = 5
VALIDATION = 10
"""One student in this many is held out to say when to stop."""

LARGE = 400_000
"""Rows from which on trees have 127 leaves and not 63, and are not grown again on all students, to save half the time.
What that costs on logs so large has not been measured."""

MOST_ROUNDS = 4_000
PATIENCE = 60
FEWEST_ROWS = 200
"""With fewer answers no tree is grown: a leaf needs about a hundred."""

ROUNDS_UNSEEN = 60
"""Trees where there are too few students to hold any out."""


def student_parts(batch: Batch, parts: int, salt: str) -> Int32s:
    """Return int32[S]: a part of each student, all parts equally large, by rank of a salted hash.

    Salted, because the students at hand may already be what a split by `held_out` has left: of those, one in ten by
    the same hash may be nobody. By rank, so that few students still fill every part.
    """
    hash_, _ = murmur(pa.array([f"{salt}\x1f{name}" for name in batch.students], pa.string()))
    rank = np.empty(hash_.size, np.int64)
    rank[np.argsort(hash_, kind="stable")] = np.arange(hash_.size)
    return (rank % parts).astype(np.int32)


def settings(rows: int, base_score: float, seed: int, threads: int) -> dict[str, Any]:
    """Return what the trees are grown with."""
    return {
        "objective": "binary:logistic",
        "tree_method": "hist",
        "grow_policy": "lossguide",
        "max_leaves": 127 if rows >= LARGE else 63,
        "max_depth": 0,
        "learning_rate": 0.04,
        "colsample_bytree": 0.25,
        "subsample": 0.7,
        "min_child_weight": 18.0,  # about a hundred rows: each weighs p (1 − p)
        "lambda": 20.0,
        "base_score": base_score,
        "seed": seed,
        "nthread": threads,
    }


def fit_to_probabilities(
    batch: Batch,
    probabilities: Mapping[str, Floats],
    *,
    given: Mapping[str, Parameters],
    clock: Clock,
    seed: int,
    threads: int,
) -> Fit:
    """See Stage.PROBABILITIES. It takes nothing of the parameters of others."""
    logits = {name: bounded_log_odds_of(p) for name, p in probabilities.items()}
    return fit_unconstrained(batch, logits, clock=clock, seed=seed, threads=threads)


def fit_unconstrained(
    batch: Batch,
    extra: Mapping[str, Floats],
    *,
    clock: Clock = "answer",
    rounds: int | None = None,
    again: bool | None = None,
    seed: int = 0,
    threads: int = 1,
) -> Fit:
    """Fit the unconstrained form to the answers of training students.

    Args:
        extra: Logits of other scorers by name, float64[n], **cross-fitted**: no student's by a model that saw them.
        clock: When time stamps were taken. `answer` is safe for both: of the gap before the predicted row only whole
            ten minutes are used.
        rounds: How many trees, where that is known from a fit on other students; None: found by early stopping.
        again: Whether to grow as many trees again on all students, those held out for stopping too; None: up to
            `LARGE` answers.

    Returns:
        Parameters without topics and items; `shared` holds the trees (UBJ), the sums of the encodings, the clock, and
        the names of `extra` and of all columns.
    """
    rows = labelled(batch)
    part = student_parts(batch, VALIDATION, "stop")
    of_row = np.repeat(np.arange(len(batch.students)), np.diff(batch.student_ptr))
    matrix = empty_matrix(batch, extra)
    write_known(batch, clock, extra, matrix)
    shared = learn_encodings(batch, student_parts(batch, CV_FOLDS, "fold")[of_row], encoded(matrix))
    trees, notes, measures = _grow(
        matrix, batch.y, rows, part[of_row] == 0, len(column_names(extra)), rounds, again, seed, threads
    )
    return Fit(
        Parameters(
            np.zeros(0),
            no_rows(0),
            no_rows(0),
            {
                **shared,
                "trees": trees,
                "clock": np.array([CLOCKS.index(clock)], np.int8),
                "extra": pack(tuple(sorted(extra))),
                "columns": pack(column_names(extra)),
            },
        ),
        notes,
        measures,
    )


def _grow(
    matrix: Floats32,
    y: Floats,
    rows: Bools,
    held: Bools,
    columns: int,
    rounds: int | None,
    again: bool | None,
    seed: int,
    threads: int,
) -> tuple[npt.NDArray[np.uint8], tuple[str, ...], dict[str, float | str]]:
    """Return trees as UBJ, what is to be said about them, and how well they do on the students held out."""
    many = int(rows.sum())
    if many < FEWEST_ROWS:
        note = (
            f"ml_unconstrained: too few answers to grow trees on ({many}, and {FEWEST_ROWS} are needed); "
            "it predicts their mean"
        )
        return np.zeros(0, np.uint8), (note,), {"rows": float(many), "trees": 0.0}
    import xgboost as xgb  # 1.6 s, so only where it is needed

    base_score = min(0.99, max(0.01, float(y[rows].mean())))
    chosen = settings(many, base_score, seed, threads)
    measures: dict[str, float | str] = {"rows": float(many), "columns": float(columns)}
    notes: tuple[str, ...] = ()
    train, stop = rows & ~held, rows & held
    booster = None
    if rounds is None and train.any() and stop.any():
        learn = xgb.QuantileDMatrix(matrix[train], y[train])
        check = xgb.QuantileDMatrix(matrix[stop], y[stop], ref=learn)
        booster = xgb.train(
            chosen, learn, MOST_ROUNDS, evals=[(check, "held_out")], early_stopping_rounds=PATIENCE, verbose_eval=False
        )
        rounds = booster.best_iteration + 1
        measures["held_out_log_loss"] = booster.best_score
        booster = None if again or (again is None and many < LARGE) else booster[:rounds]
    elif rounds is None:
        rounds = ROUNDS_UNSEEN
        notes = (f"ml_unconstrained: no students to hold out; {ROUNDS_UNSEEN} trees without early stopping",)
    if booster is None:
        booster = xgb.train(chosen, xgb.QuantileDMatrix(matrix[rows], y[rows]), rounds)
    measures["trees"] = float(rounds)
    return np.frombuffer(booster.save_raw("ubj"), np.uint8).copy(), notes, measures
