"""elo folds one answer. See mastery.scorers.one_answer."""

from __future__ import annotations

from mastery.arrays import Floats, Int32s, Int64s
from mastery.features.columns import QUIZ
from mastery.kernels import kernel
from mastery.scorers.base import Model, States
from mastery.scorers.elo.scorer import (
    ABILITY,
    BOOK_DOWN,
    BOOK_UP,
    CHAPTER_SHARE,
    CHAPTER_VALUE,
    EVIDENCE,
    LAST,
    LOWER,
    MEMORY_ABILITY,
    MEMORY_OFFSET,
    OFFSET,
    SHARE,
    STUDENT_EVIDENCE,
    STUDENT_LAST,
    UPPER,
    VARIANCE_ABILITY,
    VARIANCE_OFFSET,
    chapters_of,
    difficulty_of,
    fading_rates,
    probability_of,
    step,
    variance,
)
from mastery.scorers.interval import kept_at
from mastery.scorers.one_answer import Answer, Step


@kernel
def predict_and_fold(
    state: Floats,
    students: Floats,
    params: Floats,
    items: Floats,
    chapter_of: Int64s,
    rates: Floats,
    slot_topic: Int32s,
    one: Answer,
) -> float:
    """Return the probability of a right answer as the fold predicts it, then fold the answer."""
    p, t, item, at_us, y, weight = one.slot, one.topic, one.item, one.at_us, one.y, one.weight
    c, together = chapter_of[t], 0.0
    if c > 0:
        for q in range(slot_topic.size):  # the first: a new slot, which holds nothing of its chapter yet, is the last
            if chapter_of[slot_topic[q]] == c:
                together = state[q, CHAPTER_VALUE]
                break
    ability, known, known_at = students[0, ABILITY], students[0, STUDENT_EVIDENCE], students[0, STUDENT_LAST]
    level = ability + together + state[p, OFFSET]
    probability = probability_of(level, state[p, LAST], item, at_us, t, params, items)
    rate = rates[t]
    evidence = state[p, EVIDENCE] * kept_at(at_us - state[p, LAST], rate)
    known *= kept_at(at_us - known_at, rate)
    variances = variance(params[t, VARIANCE_ABILITY], known) + variance(params[t, VARIANCE_OFFSET], evidence)
    logit = ability + together + state[p, OFFSET] - difficulty_of(item, t, params, items)
    moved = step(logit, variances, y, weight, params[t, LOWER], params[t, UPPER])
    to_chapter = params[t, CHAPTER_SHARE] if c > 0 else 0.0
    students[0, ABILITY] = ability + params[t, SHARE] * moved
    students[0, STUDENT_EVIDENCE] = known * params[t, MEMORY_ABILITY] + weight
    students[0, STUDENT_LAST] = at_us
    state[p, OFFSET] += (1.0 - params[t, SHARE] - to_chapter) * moved
    state[p, EVIDENCE] = evidence * params[t, MEMORY_OFFSET] + weight
    state[p, LAST] = at_us
    state[p, BOOK_UP[QUIZ]] += max(moved, 0.0)
    state[p, BOOK_DOWN[QUIZ]] += min(moved, 0.0)
    if c > 0:
        together += to_chapter * moved
        for q in range(slot_topic.size):
            if chapter_of[slot_topic[q]] == c:
                state[q, CHAPTER_VALUE] = together
    return probability


def steps(model: Model) -> Step:
    """Return the step with these parameters."""
    params, items = model.params, model.items
    chapter_of, rates = chapters_of(params), fading_rates(params)

    def fold(states: States, slot_topic: Int32s, one: Answer) -> float:
        return predict_and_fold(states.slot, states.student, params, items, chapter_of, rates, slot_topic, one)

    return fold
