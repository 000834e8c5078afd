"""linear_rnn folds one answer. See mastery.scorers.one_answer."""

from __future__ import annotations

from mastery.arrays import Floats, Floats32, Int32s
from mastery.kernels import kernel
from mastery.scorers.base import Model, States
from mastery.scorers.linear_rnn.scorer import (
    BUCKETS,
    EVENTS,
    EVIDENCE,
    FADES,
    LAST,
    PLACE,
    bucket_of,
    enter,
    own_row,
    probability_of,
    receive,
    written,
)
from mastery.scorers.one_answer import Answer, Step


@kernel
def predict_and_fold(
    state: Floats,
    students: Floats,
    params: Floats,
    items: Floats,
    events: Floats32,
    own: Floats32,
    fades: Floats,
    one: Answer,
) -> float:
    """Return the probability of a right answer as the fold predicts it, then fold the answer."""
    p, t, item, at_us, y, weight = one.slot, one.topic, one.item, one.at_us, one.y, one.weight
    enter(students, 0, one.item_key)
    probability = probability_of(students, 0, state[p, LAST], at_us, t, item, params, items)
    e = t * EVENTS + int(students[0, PLACE]) * BUCKETS + bucket_of(one.duration_ms)
    receive(students, 0, fades, 1, events, e, own, own_row(item, t, items, params.shape[0]), y, weight)
    state[p, EVIDENCE] += weight
    state[p, LAST] = at_us
    return probability


def steps(model: Model) -> Step:
    """Return the step with these parameters."""
    params, items = model.params, model.items
    events, own = written(params, items)

    def step(states: States, _: Int32s, one: Answer) -> float:
        return predict_and_fold(states.slot, states.student, params, items, events, own, FADES, one)

    return step
