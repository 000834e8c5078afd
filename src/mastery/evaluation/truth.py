"""Scores beside the truth of simulated students: whether intervals hold, how far off scores are, parameters too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mastery.arrays import Bools, Floats
from mastery.evaluation.next_week import correlation


@dataclass(frozen=True)
class Coverage:
    """How often intervals hold the truth.

    Attributes:
        share: Of `scores` intervals; NaN of none.
        width: Mean width.
        below, above: Share of truths under the lower, over the upper end.
    """

    name: str
    scores: int
    share: float
    width: float
    below: float
    above: float


@dataclass(frozen=True)
class Recovery:
    """How well one scorer finds the true mastery.

    Attributes:
        scores: Student-topics with answers, over which score and share right are compared.
        rmse: Of the score; `rmse_share` of the plain share of right answers on the same student-topics.
        bias: Mean of score − truth.
        coverage: Of all scores first, those without answers too, then by band.
    """

    scores: int
    rmse: float
    rmse_share: float
    bias: float
    correlation: float
    coverage: tuple[Coverage, ...]

    @property
    def ratio(self) -> float:
        """RMSE of the score divided by that of the share right; the target is at most a half."""
        return self.rmse / self.rmse_share if self.rmse_share > 0.0 else np.nan


def recovery(
    score: Floats, lower: Floats, upper: Floats, truth: Floats, share: Floats, groups: Mapping[str, Bools]
) -> Recovery:
    """Return how scores float64[P] with intervals compare with the truth; rows without a truth (NaN) are left out.

    Args:
        share: The plain share of right answers; NaN where there are none.
        groups: bool[P] each: the bands.
    """
    scored = np.isfinite(truth) & np.isfinite(score)
    there = scored & np.isfinite(share)
    off = (score - truth)[there]
    return Recovery(
        int(there.sum()),
        _rmse(off),
        _rmse((share - truth)[there]),
        float(off.mean()) if off.size else np.nan,
        correlation(score[there], truth[there]),
        tuple(
            _coverage(name, lower[rows], upper[rows], truth[rows])
            for name, rows in {"all": scored, **{name: scored & rows for name, rows in groups.items()}}.items()
        ),
    )


def parameter_error(found: Floats, true: Floats, *, centred: bool) -> dict[str, float]:
    """Return rmse, bias and correlation of parameters. `centred` compares them up to a shift: where zero lies is a
    convention of difficulties.
    """
    there = np.isfinite(found) & np.isfinite(true)
    a, b = found[there], true[there]
    if centred and a.size:
        a, b = a - a.mean(), b - b.mean()
    bias = float((a - b).mean()) if a.size else np.nan
    return {"count": float(a.size), "rmse": _rmse(a - b), "bias": bias, "correlation": correlation(a, b)}


def _coverage(name: str, lower: Floats, upper: Floats, truth: Floats) -> Coverage:
    n = truth.size
    if n == 0:
        return Coverage(name, 0, np.nan, np.nan, np.nan, np.nan)
    below, above = float((truth < lower).mean()), float((truth > upper).mean())
    return Coverage(name, n, 1.0 - below - above, float((upper - lower).mean()), below, above)


def _rmse(off: Floats) -> float:
    return float(np.sqrt(np.mean(np.square(off)))) if off.size else np.nan
