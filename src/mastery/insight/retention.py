"""What is retained of a score, and when it will fall under a target.

Every scorer forgets in one shape: score(t) = rest + λ^t · (score(0) − rest), where λ = 2^(−1 / half-life). So three
readings at equal distances say all of it, whoever the scorer is:

    rest = (s₀ s₂ − s₁²) / (s₀ + s₂ − 2 s₁),    λ^D = (s₁ − rest) / (s₀ − rest)

The shape is that of Ebbinghaus (1885) with a half-life as in Settles & Meeder (2016), A trainable spaced repetition
model for language learning, ACL, eq. 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

LEAST_LOSS = 1e-9
"""A score that loses less between two readings is not forgotten: rounding would make a half-life out of it."""

HORIZON_DAYS = 3_650.0
"""Nobody is told of a date further ahead."""


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
