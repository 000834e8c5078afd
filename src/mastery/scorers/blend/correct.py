"""A blend's scores, corrected for how far they lie from the truth of simulated students.

Answers do not tell how much is learnt on the way, so scores of who has answered much rightly come out too low, and of
who has only begun too high. What is found moves a score by what it is and by the number of answers up to the last right
one: neither falls when an answer is right, or is made right, and neither rises when one is wrong.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.optimize import minimize

from mastery.arrays import Floats, Int64s
from mastery.log_odds import FARTHEST, log_odds_of, sigmoid_of
from mastery.scorers.blend.scorer import LEARNT_AT, Correction, learnt_by, mixture
from mastery.scorers.parameters import Parameters
from mastery.sums import weigh_columns, weigh_rows

SCORES = (0.05, 0.3, 0.6, 0.85, 0.97)
"""Where the line that moves a score has its knots; beyond, it moves as at the first and last."""

LEAST_RISE = 0.2
"""The line rises by no less than this for each log-odds: scores that differ stay apart."""

RIDGE = 1e-4
"""How strongly corrections are pulled towards 0, per score: where nobody is, nothing is moved."""

CLOSEST = 1e-3
"""Scores are taken within this of 0 and 1."""


def corrected(parameters: Parameters, score: Floats, to_right: Int64s, truth: Floats) -> Parameters:
    """Return the blend with the correction that makes its scores likeliest, each taken as a probability of the truth.

    Args:
        score, truth: float64[n]. Of simulated students.
        to_right: int64[n]. Answers on the topic up to the last right one.
    """
    if not score.size:
        return parameters
    x = log_odds_of(np.clip(score, CLOSEST, 1.0 - CLOSEST))
    knots = log_odds_of(np.array(SCORES))
    by_score = np.column_stack([np.interp(x, knots, one) for one in np.eye(knots.size)])
    by_number = np.column_stack([learnt_by(to_right, one) for one in np.eye(len(LEARNT_AT))])
    # Of both, the first value and what each further one is above the one before.
    rising = [np.cumsum(one[:, ::-1], axis=1)[:, ::-1] for one in (by_score, by_number)]
    design = np.ascontiguousarray(np.column_stack([rising[0], rising[1][:, 1:]]))
    least = [None, *(-(1.0 - LEAST_RISE) * np.diff(knots)), *np.zeros(len(LEARNT_AT) - 1)]

    def loss(moves: Floats) -> tuple[float, Floats]:
        p = np.clip(sigmoid_of(np.clip(x + weigh_columns(design, moves), -FARTHEST, FARTHEST)), 1e-9, 1.0 - 1e-9)
        value = -float(np.mean(truth * np.log(p) + (1.0 - truth) * np.log1p(-p)))
        slope = weigh_rows(p - truth, design) / truth.size
        return value + RIDGE * float(np.sum(moves * moves)), slope + 2.0 * RIDGE * moves

    found = minimize(
        loss, np.zeros(design.shape[1]), jac=True, method="L-BFGS-B", bounds=[(low, None) for low in least]
    ).x
    moved, learnt = np.cumsum(found[: knots.size]), np.append(0.0, np.cumsum(found[knots.size :]))
    ends = np.array([-FARTHEST, FARTHEST])
    line = np.concatenate([ends[:1], knots, ends[1:]])
    correction = Correction(line, line + np.concatenate([moved[:1], moved, moved[-1:]]), learnt)
    mix = replace(mixture(parameters.shared), correction=correction)
    return replace(parameters, shared=mix.shared())
