"""Answers as a batch to learn from and to evaluate on: events of a file or a frame, without a lake.

It differs from the batch of a lake's events in what a log without time stamps, topics or durations needs: see
`answer_batch`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
import pyarrow as pa

from mastery.arrays import Floats, Int32s, Int64s
from mastery.events.columns import INTERACTION
from mastery.features.batch import Batch, make_batch
from mastery.features.columns import ABSENT, QUIZ, EventColumns, event_columns
from mastery.tables import UNASSIGNED

Clock = Literal["start", "answer"]
"""When a row's time stamp was taken: when the question was shown, or when the answer was given."""

NO_TOPIC = "no_topic"
"""The topic of answers that name none: all of them are one topic."""

LONGEST_ANSWER_MS = 1_800_000
"""A longer gap between two answers is a break, and no time that an answer took."""


def answer_batch(events: pa.Table, clock: Clock = "start", *, timed: bool = True) -> Batch:
    """Return the batch of these events; its `row` is a row of `events`.

    Events that name no topic are on `NO_TOPIC`, and are scored. Rows of one student that share an interaction are one
    answer on several topics: they take the place, and the row, of the first of them. At one moment and sequence,
    answers follow each other as the rows do. Where no answer has a duration, it is the gap to the student's next event
    (clock `start`) or from the one before (clock `answer`); beyond half an hour it is unknown.

    Args:
        events: The columns `mastery.features.columns.READ` of EVENTS, and INTERACTION.
        timed: Whether moments mean something. If not, no time passes between a student's events.
    """
    columns = event_columns(events)
    lead = first_of_interaction(events)[columns.row]
    at_us = events["occurred_at"].cast(pa.int64()).to_numpy()[lead] if timed else np.zeros(lead.size, np.int64)
    sequence = events["sequence"].to_numpy()[lead]
    topics, topic = _with_topics(columns)
    items, item = _ascending_items(columns)
    return make_batch(
        replace(
            columns,
            topics=topics,
            topic=topic,
            items=items,
            item=item,
            row=lead,
            at_us=at_us,
            sequence=sequence,
            id_hi=lead,
            id_lo=np.zeros(lead.size, np.int64),
            duration_ms=_duration_ms(columns, at_us, sequence, clock if timed else None),
        )
    )


def first_of_interaction(events: pa.Table) -> Int64s:
    """Return int64[n]: for each row the first row, in time, of its student's interaction; itself without one."""
    rows = np.arange(events.num_rows, dtype=np.int64)
    interaction = events[INTERACTION.name]
    if interaction.null_count == events.num_rows:
        return rows
    given = np.flatnonzero(interaction.is_valid().to_numpy())
    both = events.take(pa.array(given))
    student, shared = (_codes(both[name]) for name in ("student_id", INTERACTION.name))
    pair = student * (int(shared.max()) + 1) + shared
    order = np.lexsort((both["sequence"].to_numpy(), both["occurred_at"].cast(pa.int64()).to_numpy(), pair))
    start = np.flatnonzero(np.concatenate([[True], np.diff(pair[order]) != 0]))
    rows[given[order]] = given[np.repeat(order[start], np.diff(np.append(start, order.size)))]
    return rows


def _codes(column: pa.ChunkedArray) -> Int64s:
    codes = column.combine_chunks().dictionary_encode().indices
    return np.asarray(codes.to_numpy(zero_copy_only=False), np.int64)


def _with_topics(columns: EventColumns) -> tuple[list[tuple[str, str]], Int32s]:
    """Return topics, ascending, and codes; those that are unassigned are on `NO_TOPIC`."""
    named = [(tenant, NO_TOPIC if name == UNASSIGNED else name) for tenant, name in columns.topics]
    topics = sorted(set(named))
    place = {one: code for code, one in enumerate(topics)}
    return topics, np.array([place[one] for one in named], np.int32)[columns.topic]


def _ascending_items(columns: EventColumns) -> tuple[list[tuple[str, str]], Int32s]:
    """Return items, ascending, and codes, so that neither depends on the order of the rows."""
    items = sorted(columns.items)
    place = {one: code for code, one in enumerate(items)}
    codes = np.array([*(place[one] for one in columns.items), ABSENT], np.int32)
    return items, codes[columns.item]  # ABSENT is −1, the place after the last


def _duration_ms(columns: EventColumns, at_us: Int64s, sequence: Int64s, clock: Clock | None) -> Int64s:
    """Return int64[n]: how long each event took, `ABSENT` where that is unknown."""
    quiz = columns.kind == QUIZ
    took = columns.duration_ms
    if clock is not None and not np.any(took[quiz] != ABSENT):
        order = np.lexsort((sequence, at_us, columns.student))
        gap = np.full(took.size, np.nan)
        same = columns.student[order[1:]] == columns.student[order[:-1]]
        between: Floats = np.where(same, (at_us[order[1:]] - at_us[order[:-1]]) / 1e6, np.nan)
        gap[order[:-1] if clock == "start" else order[1:]] = between
        took = np.where(quiz, np.where(np.isnan(gap), ABSENT, gap * 1_000.0), took).astype(np.int64)
    return np.where(quiz & (took > LONGEST_ANSWER_MS), ABSENT, took)
