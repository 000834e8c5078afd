"""Folding on from a stored state: new events, and the topics that each student has already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from mastery.errors import BadInput
from mastery.features.batch import Batch, KnownSlots, make_batch
from mastery.features.columns import EventColumns
from mastery.school_days import UTC_DAYS, SchoolDays


def resume(columns: EventColumns, known: Mapping[str, Sequence[tuple[str, int]]], days: SchoolDays = UTC_DAYS) -> Batch:
    """Return the batch of new events of students who have topics already.

    Args:
        columns: The new events.
        known: By student, topic ids in the order of the stored rows of state, each with the last day that the student
            was active on it, `NO_DAY` for none. Students who are not in it start from nothing; students without new
            events are left out.
        days: Into which time is cut.

    The first slots of a student are the known topics in that order, so a stored state is copied row by row into
    `slot_ptr[s]` and on; topics met for the first time follow. `Batch.topics` holds both.

    Law: start, fold a, resume with b, fold b equals start, fold a + b, bit for bit.

    Raises:
        BadInput: a student has a topic twice.
    """
    places = [
        [(tenant, topic) for topic, _ in known.get(student, ())]
        for student, tenant in zip(columns.students, columns.tenants, strict=True)
    ]
    for student, topics_of_student in zip(columns.students, places, strict=True):
        if len(set(topics_of_student)) < len(topics_of_student):
            raise BadInput(f"student {student}: a stored topic is named twice; expected each once. Fold from the lake")
    topics = sorted({*columns.topics, *(topic for topics_of_student in places for topic in topics_of_student)})
    code = {topic: i for i, topic in enumerate(topics)}
    recoded = np.array([code[topic] for topic in columns.topics], np.int32)
    slot_ptr = np.zeros(len(places) + 1, np.int64)
    np.cumsum([len(topics_of_student) for topics_of_student in places], out=slot_ptr[1:])
    slot_topic = np.array([code[topic] for topics_of_student in places for topic in topics_of_student], np.int32)
    last_day = np.array([day for student in columns.students for _, day in known.get(student, ())], np.int64)
    return make_batch(
        replace(columns, topics=topics, topic=recoded[columns.topic]), KnownSlots(slot_ptr, slot_topic, last_day), days
    )
