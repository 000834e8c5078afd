"""From the rows that the kernel wrote to source tables."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mastery.instants import DAY_S
from mastery.simulation import rows
from mastery.simulation.course import VIDEOS_PER_TOPIC, Floats, question_ids
from mastery.simulation.curriculum import SUBJECTS, curriculum
from mastery.simulation.plan import SchoolPlan
from mastery.simulation.rows import KINDS, TRAITS, Log

Cut = NDArray[np.int32]

ID = pa.dictionary(pa.int32(), pa.string())
AT = pa.timestamp("us", tz="UTC")
SECOND_US = 1_000_000
MAX_EVENTS_PER_STUDENT = 1_000_000  # a source id is the student's number times this, plus the event's

# In the order of the kernel: level of the score from low to high, two phrases each.
REASONS = (
    "Does not get started without help",
    "Mixes up the basic ideas, needs to go back",
    "Knows the steps but not why",
    "Gets easy tasks right, hard ones seldom",
    "Solid on routine tasks, unsure on new ones",
    "Makes small slips, corrects them when asked",
    "Explains it to others",
    "Secure, ready for the next topic",
)

SCHEMAS: dict[str, pa.Schema] = {
    "quiz_attempts": pa.schema(
        {
            "student_id": ID,
            "question_id": ID,
            "topic_id": ID,
            "is_correct": pa.bool_(),
            "time_spent_sec": pa.float64(),
            "attempt_number": pa.int32(),
            "timestamp": AT,
            "attempt_id": pa.string(),
            "hints_used": pa.int32(),
        }
    ),
    "practice_sessions": pa.schema(
        {
            "student_id": ID,
            "topic_id": ID,
            "attempts": pa.int32(),
            "correct_count": pa.int32(),
            "timestamp": AT,
            "session_id": pa.string(),
            "hints_used": pa.int32(),
        }
    ),
    "assignments": pa.schema(
        {
            "student_id": ID,
            "assignment_id": pa.string(),
            "topic_ids": pa.list_(pa.string()),
            "score_pct": pa.float64(),
            "timestamp": AT,
        }
    ),
    "video_events": pa.schema(
        {
            "student_id": ID,
            "video_id": ID,
            "topic_id": ID,
            "watch_pct": pa.float64(),
            "watch_duration": pa.float64(),
            "rewind_count": pa.int32(),
            "timestamp": AT,
        }
    ),
    "chatbot_interactions": pa.schema(
        {"student_id": ID, "topic_id": ID, "queries": pa.int32(), "resolved_count": pa.int32(), "timestamp": AT}
    ),
    "teacher_feedback": pa.schema(
        {
            "teacher_id": ID,
            "student_id": ID,
            "topic_id": ID,
            "score": pa.float64(),
            "reason": ID,
            "timestamp": AT,
        }
    ),
}
"""Columns of each source table, as in docs/events.md; watch_duration in seconds, shares in per cent."""

TRUTH_SCHEMA = pa.schema({"student_id": ID, "topic_id": ID, "day": pa.date32(), "true_mastery": pa.float64()})


@dataclass(frozen=True)
class Chunk:
    """What students first to last − 1 did, and what they truly knew.

    Attributes:
        tables: Source table of each kind, columns of `SCHEMAS`, rows by student and then by time.
            Ids that repeat are dictionary-encoded. Without source_ids there is no attempt_id and no session_id.
        truth: Columns of `TRUTH_SCHEMA`: true mastery at the end of the day, rounded to four digits, of
            the topics studied on it, and on each seventh day of all met so far. Empty without plan.truth.
        students: student_id and the columns of `mastery.simulation.rows.TRAITS`.
    """

    first: int
    last: int
    tables: dict[str, pa.Table]
    truth: pa.Table
    students: pa.Table

    @property
    def events(self) -> int:
        """Number of events of all kinds."""
        return sum(table.num_rows for table in self.tables.values())


def student_id(number: int) -> str:
    """Return the school's own id of the student with this number, from 0: S000001 and on."""
    return f"S{number + 1:06d}"


def chunk_of(plan: SchoolPlan, first: int, last: int, log: Log, traits: Floats) -> Chunk:
    """Return what the kernel wrote about students first to last − 1 as tables."""
    events, truths = int(log.used[rows.USED_EVENTS]), int(log.used[rows.USED_TRUTH])
    students = pa.array([student_id(number) for number in range(first, last)], pa.string())
    of_kind = log.events[:events, rows.KIND]
    tables = {}
    for kind, name in enumerate(KINDS):
        mine = np.flatnonzero(of_kind == kind)
        cut = log.events[mine]
        columns = _columns(plan, kind, cut, pa.DictionaryArray.from_arrays(cut[:, rows.STUDENT] - first, students))
        columns["timestamp"] = _instants(plan, log.at_s[mine])
        schema = SCHEMAS[name]
        if not plan.source_ids:
            schema = pa.schema([field for field in schema if field.name in columns])
        tables[name] = pa.table([columns[field.name] for field in schema], schema=schema)
    return Chunk(first, last, tables, _truth(plan, first, students, log, truths), _students(students, traits))


def _columns(plan: SchoolPlan, kind: int, cut: Cut, student: pa.Array) -> dict[str, pa.Array]:
    a, b, c, d, e = (np.ascontiguousarray(cut[:, column]) for column in (rows.A, rows.B, rows.C, rows.D, rows.E))
    topic_number = np.ascontiguousarray(cut[:, rows.TOPIC])
    topics = _topic_ids(plan.topics)
    columns = {"student_id": student, "topic_id": _coded(topic_number, topics)}
    if kind == rows.QUIZ:
        columns["question_id"] = _coded(a, _question_ids(plan.topics, plan.items_per_topic))
        columns |= {"is_correct": b == 1, "time_spent_sec": c / 10.0, "attempt_number": d, "hints_used": e}
        if plan.source_ids:
            columns["attempt_id"] = _own_ids("q", cut)
    elif kind == rows.PRACTICE:
        columns |= {"attempts": a, "correct_count": b, "hints_used": c}
        if plan.source_ids:
            columns["session_id"] = _own_ids("p", cut)
    elif kind == rows.ASSIGNMENT:
        columns["assignment_id"] = pc.binary_join_element_wise(
            "hw", columns["topic_id"].cast(pa.string()), pc.cast(pa.array(d), pa.string()), "-"
        )
        columns |= {"topic_ids": _lists(topics, topic_number, a, b), "score_pct": c / 2.0}
    elif kind == rows.VIDEO:
        columns["video_id"] = _coded(topic_number * VIDEOS_PER_TOPIC + a, _video_ids(plan.topics))
        columns |= {"watch_pct": b / 10.0, "watch_duration": c.astype(np.float64), "rewind_count": d}
    elif kind == rows.CHATBOT:
        columns |= {"queries": a, "resolved_count": b}
    else:
        columns["teacher_id"] = _coded(_teachers(plan.topics)[topic_number], _teacher_ids())
        columns |= {"score": a / 100.0, "reason": _coded(b, pa.array(REASONS))}
    return columns


def _coded(numbers: Cut, values: pa.Array) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(numbers, pa.int32()), values)


def _own_ids(letter: str, cut: Cut) -> pa.Array:
    number = (cut[:, rows.STUDENT].astype(np.int64) + 1) * MAX_EVENTS_PER_STUDENT + cut[:, rows.SERIAL]
    return pc.binary_join_element_wise(letter, pc.cast(pa.array(number), pa.string()), "")


def _lists(topics: pa.Array, first: Cut, second: Cut, third: Cut) -> pa.Array:
    wide = np.stack([first, second, third], axis=1)
    ends = np.cumsum(np.concatenate([[0], (wide >= 0).sum(axis=1)]), dtype=np.int32)
    return pa.ListArray.from_arrays(pa.array(ends), topics.take(pa.array(wide[wide >= 0])))


def _instants(plan: SchoolPlan, at_s: NDArray[np.int64]) -> pa.Array:
    midnight_s = _epoch_day(plan) * DAY_S
    return pa.array((at_s + midnight_s) * SECOND_US, pa.int64()).cast(AT)


def _epoch_day(plan: SchoolPlan) -> int:
    return int(np.datetime64(plan.start, "D").astype(np.int64))


def _truth(plan: SchoolPlan, first: int, students: pa.Array, log: Log, count: int) -> pa.Table:
    truth = log.truth[:count]
    day = pa.array(truth[:, rows.TRUTH_DAY] + np.int32(_epoch_day(plan)), pa.int32()).cast(pa.date32())
    columns = [
        pa.DictionaryArray.from_arrays(truth[:, rows.TRUTH_STUDENT] - first, students),
        _coded(np.ascontiguousarray(truth[:, rows.TRUTH_TOPIC]), _topic_ids(plan.topics)),
        day,
        pa.array(np.round(log.mastery[:count], 4)),
    ]
    return pa.table(columns, schema=TRUTH_SCHEMA)


def _students(students: pa.Array, traits: Floats) -> pa.Table:
    columns = {name: np.round(traits[:, place], 4) for place, name in enumerate(TRAITS)}
    columns["hint_abuser"] = columns["hint_abuser"] == 1.0
    return pa.table({"student_id": students, **columns})


@lru_cache(maxsize=8)
def _topic_ids(topics: int) -> pa.Array:
    return pa.array([topic.topic_id for topic in curriculum(topics)], pa.string())


@lru_cache(maxsize=8)
def _question_ids(topics: int, items_per_topic: int) -> pa.Array:
    return pa.array(question_ids(topics, items_per_topic), pa.string())


@lru_cache(maxsize=8)
def _video_ids(topics: int) -> pa.Array:
    ids = [f"{topic.topic_id}-v{video + 1}" for topic in curriculum(topics) for video in range(VIDEOS_PER_TOPIC)]
    return pa.array(ids, pa.string())


@lru_cache(maxsize=1)
def _teacher_ids() -> pa.Array:
    return pa.array([f"T{number + 1:02d}" for number in range(len(SUBJECTS))], pa.string())


@lru_cache(maxsize=8)
def _teachers(topics: int) -> Cut:
    subjects = [subject for subject, _ in SUBJECTS]
    return np.array([subjects.index(topic.subject) for topic in curriculum(topics)], dtype=np.int32)
