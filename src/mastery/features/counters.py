"""Counters: integers per student-topic, from which reasons, tags, the ledger's gaps and evidence counts are made.

They are folded like a scorer's state, but belong to no scorer.
"""

from __future__ import annotations

import numpy as np

from mastery.arrays import Int32s, Int64s
from mastery.features.batch import Batch, BatchArrays
from mastery.features.columns import ASSIGNMENT, FEEDBACK, PRACTICE, QUIZ, TUTOR, VIDEO
from mastery.instants import DAY_US
from mastery.kernels import inlined_kernel, kernel
from mastery.tables import COUNTERS, MILLION

(
    EVIDENCE,  # observations with weight: the evidence count
    ANSWERS,  # quiz answers
    RIGHT,  # right answers among them
    RECENT_ANSWERS,  # how many of `RECENT_BITS` are filled
    RECENT_BITS,  # the last answers, the newest in bit 0, 1 = right
    HINTS,  # hints on answers and in practice
    TIMED,  # answers with a duration
    TIME_MS,  # their sum
    PRACTICE_ATTEMPTS,
    PRACTICE_RIGHT_PPM,
    ASSIGNMENTS,
    ASSIGNMENT_PPM,
    VIDEOS,
    VIDEO_PPM,
    HELP_REQUESTS,
    ACTIVE_DAYS,
    FIRST_AT_US,
    LAST_AT_US,
    LAST_PRACTICE_US,
) = range(len(COUNTERS))

RECENT = 8
"""How many of the last answers are remembered one by one."""

NEVER = np.int64(-(2**62))
"""The time of an event that has not happened."""


def initial_counters(slots: int) -> Int64s:
    """Return int64[slots, len(COUNTERS)]: nothing has happened yet."""
    counters = np.zeros((slots, len(COUNTERS)), np.int64)
    counters[:, [FIRST_AT_US, LAST_AT_US, LAST_PRACTICE_US]] = NEVER
    return counters


def fold_counters(batch: Batch, counters: Int64s) -> tuple[Int64s, Int64s]:
    """Fold the batch into `counters`, in place, and return (gap_days, evidence), int64[H] each, of every cell.

    gap_days: days since the student was last active on that topic, 0 on the first active day.
    evidence: the evidence count at the end of the day.
    Feedback is an opinion about the student, not an activity: it leaves counters as they are.
    """
    gap_days, evidence = np.zeros(batch.cell_slot.size, np.int64), np.zeros(batch.cell_slot.size, np.int64)
    _fold(batch.arrays, batch.cell, counters, gap_days, evidence)
    return gap_days, evidence


@inlined_kernel
def count_event(batch: BatchArrays, i: int, counters: Int64s) -> int:
    """Count the event of row i, which is no feedback; return the days since the last active day, 0 within a day."""
    what, at = batch.kind[i], batch.at_us[i]
    mine = counters[batch.slot[i]]
    last = mine[LAST_AT_US]
    gap = np.int64(0)
    if last == NEVER:
        mine[FIRST_AT_US] = at
        mine[ACTIVE_DAYS] = 1
    else:
        gap = at // DAY_US - last // DAY_US
        if gap > 0:
            mine[ACTIVE_DAYS] += 1
    mine[LAST_AT_US] = at
    if batch.weight[i] > 0.0:
        mine[EVIDENCE] += 1
    if what == QUIZ:
        right = 1 if batch.success_ppm[i] >= MILLION else 0
        mine[ANSWERS] += 1
        mine[RIGHT] += right
        mine[RECENT_ANSWERS] = min(RECENT, mine[RECENT_ANSWERS] + 1)
        mine[RECENT_BITS] = ((mine[RECENT_BITS] << 1) | right) & ((1 << RECENT) - 1)
        if batch.duration_ms[i] >= 0:
            mine[TIMED] += 1
            mine[TIME_MS] += batch.duration_ms[i]
        mine[HINTS] += max(0, batch.hints[i])
    elif what == PRACTICE:
        mine[PRACTICE_ATTEMPTS] += batch.attempts[i]
        mine[PRACTICE_RIGHT_PPM] += batch.success_ppm[i]
        mine[HINTS] += max(0, batch.hints[i])
        mine[LAST_PRACTICE_US] = at
    elif what == ASSIGNMENT:
        mine[ASSIGNMENTS] += 1
        mine[ASSIGNMENT_PPM] += batch.success_ppm[i]
    elif what == VIDEO:
        mine[VIDEOS] += 1
        mine[VIDEO_PPM] += batch.success_ppm[i]
    elif what == TUTOR:
        mine[HELP_REQUESTS] += batch.attempts[i]
    return int(gap)


@kernel
def _fold(batch: BatchArrays, cell: Int32s, counters: Int64s, gaps: Int64s, evidence: Int64s) -> None:
    for i in range(batch.slot.size):
        if batch.kind[i] == FEEDBACK:
            continue
        gap = count_event(batch, i, counters)
        if gap > 0:
            gaps[cell[i]] = gap
        evidence[cell[i]] = counters[batch.slot[i], EVIDENCE]
