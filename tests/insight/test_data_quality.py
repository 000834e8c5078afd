"""What is said of a log whose rows share moments, repeat each other, or are on several topics."""

from __future__ import annotations

import pyarrow as pa
import pytest

from answers import answers_in
from mastery.events.read_options import ReadOptions
from mastery.insight.data_quality import data_warnings, unknown_topics


def said(*rows: tuple[str, str, str, int, str], **options) -> list[str]:
    """Return the warnings on rows of (student, question, topic, right, time)."""
    names = ("student_id", "question_id", "topic_id", "is_correct", "timestamp")
    table = pa.table({name: [row[k] for row in rows] for k, name in enumerate(names)})
    return data_warnings(answers_in(table, options=ReadOptions(**options)).batch())


A = ("s", "q1", "t", 1, "2026-01-05T10:00:00Z")
B = ("s", "q2", "t", 0, "2026-01-06T10:00:00Z")


def test_of_a_log_without_oddities_nothing_is_said():
    assert said(A, B, ("other", *A[1:])) == []


def test_answers_of_one_moment_are_told():
    (told,) = said(A, B, ("s", "q3", "t", 1, B[-1]))
    assert told.startswith("2 of 3 answers share the moment with another one of the same student")


def test_equal_answers_of_one_moment_are_told_where_they_count_as_several():
    told = said(A, A, A, B, repeats="answers")
    assert told[0].startswith("3 of 4 answers share the moment")
    assert told[1].startswith("2 of 4 answers repeat another one in student, question, topic, moment and outcome")
    assert len(told) == 2
    assert said(A, A, A, B, repeats="duplicates") == []


def test_an_answer_on_several_topics_is_told_and_its_question_is_shared():
    told = said(A, ("s", "q1", "u", 1, A[-1]), B)
    several, shared = told
    assert several.startswith("1 of 2 answers is on several topics at once: each is predicted before any of its")
    assert shared.startswith("1 of 2 questions is used on several topics")


def test_answers_to_one_question_at_one_moment_that_are_not_one_answer_are_told():
    names = ("student_id", "question_id", "topic_id", "is_correct", "timestamp", "order")
    rows = [("s", "q1", "t", 1, A[-1], 1), ("s", "q1", "u", 0, A[-1], 2), (*B, 3)]
    batch = answers_in(pa.table({name: [row[k] for row in rows] for k, name in enumerate(names)})).batch()
    told = data_warnings(batch)
    assert any(one.startswith("2 of 3 answers are of the student, question and moment of another one") for one in told)


@pytest.mark.parametrize("known", [["t"], []])
def test_topics_that_a_fit_has_not_seen_are_named(known):
    names = ("student_id", "question_id", "topic_id", "is_correct", "timestamp")
    table = pa.table({name: [row[k] for row in (A, B)] for k, name in enumerate(names)})
    batch = answers_in(table).batch()
    told = unknown_topics([("default", topic) for topic in known], batch, "here")
    expected = (
        "2 of 2 answers here are on 1 topic that the fit has not seen (t): they are scored by what is expected of any "
        "topic"
    )
    assert told == ([] if known else [expected])
    one = answers_in(pa.table({name: [A[k]] for k, name in enumerate(names)})).batch()
    told = unknown_topics([], one, "here")
    assert told[0].startswith("1 of 1 answer here is on 1 topic that the fit has not seen (t): it is scored")
