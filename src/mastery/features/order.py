"""Rows put in order: by student, then (occurred_at, sequence, about, event_id), then topic.

A counting sort by student and, within a student, insertion sort for rows that are nearly in order (most
logs are) and merge sort for others. np.lexsort took twice as long, engines three to six times.
"""

from __future__ import annotations

import numpy as np

from mastery.arrays import Int32s, Int64s
from mastery.features.columns import EventColumns
from mastery.kernels import kernel

SHIFTS_PER_ROW = 16
"""After more moves per row than this, merge sort takes over from insertion sort."""


def order_rows(columns: EventColumns) -> tuple[Int64s, Int64s]:
    """Return (student_ptr int64[S + 1], order int64[m]): student s has order[student_ptr[s]:student_ptr[s + 1]].

    Repeats of an (event_id, topic) are left out, so m ≤ n: they are equal in every key and so are neighbours.
    """
    ptr, order = _order(
        len(columns.students),
        columns.student,
        columns.at_us,
        columns.sequence,
        columns.about,
        columns.id_hi,
        columns.id_lo,
        columns.topic,
    )
    return ptr, order


@kernel
def place_at_once(a: int, b: int, sequence: Int64s, about: Int64s, id_hi: Int64s, id_lo: Int64s) -> int:
    """Return −1 where row a comes before row b, both at the same time, 1 where after it, 0 where they are one event."""
    if sequence[a] != sequence[b]:
        return -1 if sequence[a] < sequence[b] else 1
    if about[a] != about[b]:
        return -1 if about[a] < about[b] else 1
    if id_hi[a] != id_hi[b]:
        return -1 if id_hi[a] < id_hi[b] else 1
    if id_lo[a] != id_lo[b]:
        return -1 if id_lo[a] < id_lo[b] else 1
    return 0


@kernel
def _before(a: int, b: int, sequence: Int64s, about: Int64s, id_hi: Int64s, id_lo: Int64s, topic: Int32s) -> bool:
    """Whether row a comes before row b, both at the same time."""
    place = place_at_once(a, b, sequence, about, id_hi, id_lo)
    return place < 0 or (place == 0 and topic[a] < topic[b])


@kernel
def _insertion_sort(
    start: int,
    stop: int,
    order: Int64s,
    at: Int64s,
    sequence: Int64s,
    about: Int64s,
    id_hi: Int64s,
    id_lo: Int64s,
    topic: Int32s,
) -> bool:
    """Sort order[start:stop] and at[start:stop] together; return False when it is too far out of order."""
    budget = SHIFTS_PER_ROW * (stop - start)
    for i in range(start + 1, stop):
        row, moment = order[i], at[i]
        j = i - 1
        while j >= start and (
            at[j] > moment or (at[j] == moment and _before(row, order[j], sequence, about, id_hi, id_lo, topic))
        ):
            order[j + 1], at[j + 1] = order[j], at[j]
            j -= 1
        order[j + 1], at[j + 1] = row, moment
        budget -= i - 1 - j
        if budget < 0:
            return False
    return True


@kernel
def _merge_sort(
    start: int,
    stop: int,
    order: Int64s,
    at: Int64s,
    sequence: Int64s,
    about: Int64s,
    id_hi: Int64s,
    id_lo: Int64s,
    topic: Int32s,
) -> None:
    n = stop - start
    spare_order, spare_at = np.empty(n, np.int64), np.empty(n, np.int64)
    width = 1
    while width < n:
        for low in range(start, stop, 2 * width):
            middle, high = min(low + width, stop), min(low + 2 * width, stop)
            i, j = low, middle
            for k in range(low - start, high - start):
                take_right = i >= middle or (
                    j < high
                    and (
                        at[j] < at[i]
                        or (at[j] == at[i] and _before(order[j], order[i], sequence, about, id_hi, id_lo, topic))
                    )
                )
                if take_right:
                    spare_order[k], spare_at[k] = order[j], at[j]
                    j += 1
                else:
                    spare_order[k], spare_at[k] = order[i], at[i]
                    i += 1
        order[start:stop] = spare_order
        at[start:stop] = spare_at
        width *= 2


@kernel
def _order(
    students: int,
    student: Int32s,
    at_us: Int64s,
    sequence: Int64s,
    about: Int64s,
    id_hi: Int64s,
    id_lo: Int64s,
    topic: Int32s,
) -> tuple[Int64s, Int64s]:
    n = student.size
    ptr = np.zeros(students + 1, np.int64)
    for i in range(n):
        ptr[student[i] + 1] += 1
    for s in range(students):
        ptr[s + 1] += ptr[s]
    fill = ptr[:-1].copy()
    order, at = np.empty(n, np.int64), np.empty(n, np.int64)
    for i in range(n):
        k = fill[student[i]]
        order[k], at[k] = i, at_us[i]
        fill[student[i]] = k + 1
    kept = 0
    for s in range(students):
        start, stop = ptr[s], ptr[s + 1]
        if not _insertion_sort(start, stop, order, at, sequence, about, id_hi, id_lo, topic):
            _merge_sort(start, stop, order, at, sequence, about, id_hi, id_lo, topic)
        ptr[s] = kept
        for k in range(start, stop):
            a = order[k]
            if k > start:
                b = order[k - 1]
                if id_hi[a] == id_hi[b] and id_lo[a] == id_lo[b] and topic[a] == topic[b]:
                    continue
            order[kept] = a
            kept += 1
    ptr[students] = kept
    return ptr, order[:kept]
