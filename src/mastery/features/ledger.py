"""The daily ledger: what a student did on a topic on one school day, in integers.

Windows, features and audits are sums of these rows. Unlike sums of floats, they do not depend on the order of adding.
"""

from __future__ import annotations

import numpy as np

from mastery.arrays import Int8s, Int32s, Int64s
from mastery.features.batch import Batch
from mastery.features.columns import ASSIGNMENT, PRACTICE, QUIZ, TUTOR, VIDEO
from mastery.kernels import kernel
from mastery.tables import LEDGER_COUNTS

(
    Q_ATTEMPTS,
    Q_SUCCESS,
    TIMED,
    TIME_MS,
    PRACTICE_ATTEMPTS,
    PRACTICE_SUCCESS,
    ASSIGNMENTS,
    ASSIGNMENT_SCORE,
    VIDEOS,
    VIDEO_WATCHED,
    REWINDS,
    HINTS,
    HELP_REQUESTS,
    HELP_RESOLVED,
) = range(len(LEDGER_COUNTS))


def daily_ledger(batch: Batch) -> Int64s:
    """Return int64[len(LEDGER_COUNTS), H]: the counts of each cell of the batch; each row is a column of the table."""
    counts: Int64s = _sum(
        batch.cell,
        batch.cell_slot.size,
        batch.kind,
        batch.attempts,
        batch.success_ppm,
        batch.duration_ms,
        batch.hints,
        batch.rewinds,
    )
    return counts


@kernel
def _sum(
    cell: Int32s,
    cells: int,
    kind: Int8s,
    attempts: Int64s,
    success_ppm: Int64s,
    duration_ms: Int64s,
    hints: Int64s,
    rewinds: Int64s,
) -> Int64s:
    counts = np.zeros((len(LEDGER_COUNTS), cells), np.int64)
    for i in range(cell.size):
        c, what = cell[i], kind[i]
        if what == QUIZ:
            counts[Q_ATTEMPTS, c] += 1
            counts[Q_SUCCESS, c] += success_ppm[i]
            if duration_ms[i] >= 0:
                counts[TIMED, c] += 1
                counts[TIME_MS, c] += duration_ms[i]
            counts[HINTS, c] += max(0, hints[i])
        elif what == PRACTICE:
            counts[PRACTICE_ATTEMPTS, c] += attempts[i]
            counts[PRACTICE_SUCCESS, c] += success_ppm[i]
            counts[HINTS, c] += max(0, hints[i])
        elif what == ASSIGNMENT:
            counts[ASSIGNMENTS, c] += 1
            counts[ASSIGNMENT_SCORE, c] += success_ppm[i]
        elif what == VIDEO:
            counts[VIDEOS, c] += 1
            counts[VIDEO_WATCHED, c] += success_ppm[i]
            counts[REWINDS, c] += max(0, rewinds[i])
        elif what == TUTOR:
            counts[HELP_REQUESTS, c] += attempts[i]
            counts[HELP_RESOLVED, c] += success_ppm[i]
    return counts
