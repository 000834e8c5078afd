"""The loops in which many records go on at once. What they do: `mastery.pipelines.scoring.continue_record`."""

from __future__ import annotations

from typing import Any

import numpy as np

from mastery.arrays import Bools, Int64s
from mastery.features.recent import OrderKeys
from mastery.kernels import kernel

GOES_ON, LATE, REPLACES, REPLACED, REVISED = range(5)
"""What the new events of a student say of the record."""


@kernel
def _key_is_after(i: int, keys: OrderKeys, newest: Any) -> bool:
    """Whether row i comes after the newest event."""
    for one, last in (
        (keys.at_us[i], newest[0]),
        (keys.sequence[i], newest[1]),
        (keys.about[i], newest[2]),
        (keys.id_hi[i], newest[3]),
        (keys.id_lo[i], newest[4]),
    ):
        if one != last:
            return bool(one > last)
    return False


@kernel
def _place_of(ids: Int64s, first: int, last: int, hi: int, lo: int) -> int:
    """Return the row of an event's id among some rows, −1 where it is not there."""
    for r in range(first, last):
        if ids[r, 0] == hi and ids[r, 1] == lo:
            return r
    return -1


@kernel
def judge(
    student_ptr: Int64s,
    rows: Int64s,
    first: Int64s,
    keys: OrderKeys,
    body: Int64s,
    replaces: Bools,
    recent_ptr: Int64s,
    recent: Int64s,
    newest: Int64s,
    missing_ptr: Int64s,
    missing: Int64s,
    verdict: Any,
    fresh: Bools,
) -> None:
    """Fill int8[S] verdicts, and bool[n]: which of the rows the record has not seen.

    Student s has rows[student_ptr[s]:student_ptr[s + 1]] in their order; `first[k]` is the place of the first of a
    student's rows that are the same event as rows[k].
    """
    for s in range(student_ptr.size - 1):
        for k in range(student_ptr[s], student_ptr[s + 1]):
            i = rows[k]
            hi, lo = keys.id_hi[i], keys.id_lo[i]
            r = _place_of(recent, recent_ptr[s], recent_ptr[s + 1], hi, lo)
            if r >= 0 or first[k] != k:
                if body[i] == (recent[r, 2] if r >= 0 else body[rows[first[k]]]):
                    continue
                verdict[s] = REVISED
            elif replaces[i]:
                verdict[s] = REPLACES
            elif _place_of(missing, missing_ptr[s], missing_ptr[s + 1], hi, lo) >= 0:
                verdict[s] = REPLACED
            elif not _key_is_after(i, keys, newest[s]):
                verdict[s] = LATE
            if verdict[s] != GOES_ON:
                break
            fresh[k] = True


@kernel
def remember(kept: int, recent_ptr: Int64s, recent: Int64s, new_ptr: Int64s, new: Int64s) -> tuple[Int64s, Int64s]:
    """Return (ptr, rows): of each student the last `kept` of recent events with new ones behind them."""
    students = recent_ptr.size - 1
    ptr = np.zeros(students + 1, np.int64)
    found = np.empty((recent.shape[0] + new.shape[0], recent.shape[1]), np.int64)
    n = 0
    for s in range(students):
        before, after = recent_ptr[s + 1] - recent_ptr[s], new_ptr[s + 1] - new_ptr[s]
        drop = max(0, before + after - kept)
        for r in range(recent_ptr[s] + min(drop, before), recent_ptr[s + 1]):
            found[n] = recent[r]
            n += 1
        for r in range(new_ptr[s] + max(0, drop - before), new_ptr[s + 1]):
            found[n] = new[r]
            n += 1
        ptr[s + 1] = n
    return ptr, found[:n].copy()


@kernel
def merge_ledgers(
    before_ptr: Int64s, before: Int64s, new_ptr: Int64s, new: Int64s, since_day: Int64s, first_count: int
) -> tuple[Int64s, Int64s]:
    """Return (ptr, rows): of each student the ledger with new days of topics behind it, without those up to a day.

    Rows are slot, day, counts from column `first_count` on, and at last the gap; they ascend by day. The counts of a
    day that had begun are added up.
    """
    students, width = before_ptr.size - 1, before.shape[1]
    ptr = np.zeros(students + 1, np.int64)
    found = np.empty((before.shape[0] + new.shape[0], width), np.int64)
    n = 0
    for s in range(students):
        start = n
        for r in range(before_ptr[s], before_ptr[s + 1]):
            if before[r, 1] > since_day[s]:
                found[n] = before[r]
                n += 1
        old = n
        for r in range(new_ptr[s], new_ptr[s + 1]):
            into, at = n, old - 1
            while at >= start and found[at, 1] >= new[r, 1]:
                if found[at, 1] == new[r, 1] and found[at, 0] == new[r, 0]:
                    into = at
                at -= 1
            if into < n:
                for c in range(first_count, width - 1):
                    found[into, c] += new[r, c]
            elif new[r, 1] > since_day[s]:
                found[n] = new[r]
                n += 1
        ptr[s + 1] = n
    return ptr, found[:n].copy()
