"""Folding on from a stored state: new events, and the topics that each student has already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from mastery.errors import BadInput
from mastery.features.batch import Batch, make_batch
from mastery.features.columns import EventColumns


def resume(columns: EventColumns, known: Mapping[str, Sequence[str]]) -> Batch:
    """Return the batch of new events of students who have topics already.

    Args:
        columns: The new events.
        known: Topic ids by student, in the order of the stored rows of state. Students who are not in it start
            from nothing; students without new events are left out.

    The first slots of a student are the known topics in that order, so a stored state is copied row by row into
    `slot_ptr[s]` and on; topics met for the first time follow. `Batch.topics` holds both.

    Law: start, fold a, resume with b, fold b equals start, fold a + b, bit for bit.

    Raises:
        BadInput: a student has a topic twice.
    """
    places = [
        [(tenant, topic) for topic in known.get(student, ())]
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
    return make_batch(replace(columns, topics=topics, topic=recoded[columns.topic]), known=(slot_ptr, slot_topic))
