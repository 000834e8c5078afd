"""Counters: integers per student-topic, from which reasons, tags, the ledger's gaps and evidence counts are made.

They are folded like a scorer's state, but belong to no scorer.
"""

from __future__ import annotations

import numpy as np

from mastery.arrays import Floats, Int8s, Int32s, Int64s
from mastery.features.batch import DAY_US, Batch
from mastery.features.columns import ASSIGNMENT, FEEDBACK, PRACTICE, QUIZ, TUTOR, VIDEO
from mastery.kernels import kernel
from mastery.tables import COUNTERS

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


def initial_facts(slots: int) -> Int64s:
    """Return int64[slots, len(COUNTERS)]: nothing has happened yet."""
    counters = np.zeros((slots, len(COUNTERS)), np.int64)
    counters[:, [FIRST_AT_US, LAST_AT_US, LAST_PRACTICE_US]] = NEVER
    return counters


def fold_facts(batch: Batch, counters: Int64s) -> tuple[Int64s, Int64s]:
    """Fold the batch into `counters`, in place, and return (gap_days, evidence), int64[H] each, of every cell.

    gap_days: days since the student was last active on that topic, 0 on the first active day.
    evidence: the evidence count at the end of the day.
    Feedback is an opinion about the student, not an activity: it leaves counters as they are.
    """
    gap_days, evidence = np.zeros(batch.cell_slot.size, np.int64), np.zeros(batch.cell_slot.size, np.int64)
    _fold(
        batch.slot,
        batch.cell,
        batch.at_us,
        batch.kind,
        batch.weight,
        batch.attempts,
        batch.success_ppm,
        batch.duration_ms,
        batch.hints,
        counters,
        gap_days,
        evidence,
    )
    return gap_days, evidence


@kernel
def _fold(
    slot: Int32s,
    cell: Int32s,
    at_us: Int64s,
    kind: Int8s,
    weight: Floats,
    attempts: Int64s,
    success_ppm: Int64s,
    duration_ms: Int64s,
    hints: Int64s,
    counters: Int64s,
    gaps: Int64s,
    evidence: Int64s,
) -> None:
    for i in range(slot.size):
        what = kind[i]
        if what == FEEDBACK:
            continue
        fact = counters[slot[i]]
        at = at_us[i]
        last = fact[LAST_AT_US]
        if last == NEVER:
            fact[FIRST_AT_US] = at
            fact[ACTIVE_DAYS] = 1
        else:
            gap = at // DAY_US - last // DAY_US
            if gap > 0:
                fact[ACTIVE_DAYS] += 1
                gaps[cell[i]] = gap
        fact[LAST_AT_US] = at
        if weight[i] > 0.0:
            fact[EVIDENCE] += 1
        evidence[cell[i]] = fact[EVIDENCE]
        if what == QUIZ:
            right = 1 if success_ppm[i] >= 1_000_000 else 0
            fact[ANSWERS] += 1
            fact[RIGHT] += right
            fact[RECENT_ANSWERS] = min(RECENT, fact[RECENT_ANSWERS] + 1)
            fact[RECENT_BITS] = ((fact[RECENT_BITS] << 1) | right) & ((1 << RECENT) - 1)
            if duration_ms[i] >= 0:
                fact[TIMED] += 1
                fact[TIME_MS] += duration_ms[i]
            fact[HINTS] += max(0, hints[i])
        elif what == PRACTICE:
            fact[PRACTICE_ATTEMPTS] += attempts[i]
            fact[PRACTICE_RIGHT_PPM] += success_ppm[i]
            fact[HINTS] += max(0, hints[i])
            fact[LAST_PRACTICE_US] = at
        elif what == ASSIGNMENT:
            fact[ASSIGNMENTS] += 1
            fact[ASSIGNMENT_PPM] += success_ppm[i]
        elif what == VIDEO:
            fact[VIDEOS] += 1
            fact[VIDEO_PPM] += success_ppm[i]
        elif what == TUTOR:
            fact[HELP_REQUESTS] += attempts[i]
