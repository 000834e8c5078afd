"""An answer as a message of a stream: its key, and its row as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime

from benchmarks import school
from mastery.simulation.chunk import student_id
from mastery.streams import key_of


def answer_message(
    student: int, item: Mapping[str, str], *, right: bool, at: datetime, own_id: str
) -> tuple[bytes, bytes]:
    """Return key and value of a message that brings an answer of a student of the school.

    Args:
        student: Their number.
        item: With `item_id` and `topic_id`.
        own_id: The source's own id of the answer.
    """
    name = student_id(student)
    answer = {
        "table": "quiz_attempts",
        "student_id": name,
        "question_id": item["item_id"],
        "topic_id": item["topic_id"],
        "is_correct": right,
        "timestamp": at.isoformat(),
        "attempt_id": own_id,
    }
    return key_of(school.TENANT, name), json.dumps(answer).encode()
