"""A scorer from outside, as small as one can be: the share of right answers, drawn towards everybody's.

score = (right + prior_answers · prior) / (answers + prior_answers),   then forgetting
"""

from __future__ import annotations

import numpy as np

from mastery.features.columns import FEEDBACK
from mastery.instants import DAY_US
from mastery.scorers.base import Parameter, Scorer, Scores, check_bounds, defaults
from mastery.scorers.fits import Fit
from mastery.scorers.interval import Numbers, forgotten, interval, interval_parameters, retention
from mastery.scorers.parameters import Parameters, no_rows
from mastery.scorers.spec import ScorerSpec, Stage

PARAMETERS = (
    Parameter("prior", 0.5, 0.01, 0.99, "share of right answers of all students"),
    Parameter("prior_answers", 2.0, 0.1, 100.0, "answers that the prior counts as"),
    Parameter("half_life_days", 120.0, 0.1, 36_500.0, "days after which half of the gain over the prior is forgotten"),
    *interval_parameters(Numbers((0.3,) * 5, (0.3,) * 5, 0.5, 0.5, 2.0)),
)
PRIOR, PRIOR_ANSWERS, HALF_LIFE, INTERVAL = range(4)

STATE = ("right", "answers", "last_at_us")
RIGHT, ANSWERS, LAST = range(len(STATE))

NAMES = ("start", "answers_right", "answers_wrong", "forgetting")


def start_slots(params, slot_topic):
    return np.tile([0.0, 0.0, np.nan], (slot_topic.size, 1))


def start_students(params, students):
    return np.zeros((students, 0))


def _last(state, params):
    prior, worth = params[PRIOR], params[PRIOR_ANSWERS]
    return (state[RIGHT] + worth * prior) / (state[ANSWERS] + worth)


def _score(state, params, t, at_us):
    last = _last(state, params[t])
    kept = 1.0 if np.isnan(state[LAST]) else retention(at_us - state[LAST], params[t, HALF_LIFE])
    score = forgotten(last, params[t, PRIOR], kept)
    return score, last, interval(score, state[ANSWERS] * kept, params, t, INTERVAL)


def _step(batch, i, state):
    if batch.kind[i] != FEEDBACK:
        p = batch.slot[i]
        state[p, RIGHT] += batch.weight[i] * batch.y[i]
        state[p, ANSWERS] += batch.weight[i]
        state[p, LAST] = batch.at_us[i]


def fold_rows(batch, model, slot_state, student_state, history, as_of_us):
    for d in range(batch.day.size):
        for i in range(batch.day_ptr[d], batch.day_ptr[d + 1]):
            _step(batch, i, slot_state)
        if history.shape[1]:
            at_us = min((int(batch.day[d]) + 1) * DAY_US, as_of_us)
            for c in range(batch.cell_ptr[d], batch.cell_ptr[d + 1]):
                p = batch.cell_slot[c]
                score, _, (lower, upper) = _score(slot_state[p], model.params, batch.slot_topic[p], at_us)
                history[:, c] = score, lower, upper


def predict_rows(batch, model, slot_state, student_state):
    probability = np.full(batch.slot.size, np.nan)
    for event in np.split(np.arange(batch.row.size), np.flatnonzero(np.diff(batch.row)) + 1):
        for i in event:
            if batch.weight[i] > 0.0:
                p = batch.slot[i]
                probability[i] = _score(slot_state[p], model.params, batch.slot_topic[p], int(batch.at_us[i]))[0]
        for i in event:
            _step(batch, i, slot_state)
    return probability


def read_slots(slot_state, student_state, slot_student, slot_topic, params, as_of_us):
    n = slot_topic.size
    found = Scores(np.empty(n), np.empty(n), np.empty(n), np.empty((n, len(NAMES))))
    for p, t in enumerate(slot_topic):
        score, last, (lower, upper) = _score(slot_state[p], params, t, as_of_us)
        prior, of = params[t, PRIOR], slot_state[p, ANSWERS] + params[t, PRIOR_ANSWERS]
        right, wrong = slot_state[p, RIGHT], slot_state[p, ANSWERS] - slot_state[p, RIGHT]
        found.score[p], found.lower[p], found.upper[p] = score, lower, upper
        found.contributions[p] = prior, right * (1.0 - prior) / of, -wrong * prior / of, score - last
    return found


def check(model):
    check_bounds("share_right", PARAMETERS, model.params)


def fit(batch, *, given, seed=0, threads=1, chosen=None):
    row = defaults(SCORER, 1)[0]
    rows = batch.weight > 0.0
    if rows.any():
        row[PRIOR] = np.clip(np.average(batch.y[rows], weights=batch.weight[rows]), 0.01, 0.99)
    return Fit(Parameters(row, no_rows(row.size), no_rows(0)), (), {"prior": float(row[PRIOR])}, chosen=())


SCORER = Scorer(
    name="share_right",
    version=1,
    scale="index",
    slot_state=STATE,
    student_state=(),
    parameters=PARAMETERS,
    item_parameters=(),
    contributions=NAMES,
    start_slots=start_slots,
    start_students=start_students,
    fold_rows=fold_rows,
    predict_rows=predict_rows,
    read_slots=read_slots,
    check=check,
)

SPEC = ScorerSpec(
    name=SCORER.name,
    label="Share right",
    stage=Stage.ANSWERS,
    fit="share_right:fit",
    scorer=SCORER,
    works_unfitted=True,
)
