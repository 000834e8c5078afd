"""A batch cut by active days: the first day of every student, then the second, and so on.

A fold that goes on from one of them to the next passes through the states of every past day, to the same bits as one
fold of all events.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from mastery.arrays import Int64s
from mastery.features.batch import BY_ROW, Batch, rows_by_slot


@dataclass(frozen=True)
class ActiveDay:
    """The k-th active day of all students who have that many.

    Attributes:
        batch: The rows of these days alone; students, slots, topics and items are those of the whole batch.
        students: int64[m]. Whose day it is, ascending.
        end_us: int64[m]. When it ends.
        touched: int64[m]. Slots that the student has by the end of the day: the first of those in the whole batch.
        cells: int64[h]. Cells of the whole batch that the day's cells are.
    """

    batch: Batch
    students: Int64s
    end_us: Int64s
    touched: Int64s
    cells: Int64s


def day_by_day(batch: Batch) -> Iterator[ActiveDay]:
    """Yield the active days in order. A day with a teacher's feedback alone is one of them, without cells."""
    students = batch.student_ptr.size - 1
    days_of = np.diff(batch.student_day_ptr)
    owner = np.repeat(np.arange(students), days_of)
    rank = np.arange(batch.day.size) - batch.student_day_ptr[owner]
    order = np.argsort(rank, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(rank))]).astype(np.int64)
    row_order, row_ptr = _ranges(batch.day_ptr, order)
    cell_order, cell_ptr = _ranges(batch.cell_ptr, order)
    place = np.full(cell_order.size + 1, -1, np.int64)  # of a cell in the new order; that of no cell is −1
    place[cell_order] = np.arange(cell_order.size)
    rows = {name: getattr(batch, name)[row_order] for name in BY_ROW}
    slot, cell, cell_slot = batch.slot[row_order], place[batch.cell[row_order]], batch.cell_slot[cell_order]
    touched = _touched(batch)[order]
    for k in range(starts.size - 1):
        first, last = int(starts[k]), int(starts[k + 1])
        r, c = slice(int(row_ptr[first]), int(row_ptr[last])), slice(int(cell_ptr[first]), int(cell_ptr[last]))
        days = order[first:last]
        mine = {name: values[r] for name, values in rows.items()}
        of_day = np.where(cell[r] < 0, -1, cell[r] - c.start).astype(np.int32)
        cell_day = np.repeat(batch.day[days], np.diff(cell_ptr[first : last + 1]))
        one = replace(
            batch,
            student_ptr=_by_student(owner[days], np.diff(row_ptr[first : last + 1]), students),
            slot=slot[r],
            **mine,
            student_day_ptr=_by_student(owner[days], np.ones(days.size, np.int64), students),
            day=batch.day[days],
            day_end_us=batch.day_end_us[days],
            day_ptr=row_ptr[first : last + 1] - r.start,
            cell_ptr=cell_ptr[first : last + 1] - c.start,
            cell_slot=cell_slot[c],
            cell_day=cell_day,
            cell=of_day,
            by_slot=rows_by_slot(slot[r], batch.slot_topic.size, mine, of_day),
        )
        one.__dict__["item_key"] = batch.item_key  # of the same items: hashed once, and not every day
        yield ActiveDay(one, owner[days], batch.day_end_us[days], touched[first:last], cell_order[c])


def _ranges(ptr: Int64s, order: Int64s) -> tuple[Int64s, Int64s]:
    """Return what the groups own in another order of groups, and where each begins there."""
    counts = np.diff(ptr)[order]
    begin = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return np.repeat(ptr[:-1][order] - begin[:-1], counts) + np.arange(begin[-1]), begin


def _by_student(students: Int64s, counts: Int64s, of: int) -> Int64s:
    ptr = np.zeros(of + 1, np.int64)
    ptr[students + 1] = counts
    return np.cumsum(ptr)


def _touched(batch: Batch) -> Int64s:
    """Return int64[D]: how many slots the student has at the end of each day; they are numbered as they are met."""
    owner = np.repeat(np.arange(batch.student_ptr.size - 1), np.diff(batch.student_day_ptr))
    highest = np.maximum.reduceat(batch.slot, batch.day_ptr[:-1]) if batch.day.size else np.zeros(0, np.int64)
    # Slots ascend from student to student, so that the running maximum never looks across two of them.
    touched: Int64s = np.maximum.accumulate(highest).astype(np.int64) + 1 - batch.slot_ptr[owner]
    return touched
