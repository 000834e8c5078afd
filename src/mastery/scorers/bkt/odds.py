"""What bkt keeps of a student-topic, and its steps on odds. See mastery.scorers.bkt.scorer."""

from __future__ import annotations

import math

import numpy as np

from mastery.arrays import Floats
from mastery.kernels import inlined_kernel, kernel
from mastery.scorers.interval import LN2_PER_DAY_US, interval

STATE = (
    "odds_known",
    "weight",  # evidence, fading with the same half-life as knowledge
    "last_at_us",  # NaN before the first event
    "from_right",
    "from_wrong",
    "from_practice",
    "from_assignments",
    "forgot",  # product of the factors of forgetting since it was last moved into …
    "log_forgot",
    "log_limited",
    "from_other_topics",
)
(
    ODDS,
    WEIGHT,
    LAST,
    RIGHT,
    WRONG,
    PRACTISED,
    ASSIGNED,
    FORGOT,
    LOG_FORGOT,
    LOG_LIMITED,
    OTHERS,
) = range(len(STATE))

STUDENT_STATE = ("excess", "answers")  # on topics with pull: the sum of weight · (y − expected share), and of weights
EXCESS, ANSWERS = range(len(STUDENT_STATE))

# Columns of the parameters, as in `PARAMETERS` of scorer.py. LEARN + kind: the probability to learn from that kind.
INIT, GUESS, SLIP, HALF_LIFE, LEARN = range(5)
FORGET, GUESS_PRACTICE, SLIP_PRACTICE, EXPECTED, PULL, PULL_LEARNING, PULL_ANSWERS, INTERVAL = range(9, 17)
ITEM_GUESS, ITEM_SLIP = range(2)

LOWEST, HIGHEST = 1e-6, 1e6
"""Odds stay within these: a state that reaches 0 or infinity could never be moved by evidence again."""

MOST_LEARNT = 0.99
"""No probability to learn is higher, whatever the pull."""

EMPTY = 1e-100
"""A running product below this is moved into its log, before it can underflow."""

BOOK_RIGHT = np.array([RIGHT, PRACTISED, ASSIGNED, RIGHT, RIGHT, RIGHT])
BOOK_WRONG = np.array([WRONG, PRACTISED, ASSIGNED, WRONG, WRONG, WRONG])
"""By kind: the column that is credited with success, and the one that is charged with failure."""

GROUP = np.array([0, 1, 1, 0, 0, 0])
"""By kind: 1 where guess and slip are those of practice."""

# By topic: what one right, and one wrong answer adds to the log-odds, forgetting per microsecond, and from RATIOS on
# the factors of answers that weigh 0/8, 1/8 … 8/8, wrong and right in turn.
LOG_RIGHT, LOG_WRONG, RATE, RATIOS = range(4)
EIGHTHS = 8


@kernel
def constants(params: Floats) -> Floats:
    """Return float64[T, RATIOS + 18], see above."""
    made = np.empty((params.shape[0], RATIOS + 2 * (EIGHTHS + 1)))
    for t in range(params.shape[0]):
        made[t, LOG_RIGHT] = math.log((1.0 - params[t, SLIP]) / params[t, GUESS])
        made[t, LOG_WRONG] = math.log(params[t, SLIP] / (1.0 - params[t, GUESS]))
        made[t, RATE] = LN2_PER_DAY_US / params[t, HALF_LIFE]
        for eighths in range(EIGHTHS + 1):
            weight = eighths / EIGHTHS
            made[t, RATIOS + 2 * eighths] = math.exp(weight * made[t, LOG_WRONG])
            made[t, RATIOS + 2 * eighths + 1] = math.exp(weight * made[t, LOG_RIGHT])
    return made


@inlined_kernel
def forget(odds: float, kept: float) -> float:
    """Return the factor by which the odds shrink in a time of which `kept` = λ(Δt) of the known is retained."""
    return kept / (1.0 + (1.0 - kept) * odds)


@inlined_kernel
def step(odds: float, kept: float, answer: float, probability: float) -> float:
    """Return the odds after one event: a time to forget, an answer's factor, a probability to learn.

    The three steps are one fraction of the odds before: an event waits for one division of the event before it, not
    for two. And all of them are taken for every event, with nothing to forget, weigh or learn where there is nothing:
    branches that would spare them were missed too often.
    """
    unlearned = 1.0 / (1.0 - probability)
    answered, learned = kept * answer * unlearned, probability * unlearned
    return (learned + odds * (answered + learned * (1.0 - kept))) / (1.0 + (1.0 - kept) * odds)


@inlined_kernel
def step_forgetting(odds: float, kept: float, answer: float, slipped: float, probability: float) -> float:
    """Return the same with a probability `slipped` to forget between answer and learning; with 0, `step`'s very
    bits."""
    unlearned = 1.0 / (1.0 - probability)
    answered, learned = kept * answer * unlearned, probability * unlearned
    gone = (1.0 - kept) + slipped * (kept * answer)
    return (learned + odds * ((1.0 - slipped) * answered + learned * gone)) / (1.0 + gone * odds)


@inlined_kernel
def score(odds: float, weight: float, kept: float, params: Floats, t: int) -> tuple[float, float, float]:
    """Return (score, lower, upper) of a state after a time of which `kept` is retained."""
    odds = odds * forget(odds, kept)
    known = odds / (1.0 + odds)
    lower, upper = interval(known, weight * kept, params, t, INTERVAL)
    return known, lower, upper


@inlined_kernel
def reckon(guess: float, slip: float, odds: float, kept: float) -> float:
    """Return the probability of a right answer after a time of which `kept` is retained."""
    known = odds * forget(odds, kept)
    return guess + (1.0 - guess - slip) * known / (1.0 + known)


@kernel
def pulled(params: Floats, t: int, excess: float, answers: float) -> float:
    """Return what doing better than expected so far adds to the log-odds at a topic's first event."""
    if params[t, PULL] <= 0.0:
        return 0.0
    return float(params[t, PULL] * excess / (answers + params[t, PULL_ANSWERS]))


@kernel
def lesson(params: Floats, t: int, what: int, opportunity: float, excess: float, answers: float) -> float:
    """Return the probability to learn from an event: for those who do better than expected the odds are higher."""
    probability = params[t, LEARN + what]
    if params[t, PULL_LEARNING] > 0.0:
        factor = math.exp(params[t, PULL_LEARNING] * excess / (answers + params[t, PULL_ANSWERS]))
        probability = min(MOST_LEARNT, probability * factor / (1.0 - probability + probability * factor))
    return float(probability * opportunity)


@kernel
def probabilities(params: Floats, items: Floats, t: int, item: int, group: int) -> tuple[float, float]:
    """Return (guess, slip) of an answer: the item's own, where they are known and it is no practice."""
    if group:
        return params[t, GUESS_PRACTICE], params[t, SLIP_PRACTICE]
    if item >= 0 and not math.isnan(items[item, ITEM_GUESS]):
        return items[item, ITEM_GUESS], items[item, ITEM_SLIP]
    return params[t, GUESS], params[t, SLIP]


@inlined_kernel
def weigh(guess: float, slip: float) -> tuple[float, float]:
    """Return what one right, and one wrong answer adds to the log-odds."""
    return math.log((1.0 - slip) / guess), math.log(slip / (1.0 - guess))


@kernel
def tell(
    params: Floats, given: Floats, logs: Floats, t: int, item: int, group: int, y: float, n: float
) -> tuple[float, float, float]:
    """Return what the rights and the wrongs of an event add to the log-odds, and their factor.

    given: `constants(params)`. logs: float64[I, 2], what one right, and one wrong answer on each item adds; NaN where
    nothing is known of it.
    """
    own = item >= 0 and not math.isnan(logs[item, 0])
    if group:
        log_right, log_wrong = weigh(params[t, GUESS_PRACTICE], params[t, SLIP_PRACTICE])
    elif own:
        log_right, log_wrong = logs[item, 0], logs[item, 1]
    else:
        log_right, log_wrong = given[t, LOG_RIGHT], given[t, LOG_WRONG]
    for_right, for_wrong = n * y * log_right, n * (1.0 - y) * log_wrong
    eighths = int(n * EIGHTHS)
    plain = n <= 1.0 and eighths == n * EIGHTHS and n * y * (1.0 - y) == 0.0
    if plain and not own and not group:
        return for_right, for_wrong, given[t, RATIOS + 2 * eighths + int(y)]
    return for_right, for_wrong, math.exp(for_right + for_wrong)
