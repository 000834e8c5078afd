from __future__ import annotations

import pytest

from mastery.errors import BadInput
from mastery.events.recognise import check_columns, recognise, source_named
from mastery.events.registry import SOURCES

SPEC = {
    "quiz_attempts": "student_id, question_id, topic_id, is_correct, time_spent_sec, attempt_number, timestamp",
    "assignments": "student_id, assignment_id, topic_ids, score_pct, timestamp",
    "video_events": "student_id, video_id, topic_id, watch_pct, watch_duration, rewind_count, timestamp",
    "practice_sessions": "student_id, topic_id, attempts, correct_count, timestamp",
    "chatbot_interactions": "student_id, topic_id, queries, resolved_count, timestamp",
    "teacher_feedback": "teacher_id, student_id, topic_id, score, reason, timestamp",
    "topics": "topic_id, title, chapter, subject, course, prerequisites, difficulty_estimate, content_length",
    "items": "question_id, topic_id, difficulty, kind",
    "responses": "student_id, question_id, topic_id, is_correct, timestamp, order, time_spent_sec, attempts_count",
}


@pytest.mark.parametrize("name", SPEC)
def test_a_table_with_the_documented_columns_is_recognised(name):
    columns = SPEC[name].split(", ")
    assert recognise(columns) == name
    assert recognise([*columns[::-1], "something else"]) == name
    check_columns(SOURCES[name], columns)


@pytest.mark.parametrize("name", [name for name, source in SOURCES.items() if not source.metadata])
def test_a_table_of_events_without_a_column_it_needs_is_recognised_as_nothing_else(name):
    columns = SPEC[name].split(", ")
    for needed in SOURCES[name].needed():
        rest = [column for column in columns if column != needed]
        if needed == "student_id" and "question_id" in rest:
            continue  # without students it may well be a list of items
        with pytest.raises(BadInput, match=f"'{needed}'"):
            recognise(rest)
        with pytest.raises(BadInput, match=f"for {name}, .*'{needed}'.* missing"):
            check_columns(SOURCES[name], rest)


def test_of_two_tables_that_fit_the_one_that_asks_for_more_is_meant():
    assert recognise(SPEC["responses"].split(", ")) == "responses"
    assert recognise([*SPEC["quiz_attempts"].split(", "), "order"]) == "quiz_attempts"


def test_answers_with_an_order_in_the_place_of_time_stamps_are_a_research_log():
    for columns in ("student_id, question_id, topic_id, is_correct, order", "is_correct, student_id, order"):
        assert recognise(columns.split(", ")) == "responses"
    with pytest.raises(BadInput, match="'timestamp'"):
        recognise(["student_id", "question_id", "topic_id", "is_correct"])


def test_every_table_has_a_name_of_its_own_and_a_line_in_the_registry():
    assert set(SOURCES) == set(SPEC)
    assert all(source_named(name).name == name for name in SPEC)


def test_every_column_says_what_it_is():
    for source in SOURCES.values():
        names = [column.name for column in source.columns]
        assert len(set(names)) == len(names)
        assert all(column.doc for column in source.columns)
        assert source.outcome is None or source.outcome in names
        assert set(source.own_id) <= set(names) or source.metadata


def test_a_quiz_file_that_names_its_students_otherwise_is_refused_and_never_taken_for_items():
    with pytest.raises(BadInput, match="student_id"):
        recognise(["pupil", "question_id", "topic_id", "is_correct", "timestamp"])
    with pytest.raises(BadInput, match="student_id"):
        recognise(["pupil", "question_id", "topic_id", "is_correct"])
    assert recognise(["question_id", "topic_id", "difficulty"]) == "items"


def test_a_column_of_names_is_not_taken_for_a_misspelt_id():
    columns = ["Student", "question_id", "topic_id", "is_correct", "timestamp", "time_spent_sec", "attempt_number"]
    with pytest.raises(BadInput, match="'student_id'") as caught:
        check_columns(SOURCES["quiz_attempts"], columns)
    assert "did you mean" not in str(caught.value)
    with pytest.raises(BadInput, match="is it 'Student ID'"):
        check_columns(SOURCES["quiz_attempts"], ["Student ID", *columns])
