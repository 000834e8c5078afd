"""A batch of some of the students of a batch, such as those held out, or those of one CV fold."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from mastery.arrays import Bools, Int64s
from mastery.features.batch import BY_ROW, Batch, BySlot


def rows_of_students(batch: Batch, keep: Bools) -> Bools:
    """Return bool[n]: the rows of the students where `keep` (bool[S]) is true."""
    return np.repeat(keep, np.diff(batch.student_ptr))


def take_students(batch: Batch, keep: Bools) -> Batch:
    """Return the batch of the students where `keep` (bool[S]) is true.

    Codes of topics, items and uses stay as they were.
    """
    owner = np.repeat(np.arange(len(batch.students)), np.diff(batch.student_ptr))
    day_owner = np.repeat(np.arange(len(batch.students)), np.diff(batch.student_day_ptr))
    cells_of_day = np.diff(batch.cell_ptr)
    rows, slots, days = keep[owner], keep[batch.slot_student], keep[day_owner]
    cells = np.repeat(days, cells_of_day)
    new_slot = (np.cumsum(slots) - 1).astype(np.int32)
    new_cell = np.append(np.cumsum(cells) - 1, -1).astype(np.int32)  # a cell of −1 stays −1

    def of_slot(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return values[np.repeat(slots, np.diff(batch.by_slot.ptr))]

    by_slot = batch.by_slot
    return replace(
        batch,
        students=[name for name, kept in zip(batch.students, keep, strict=True) if kept],
        tenants=[name for name, kept in zip(batch.tenants, keep, strict=True) if kept],
        student_ptr=_ptr(np.diff(batch.student_ptr)[keep]),
        slot_ptr=_ptr(np.diff(batch.slot_ptr)[keep]),
        slot_topic=batch.slot_topic[slots],
        slot=new_slot[batch.slot[rows]],
        **{name: getattr(batch, name)[rows] for name in BY_ROW},
        student_day_ptr=_ptr(np.diff(batch.student_day_ptr)[keep]),
        day=batch.day[days],
        day_end_us=batch.day_end_us[days],
        day_ptr=_ptr(np.diff(batch.day_ptr)[days]),
        cell_ptr=_ptr(cells_of_day[days]),
        cell_slot=new_slot[batch.cell_slot[cells]],
        cell_day=batch.cell_day[cells],
        cell=new_cell[batch.cell[rows]],
        by_slot=BySlot(
            ptr=_ptr(np.diff(by_slot.ptr)[slots]),
            use=of_slot(by_slot.use),
            at_us=of_slot(by_slot.at_us),
            kind=of_slot(by_slot.kind),
            y=of_slot(by_slot.y),
            weight=of_slot(by_slot.weight),
            opportunity=of_slot(by_slot.opportunity),
            cell=new_cell[of_slot(by_slot.cell)],
        ),
    )


def _ptr(counts: Int64s) -> Int64s:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
