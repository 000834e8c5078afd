"""Whether what is said of a topic at the end of a day tells how the next week goes on it."""

from __future__ import annotations

import numpy as np

from mastery.arrays import Bools, Floats, Int64s
from mastery.features.batch import Batch

DAYS = 7


def next_week(batch: Batch, rows: Int64s, counted: Bools) -> tuple[Floats, Int64s]:
    """Return, for each of H cells, the share right of the 7 days after its day on its topic, and of how many answers.

    Args:
        rows: int64[k]. Rows that are answers.
        counted: bool[H]. Cells that are wanted; others get NaN and 0, as do cells with no answer in the week.
    """
    cells = batch.cell_slot.size
    n = np.bincount(batch.cell[rows], minlength=cells)
    right = np.bincount(batch.cell[rows], batch.y[rows], minlength=cells)
    order = np.lexsort((batch.cell_day, batch.cell_slot))
    n_to, right_to = np.concatenate([[0], np.cumsum(n[order])]), np.concatenate([[0.0], np.cumsum(right[order])])
    day = batch.cell_day[order].astype(np.int64)
    first = int(day.min(initial=0))
    span = int(day.max(initial=0)) - first + DAYS + 2
    key = batch.cell_slot[order].astype(np.int64) * span + day - first
    after = np.searchsorted(key, key, side="right")
    until = np.searchsorted(key, key + DAYS, side="right")
    answers, share = np.zeros(cells, np.int64), np.full(cells, np.nan)
    answers[order] = n_to[until] - n_to[after]
    total = np.empty(cells)
    total[order] = right_to[until] - right_to[after]
    answers[~counted] = 0
    there = answers > 0
    share[there] = total[there] / answers[there]
    return share, answers


def correlation(a: Floats, b: Floats) -> float:
    """Return Pearson's r of the pairs in which both are numbers; NaN of fewer than three, or of a constant."""
    there = np.isfinite(a) & np.isfinite(b)
    a, b = a[there], b[there]
    if a.size < 3:
        return np.nan
    a, b = a - a.mean(), b - b.mean()
    scale = np.sqrt(np.sum(a * a) * np.sum(b * b))
    return float(np.sum(a * b) / scale) if scale > 1e-12 * a.size else np.nan
