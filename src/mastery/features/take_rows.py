"""A batch of some of the rows of a batch, such as those before a moment."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mastery.arrays import Bools
from mastery.features.batch import Batch, BySlot, make_batch
from mastery.features.columns import EventColumns


def take_rows(batch: Batch, keep: Bools) -> Batch:
    """Return the batch of the rows where `keep` (bool[n]) is true, of the students that still have any.

    Codes of topics and items stay as they were, and so do the weights of rows.
    """
    rows = np.flatnonzero(keep)
    owner = np.repeat(np.arange(len(batch.students)), np.diff(batch.student_ptr))[rows]
    left, student = np.unique(owner, return_inverse=True)
    there = np.arange(rows.size, dtype=np.int64)
    made = make_batch(
        EventColumns(
            students=[batch.students[s] for s in left],
            tenants=[batch.tenants[s] for s in left],
            topics=batch.topics,
            items=batch.items,
            row=batch.row[rows],
            student=student.astype(np.int32),
            topic=batch.slot_topic[batch.slot[rows]],
            item=batch.item[rows],
            kind=batch.kind[rows],
            topics_of_event=np.ones(rows.size, np.int32),
            at_us=batch.at_us[rows],
            sequence=there,
            about=there,
            id_hi=there,
            id_lo=there,
            attempts=batch.attempts[rows],
            success_ppm=batch.success_ppm[rows],
            duration_ms=batch.duration_ms[rows],
            attempt_number=np.full(rows.size, -1, np.int64),
            hints=batch.hints[rows],
            rewinds=batch.rewinds[rows],
        ),
        days=batch.days,
    )
    # Weights depend on what a batch no longer has: attempt numbers, and the number of topics of an event.
    # Codes of uses, too, stay as they were.
    made = replace(made, use=batch.use[rows], use_item=batch.use_item, use_topic=batch.use_topic)
    made = replace(made, y=batch.y[rows], weight=batch.weight[rows], opportunity=batch.opportunity[rows])
    by_slot = np.argsort(made.slot, kind="stable")
    values = {name: getattr(made, name)[by_slot] for name in BySlot._fields if name != "ptr"}
    return replace(made, by_slot=BySlot(ptr=made.by_slot.ptr, **values))
