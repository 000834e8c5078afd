"""A score against a reference, in points: what people read instead of a scorer's own scale.

    d_k = contribution_k − that of a student of whom nothing is known        on the scorer's scale
    d_start gets what is left of the way to the reference:                   Σ d = L(score) − L(reference)
    up, down = Σ d⁺, Σ d⁻                                                    what raises the score, what lowers it
    d_limit goes into up or down, whichever is more of what it bends         and gets no points of its own
    raised = ½ · (f(up) − f(0)) + ½ · (f(up + down) − f(down))               f(x) = L⁻¹(L(reference) + x)
    lowered = f(up + down) − f(0) − raised
    points_k = 100 · raised · d_k / up, or 100 · lowered · d_k / down

L is the log-odds, or nothing where contributions add up to the score itself: then points are 100 · d. What raises and
what lowers are two players (Shapley, 1953, A value for n-person games); each shares what it gets by size. So signs are
kept, nothing is worth more than the whole scale however much is cancelled by other things, and all of it adds up.

Points are printed whole. They are rounded by largest remainders, so that they add up as printed to the printed score
less the printed reference.

`limit` is what turning a probability into a score, and the ends of the scale, make of what the others come to (but for
the way from the reference, and what has faded since): it stretches or shortens that. It is nothing that a student did,
so the others have its points.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mastery.arrays import Floats, Int64s
from mastery.insight.known import Scale
from mastery.log_odds import FARTHEST, bounded_log_odds_of, sigmoid_of

START = "start"
"""The way from the reference to where everybody starts: of every scorer, also of those that book no such part."""

LIMIT, FORGETTING = "limit", "forgetting"

NOTHING = 1e-7
"""Points this small are nothing: what is left of a sum is rounding, such as −2.2e-16."""


class Points(NamedTuple):
    """Scores of n student-topics in points against a reference.

    Attributes:
        names: Of the K parts; `START` among them.
        exact: float64[n, K]. They add up to 100 · (score − reference).
        printed: int64[n, K]. They add up to `whole_points(score) − whole_points(reference)`.
    """

    names: tuple[str, ...]
    exact: Floats
    printed: Int64s


def whole_points(share: Floats) -> Int64s:
    """Return scores as they are printed: hundredths, rounded down, for 0.599 is not yet 60."""
    whole: Int64s = np.floor(share * 100.0 + 1e-9).astype(np.int64)
    return whole


def in_points(
    names: Sequence[str], contributions: Floats, start: Floats, score: Floats, reference: Floats, scale: Scale
) -> Points:
    """Return n scores in points against their references.

    Args:
        names: Of the C contributions of one scorer.
        contributions: float64[n, C]. NaN: not used.
        start: float64[n, C]. The same of students of whom nothing is known, on the same topics.
        score, reference: float64[n] in [0, 1].
        scale: What the contributions add up to.
    """
    parts = tuple(names) if START in names else (START, *names)
    given, unknown = np.nan_to_num(contributions), np.nan_to_num(start)
    way = np.zeros((score.size, len(parts)))
    way[:, len(parts) - len(names) :] = given - unknown
    begin = reference if scale == "index" else bounded_log_odds_of(reference)
    way[:, parts.index(START)] += unknown.sum(axis=1) - begin
    bent = rest = np.zeros(score.size)
    if scale == "log_odds" and LIMIT in parts:
        bent, rest = _taken_out(way, parts)
    up, down = np.maximum(way, 0.0), np.minimum(way, 0.0)
    above, below = up.sum(axis=1), down.sum(axis=1)
    raised = above
    if scale == "log_odds":
        high, low = above + np.where(rest > 0.0, bent, 0.0), below + np.where(rest > 0.0, 0.0, bent)
        raised = 0.5 * (_score_of(begin + high) - reference + score - _score_of(begin + low))
    exact = 100.0 * (_shared(up, above, raised) + _shared(down, below, score - reference - raised))
    exact[:, parts.index(START)] += 100.0 * (score - reference) - exact.sum(axis=1)
    exact[np.abs(exact) < NOTHING] = 0.0
    return Points(parts, exact, _rounded(exact, whole_points(score) - whole_points(reference), parts.index(START)))


def _taken_out(way: Floats, parts: tuple[str, ...]) -> tuple[Floats, Floats]:
    """Return (bent, rest), float64[n] each: the limit, and what all that it bends comes to.

    The limit is taken out of `way` where both together have the sign of the rest, so that one side of it can take the
    limit; elsewhere it stays a part, and `bent` is 0.
    """
    limit, bends = parts.index(LIMIT), np.array([name not in (START, LIMIT, FORGETTING) for name in parts])
    bent: Floats = way[:, limit].copy()
    rest: Floats = way[:, bends].sum(axis=1)
    stays = rest * (rest + bent) <= 0.0
    way[~stays, limit] = 0.0
    bent[stays] = 0.0
    return bent, rest


def _score_of(log_odds: Floats) -> Floats:
    """Return σ of log-odds that may be hundreds: what bkt books of a long past."""
    return sigmoid_of(np.clip(log_odds, -2.0 * FARTHEST, 2.0 * FARTHEST))


def _shared(sizes: Floats, whole: Floats, worth: Floats) -> Floats:
    """Return `worth` [n] as it is shared out by sizes [n, K] that add up to `whole` [n]."""
    whole = whole[:, None]
    shares: Floats = np.divide(sizes, whole, out=np.zeros(sizes.shape), where=whole != 0.0)
    return shares * worth[:, None]


def _rounded(exact: Floats, total: Int64s, spare: int) -> Int64s:
    """Return whole numbers that add up to `total` in each row: each number rounded down, and one more for as many of
    those with the largest remainders as it takes. None changes its sign, and 0 stays 0; where all are 0, `spare` takes
    what is left.
    """
    printed = np.floor(exact).astype(np.int64)
    remainder = np.where(exact == 0.0, -1.0, exact - printed)
    rank = np.argsort(np.argsort(-remainder, axis=1, kind="stable"), axis=1, kind="stable")
    short = total - printed.sum(axis=1)
    printed += (rank < short[:, None]) & (remainder >= 0.0)
    printed[:, spare] += total - printed.sum(axis=1)
    return printed
