"""How fast scores fade, found from answers after pauses: one half-life, and its growth with each further day of study.

Settles & Meeder (2016), A trainable spaced repetition model for language learning, ACL. What is read is the chance
before each answer with nothing forgotten, by a scorer that has not learnt from the student. Few answers follow a long
pause, so several pairs are nearly as likely as the likeliest: the mean over a grid is taken, each pair weighed by how
likely it makes the answers (the posterior mean), and not whichever is ahead by a hair.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from mastery.arrays import Bools, Floats
from mastery.features.batch import DAY_US, Batch
from mastery.fitting.fit import Fit
from mastery.scorers import blend, ml
from mastery.scorers.base import Parameter, place_of
from mastery.scorers.interval import LONGEST_DAYS
from mastery.scorers.parameters import Rows

HALF_LIVES_DAYS = np.array([10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0, 180.0, 240.0, 480.0, 1_000.0])
GROWTHS = np.array([1.0, 1.15, 1.35, 1.6, 2.0])

USUAL_DAYS, UNSURE = 120.0, 1.0
"""Before any answer ln half-life is taken as N(ln USUAL_DAYS, UNSURE²), every growth as equally likely."""

FEWEST_AFTER_PAUSES = 300
"""Answers after a pause of a day or more on their topic; with fewer nothing is found."""

ENOUGH_FIRST = 5.0
"""A topic's first answers count as so many of all topics' besides."""

LEAST_CHANCE = 1e-6

FADING: Mapping[str, tuple[Parameter, ...]] = {ml.NAME: ml.PARAMETERS, blend.NAME: blend.PARAMETERS}
"""Scorers that fade by what is found here, with their parameters; those that fold fade by what their own fits found."""


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


def fit_forgetting(batch: Batch, answers: Bools, unforgotten: Floats) -> Forgetting | None:
    """Return how fast what students know fades; None where too few answers come after a pause.

    Args:
        answers: bool[n]. Rows that are right or wrong.
        unforgotten: float64[n]. Chance of a right answer before each row with nothing forgotten since the topic's last.
    """
    days, studied = _pauses(batch)
    first = studied == 0
    rows = answers & np.isfinite(unforgotten)
    paused = rows & ~first & (days > 0.0)
    after = int(np.count_nonzero(paused & (days >= 1.0)))
    if after < FEWEST_AFTER_PAUSES:
        return None
    topic = batch.slot_topic[batch.slot]
    begins = rows & first
    everywhere = float(unforgotten[begins].mean()) if begins.any() else 0.5
    count = np.bincount(topic[begins], minlength=len(batch.topics))
    total = np.bincount(topic[begins], unforgotten[begins], len(batch.topics))
    prior = ((total + ENOUGH_FIRST * everywhere) / (count + ENOUGH_FIRST))[topic[paused]]
    last, y = unforgotten[paused], batch.y[paused]
    rest = np.minimum(prior, last)

    def log_likelihood(half_life: float, growth: float) -> float:
        lasting = np.minimum(max(half_life, LONGEST_DAYS), half_life * growth ** (studied[paused] - 1.0))
        chance = rest + 2.0 ** (-days[paused] / lasting) * (last - rest)
        chance = np.clip(chance, LEAST_CHANCE, 1.0 - LEAST_CHANCE)
        return float(np.log(np.where(y > 0.5, chance, 1.0 - chance)).sum())

    log_days, log_growth = (grid.ravel() for grid in np.meshgrid(np.log(HALF_LIVES_DAYS), np.log(GROWTHS)))
    likely = np.array([log_likelihood(*pair) for pair in np.exp(np.column_stack([log_days, log_growth]))])
    likely -= 0.5 * ((log_days - np.log(USUAL_DAYS)) / UNSURE) ** 2
    share = np.exp(likely - likely.max())
    share /= share.sum()
    return Forgetting(float(np.exp(share @ log_days)), float(np.exp(share @ log_growth)), after)


def with_forgetting(fit: Fit, columns: tuple[Parameter, ...], found: Forgetting) -> Fit:
    """Return a fit with this half-life and growth on every topic; columns: one of `FADING`."""
    numbers = {"half_life_days": found.half_life_days, "half_life_growth": found.growth}
    mine = fit.parameters
    default, rows = mine.default.copy(), mine.topics.values.copy()
    for name, value in numbers.items():
        at = place_of(columns, name).start
        default[at], rows[:, at] = value, value
    parameters = replace(mine, default=default, topics=Rows(mine.topics.keys, rows))
    return replace(fit, parameters=parameters, measures={**fit.measures, **numbers})


def _pauses(batch: Batch) -> tuple[Floats, Floats]:
    """Return float64[n] each: days since the last event on the row's topic, and days of study on it before the row."""
    at, slot = batch.at_us, batch.slot
    order = np.lexsort((np.arange(slot.size), slot))
    slots, times = slot[order], at[order]
    fresh = np.append(True, slots[1:] != slots[:-1])[: slots.size]
    days = np.zeros(slots.size)
    days[1:] = np.where(fresh[1:], 0.0, (times[1:] - times[:-1]) / DAY_US)
    new_day = fresh | np.append(True, times[1:] // DAY_US != times[:-1] // DAY_US)[: slots.size]
    counted = np.cumsum(new_day)
    before = counted - np.maximum.accumulate(np.where(fresh, counted - 1, 0))  # with the row's own day
    studied = np.zeros(slots.size)
    studied[1:] = np.where(fresh[1:], 0, before[:-1])
    found = np.empty(slots.size), np.empty(slots.size)
    found[0][order], found[1][order] = days, studied
    return found
