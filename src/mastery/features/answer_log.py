"""A log of answers as a batch: one tidy table, for fitting and evaluating without a lake.

Columns: student_id, is_correct; and where there are any question_id, topic_id, timestamp, order, time_spent_sec,
attempts_count, hints_used, interaction_id. KeyedRows of one (student, interaction_id) are one event on several topics.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mastery.arrays import Floats, Int32s, Int64s
from mastery.errors import BadInput
from mastery.features.batch import Batch, make_batch
from mastery.features.columns import ABSENT, QUIZ, EventColumns
from mastery.tables import MILLION

Clock = Literal["start", "answer"]
"""When a row's time stamp was taken: when the question was shown, or when the answer was given."""

NO_TOPIC = "no_topic"
"""The topic of answers that name none: all of them are one topic."""

LONGEST_ANSWER_S = 1_800.0
"""A longer gap between two rows is a break, not the time that an answer took."""

NEEDED = ("student_id", "is_correct")


def answer_batch(log: pa.Table, clock: Clock = "start", tenant: str = "default") -> Batch:
    """Return the batch of a log's answers. Rows without an outcome are left out.

    Without time stamps no time passes between a student's rows. Without time_spent_sec, the time an answer took is the
    gap to the student's next row (clock `start`) or from the one before (clock `answer`), up to half an hour.

    Raises:
        BadInput: a column is missing or given twice, or an outcome is not 0 or 1.
    """
    for name in NEEDED:
        if log.column_names.count(name) != 1:
            raise BadInput(
                f"the log has {log.column_names.count(name)} columns {name!r}; expected one. "
                f"It has: {', '.join(log.column_names)}"
            )
    log = log.filter(pc.is_valid(log["is_correct"]))
    y = log["is_correct"].cast(pa.float64()).to_numpy()
    odd = np.flatnonzero((y != 0.0) & (y != 1.0))
    if odd.size:
        raise BadInput(f"is_correct of row {int(odd[0]) + 1} of the log is {y[odd[0]]:g}; expected 0 or 1")
    n = log.num_rows
    students, student = _codes(log, "student_id", "")
    topics, topic = _codes(log, "topic_id", NO_TOPIC)
    items, item = _codes(log, "question_id", None)
    sequence = _integers(log, "order", np.arange(n))
    at_us = _integers(log, "timestamp", np.zeros(n, np.int64))
    event = np.arange(n, dtype=np.int64)
    if _given(log, "interaction_id"):
        # KeyedRows of one interaction are one event: they take the place, and the number, of its first row.
        _, code = _codes(log, "interaction_id", "")
        pair = student.astype(np.int64) * (int(code.max(initial=0)) + 1) + code
        first = np.lexsort((sequence, at_us, pair))
        start = np.flatnonzero(np.concatenate([[True], np.diff(pair[first]) != 0])) if n else np.zeros(0, np.int64)
        lead = np.empty(n, np.int64)
        lead[first] = np.repeat(first[start], np.diff(np.append(start, n)))
        event, sequence, at_us = event[lead], sequence[lead], at_us[lead]
    return make_batch(
        EventColumns(
            students=students,
            tenants=[tenant] * len(students),
            topics=[(tenant, name) for name in topics],
            items=[(tenant, name) for name in items],
            row=event,
            student=student,
            topic=topic,
            item=item,
            kind=np.full(n, QUIZ, np.int8),
            topics_of_event=np.ones(n, np.int32),
            at_us=at_us,
            sequence=sequence,
            id_hi=event,
            id_lo=np.zeros(n, np.int64),
            attempts=np.ones(n, np.int64),
            success_ppm=(y * MILLION).astype(np.int64),
            duration_ms=_duration_ms(log, student, at_us, sequence, clock),
            attempt_number=_integers(log, "attempts_count", np.full(n, ABSENT)),
            hints=_integers(log, "hints_used", np.full(n, ABSENT)),
            rewinds=np.full(n, ABSENT, np.int64),
        )
    )


def _given(log: pa.Table, name: str) -> bool:
    return name in log.column_names and log[name].null_count < log.num_rows


def _codes(log: pa.Table, name: str, null: str | None) -> tuple[list[str], Int32s]:
    """Return names, ascending, and int32 codes; a null is the name `null`, or `ABSENT` where that is None."""
    if not _given(log, name):
        return (
            ([], np.full(log.num_rows, ABSENT, np.int32))
            if null is None
            else ([null], np.zeros(log.num_rows, np.int32))
        )
    column = log[name].cast(pa.string())
    column = column if null is None else pc.fill_null(column, null)
    array = pa.chunked_array(column).combine_chunks().dictionary_encode()
    names = array.dictionary.to_pylist()
    order = sorted(range(len(names)), key=names.__getitem__)
    rank = np.empty(len(names), np.int32)
    rank[order] = np.arange(len(names), dtype=np.int32)
    codes = array.indices.fill_null(ABSENT).to_numpy(zero_copy_only=False)
    return [names[i] for i in order], np.where(codes < 0, np.int32(ABSENT), rank[np.maximum(codes, 0)]).astype(np.int32)


def _integers(log: pa.Table, name: str, otherwise: npt.NDArray[np.int64]) -> Int64s:
    if not _given(log, name):
        return otherwise.astype(np.int64)
    column = log[name]
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us", tz=column.type.tz)).cast(pa.int64())
    numbers = column.cast(pa.float64()).to_numpy() if pa.types.is_floating(column.type) else column.to_numpy()
    absent = np.isnan(numbers) if numbers.dtype.kind == "f" else np.zeros(numbers.size, bool)
    return np.where(absent, otherwise, np.where(absent, 0, numbers)).astype(np.int64)


def _duration_ms(log: pa.Table, student: Int32s, at_us: Int64s, sequence: Int64s, clock: Clock) -> Int64s:
    n = student.size
    if _given(log, "time_spent_sec"):
        seconds: Floats = log["time_spent_sec"].cast(pa.float64()).to_numpy()
    elif _given(log, "timestamp"):
        order = np.lexsort((sequence, at_us, student))
        gap = np.full(n, np.nan)
        same = student[order[1:]] == student[order[:-1]]
        between = np.where(same, (at_us[order[1:]] - at_us[order[:-1]]) / 1e6, np.nan)
        gap[order[:-1] if clock == "start" else order[1:]] = between
        seconds = gap
    else:
        return np.full(n, ABSENT, np.int64)
    usable = (seconds >= 0.0) & (seconds <= LONGEST_ANSWER_S)
    return np.where(usable, np.where(usable, seconds, 0.0) * 1_000.0, ABSENT).astype(np.int64)
