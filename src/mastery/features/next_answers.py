"""A student's past copied, so that each copy answers another item next, and the predictions can be compared.

The next answers are made up: only the predictions made before them mean anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from mastery.arrays import Int64s
from mastery.features.batch import Batch, make_batch
from mastery.features.columns import ABSENT, QUIZ, EventColumns
from mastery.school_days import UTC_DAYS, SchoolDays

LAST = np.iinfo(np.int64).max


def next_answers(
    columns: EventColumns, topic: str, items: Sequence[str | None], at_us: int, days: SchoolDays = UTC_DAYS
) -> tuple[Batch, Int64s]:
    """Return a batch with a copy of the student for each item, answered last, and int64[K]: the rows of these answers.

    Args:
        columns: Events of one student, none after `at_us`.
        topic: Topic of the answers, which may be new to the student.
        items: K items; None for an answer without an item.
        at_us: When.
        days: Into which time is cut.
    """
    tenant, copies, events = columns.tenants[0], len(items), columns.row.size
    topics = sorted({*columns.topics, (tenant, topic)})
    known = list(dict.fromkeys([*columns.items, *((tenant, item) for item in items if item is not None)]))
    topic_code = np.array([topics.index(one) for one in columns.topics], np.int32)
    item_code = {item: code for code, (_, item) in enumerate(known)}
    next_item = np.array([ABSENT if item is None else item_code[item] for item in items], np.int32)

    def each(values: npt.NDArray[Any], last: npt.ArrayLike) -> npt.NDArray[Any]:
        """Return the values of every copy, one after the other, each with its last one."""
        table = np.empty((copies, events + 1), values.dtype)
        table[:, :events] = values
        table[:, events] = last
        return table.reshape(-1)

    new_row = int(columns.row.max()) + 1
    of_copy = np.repeat(np.arange(copies) * (new_row + 1), events + 1)
    batch = make_batch(
        replace(
            columns,
            students=[f"{columns.students[0]} {copy:09d}" for copy in range(copies)],
            tenants=[tenant] * copies,
            topics=topics,
            items=known,
            row=each(columns.row, new_row) + of_copy,
            student=np.repeat(np.arange(copies, dtype=np.int32), events + 1),
            topic=each(topic_code[columns.topic], topics.index((tenant, topic))),
            item=each(columns.item, next_item),
            kind=each(columns.kind, QUIZ),
            topics_of_event=each(columns.topics_of_event, 1),
            at_us=each(columns.at_us, at_us),
            sequence=each(columns.sequence, LAST),
            about=each(columns.about, LAST),
            id_hi=each(columns.id_hi, LAST),
            id_lo=each(columns.id_lo, LAST),
            attempts=each(columns.attempts, 1),
            success_ppm=each(columns.success_ppm, 0),
            duration_ms=each(columns.duration_ms, ABSENT),
            attempt_number=each(columns.attempt_number, ABSENT),
            hints=each(columns.hints, ABSENT),
            rewinds=each(columns.rewinds, ABSENT),
        ),
        days=days,
    )
    return batch, batch.student_ptr[1:] - 1
