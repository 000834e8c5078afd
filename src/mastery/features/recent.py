"""The last events of each student, by which a record recognises duplicates."""

from __future__ import annotations

import numpy as np

from mastery.arrays import Int64s
from mastery.features.batch import Batch
from mastery.kernels import kernel

KEPT = 32
"""Number of a student's last events whose ids are kept, so that the lake need not be read for them."""


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
            if kept and found[kept - 1] == row[i]:  # rows of one event are neighbours
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
