"""An event becomes an observation: what it says about mastery, and how much it counts.

    y            share of success, 0 to 1
    weight       the number of unaided answers it is worth; 0: it says nothing about mastery
    opportunity  to which degree it was an opportunity to learn, 0 to 1

The rules are these constants; docs/features.md explains each. `OBSERVATION_VERSION` is part of every
model version: raise it when you change a number.
"""

from __future__ import annotations

import numpy as np

from mastery.arrays import Bools, Floats, Int8s, Int32s, Int64s
from mastery.features.columns import ASSIGNMENT, FEEDBACK, PRACTICE, QUIZ, TUTOR, VIDEO
from mastery.kernels import kernel

OBSERVATION_VERSION = 2

RETRY_WEIGHT = 0.5
"""Each further attempt at the same item weighs half of the one before …"""
LEAST_RETRY_WEIGHT = 0.25
"""… but never less than this: trying one option after another says little, but not nothing."""
HINTED_WEIGHT = 0.5
"""A hinted answer weighs half: part of the success is the hint's."""
PRACTICE_CAP = 5.0
"""A practice session weighs as much as its attempts, up to this many answers, because they come in one session."""
ASSIGNMENT_WEIGHT = 3.0
"""An assignment weighs three answers, divided, as all weights are, among its topics."""


@kernel
def observe(
    kind: int, attempts: int, success_ppm: int, attempt_number: int, hints: int, topics_of_event: int
) -> tuple[float, float, float]:
    """Return (y, weight, opportunity) of one event on one topic, from the event alone.

    The weight is divided among the topics of the event: on any number of them, one answer is one piece of evidence.

    attempt_number and hints are negative where the source has none: it then counts as a first attempt without hints.
    """
    if kind == FEEDBACK or attempts <= 0:
        return 0.0, 0.0, 0.0
    y = min(1.0, max(0.0, success_ppm / (attempts * 1e6)))
    if kind == QUIZ:
        weight = 1.0
        if attempt_number > 1:
            weight = max(LEAST_RETRY_WEIGHT, RETRY_WEIGHT ** (attempt_number - 1))
        if hints > 0:
            weight *= HINTED_WEIGHT
        return y, weight / topics_of_event, 1.0
    if kind == PRACTICE:
        hinted = min(1.0, max(0.0, hints / attempts))
        weight = min(float(attempts), PRACTICE_CAP) * (1.0 - (1.0 - HINTED_WEIGHT) * hinted)
        return y, weight / topics_of_event, 1.0
    if kind == ASSIGNMENT:
        return y, ASSIGNMENT_WEIGHT / topics_of_event, 1.0
    if kind == VIDEO or kind == TUTOR:
        return y, 0.0, y
    return 0.0, 0.0, 0.0


@kernel
def observe_rows(
    order: Int64s,
    kind: Int8s,
    attempts: Int64s,
    success_ppm: Int64s,
    attempt_number: Int64s,
    hints: Int64s,
    topics_of_event: Int32s,
    scored: Bools,
) -> tuple[Floats, Floats, Floats]:
    """Return y, weight, opportunity, float64[m] each, for the rows in `order`. Rows not `scored` say nothing."""
    m = order.size
    y, weight, opportunity = np.empty(m), np.empty(m), np.empty(m)
    for k in range(m):
        i = order[k]
        if scored[k]:
            y[k], weight[k], opportunity[k] = observe(
                kind[i], attempts[i], success_ppm[i], attempt_number[i], hints[i], topics_of_event[i]
            )
        else:
            y[k], weight[k], opportunity[k] = 0.0, 0.0, 0.0
    return y, weight, opportunity
