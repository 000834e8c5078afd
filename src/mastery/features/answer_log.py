"""Answers as a batch to learn from and to evaluate on: events of a file or a frame, without a lake.

It differs from the batch of a lake's events in what a log without time stamps, topics or durations needs: see
`answer_batch`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
import pyarrow as pa

from mastery.arrays import Int32s, Int64s
from mastery.events.columns import INTERACTION
from mastery.features.about import about_of
from mastery.features.batch import Batch, make_batch
from mastery.features.columns import ABSENT, QUIZ, EventColumns, event_columns, integers
from mastery.features.order import order_rows
from mastery.features.recent import order_keys
from mastery.school_days import UTC_DAYS, SchoolDays
from mastery.tables import UNASSIGNED

Clock = Literal["start", "answer"]
"""When a row's time stamp was taken: when the question was shown, or when the answer was given."""

NO_TOPIC = "no_topic"
"""The topic of answers that name none: all of them are one topic."""

LONGEST_ANSWER_MS = 1_800_000
"""A longer gap between two answers is a break, and no time that an answer took."""


def answer_batch(events: pa.Table, clock: Clock = "start", *, timed: bool = True, days: SchoolDays = UTC_DAYS) -> Batch:
    """Return the batch of these events; its `row` is a row of `events`.

    Events that name no topic are on `NO_TOPIC`, and are scored. Rows of one student that share an interaction are one
    answer on several topics: they take the place, and the row, of the first of them. At one moment and sequence,
    answers follow each other by what they are about, then by id, as in a lake; without time stamps, as the rows do.
    Where no answer has a duration, it is the gap to the student's next event (clock `start`) or from the one before
    (clock `answer`); beyond half an hour it is unknown.

    Law: with time stamps, the order of the rows changes nothing but `row`.

    Args:
        events: The columns `mastery.features.columns.READ` of EVENTS, and INTERACTION.
        timed: Whether moments mean something. If not, no time passes between a student's events.
        days: Into which time is cut.
    """
    row = np.arange(events.num_rows, dtype=np.int64)
    if timed and events[INTERACTION.name].null_count < row.size:  # of its rows on one topic one counts: not any one
        row = np.lexsort((events["event_id_lo"].to_numpy(), events["event_id_hi"].to_numpy()))
        events = events.take(pa.array(row))
    columns = event_columns(events)
    lead = first_of_interaction(events)[columns.row]
    names = ("sequence", "event_id_hi", "event_id_lo") if timed else ("sequence",)
    sequence, *ids = (events[name].to_numpy()[lead] for name in names)
    nothing = np.zeros(lead.size, np.int64)
    topics, topic = _with_topics(columns)
    on_topics = _topics_of(lead, topic)
    placed = replace(
        columns,
        topics=topics,
        topic=topic,
        row=row[lead],
        topics_of_event=np.maximum(columns.topics_of_event, on_topics),
        at_us=integers(events["occurred_at"])[lead] if timed else nothing,
        sequence=sequence,
        about=about_of(events)[lead] if timed else nothing,
        id_hi=ids[0] if timed else lead,
        id_lo=ids[1] if timed else nothing,
    )
    return make_batch(replace(placed, duration_ms=_duration_ms(placed, clock if timed else None)), days=days)


def first_of_interaction(events: pa.Table) -> Int64s:
    """Return int64[n]: for each row the first row, in time, of its student's interaction; itself without one.

    Of rows at one moment and sequence it is the first as events are ordered: it does not depend on the order of the
    rows.
    """
    rows = np.arange(events.num_rows, dtype=np.int64)
    interaction = events[INTERACTION.name]
    if interaction.null_count == events.num_rows:
        return rows
    given = np.flatnonzero(interaction.is_valid().to_numpy())
    both = events.take(pa.array(given))
    student, shared = (_codes(both[name]) for name in ("student_id", INTERACTION.name))
    pair = student * (int(shared.max()) + 1) + shared
    order = np.lexsort((*reversed(order_keys(both)), pair))
    start = np.flatnonzero(np.concatenate([[True], np.diff(pair[order]) != 0]))
    rows[given[order]] = given[np.repeat(order[start], np.diff(np.append(start, order.size)))]
    return rows


def _topics_of(lead: Int64s, topic: Int32s) -> Int32s:
    """Return int32[n]: on how many topics the answer of each row is."""
    width = int(topic.max(initial=0)) + 1
    counts = np.bincount(np.unique(lead * width + topic) // width, minlength=int(lead.max(initial=-1)) + 1)
    return counts[lead].astype(np.int32)


def _codes(column: pa.ChunkedArray) -> Int64s:
    codes = column.combine_chunks().dictionary_encode().indices
    return np.asarray(codes.to_numpy(zero_copy_only=False), np.int64)


def _with_topics(columns: EventColumns) -> tuple[list[tuple[str, str]], Int32s]:
    """Return topics, ascending, and codes; those that are unassigned are on `NO_TOPIC`."""
    named = [(tenant, NO_TOPIC if name == UNASSIGNED else name) for tenant, name in columns.topics]
    topics = sorted(set(named))
    place = {one: code for code, one in enumerate(topics)}
    return topics, np.array([place[one] for one in named], np.int32)[columns.topic]


def _duration_ms(columns: EventColumns, clock: Clock | None) -> Int64s:
    """Return int64[n]: how long each event took, `ABSENT` where that is unknown."""
    quiz = columns.kind == QUIZ
    took = columns.duration_ms
    if clock is not None and not np.any(took[quiz] != ABSENT):
        _, order = order_rows(columns)
        before, after = order[:-1], order[1:]
        same = columns.student[after] == columns.student[before]
        gap = np.full(took.size, ABSENT, np.int64)
        between = (columns.at_us[after] - columns.at_us[before]) // 1_000
        gap[before if clock == "start" else after] = np.where(same, between, ABSENT)
        took = np.where(quiz, gap, took)
    return np.where(quiz & (took > LONGEST_ANSWER_MS), ABSENT, took)
