"""The share of right answers, drawn towards everybody's: a scorer as small as one can be, from outside of the registry.

score = (right + prior_answers · prior) / (answers + prior_answers),   then forgetting
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from mastery.arrays import Floats, Int32s
from mastery.features.batch import Batch, BatchArrays
from mastery.features.columns import FEEDBACK
from mastery.kernels import kernel
from mastery.scorers.base import (
    Model,
    Parameter,
    Scorer,
    Scores,
    check_bounds,
    defaults,
    folding_by,
    predicting_by,
    reading_by,
    walk_of,
)
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

CONTRIBUTIONS = ("start", "answers_right", "answers_wrong", "forgetting")


def start_slots(params: Floats, slot_topic: Int32s) -> Floats:
    """Return the state of each slot before any event: no answers."""
    return np.tile([0.0, 0.0, np.nan], (slot_topic.size, 1))


def start_students(params: Floats, students: int) -> Floats:
    """Return float64[S, 0]: nothing is known of a student beside the topics."""
    return np.zeros((students, 0))


@kernel
def step(state: Floats, p: int, at_us: int, y: float, weight: float) -> None:
    """Count one observation in the state of slot p."""
    state[p, RIGHT] += weight * y
    state[p, ANSWERS] += weight
    state[p, LAST] = at_us


@kernel
def score(state: Floats, p: int, params: Floats, t: int, at_us: int) -> tuple[float, float, float, float]:
    """Return (score, lower, upper) of slot p, of topic t, at a time, and the score at its last activity."""
    prior, worth = params[t, PRIOR], params[t, PRIOR_ANSWERS]
    last = (state[p, RIGHT] + worth * prior) / (state[p, ANSWERS] + worth)
    kept = 1.0 if math.isnan(state[p, LAST]) else retention(at_us - state[p, LAST], params[t, HALF_LIFE])
    now = forgotten(last, prior, kept)
    lower, upper = interval(now, state[p, ANSWERS] * kept, params, t, INTERVAL)
    return now, lower, upper, last


@kernel
def walk(
    batch: BatchArrays,
    params: Floats,
    items: Floats,
    state: Floats,
    students: Floats,
    history: Floats,
    probability: Floats,
    as_of_us: int,
) -> None:
    """Fold, and predict where `probability` is not empty: all rows of an event before any of them is folded."""
    row, slot, slot_topic, at_us, kind = batch.row, batch.slot, batch.slot_topic, batch.at_us, batch.kind
    y, weight = batch.y, batch.weight
    day_end_us, day_ptr, cell_ptr, cell_slot = batch.day_end_us, batch.day_ptr, batch.cell_ptr, batch.cell_slot
    for d in range(day_end_us.size):
        for i in range(day_ptr[d], day_ptr[d + 1]):
            if i == 0 or row[i] != row[i - 1]:
                j = i
                while probability.size and j < row.size and row[j] == row[i]:
                    if weight[j] > 0.0:
                        probability[j] = score(state, slot[j], params, slot_topic[slot[j]], at_us[j])[0]
                    j += 1
            if kind[i] != FEEDBACK:
                step(state, slot[i], at_us[i], y[i], weight[i])
        if history.shape[1]:
            end_us = min(day_end_us[d], as_of_us)
            for c in range(cell_ptr[d], cell_ptr[d + 1]):
                p = cell_slot[c]
                history[0, c], history[1, c], history[2, c], _ = score(state, p, params, slot_topic[p], end_us)


@kernel
def read_states(
    state: Floats,
    students: Floats,
    slot_student: Int32s,
    slot_topic: Int32s,
    params: Floats,
    as_of_us: int,
    scores: Scores,
) -> None:
    """Write the scores of all slots at a time."""
    for p in range(slot_topic.size):
        t = slot_topic[p]
        now, lower, upper, last = score(state, p, params, t, as_of_us)
        prior, of = params[t, PRIOR], state[p, ANSWERS] + params[t, PRIOR_ANSWERS]
        right = state[p, RIGHT]
        scores.score[p], scores.lower[p], scores.upper[p] = now, lower, upper
        scores.contributions[p, 0] = prior
        scores.contributions[p, 1] = right * (1.0 - prior) / of
        scores.contributions[p, 2] = -(state[p, ANSWERS] - right) * prior / of
        scores.contributions[p, 3] = now - last


def check(model: Model) -> None:
    """Raise BadInput where a parameter is out of bounds."""
    check_bounds(SCORER.name, PARAMETERS, model.params)


def fit(batch: Batch, *, given: Any, seed: int = 0, threads: int = 1, chosen: object = None) -> Fit:
    """Return the share of right answers of all students as the prior of every topic."""
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
    contributions=CONTRIBUTIONS,
    start_slots=start_slots,
    start_students=start_students,
    fold_rows=folding_by(walk_of(walk)),
    predict_rows=predicting_by(walk_of(walk)),
    read_slots=reading_by(read_states, len(CONTRIBUTIONS)),
    check=check,
)

SPEC = ScorerSpec(
    name=SCORER.name,
    label="Share right",
    stage=Stage.ANSWERS,
    fit="share_right:fit",  # in a room of its own: mastery.scorers.NAME.fit:fit
    scorer=SCORER,
    works_unfitted=True,
)
