"""rule_based, fitted: what an index stands for. Its weights stay those that people wrote.

The index before each unaided answer (one on several topics counts on each, as its share of one), against the answer:
a non-decreasing map of log-odds (mastery.evaluation.calibration) gives the probability p of a right answer at some
indexes, and clamp((p − guess) / (1 − slip − guess)) the score that each of them stands for.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mastery.arrays import Bools, Floats, Int64s
from mastery.evaluation.calibration import ENOUGH_STUDENTS, HIGHEST, LOWEST, Calibration, apply, fit_calibration
from mastery.features.batch import Batch
from mastery.features.subset import rows_of_students
from mastery.log_odds import sigmoid_of
from mastery.scorers.base import Model, predict, start
from mastery.scorers.fits import Fit
from mastery.scorers.parameters import KeyedRows, Parameters, no_rows
from mastery.scorers.rule_based import scorer as rule_based
from mastery.scorers.scale import new_topics_scale, shared_scale

WHOLE = 1.0 - 1e-9
"""The weight of an unaided answer, its topics together; shares of it need not add up to 1 to the last bit."""


def fit_rules(
    batch: Batch, answers: Bools, cv_fold: Int64s, rules: Floats, given: Mapping[str, Parameters]
) -> tuple[Fit, Floats]:
    """Return rule_based on the scale of the other scorers, and what it says before rows of students left out.

    Args:
        answers: bool[n]. Answers that are right or wrong.
        cv_fold: int64[S]. The fold of each student: each is predicted by a map that the others made.
        rules: float64[K]. Parameters as the YAML says; weights, priors and half-lives are kept.
        given: Guess and slip of the scale are taken from bkt.
    """
    topics = np.tile(rule_based.with_scale(rules), (len(batch.topics), 1))
    index = _said(batch, topics)
    owner = np.repeat(np.arange(len(batch.students)), np.diff(batch.student_ptr))
    topics_of_event = np.bincount(batch.row)[batch.row]
    unaided = answers & (batch.weight * topics_of_event > WHOLE) & np.isfinite(index)
    guess, slip = shared_scale(batch, given)

    def mapped(rows: Bools) -> tuple[Calibration, Floats] | None:
        if np.unique(owner[rows]).size < ENOUGH_STUDENTS or np.unique(batch.y[rows]).size < 2:
            return None
        found = fit_calibration(_logit(index[rows]), batch.y[rows], owner[rows], batch.weight[rows])
        return found, _on_scale(topics, found, guess, slip)

    said = index.copy()
    for which in range(int(cv_fold.max(initial=0)) + 1):
        mine = rows_of_students(batch, cv_fold == which)
        without = mapped(unaided & ~mine)
        if without is not None:
            said[mine] = _said(batch, without[1])[mine]
    whole = mapped(unaided)
    if whole is None:
        note = (
            f"rule_based: no unaided right and wrong answers of {ENOUGH_STUDENTS} students or more; "
            "its score stays what the rules say"
        )
        unmoved = _said(batch, np.tile(rules, (len(batch.topics), 1)))
        return Fit(Parameters(rules, no_rows(rules.size), no_rows(0)), (note,)), unmoved
    found, topics = whole
    new = _on_scale(rule_based.with_scale(rules)[None, :], found, *new_topics_scale(given))[0]
    parameters = Parameters(new, KeyedRows(tuple(batch.topics), topics), no_rows(0))
    return Fit(parameters, (), {"calibration": found.name}), said


def _on_scale(topics: Floats, found: Calibration, guess: Floats, slip: Floats) -> Floats:
    """Return float64[T, K]: the parameters with guess, slip and what every index stands for."""
    probability = sigmoid_of(apply(found, _logit(np.array(rule_based.INDEXES))))
    score = (probability - guess[:, None]) / (1.0 - slip - guess)[:, None]
    topics = topics.copy()
    topics[:, rule_based.SCORE_AT : rule_based.GUESS] = np.maximum.accumulate(np.clip(score, 0.0, 1.0), axis=1)
    topics[:, rule_based.GUESS], topics[:, rule_based.SLIP] = guess, slip
    return topics


def _said(batch: Batch, topics: Floats) -> Floats:
    """Return float64[n]: the probability of a right answer before each row, with these parameters of the topics."""
    model = Model(topics, np.zeros((len(batch.items), 0)))
    return predict(rule_based.SCORER, model, batch, start(rule_based.SCORER, model, batch))


def _logit(probability: Floats) -> Floats:
    with np.errstate(divide="ignore"):  # 0 and 1 are the ends
        logit: Floats = np.clip(np.log(probability) - np.log1p(-probability), LOWEST, HIGHEST)
    return logit
