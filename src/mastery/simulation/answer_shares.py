"""What answers tell of learning and forgetting, in three numbers that a log and its simulation are compared by."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from mastery.arrays import Floats, Int64s
from mastery.sums import dot

FEWEST_LATER = 100
"""With fewer later answers on a student-topic a log says nothing of pauses."""


class Shares(NamedTuple):
    """What answers tell of learning and forgetting.

    Attributes:
        first: Log-odds of the share right of first answers on a student-topic.
        gained: Those of later answers, above it.
        pause, error: By how much the share right of later answers rises with the log of the pause before them, with as
            many answers before; its standard error.
    """

    first: float
    gained: float
    pause: float
    error: float


NOTHING = Shares(0.0, 0.0, 0.0, 1.0)
"""What no answers come to."""


def shares_of(slot: Int64s, right: Floats, at_days: Floats) -> Shares:
    """Return what answers come to, those of each student-topic in the order of time.

    Args:
        slot: int64[n]. Student-topic of each answer.
        right, at_days: float64[n]. Share of success; when, in days.
    """
    if not slot.size:
        return NOTHING
    order = np.argsort(slot, kind="stable")
    slot, right, at_days = slot[order], right[order], at_days[order]
    new = np.append(True, slot[1:] != slot[:-1])
    begin = np.maximum.accumulate(np.where(new, np.arange(slot.size), 0))
    of_first, of_later = ((float(right[some].sum()) + 1.0) / (float(some.sum()) + 2.0) for some in (new, ~new))
    later = np.flatnonzero(~new)
    nth = np.log(later - begin[later] + 1.0)
    pause = np.log1p(np.maximum(0.0, at_days[later] - at_days[later - 1]))
    slope, error = _slope(pause, nth, right[later])
    first, after = (math.log(share / (1.0 - share)) for share in (of_first, of_later))
    return Shares(first, after - first, slope, error)


def _slope(x: Floats, beside: Floats, y: Floats) -> tuple[float, float]:
    """Return the least-squares slope of y in x, with `beside` as second cause, and its standard error."""
    if y.size < FEWEST_LATER:
        return 0.0, 1.0
    x, beside, y = x - x.mean(), beside - beside.mean(), y - y.mean()
    alike = dot(beside, beside)
    if alike > 0.0:
        x, y = (of - dot(of, beside) / alike * beside for of in (x, y))
    spread = dot(x, x)
    if spread < 1e-9 * x.size:
        return 0.0, 1.0
    slope = dot(x, y) / spread
    return slope, math.sqrt(float(np.mean((y - slope * x) ** 2)) / spread)
