"""Probabilities and their log-odds: one home for σ and its inverse, and for how far logits go."""

from __future__ import annotations

import math

import numpy as np

from mastery.arrays import Floats
from mastery.kernels import inlined_kernel

FARTHEST = 13.8
"""Logits are read within ± this: σ must stay off 0 and 1, nobody's certainty may outweigh all others, and contributions
must add up to the log-odds of a score. At 30 those of 1 − 9e-14 were off by 1e-3 from their sum; here by 1e-10."""


@inlined_kernel
def sigmoid(x: float) -> float:
    """Return 1 / (1 + e^−x)."""
    return 1.0 / (1.0 + math.exp(-x))


@inlined_kernel
def steep_sigmoid(x: float) -> float:
    """Return σ of any number: e^x is only taken where it cannot overflow."""
    return 1.0 / (1.0 + math.exp(-x)) if x > 0.0 else math.exp(x) / (1.0 + math.exp(x))


@inlined_kernel
def bounded(x: float) -> float:
    """Return a logit within ± `FARTHEST`."""
    return min(FARTHEST, max(-FARTHEST, x))


@inlined_kernel
def bounded_sigmoid(x: float) -> float:
    """Return σ of a logit that is kept within ± `FARTHEST`."""
    return sigmoid(bounded(x))


@inlined_kernel
def log_odds(p: float) -> float:
    """Return ln(p / (1 − p)) of a probability that is neither 0 nor 1."""
    return math.log(p / (1.0 - p))


@inlined_kernel
def bounded_log_odds(p: float) -> float:
    """Return the log-odds of a probability, within ± `FARTHEST`."""
    if p <= 0.0:
        return -FARTHEST
    if p >= 1.0:
        return FARTHEST
    return bounded(log_odds(p))


def sigmoid_of(x: Floats) -> Floats:
    """Return σ of each number. numpy's e^x, whose last bit may differ from that of `sigmoid`."""
    values: Floats = 1.0 / (1.0 + np.exp(-x))
    return values


def log_odds_of(p: Floats) -> Floats:
    """Return the log-odds of each probability, all of them neither 0 nor 1."""
    values: Floats = np.log(p / (1.0 - p))
    return values


def bounded_log_odds_of(p: Floats) -> Floats:
    """Return the log-odds of each probability, within ± `FARTHEST`."""
    least = 1.0 / (1.0 + np.exp(FARTHEST))
    return log_odds_of(np.clip(p, least, 1.0 - least))
