"""irt folds one answer. See mastery.scorers.one_answer."""

from __future__ import annotations

import math

import numpy as np

from mastery.arrays import Floats, Int32s, Int64s
from mastery.features.columns import QUIZ
from mastery.kernels import kernel
from mastery.log_odds import log_odds
from mastery.scorers.base import Model, States
from mastery.scorers.irt.grid import NODES, CurveAnswer, Tables, learn, make_scratch, moments, tables_of, weigh
from mastery.scorers.irt.scorer import (
    DRIFT,
    LAST,
    LOWER,
    SPREAD,
    UPPER,
    book,
    mastery,
    probability_of,
)
from mastery.scorers.one_answer import Answer, Step


@kernel
def predict_and_fold(
    state: Floats,
    students: Floats,
    params: Floats,
    items: Floats,
    curves: Floats,
    kernels: Floats,
    which: Int64s,
    one: Answer,
) -> float:
    """Return the probability of a right answer as the fold predicts it, then fold the answer."""
    p, t, item, at_us, y, weight = one.slot, one.topic, one.item, one.at_us, one.y, one.weight
    tables, scratch, weights = Tables(curves, kernels), make_scratch(), np.empty(NODES)
    c = params.shape[0] + item if item >= 0 and not math.isnan(items[item, 0]) else t
    before, _ = weigh(students, 0, state, p, tables.kernels, which[t], scratch.others, weights)
    probability = probability_of(before, state, p, weights, c, tables.curves, params, t, at_us)
    answer = CurveAnswer(c, y, weight, params[t, LOWER], params[t, UPPER], params[t, DRIFT])
    learn(students, 0, state, p, tables, which[t], scratch, answer)
    after, _ = moments(state, p, weights)
    moved = log_odds(mastery(after, params, t)) - log_odds(mastery(before, params, t))
    state[p, LAST] = at_us
    book(state, p, QUIZ, y, moved)
    return probability


def steps(model: Model) -> Step:
    """Return the step with these parameters."""
    params, items = model.params, model.items
    (curves, kernels), which = tables_of(params, items, SPREAD)

    def step(states: States, _: Int32s, one: Answer) -> float:
        return predict_and_fold(states.slot, states.student, params, items, curves, kernels, which, one)

    return step
