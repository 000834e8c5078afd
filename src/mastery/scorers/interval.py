"""The 90 % interval of a score from the score and the weight of its evidence, and what time does to a score.

    rich  = 1 − 1 / √(1 + evidence / answers_half)        0 without evidence, towards 1 with much
    below = line through (KNOTS, below_1 … below_5) at the score · (1 + rich · (below_rich − 1)),   above likewise
    lower = max(0, score − below / scant),   upper = min(1, score + above / scant),   scant = min(1, evidence / SCANT)

So an interval always holds its score, moves without jumps, and is [0, 1] without any evidence. The two sides move
apart: who has done much on a topic has learnt more, and forgets less, than a scorer that knows answers alone can see.
The numbers are quantiles of what simulated students truly know (mastery.fitting.intervals); no answer says what they
are.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from mastery.arrays import Floats
from mastery.instants import DAY_US
from mastery.kernels import inlined_kernel, kernel
from mastery.scorers.base import Parameter

KNOTS = (0.0, 0.30, 0.60, 0.85, 1.0)
"""Scores at which the half widths are given: the ends of the bands."""

LEAST = 1e-6
"""No half width is less: nothing by nothing is not a number."""

SCANT = 0.25
"""Evidence of less than this many answers widens intervals until, with none, they are [0, 1]."""

LN2_PER_DAY_US = math.log(2.0) / DAY_US

LEAST_RETAINED = 1e-12

LONGEST_DAYS = 365.0
"""Study makes no half-life longer than this."""


def growth_parameter() -> Parameter:
    """Return the parameter of `steadied`; 1, which no fit has moved, is a half-life that stays the same."""
    return Parameter("half_life_growth", 1.0, 1.0, 3.0, "times that for each further day of study on the topic")


class Numbers(NamedTuple):
    """What an interval is made of: half widths at `KNOTS`, and what endless evidence makes of them."""

    below: tuple[float, ...]
    above: tuple[float, ...]
    below_rich: float
    above_rich: float
    answers_half: float


def interval_parameters(numbers: Numbers) -> tuple[Parameter, ...]:
    """Return the parameters of a scorer's interval, with these defaults."""
    sides = (("below", numbers.below), ("above", numbers.above))
    return (
        *(
            Parameter(f"{side}_{k + 1}", widths[k], LEAST, 10.0, f"how far {side} a score of {at:g} the truth may lie")
            for side, widths in sides
            for k, at in enumerate(KNOTS)
        ),
        Parameter("below_rich", numbers.below_rich, LEAST, 100.0, "times that with endless evidence"),
        Parameter("above_rich", numbers.above_rich, LEAST, 100.0, "times that with endless evidence"),
        Parameter(
            "answers_half", numbers.answers_half, 0.01, 1_000.0, "evidence, in answers, that sets how soon it is much"
        ),
    )


def by_parameter(numbers: Numbers) -> dict[str, float]:
    """Return the values of `interval_parameters` that these numbers stand for."""
    return {parameter.name: parameter.default for parameter in interval_parameters(numbers)}


@inlined_kernel
def kept_at(elapsed_us: float, rate_per_us: float) -> float:
    """Return λ(Δt) = e^(−rate Δt); the same bits as `retention`, for kernels that keep the rate."""
    elapsed_us = elapsed_us if elapsed_us > 0.0 else 0.0  # NaN too: before the first event nothing is forgotten
    return max(LEAST_RETAINED, math.exp(-rate_per_us * elapsed_us))


@inlined_kernel
def retention(elapsed_us: float, half_life_days: float) -> float:
    """Return λ(Δt) = 2^(−Δt / half-life), 1 where no time has passed, and never quite 0 (its log is a part)."""
    return kept_at(elapsed_us, LN2_PER_DAY_US / half_life_days)


@inlined_kernel
def steadied(half_life_days: float, growth: float, active_days: float) -> float:
    """Return the half-life of a student-topic: × `growth` for each further day of study, `LONGEST_DAYS` at most.

    Settles & Meeder (2016), A trainable spaced repetition model for language learning, ACL, equation 4, with the days
    of study as its one feature. A half-life that is longer to begin with stays what it is.
    """
    longest = max(half_life_days, LONGEST_DAYS)
    return min(longest, half_life_days * growth ** max(0.0, active_days - 1.0))


@inlined_kernel
def forgotten(last: float, prior: float, kept: float) -> float:
    """Return the score after a time: rest + λ (last − rest), with rest = min(prior, last) and λ = `kept`.

    It grows with `last` and never exceeds it, so a right answer can only help and idle time can only cost.
    """
    rest = min(prior, last)
    return min(last, rest + kept * (last - rest))


@kernel
def interval(score: float, evidence: float, params: Floats, t: int, at: int) -> tuple[float, float]:
    """Return (lower, upper) of a score that rests on `evidence` ≥ 0, in units of answers.

    params[t, at:at + 13]: the numbers of `interval_parameters`, in their order.
    """
    piece = (score >= KNOTS[1]) + (score >= KNOTS[2]) + (score >= KNOTS[3])
    share = (score - KNOTS[piece]) / (KNOTS[piece + 1] - KNOTS[piece])
    k = at + piece
    below = params[t, k] + share * (params[t, k + 1] - params[t, k])
    k += len(KNOTS)
    above = params[t, k] + share * (params[t, k + 1] - params[t, k])
    k = at + 2 * len(KNOTS)
    rich = 1.0 - 1.0 / math.sqrt(1.0 + evidence / params[t, k + 2])
    scant = min(1.0, evidence / SCANT)
    below *= (1.0 + rich * (params[t, k] - 1.0)) / scant
    above *= (1.0 + rich * (params[t, k + 1] - 1.0)) / scant
    return max(0.0, score - below), min(1.0, score + above)
