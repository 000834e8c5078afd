"""Values that cannot be used, and what becomes of them at every door: files, requests, streams."""

from __future__ import annotations

GOOD: dict[str, dict[str, str]] = {
    "quiz_attempts": {
        "student_id": "S1",
        "question_id": "Q1",
        "topic_id": "T1",
        "is_correct": "1",
        "time_spent_sec": "12.5",
        "attempt_number": "1",
        "timestamp": "2024-05-06T07:08:09Z",
        "attempt_id": "",
        "hints_used": "",
        "replaces": "",
        "order": "",
    },
    "practice_sessions": {
        "student_id": "S1",
        "topic_id": "T1",
        "attempts": "10",
        "correct_count": "7",
        "timestamp": "2024-05-06T07:08:09Z",
        "session_id": "",
        "replaces": "",
    },
    "assignments": {
        "student_id": "S1",
        "assignment_id": "A1",
        "topic_ids": "T1|T2|T1|T3",
        "score_pct": "60",
        "timestamp": "2024-05-06T07:08:09Z",
    },
    "video_events": {
        "student_id": "S1",
        "video_id": "V1",
        "topic_id": "T1",
        "watch_pct": "55",
        "watch_duration": "60",
        "rewind_count": "2",
        "timestamp": "2024-05-06T07:08:09Z",
    },
    "chatbot_interactions": {
        "student_id": "S1",
        "topic_id": "T1",
        "queries": "3",
        "resolved_count": "2",
        "timestamp": "2024-05-06T07:08:09Z",
    },
    "teacher_feedback": {
        "teacher_id": "L1",
        "student_id": "S1",
        "topic_id": "T1",
        "score": "0.6",
        "reason": "Explains it,\nin her own words",
        "timestamp": "2024-05-06T07:08:09Z",
    },
}
"""A row of each table."""

REFUSED: list[tuple[str, dict[str, str], str, str]] = [
    ("quiz_attempts", {"is_correct": "maybe"}, "is_correct", "not_a_boolean"),
    ("quiz_attempts", {"is_correct": ""}, "is_correct", "no_outcome"),
    ("quiz_attempts", {"timestamp": "2025-01-01T00:05:01Z"}, "timestamp", "future"),
    ("quiz_attempts", {"timestamp": "1989-12-31T23:59:59Z"}, "timestamp", "too_old"),
    ("quiz_attempts", {"timestamp": "0"}, "timestamp", "not_a_time"),
    ("quiz_attempts", {"timestamp": "2024-02-30"}, "timestamp", "not_a_time"),
    ("quiz_attempts", {"timestamp": ""}, "timestamp", "missing"),
    ("quiz_attempts", {"topic_id": "x" * 1025}, "topic_id", "bad_id"),
    ("quiz_attempts", {"question_id": "Q\x07"}, "question_id", "bad_id"),
    ("quiz_attempts", {"attempt_id": "A1", "replaces": "A1"}, "replaces", "replaces_itself"),
    ("practice_sessions", {"correct_count": "11"}, "correct_count", "impossible"),
    ("practice_sessions", {"attempts": ""}, "attempts", "missing"),
    ("practice_sessions", {"attempts": "-1"}, "attempts", "out_of_range"),
    ("practice_sessions", {"correct_count": ""}, "correct_count", "no_outcome"),
    ("assignments", {"score_pct": "201"}, "score_pct", "out_of_range"),
    ("assignments", {"score_pct": "7/0"}, "score_pct", "not_a_number"),
    ("assignments", {"topic_ids": '["T1"'}, "topic_ids", "not_a_list"),
    ("video_events", {"watch_pct": "-1"}, "watch_pct", "out_of_range"),
    ("chatbot_interactions", {"resolved_count": "4"}, "resolved_count", "impossible"),
    ("teacher_feedback", {"score": "60"}, "score", "out_of_range"),
]
"""Table, values that cost their row, the column that is named, and the code of the reason."""

LEFT_OUT: list[tuple[str, dict[str, str], str]] = [
    ("quiz_attempts", {"time_spent_sec": "nan"}, "duration_ms"),
    ("quiz_attempts", {"time_spent_sec": "inf"}, "duration_ms"),
    ("quiz_attempts", {"time_spent_sec": "-0.5"}, "duration_ms"),
    ("quiz_attempts", {"time_spent_sec": "NA"}, "duration_ms"),
    ("quiz_attempts", {"time_spent_sec": "1e99"}, "duration_ms"),
    ("quiz_attempts", {"attempt_number": "1.5"}, "attempt_number"),
    ("quiz_attempts", {"attempt_number": "NULL"}, "attempt_number"),
    ("quiz_attempts", {"hints_used": "-1"}, "hints"),
    ("quiz_attempts", {"hints_used": "none"}, "hints"),
    ("quiz_attempts", {"replaces": "NA"}, "replaces_lo"),
    ("video_events", {"watch_duration": "-1"}, "duration_ms"),
    ("video_events", {"rewind_count": "-"}, "rewinds"),
]
"""Table, values that cost only themselves, and the field of the event that is empty then."""
