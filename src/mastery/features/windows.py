"""Features of 7, 30 and 90 days: sums of ledger days, and ratios of those sums. docs/features.md has each formula.

A window of w days has the school days d with as_of − w < d ≤ as_of. A ratio without a denominator is null (NaN here),
never 0: no answer in a week is not an accuracy of 0.

This is a kernel and not SQL: for a bucket of 113,000 ledger rows DuckDB took 167 ms for 24 of the ratios,
and this 15 ms for all 43 columns, and a recompute has 64 such buckets. SQL is the second oracle in
tests/features/test_windows.py.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from mastery.arrays import Floats, Int32s, Int64s
from mastery.features.ledger import (
    ASSIGNMENT_SCORE,
    ASSIGNMENTS,
    HELP_REQUESTS,
    HELP_RESOLVED,
    HINTS,
    PRACTICE_ATTEMPTS,
    PRACTICE_SUCCESS,
    Q_ATTEMPTS,
    Q_SUCCESS,
    REWINDS,
    TIME_MS,
    TIMED,
    VIDEO_WATCHED,
    VIDEOS,
)
from mastery.kernels import kernel
from mastery.tables import LATEST_FEATURES, LEDGER_COUNTS, WINDOW_DAYS, WINDOWED_COUNTS, WINDOWED_RATES

WINDOWS = len(WINDOW_DAYS)

SPACED_GAP_DAYS = 3
"""A day's practice is spaced when the student returns after at least this many days."""

RECENCY_HALF_LIFE_DAYS = 14.0
"""Days without activity after which `recency` has halved."""

LEAST_TREND_DAYS = 3
"""With fewer days with answers the trend is null, because it would be noise."""

# Sums beside the ledger's own: days active, days returning, and attempts and successes on days after a gap.
ACTIVE, RETURNING, SPACED_ATTEMPTS, SPACED_SUCCESS = range(len(LEDGER_COUNTS), len(LEDGER_COUNTS) + 4)
SUMS = len(LEDGER_COUNTS) + 4


class Days(Protocol):
    """Cells by day: a batch, or the ledger of a stored record. Attributes as in features.batch."""

    @property
    def slot_ptr(self) -> Int64s: ...
    @property
    def student_day_ptr(self) -> Int64s: ...
    @property
    def day(self) -> Int32s: ...
    @property
    def cell_ptr(self) -> Int64s: ...
    @property
    def cell_slot(self) -> Int32s: ...


class Windows(NamedTuple):
    """Features of P slots, a row of the array each; column order as in mastery.tables.

    Attributes:
        counts: int32[9, P]. `WINDOWED_COUNTS` by window.
        rates: float32[30, P]. `WINDOWED_RATES` by window; NaN is null.
        latest: float32[4, P]. `LATEST_FEATURES`; NaN is null.
    """

    counts: npt.NDArray[np.int32]
    rates: npt.NDArray[np.float32]
    latest: npt.NDArray[np.float32]


def windows(days: Days, ledger: Int64s, gap_days: Int64s, feedback: Floats, today: int) -> Windows:
    """Return the features of every slot on the school day `today`, counted from 1970.

    ledger and gap_days are int64[len(LEDGER_COUNTS), H] and int64[H]; feedback float64[P] is the teacher's
    last score of the slot, NaN for none.
    """
    slots = feedback.size
    found = Windows(
        np.zeros((len(WINDOWED_COUNTS) * WINDOWS, slots), np.int32),
        np.full((len(WINDOWED_RATES) * WINDOWS, slots), np.nan, np.float32),
        np.full((len(LATEST_FEATURES), slots), np.nan, np.float32),
    )
    arrays = DayArrays(days.slot_ptr, days.student_day_ptr, days.day, days.cell_ptr, days.cell_slot)
    _windows(arrays, ledger, gap_days, today, found)
    found.latest[LATEST_FEATURES.index("teacher_feedback_score")] = feedback
    return found


class DayArrays(NamedTuple):
    """`Days` as kernels take it."""

    slot_ptr: Int64s
    student_day_ptr: Int64s
    day: Int32s
    cell_ptr: Int64s
    cell_slot: Int32s


@kernel
def _ratio(numerator: float, denominator: float) -> float:
    return np.nan if denominator == 0 else numerator / denominator


@kernel
def _trend(weight: float, x: float, xx: float, v: float, xv: float) -> float:
    """Return the slope of a weighted least squares line from its sums; NaN when all x are the same."""
    spread = xx - x * x / weight
    return (xv - x * v / weight) / spread if spread > 1e-9 else np.nan


@kernel
def _windows(days: DayArrays, ledger: Int64s, gap_days: Int64s, today: int, found: Windows) -> None:
    slot_ptr, student_day_ptr, day, cell_ptr, cell_slot = days
    widest = 0
    for s in range(slot_ptr.size - 1):
        widest = max(widest, slot_ptr[s + 1] - slot_ptr[s])
    sums = np.zeros((widest, WINDOWS, SUMS), np.int64)
    line = np.zeros((widest, 6))  # days, Σw, Σwx, Σwx², Σwv, Σwxv of the daily share of right answers, x in weeks
    last_day = np.empty(widest, np.int64)
    for s in range(slot_ptr.size - 1):
        first, mine = slot_ptr[s], slot_ptr[s + 1] - slot_ptr[s]
        sums[:mine], line[:mine], last_day[:mine] = 0, 0.0, -(2**31)
        for d in range(student_day_ptr[s], student_day_ptr[s + 1]):
            age = today - day[d]
            for c in range(cell_ptr[d], cell_ptr[d + 1]):
                p = cell_slot[c] - first
                last_day[p] = day[d]
                if age >= WINDOW_DAYS[WINDOWS - 1]:
                    continue
                w = 0
                while age >= WINDOW_DAYS[w]:
                    w += 1
                ring = sums[p, w]
                for k in range(ledger.shape[0]):
                    ring[k] += ledger[k, c]
                ring[ACTIVE] += 1
                if gap_days[c] > 0:
                    ring[RETURNING] += 1
                if gap_days[c] >= SPACED_GAP_DAYS:
                    ring[SPACED_ATTEMPTS] += ledger[Q_ATTEMPTS, c] + ledger[PRACTICE_ATTEMPTS, c]
                    ring[SPACED_SUCCESS] += ledger[Q_SUCCESS, c] + ledger[PRACTICE_SUCCESS, c]
                answers = ledger[Q_ATTEMPTS, c]
                if answers > 0:
                    x = -age / 7.0
                    v = (ledger[Q_SUCCESS, c] / 1e6 + 1.0) / (answers + 2.0)
                    line[p, 0] += 1.0
                    line[p, 1] += answers
                    line[p, 2] += answers * x
                    line[p, 3] += answers * x * x
                    line[p, 4] += answers * v
                    line[p, 5] += answers * x * v
        for p in range(mine):
            _emit(sums[p], line[p], today - last_day[p], last_day[p] > -(2**31), first + p, found)


@kernel
def _emit(
    rings: Int64s,
    line: Floats,
    idle_days: int,
    active: bool,
    slot: int,
    found: Windows,
) -> None:
    counts, rates, latest = found
    for w in range(WINDOWS):
        if w > 0:
            for k in range(SUMS):
                rings[w, k] += rings[w - 1, k]
        n = rings[w]
        counts[w, slot] = n[Q_ATTEMPTS]
        counts[WINDOWS + w, slot] = n[Q_SUCCESS] // 1_000_000
        counts[2 * WINDOWS + w, slot] = n[PRACTICE_ATTEMPTS]
        attempts = n[Q_ATTEMPTS] + n[PRACTICE_ATTEMPTS]
        rates[0 * WINDOWS + w, slot] = _ratio(n[Q_SUCCESS] / 1e6, n[Q_ATTEMPTS])
        rates[1 * WINDOWS + w, slot] = _ratio(n[TIME_MS] / 1e3, n[TIMED])
        rates[2 * WINDOWS + w, slot] = _ratio(n[PRACTICE_SUCCESS] / 1e6, n[PRACTICE_ATTEMPTS])
        rates[3 * WINDOWS + w, slot] = _ratio(n[ASSIGNMENT_SCORE] / 1e6, n[ASSIGNMENTS])
        rates[4 * WINDOWS + w, slot] = _ratio(n[VIDEO_WATCHED] / 1e4, n[VIDEOS])
        rates[5 * WINDOWS + w, slot] = _ratio(n[REWINDS], n[VIDEOS])
        rates[6 * WINDOWS + w, slot] = _ratio(n[RETURNING], n[ACTIVE])
        rates[7 * WINDOWS + w, slot] = _ratio(n[HINTS] + n[HELP_REQUESTS], attempts)
        rates[8 * WINDOWS + w, slot] = _ratio(n[HELP_RESOLVED] / 1e6, n[HELP_REQUESTS])
        rates[9 * WINDOWS + w, slot] = _ratio(n[SPACED_SUCCESS] / 1e6, n[SPACED_ATTEMPTS])
    if active:
        latest[0, slot] = idle_days
        latest[2, slot] = 2.0 ** (-idle_days / RECENCY_HALF_LIFE_DAYS)
    if line[0] >= LEAST_TREND_DAYS:
        latest[1, slot] = _trend(line[1], line[2], line[3], line[4], line[5])
