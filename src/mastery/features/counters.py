"""Counters: integers per student-topic, from which reasons, tags, the ledger's gaps and evidence counts are made.

They are folded like a scorer's state, but belong to no scorer.
"""

from __future__ import annotations

import numpy as np

from mastery.arrays import Int32s, Int64s
from mastery.features.batch import Batch, BatchArrays
from mastery.features.columns import ASSIGNMENT, FEEDBACK, PRACTICE, QUIZ, TUTOR, VIDEO
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
    REFRESHED_AT_US,  # the last activity that `refreshes` what is known; the first one as long as none does
    REFRESHED_DAY,  # which of the active days that was, the first one being 1; 0 as long as none
    REFRESHED_DAYS,  # days with such activity
    ANSWERS_TO_RIGHT,  # quiz answers up to the last right one, wrong ones before it among them
) = range(len(COUNTERS))

RECENT = 8
"""How many of the last answers are remembered one by one."""

NEVER = np.int64(-(2**62))
"""The time of an event that has not happened."""


MOMENTS = (FIRST_AT_US, LAST_AT_US, LAST_PRACTICE_US, REFRESHED_AT_US)
"""The counters that are moments."""


def initial_counters(slots: int) -> Int64s:
    """Return int64[slots, len(COUNTERS)]: nothing has happened yet."""
    counters = np.zeros((slots, len(COUNTERS)), np.int64)
    counters[:, MOMENTS] = NEVER
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
def refreshes(what: int, attempts: int, success_ppm: int) -> bool:
    """Return whether an event refreshes what is known: all but what came out more wrong than right.

    A score fades from the last such event on, so that a wrong answer does not bring back what had been forgotten.
    """
    return what == VIDEO or what == TUTOR or 2 * success_ppm >= attempts * MILLION


@inlined_kernel
def count_event(
    mine: Int64s,
    what: int,
    at: int,
    days_away: int,
    weight: float,
    attempts: int,
    success_ppm: int,
    duration_ms: int,
    hints: int,
) -> None:
    """Count one event, no feedback, in the counters of its slot; its numbers as in `Batch`.

    Takes numbers and not the batch with the row: inlined with a NamedTuple of arrays it counts a reference at each of
    them, and one pass took fifteen times as long.
    """
    if mine[LAST_AT_US] == NEVER:
        mine[FIRST_AT_US] = mine[REFRESHED_AT_US] = at
    if days_away != 0:
        mine[ACTIVE_DAYS] += 1
    mine[LAST_AT_US] = at
    if refreshes(what, attempts, success_ppm):
        mine[REFRESHED_DAYS] += mine[REFRESHED_DAY] != mine[ACTIVE_DAYS]
        mine[REFRESHED_DAY], mine[REFRESHED_AT_US] = mine[ACTIVE_DAYS], at
    if weight > 0.0:
        mine[EVIDENCE] += 1
    if what == QUIZ:
        right = 1 if success_ppm >= MILLION else 0
        mine[ANSWERS] += 1
        mine[RIGHT] += right
        if right:
            mine[ANSWERS_TO_RIGHT] = mine[ANSWERS]
        mine[RECENT_ANSWERS] = min(RECENT, mine[RECENT_ANSWERS] + 1)
        mine[RECENT_BITS] = ((mine[RECENT_BITS] << 1) | right) & ((1 << RECENT) - 1)
        if duration_ms >= 0:
            mine[TIMED] += 1
            mine[TIME_MS] += duration_ms
        mine[HINTS] += max(0, hints)
    elif what == PRACTICE:
        mine[PRACTICE_ATTEMPTS] += attempts
        mine[PRACTICE_RIGHT_PPM] += success_ppm
        mine[HINTS] += max(0, hints)
        mine[LAST_PRACTICE_US] = at
    elif what == ASSIGNMENT:
        mine[ASSIGNMENTS] += 1
        mine[ASSIGNMENT_PPM] += success_ppm
    elif what == VIDEO:
        mine[VIDEOS] += 1
        mine[VIDEO_PPM] += success_ppm
    elif what == TUTOR:
        mine[HELP_REQUESTS] += attempts


@kernel
def _fold(batch: BatchArrays, cell: Int32s, counters: Int64s, gaps: Int64s, evidence: Int64s) -> None:
    slot, at_us, kind, weight = batch.slot, batch.at_us, batch.kind, batch.weight
    attempts, success_ppm, duration_ms, hints = batch.attempts, batch.success_ppm, batch.duration_ms, batch.hints
    days_away = batch.days_away
    for i in range(slot.size):
        if kind[i] == FEEDBACK:
            continue
        mine, away = counters[slot[i]], days_away[i]
        count_event(mine, kind[i], at_us[i], away, weight[i], attempts[i], success_ppm[i], duration_ms[i], hints[i])
        if away > 0:
            gaps[cell[i]] = away
        evidence[cell[i]] = mine[EVIDENCE]
