"""rule_based folds one answer. See mastery.scorers.one_answer."""

from __future__ import annotations

import numpy as np

from mastery.arrays import Floats, Int32s
from mastery.features.columns import QUIZ
from mastery.kernels import kernel
from mastery.scorers.base import Model, States
from mastery.scorers.one_answer import Answer, Step
from mastery.scorers.rule_based.scorer import CONTRIBUTIONS, GUESS, SLIP, score_of, take_event


@kernel
def predict_and_fold(state: Floats, params: Floats, one: Answer) -> float:
    """Return the probability of a right answer as the fold predicts it, then fold the answer."""
    p, t, at_us = one.slot, one.topic, one.at_us
    score = score_of(state, p, params, t, at_us, np.empty((1, len(CONTRIBUTIONS))), 0)[0]
    take_event(state, p, QUIZ, at_us, one.days_away, one.y, one.weight, 1, one.hints, params, t)
    return float(params[t, GUESS] + (1.0 - params[t, SLIP] - params[t, GUESS]) * score)


def steps(model: Model) -> Step:
    """Return the step with these parameters."""
    params = model.params

    def step(states: States, _: Int32s, one: Answer) -> float:
        return predict_and_fold(states.slot, params, one)

    return step
