"""bkt folds one answer. See mastery.scorers.one_answer."""

from __future__ import annotations

import math

import numpy as np

from mastery.arrays import Floats, Int32s
from mastery.features.columns import QUIZ
from mastery.kernels import kernel
from mastery.scorers.base import Model, States
from mastery.scorers.bkt.kernels import (
    ANSWERS,
    EXCESS,
    GROUP,
    HALF_LIFE,
    LAST,
    ODDS,
    fold_answer,
    probabilities,
    pulled,
    reckon,
)
from mastery.scorers.bkt.scorer import ITEM_PARAMETERS
from mastery.scorers.interval import LN2_PER_DAY_US, kept_at
from mastery.scorers.one_answer import Answer, Step


@kernel
def predict_and_fold(
    state: Floats,
    students: Floats,
    params: Floats,
    items: Floats,
    one: Answer,
) -> float:
    """Return the probability of a right answer as `fold_in_order` predicts it, then fold the answer."""
    p, t, item, at_us, y, weight = one.slot, one.topic, one.item, one.at_us, one.y, one.weight
    odds = state[p, ODDS]
    if math.isnan(state[p, LAST]):
        odds *= math.exp(pulled(params, t, students[0, EXCESS], students[0, ANSWERS]))
    guess, slip = probabilities(params, items, t, item, GROUP[QUIZ])
    kept = kept_at(at_us - state[p, LAST], LN2_PER_DAY_US / params[t, HALF_LIFE])
    probability = reckon(guess, slip, odds, kept)
    fold_answer(state, p, students, 0, params, items, t, item, at_us, y, weight)
    return float(probability)


def steps(model: Model) -> Step:
    """Return the step with these parameters."""
    params, items = model.params, model.items
    if not items.shape[1]:
        items = np.full((items.shape[0], len(ITEM_PARAMETERS)), np.nan)

    def step(states: States, _: Int32s, one: Answer) -> float:
        return predict_and_fold(states.slot, states.student, params, items, one)

    return step
