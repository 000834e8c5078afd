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
    places = [known.get(student, ()) for student in columns.students]
    topics = sorted({topic for slots in places for topic, _ in slots})
    code = {topic: i for i, topic in enumerate(topics)}
    slot_ptr = np.zeros(len(places) + 1, np.int64)
    np.cumsum([len(slots) for slots in places], out=slot_ptr[1:])
    slot_topic = np.array([code[topic] for slots in places for topic, _ in slots], np.int32)
    last_day = np.array([day for slots in places for _, day in slots], np.int64)
    return resume_slots(columns, topics, KnownSlots(slot_ptr, slot_topic, last_day), days)


def resume_slots(columns: EventColumns, topics: Sequence[str], known: KnownSlots, days: SchoolDays = UTC_DAYS) -> Batch:
    """Return the batch of new events as `resume` does, of students whose topics are given as arrays.

    Args:
        columns: The new events.
        topics: The topic ids that codes in `known` mean, in any order.
        known: Of each student of the columns.
        days: Into which time is cut.

    Raises:
        BadInput: a student has a topic twice.
    """
    tenant_names = sorted(set(columns.tenants))
    tenant = np.array([tenant_names.index(name) for name in columns.tenants], np.int64)
    student = np.repeat(np.arange(len(columns.students)), np.diff(known.ptr))
    scoped, code = np.unique(tenant[student] * max(len(topics), 1) + known.topic, return_inverse=True)
    found = [(tenant_names[one // len(topics)], topics[one % len(topics)]) for one in scoped.tolist()]
    every = sorted({*columns.topics, *found})
    place = {topic: i for i, topic in enumerate(every)}
    of_columns, of_known = (np.array([place[one] for one in some], np.int32) for some in (columns.topics, found))
    slot_topic = of_known[code]
    slots = np.sort(student * len(every) + slot_topic)
    twice = np.flatnonzero(slots[1:] == slots[:-1])
    if twice.size:
        name = columns.students[int(slots[twice[0]]) // len(every)]
        raise BadInput(f"student {name}: a stored topic is named twice; expected each once. Fold from the lake")
    return make_batch(
        replace(columns, topics=every, topic=of_columns[columns.topic]),
        KnownSlots(known.ptr, slot_topic, known.last_day),
        days,
    )
