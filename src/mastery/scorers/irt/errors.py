"""Standard errors of item curves, from what the answers that were given tell of them."""

from __future__ import annotations

import math

import numpy as np

from mastery.arrays import Floats
from mastery.kernels import kernel
from mastery.log_odds import sigmoid_of
from mastery.scorers.irt.em import SPANS, Answers, Work, log_probabilities
from mastery.sums import weigh_columns


@kernel
def _gather(
    first: int,
    last: int,
    answers: Answers,
    table: Floats,
    log_prior: Floats,
    pull: Floats,
    theta: Floats,
    outer: Floats,
) -> None:
    """Add to `outer` float64[M, 3] the outer products (a a, a d, d d) of each answer's expected score.

    `pull` float64[2 M, Q] is the score of a wrong and of a right answer by ability, with respect to d; that with
    respect to a is θ times it.
    """
    student_ptr, item, y, weight = answers.student_ptr, answers.item, answers.y, answers.weight
    nodes = log_prior.size
    post = np.empty(nodes)
    for s in range(first, last):
        for q in range(nodes):
            post[q] = log_prior[q]
        for i in range(student_ptr[s], student_ptr[s + 1]):
            for q in range(nodes):
                post[q] += weight[i] * (y[i] * table[2 * item[i] + 1, q] + (1.0 - y[i]) * table[2 * item[i], q])
        most = post[0]
        for q in range(1, nodes):
            most = max(most, post[q])
        mass = 0.0
        for q in range(nodes):
            post[q] = math.exp(post[q] - most)
            mass += post[q]
        for i in range(student_ptr[s], student_ptr[s + 1]):
            by_slope = by_intercept = 0.0
            for q in range(nodes):
                score = y[i] * pull[2 * item[i] + 1, q] + (1.0 - y[i]) * pull[2 * item[i], q]
                by_intercept += post[q] * score
                by_slope += post[q] * score * theta[q]
            scale = weight[i] / mass
            outer[item[i], 0] += scale * scale * by_slope * by_slope
            outer[item[i], 1] += scale * scale * by_slope * by_intercept
            outer[item[i], 2] += scale * scale * by_intercept * by_intercept


def standard_errors(
    work: Work, log_slope: Floats, intercept: Floats, precision_slope: float, precision_intercept: float
) -> tuple[Floats, Floats]:
    """Return the standard errors of a and b from the observed information, item by item.

    Louis (1982), Finding the observed information matrix when using the EM algorithm, JRSS B 44(2), eq. 3.2: what
    the answers would tell were abilities known, less what is lost because they are not. Information between items is
    left out. Without a precision of slopes all items share one. `work.counts` must hold the expected answers at these
    parameters.
    """
    a, theta = work.answers, work.theta
    slope = np.exp(log_slope)
    p = sigmoid_of(slope[:, None] * theta + intercept[:, None])
    guess, span = a.guess[:, None], (1.0 - a.guess - a.slip)[:, None]
    probability = guess + span * p
    rise = span * p * (1.0 - p)
    wrong, right = work.counts[0][0::2], work.counts[0][1::2]
    pull = np.empty_like(work.counts[0])
    pull[0::2], pull[1::2] = -rise / np.maximum(1.0 - probability, 1e-12), rise / np.maximum(probability, 1e-12)
    # Known abilities: expected information; its scores' second moments go off again, their outer products come back.
    full = (wrong + right) * rise**2 / np.maximum(probability * (1.0 - probability), 1e-12)
    moments = wrong * pull[0::2] ** 2 + right * pull[1::2] ** 2
    left = full - moments
    outer = np.zeros((SPANS, intercept.size, 3))
    table = log_probabilities(slope, intercept, a.guess, a.slip, theta)

    def run(k: int, first: int, last: int) -> None:
        _gather(first, last, a, table, work.log_prior, pull, theta, outer[k])

    work.each(run)
    products = outer.sum(axis=0)
    aa = weigh_columns(left, theta**2) + products[:, 0] + precision_slope / slope**2
    ad, dd = weigh_columns(left, theta) + products[:, 1], left.sum(axis=1) + products[:, 2] + precision_intercept
    return _errors_of_difficulty(slope, intercept, aa, ad, dd, precision_slope > 0.0)


def _errors_of_difficulty(
    slope: Floats, intercept: Floats, aa: Floats, ad: Floats, dd: Floats, free_slopes: bool
) -> tuple[Floats, Floats]:
    """Return the standard errors of a and of b = −d / a (delta method)."""
    dd = np.maximum(dd, 1e-9)
    if not free_slopes:
        shared = 1.0 / max(float((aa - ad * ad / dd).sum()), 1e-9)
        return np.full(slope.size, math.sqrt(shared)), 1.0 / (slope * np.sqrt(dd))
    det = np.maximum(aa * dd - ad * ad, 1e-9 * np.maximum(aa * dd, 1e-9))
    var_a, var_d, both = dd / det, aa / det, -ad / det
    by_a, by_d = intercept / slope**2, -1.0 / slope
    var_b = by_a**2 * var_a + by_d**2 * var_d + 2.0 * by_a * by_d * both
    return np.sqrt(var_a), np.sqrt(np.maximum(var_b, 0.0))
