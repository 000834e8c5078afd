"""Which of a student's events were the last ones: what a record knows duplicates by."""

from __future__ import annotations

import numpy as np

from mastery.arrays import Int64s
from mastery.features.batch import Batch
from mastery.kernels import kernel

KEPT = 32
"""The number of a student's last events that are known by id, without a look at the lake."""


def recent_rows(batch: Batch) -> tuple[Int64s, Int64s]:
    """Return (ptr int64[S + 1], rows): for each student, the event-table rows of the last `KEPT` events, newest last.

    An assignment over several topics is one event.
    """
    ptr, rows = _recent(batch.student_ptr, batch.row)
    return ptr, rows


@kernel
def _recent(student_ptr: Int64s, row: Int64s) -> tuple[Int64s, Int64s]:
    students = student_ptr.size - 1
    ptr = np.zeros(students + 1, np.int64)
    rows = np.empty(min(row.size, students * KEPT), np.int64)
    found = np.empty(KEPT, np.int64)
    total = 0
    for s in range(students):
        kept = 0
        for i in range(student_ptr[s + 1] - 1, student_ptr[s] - 1, -1):
            if kept and found[kept - 1] == row[i]:  # rows of one event stand side by side
                continue
            if kept == KEPT:
                break
            found[kept] = row[i]
            kept += 1
        for k in range(kept):
            rows[total + k] = found[kept - 1 - k]
        total += kept
        ptr[s + 1] = total
    return ptr, rows[:total].copy()
