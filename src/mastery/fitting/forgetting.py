"""How fast scores fade, found from answers after pauses: one half-life, and its growth with each further day of study.

Settles & Meeder (2016), A trainable spaced repetition model for language learning, ACL. What is read is the probability
before each answer with nothing forgotten, by a scorer that has not learnt from the student:

    z'     = z + level + by_study · ln(days of study) + slope · z,      z: its log-odds
    probability = rest + λ (σ(z') − rest),      λ = 2^(−pause / (half-life · growth^(days of study − 1)))

Who predicts has learnt from answers after pauses too, so what is forgotten on average is in z already, and it thinks
too little of those who study a topic on many days. The level, what days of study do to it and the slope are therefore
found with each pair, and only how much more is forgotten in a longer pause than in a shorter one tells half-life and
growth. (Without, four simulated schools with a median of 30 days and a growth of 1.35 gave 19 to 155 days and 1.5 to
2.0; with it 20 to 112 and 1.3 to 1.5.)

Few answers follow a long pause, so several pairs are nearly as likely as the likeliest: the mean over a grid is taken,
each pair weighed by how likely it makes the answers (the posterior mean), and not whichever is ahead by a hair.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize

from mastery.arrays import Bools, Floats
from mastery.features.batch import Batch
from mastery.features.columns import FEEDBACK, TUTOR, VIDEO
from mastery.instants import DAY_US
from mastery.log_odds import FARTHEST, log_odds_of, sigmoid_of
from mastery.scorers import SPECS
from mastery.scorers.base import Parameter, place_of
from mastery.scorers.fits import Fit
from mastery.scorers.interval import LONGEST_DAYS, growth_parameter
from mastery.scorers.parameters import KeyedRows
from mastery.sums import dot, weigh_columns, weigh_rows
from mastery.tables import MILLION

HALF_LIVES_DAYS = np.array([10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0, 180.0, 240.0, 480.0, 1_000.0])
GROWTHS = np.array([1.0, 1.15, 1.35, 1.6, 2.0])

USUAL_DAYS, UNSURE = 120.0, 1.0
"""Before any answer ln half-life is taken as N(ln USUAL_DAYS, UNSURE²), every growth as equally likely."""

FEWEST_AFTER_PAUSES = 300
"""Answers after a pause of a day or more on their topic; with fewer nothing is found. Shorter pauses are not looked at:
within a sitting little is forgotten, and what matters there is other things."""

ENOUGH_AFTER_PAUSES = 50_000
"""If there are more, a share of them is taken that leaves about this many."""

RIDGE = 1.0
"""Level, what days of study do to it and slope are pulled towards 0 as by one certain answer."""

ENOUGH_FIRST = 5.0
"""The prior from all topics' first answers weighs as much as this many of a topic's own."""

LEAST_PROBABILITY = 1e-6


@dataclass(frozen=True)
class Forgetting:
    """What was found.

    Attributes:
        growth: What each further day of study on a topic multiplies its half-life by.
        answers: How many came after a pause of a day or more.
    """

    half_life_days: float
    growth: float
    answers: int


def fit_forgetting(batch: Batch, answers: Bools, at_last_activity: Floats) -> Forgetting | None:
    """Return how fast what students know fades; None where too few answers come after a pause.

    Args:
        answers: bool[n]. Rows that are right or wrong.
        at_last_activity: float64[n]. Probability of a right answer before each row with nothing forgotten since the
        topic's last.
    """
    days, studied, first = _pauses(batch)
    rows = answers & np.isfinite(at_last_activity)
    paused = np.flatnonzero(rows & (studied > 0.0) & (days >= 1.0))
    if paused.size < FEWEST_AFTER_PAUSES:
        return None
    after = paused.size
    paused = paused[:: -(-after // ENOUGH_AFTER_PAUSES)]
    topic = batch.slot_topic[batch.slot]
    begins = rows & first
    everywhere = float(at_last_activity[begins].mean()) if begins.any() else 0.5
    count = np.bincount(topic[begins], minlength=len(batch.topics))
    total = np.bincount(topic[begins], at_last_activity[begins], len(batch.topics))
    prior = ((total + ENOUGH_FIRST * everywhere) / (count + ENOUGH_FIRST))[topic[paused]]
    last = np.clip(at_last_activity[paused], LEAST_PROBABILITY, 1.0 - LEAST_PROBABILITY)
    z, pause, study, right = log_odds_of(last), days[paused], studied[paused], batch.y[paused] > 0.5
    moved = np.column_stack([np.ones(z.size), np.log(study), z])

    def log_likelihood(half_life: float, growth: float, weights: Floats) -> tuple[float, Floats]:
        """Return how likely the answers are with the best level, what days of study do to it, and slope; those."""
        lasting = np.minimum(max(half_life, LONGEST_DAYS), half_life * growth ** (study - 1.0))
        kept = 2.0 ** (-pause / lasting)

        def loss(weights: Floats) -> tuple[float, Floats]:
            level = sigmoid_of(np.clip(z + weigh_columns(moved, weights), -FARTHEST, FARTHEST))
            fades = level > prior
            probability = np.clip(
                np.where(fades, prior + kept * (level - prior), level), LEAST_PROBABILITY, 1.0 - LEAST_PROBABILITY
            )
            rise = np.where(fades, kept, 1.0) * level * (1.0 - level)
            slope = np.where(right, -1.0 / probability, 1.0 / (1.0 - probability)) * rise
            value = -np.log(np.where(right, probability, 1.0 - probability)).sum()
            value += 0.5 * RIDGE * dot(weights, weights)
            return float(value), weigh_rows(slope, moved) + RIDGE * weights

        found = minimize(loss, weights, jac=True, method="L-BFGS-B")
        return -float(found.fun), found.x

    pairs = [(half_life, growth) for growth in GROWTHS for half_life in HALF_LIVES_DAYS]
    likely, weights = np.empty(len(pairs)), np.zeros(moved.shape[1])
    for k, (half_life, growth) in enumerate(pairs):
        likely[k], weights = log_likelihood(half_life, growth, weights)
    log_days, log_growth = np.log(pairs).T
    likely -= 0.5 * ((log_days - np.log(USUAL_DAYS)) / UNSURE) ** 2
    share = np.exp(likely - likely.max())
    share /= share.sum()
    return Forgetting(float(np.exp(dot(share, log_days))), float(np.exp(dot(share, log_growth))), after)


def fading() -> dict[str, tuple[Parameter, ...]]:
    """Return the scorers that fade by what is found here, with their parameters: those whose half-life may grow.

    Those that fold fade by what their own fits find.
    """
    return {name: spec.parameters for name, spec in SPECS.items() if spec.has(growth_parameter().name)}


def with_forgetting(fit: Fit, columns: tuple[Parameter, ...], found: Forgetting) -> Fit:
    """Return a fit with this half-life and growth on every topic; columns: one of `fading`."""
    numbers = {"half_life_days": found.half_life_days, "half_life_growth": found.growth}
    mine = fit.parameters
    default, rows = mine.default.copy(), mine.topics.values.copy()
    for name, value in numbers.items():
        at = place_of(columns, name).start
        default[at], rows[:, at] = value, value
    parameters = replace(mine, default=default, topics=KeyedRows(mine.topics.keys, rows))
    return replace(fit, parameters=parameters, measures={**fit.measures, **numbers})


def _pauses(batch: Batch) -> tuple[Floats, Floats, Bools]:
    """Return float64[n] each: days since what refreshed the row's topic last, and days with such before the row (see
    `mastery.features.counters.refreshes`); bool[n]: whether the row is the first on its topic.
    """
    order = np.lexsort((np.arange(batch.slot.size), batch.slot))
    slots, times, place = batch.slot[order], batch.at_us[order], np.arange(order.size)
    on = np.repeat(batch.day, np.diff(batch.day_ptr))[order]
    fresh = np.append(True, slots[1:] != slots[:-1])[: slots.size]
    begin = np.maximum.accumulate(np.where(fresh, place, 0))
    refreshing = ((batch.kind == VIDEO) | (batch.kind == TUTOR) | (2 * batch.success_ppm >= batch.attempts * MILLION))[
        order
    ] & (batch.kind[order] != FEEDBACK)
    before = np.append(-1, np.maximum.accumulate(np.where(refreshing, place, -1)))[:-1]
    known = before >= begin
    before = np.where(known, before, place)
    days = (times - times[before]) / DAY_US
    new_day = refreshing & (~known | (on != on[before]))
    counted = np.append(0, np.cumsum(new_day))
    studied = (counted[place] - counted[begin]).astype(np.float64)
    found = np.empty(order.size), np.empty(order.size), np.empty(order.size, bool)
    for values, into in zip((days, studied, fresh), found, strict=True):
        into[order] = values
    return found
