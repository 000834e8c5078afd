"""Estimators compared on answers that they have not learnt from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from mastery.errors import BadInput
from mastery.estimators.answers import as_answers
from mastery.estimators.estimator import LARGEST_SEED, Estimator
from mastery.evaluation.measures import interval
from mastery.evaluation.reliability import bootstrap_ece
from mastery.evaluation.splits import parse_split
from mastery.evaluation.summary import DRAWS
from mastery.features.batch import Batch
from mastery.frames import frame_of
from mastery.given import text, whole
from mastery.pipelines.evaluation.evaluate import Evaluation, evaluate
from mastery.pipelines.evaluation.logs import answers_log
from mastery.pipelines.evaluation.predictors import Predicted

COLUMNS = {"auc": "auc", "log_loss": "logloss", "rmse": "rmse", "ece": "ece"}
"""Column of the frame → measure."""


def cross_validate(
    models: Estimator | Sequence[Estimator],
    answers: Any,
    *,
    by: str = "student",
    folds: int = 5,
    random_state: int = 0,
    progress: Callable[[str, int, int], None] | None = None,
) -> Any:
    """Return how well models predict answers that they have not learnt from, a row for each, in a frame.

    Each model is fitted again in every CV fold; the ones given stay as they are. Every answer is predicted from its
    student's answers before it. Columns: model, answers, then auc, log_loss, rmse and ece (expected calibration
    error), each a mean over CV folds with the ends of its 95 % interval (students drawn with replacement).

    Args:
        by: What is tested: `student` (each CV fold's students are new to the model), `time` (the last fifth of the
            answers), `time:2026-03-01` (those after a moment) or `column:NAME` (each value of a column in turn).
        folds: How many CV folds the students are dealt into; with 1, one fifth of them is tested.
        random_state: Seed of the CV folds and of the intervals.
        progress: Called with the CV fold, how many are done and how many there are.

    Raises:
        BadInput: The answers cannot be split like this.

    >>> import mastery as ms
    >>> answers = ms.simulate(students=40, days=30, seed=1).answers
    >>> ms.cross_validate([ms.Elo(), ms.RuleBased()], answers, folds=2).column_names[:5]
    ['model', 'answers', 'auc', 'auc_lower', 'auc_upper']
    """
    given = [models] if isinstance(models, Estimator) else _several(models)
    whole("folds", folds, 1)
    whole("random_state", random_state, 0, LARGEST_SEED)
    labels = _labels(given)
    known = as_answers(answers)
    split = parse_split(text("by", by))

    def predictor(train: Batch, test: Batch) -> Predicted:
        said, notes = {}, list[str]()
        for label, model in zip(labels, given, strict=True):
            fitted = model.unfitted().fit_batch(train, known.clock)
            said[label] = fitted.predict_batch(test)
            notes += fitted.notes_
        return Predicted(said, notes=tuple(notes))

    found = evaluate(
        answers_log(known.read, known.clock),
        split,
        predictor,
        cv_folds=folds if split.kind == "student" else None,
        clock=known.clock,
        seed=random_state,
        progress=progress,
    )
    columns: dict[str, list[Any]] = {"model": labels, "answers": [found.summaries[label].answers for label in labels]}
    for column, measure in COLUMNS.items():
        ends = [_interval(found, label, measure, random_state) for label in labels]
        columns[column] = [found.summaries[label].measures[measure] for label in labels]
        columns[f"{column}_lower"] = [lower for lower, _ in ends]
        columns[f"{column}_upper"] = [upper for _, upper in ends]
    return frame_of(pa.table(columns), known.frame.kind)


def _several(models: Any) -> list[Estimator]:
    """Return the models of a list. Raises BadInput where there is none, or where one is no estimator."""
    given = list(models) if isinstance(models, Sequence) and not isinstance(models, str) else [models]
    if not given:
        raise BadInput("there is no model to validate; give one, or several in a list")
    for one in given:
        if not isinstance(one, Estimator):
            raise BadInput(f"{one!r} is not a model; expected one such as ms.BKT(), or several in a list")
    return given


def _interval(found: Evaluation, label: str, measure: str, seed: int) -> tuple[float, float]:
    """Return the ends of a measure's interval; the ECE's are drawn here, for nobody else has them."""
    summary = found.summaries[label]
    if measure in summary.intervals:
        return summary.intervals[measure]
    draws = [
        bootstrap_ece(cv_fold.probability[label], cv_fold.tested.y, cv_fold.tested.student, DRAWS, seed)
        for cv_fold in found.cv_folds
    ]
    return interval(np.mean(draws, axis=0))


def _labels(models: Sequence[Estimator]) -> list[str]:
    """Return a name for each model: its call, numbered where two are alike."""
    calls = [repr(model) for model in models]
    return [call if calls.count(call) == 1 else f"{call} #{calls[:k].count(call) + 1}" for k, call in enumerate(calls)]
