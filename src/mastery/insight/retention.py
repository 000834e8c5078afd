"""What is retained of a score, and when it will fall under a target.

Nearly every score forgets in one shape: score(t) = rest + λ^t · (score(0) − rest), where λ = 2^(−1 / half-life). Three
scores at equal distances say all of it, whoever the scorer is:

    rest = (s₀ s₂ − s₁²) / (s₀ + s₂ − 2 s₁),    λ^D = (s₁ − rest) / (s₀ − rest)

The shape is that of Ebbinghaus (1885) with a half-life as in Settles & Meeder (2016), A trainable spaced repetition
model for language learning, ACL, eq. 1.

rule_based can fade otherwise: its recency halves on a clock of its own, and what an index stands for is a line in
pieces. So the shape is checked against scores further ahead, and where it does not hold, the days are searched for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from mastery.arrays import Floats

LEAST_LOSS = 1e-9
"""A score that loses less between two moments does not fade: rounding would make a half-life out of it."""

HORIZON_DAYS = 3_650.0
"""Nobody is told of a date further ahead."""

LOOK_AHEAD_DAYS = 20.0
"""Between the three scores that tell how a score fades: far enough apart to keep digits, near enough to lose some."""

CHECKED_AFTER_DAYS = (1.0, *(LOOK_AHEAD_DAYS * 2.0**k for k in range(2, 8)), HORIZON_DAYS)
"""The first finds scores that are gone within hours: two of the three that tell the shape hold no digits of it then."""

NOT_THE_SHAPE = 1e-6
"""A score that is further than this from where the shape has it on one of these days fades otherwise."""

SEARCH_STEPS = 24
"""Halvings of the horizon: to within 20 seconds."""


@dataclass(frozen=True)
class Retention:
    """How one score fades from now on, if nothing happens.

    Attributes:
        rest: What is left of it in the end.
        half_life_days: Days after which half of what can be forgotten is forgotten; infinite where nothing fades.
        now: The score now.
    """

    rest: float
    half_life_days: float
    now: float

    def score_in(self, days: float) -> float:
        """Return the score after a number of days."""
        if math.isinf(self.half_life_days):
            return self.now
        return self.rest + (self.now - self.rest) * 2.0 ** (-days / self.half_life_days)

    def days_until_below(self, target: float) -> float | None:
        """Return in how many days the score falls under the target; 0 when it is there, None when it will not be."""
        if self.now < target:
            return 0.0
        if math.isinf(self.half_life_days) or target - self.rest < LEAST_LOSS or self.now <= self.rest:
            return None
        days = self.half_life_days * math.log2((self.now - self.rest) / (target - self.rest))
        return days if days <= HORIZON_DAYS else None


def retention_of(now: float, later: float, later_still: float, days: float) -> Retention:
    """Return how a score fades that reads `now`, `later` in `days` days and `later_still` in twice as many."""
    lost, lost_then = now - later, later - later_still
    if lost < LEAST_LOSS or lost_then < 0.0 or lost_then >= lost:
        return Retention(rest=min(now, later), half_life_days=math.inf, now=now)
    rest = now - lost * lost / (lost - lost_then)
    kept = max(lost_then / lost, 1e-300)
    return Retention(rest=max(0.0, rest), half_life_days=-days / math.log2(kept), now=now)


@dataclass(frozen=True)
class Fading:
    """How one score fades from now on, whatever the shape.

    Attributes:
        half_life_days: After this many days half of what can be forgotten is forgotten; infinite where nothing fades.
        days_until_below: In how many days the score falls under the target; 0 when it is there, None when it will not.
    """

    half_life_days: float
    days_until_below: float | None


def fadings(score_in: Callable[[float], Floats], target: float, chosen: Sequence[int] | None = None) -> list[Fading]:
    """Return how each of P scores fades, or the chosen ones of them.

    Args:
        score_in: (days) → float64[P], the scores if nothing happens until then. They never rise.
    """
    score_in = lru_cache(None)(score_in)  # days are searched for by halves, and the first halves are those of all
    now, later, later_still = (score_in(k * LOOK_AHEAD_DAYS) for k in range(3))
    checked = [score_in(days) for days in CHECKED_AFTER_DAYS]
    end = checked[-1]
    found = []
    for p in range(now.size) if chosen is None else chosen:
        shape = retention_of(float(now[p]), float(later[p]), float(later_still[p]), LOOK_AHEAD_DAYS)
        pairs = zip(CHECKED_AFTER_DAYS, checked, strict=True)
        if all(abs(shape.score_in(days) - scores[p]) <= NOT_THE_SHAPE for days, scores in pairs):
            found.append(Fading(shape.half_life_days, shape.days_until_below(target)))
        else:
            half = _first_day(score_in, p, 0.5 * float(now[p] + end[p]))
            below = None if end[p] >= target else _first_day(score_in, p, target)
            found.append(Fading(half, 0.0 if now[p] < target else below))
    return found


def _first_day(score_in: Callable[[float], Floats], p: int, level: float) -> float:
    """Return the day within the horizon from which score p is under a level that it falls under."""
    above, under = 0.0, HORIZON_DAYS
    for _ in range(SEARCH_STEPS):
        middle = 0.5 * (above + under)
        if score_in(middle)[p] < level:
            under = middle
        else:
            above = middle
    return under
