"""The ways in which a row of a simulated file can be broken, table by table."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True)
class Defect:
    """One column of one row that says something it must not.

    Attributes:
        name: What is wrong, the word under which it is counted.
        column: The column that is changed.
        value: What it says instead, as JSON would hold it; None is an empty cell.
    """

    name: str
    column: str
    value: str | float | int | None

    def fits(self, schema: pa.Schema) -> bool:
        """Return whether a typed column can hold the value; text files hold anything."""
        kind = schema.field(self.column).type
        if self.value is None:
            return True
        if isinstance(self.value, str):
            return bool(pa.types.is_dictionary(kind) or pa.types.is_string(kind))
        return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


_STUDENT = Defect("missing_student", "student_id", None)
_NO_TIME = Defect("missing_time", "timestamp", None)
_BAD_TIME = Defect("bad_time", "timestamp", "2026-02-30T10:15:00Z")
_TOPIC = Defect("unknown_topic", "topic_id", "not-in-the-course")

DEFECTS: dict[str, tuple[Defect, ...]] = {
    "quiz_attempts": (
        _STUDENT,
        _NO_TIME,
        _BAD_TIME,
        _TOPIC,
        Defect("not_a_boolean", "is_correct", "maybe"),
        Defect("not_a_number", "time_spent_sec", "ten"),
        Defect("negative", "time_spent_sec", -12.5),
    ),
    "practice_sessions": (
        _STUDENT,
        _BAD_TIME,
        Defect("not_a_number", "attempts", "some"),
        Defect("negative", "attempts", -3),
        Defect("out_of_range", "correct_count", 999),  # more right than tried
    ),
    "assignments": (
        _STUDENT,
        _BAD_TIME,
        Defect("not_a_number", "score_pct", "B+"),
        Defect("out_of_range", "score_pct", 140.0),
    ),
    "video_events": (
        _STUDENT,
        _BAD_TIME,
        _TOPIC,
        Defect("out_of_range", "watch_pct", 250.0),
        Defect("negative", "watch_duration", -30.0),
    ),
    "chatbot_interactions": (
        _STUDENT,
        _BAD_TIME,
        Defect("negative", "queries", -1),
        Defect("out_of_range", "resolved_count", 999),  # more resolved than asked
    ),
    "teacher_feedback": (
        _STUDENT,
        _NO_TIME,
        Defect("not_a_number", "score", "good"),
        Defect("out_of_range", "score", 7.5),  # out of ten, where 0 to 1 is meant
    ),
}
