"""Estimators compared on answers that they have not learnt from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from mastery.errors import BadInput
from mastery.estimators.answers import as_answers
from mastery.estimators.estimator import LARGEST_SEED, Estimator
from mastery.evaluation.fairness import GroupMeasures
from mastery.evaluation.measures import interval
from mastery.evaluation.reliability import bootstrap_ece
from mastery.evaluation.splits import parse_split
from mastery.evaluation.student_columns import column_of_rows
from mastery.evaluation.summary import DRAWS
from mastery.features.batch import Batch
from mastery.frames import frame_of
from mastery.given import text, whole
from mastery.pipelines.evaluation.evaluate import Evaluation, evaluate
from mastery.pipelines.evaluation.logs import answers_log
from mastery.pipelines.evaluation.predictors import Predicted

COLUMNS = {"auc": "auc", "log_loss": "logloss", "rmse": "rmse", "ece": "ece"}
"""Column of the frame → measure."""

OF_GROUPS = ("calibration", "abroca")
"""Measures of groups alone, with intervals."""

IF_EQUAL = ("abroca_if_equal", "abroca_if_equal_95")
"""What the last of them would be of groups that do not differ."""


def cross_validate(
    models: Estimator | Sequence[Estimator],
    answers: Any,
    *,
    by: str = "student",
    folds: int = 5,
    random_state: int = 0,
    groups: str | None = None,
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
        groups: Also measure groups of students apart: a column of the answers, such as `gender`. Each model then has a
            row for everybody, whose `group` is null, and one for each group, the largest first, with more columns:
            group, students, calibration (mean prediction minus share right) and abroca (area between its ROC curve and
            the largest group's) with their intervals, and abroca_if_equal and abroca_if_equal_95, what it would be if
            the two did not differ, mean and 95th percentile. Groups that are too small have no measures.
        progress: Called with the CV fold, how many are done and how many there are.

    Raises:
        BadInput: The answers cannot be split like this, or have no such column of groups.

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

    log = answers_log(known.read, known.clock)
    found = evaluate(
        log,
        split,
        predictor,
        cv_folds=folds if split.kind == "student" else None,
        clock=known.clock,
        seed=random_state,
        progress=progress,
        groups=None if groups is None else column_of_rows(log, text("groups", groups)),
    )
    rows = [row for label in labels for row in _rows(found, label, random_state)]
    return frame_of(pa.table({name: [row[name] for row in rows] for name in rows[0]}), known.frame.kind)


def _rows(found: Evaluation, label: str, seed: int) -> list[dict[str, Any]]:
    """Return the row of a model, and below it those of the groups, where there are any."""
    summary, apart = found.summaries[label], found.by_group
    ends = {measure: _interval(found, label, measure, seed) for measure in COLUMNS.values()}
    if apart is None:
        return [{"model": label, "answers": summary.answers, **_measures(COLUMNS, summary.measures, ends)}]
    students = sum(one.test_students for one in found.cv_folds)
    everybody = GroupMeasures("", students, summary.answers, summary.measures, ends)
    small = [GroupMeasures(one.name, one.students, one.answers, {}, {}) for one in apart.too_small]
    names = COLUMNS | {name: name for name in OF_GROUPS}
    return [
        {
            "model": label,
            "group": one.name if one is not everybody else None,
            "students": one.students,
            "answers": one.answers,
            **_measures(names, one.measures, one.intervals),
            **{name: one.measures.get(name, np.nan) for name in IF_EQUAL},
        }
        for one in (everybody, *apart.scorers[label], *small)
    ]


def _measures(
    names: Mapping[str, str], measures: Mapping[str, float], ends: Mapping[str, tuple[float, float]]
) -> dict[str, float]:
    """Return the columns of measures and of the ends of their intervals; NaN for what there is none of."""
    nothing = (np.nan, np.nan)
    return {
        f"{column}{end}": value
        for column, name in names.items()
        for end, value in zip(
            ("", "_lower", "_upper"), (measures.get(name, np.nan), *ends.get(name, nothing)), strict=True
        )
    }


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
