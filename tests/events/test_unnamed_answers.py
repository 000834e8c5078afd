"""Rows of one answer on several topics that nothing names."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mastery.events.unnamed_answers import are_one_answer, following


def first_rows(rows: str, *, timed: bool = False, at: str | None = None, students: int = 40) -> list[int]:
    """Return the first row of each one's answer; a row is item, topic and outcome, such as `qa1`.

    All students have these rows: of few nobody could say whether their outcomes are always alike.
    """
    items, topics, outcomes = ([ord(row[place]) for row in rows.split()] for place in range(3))
    n = len(items)
    columns = (np.tile(np.array(one, np.int64), students) for one in (items, topics, outcomes))
    at_us = np.tile(np.array([int(c) for c in at], np.int64) if at is not None else np.arange(n), students)
    student, sequence, may = np.repeat(np.arange(students), n), np.arange(n * students), np.ones(n * students, bool)
    rows = following(student, *columns, at_us, sequence, may, timed=timed)
    found = (rows.first() if are_one_answer([rows]) else np.arange(n * students)).reshape(students, n)
    assert np.array_equal(found, found[0] + n * np.arange(students)[:, None])
    return found[0].tolist()


def test_rows_that_follow_each_other_with_one_question_and_outcome_are_one_answer():
    assert first_rows("qa1 qb1 ra0 rc0 rd0 sa1") == [0, 0, 2, 2, 2, 5]


def test_the_second_time_that_a_topic_comes_is_another_answer():
    assert first_rows("qa1 qb1 qa1 qb1") == [0, 0, 2, 2]
    assert first_rows("qa1 qb1 qa1") == [0, 0, 2]


def test_with_moments_only_rows_of_one_moment_are_one_answer():
    assert first_rows("qa1 qb1 ra0 rb0", timed=True, at="0011") == [0, 0, 2, 2]
    assert first_rows("qa1 qb1 ra0 rb0", timed=True, at="0123") == [0, 1, 2, 3]
    # In a moment the rows of an answer need not stand together: all of one topic may come first.
    assert first_rows("qa1 ra0 qb1 rb0", timed=True, at="0000") == [0, 1, 0, 1]


def test_of_a_few_rows_nobody_can_say_so():
    assert first_rows("qa1 qb1", students=19) == [0, 1]
    assert first_rows("qa1 qb1", students=20) == [0, 0]


def test_steps_of_a_problem_that_go_differently_stay_answers_of_their_own():
    assert first_rows("qa1 qb0 ra1 rb1 sa0 sb0 ta0 tb1") == list(range(8))


@given(st.integers(1, 40), st.integers(2, 3), st.randoms())
def test_each_of_some_answers_on_k_topics_is_found_whatever_the_outcomes(answers, topics, random):
    outcomes = [random.randint(0, 1) for _ in range(answers)]
    rows = [f"{chr(200 + k)}{chr(97 + t)}{outcomes[k]}" for k in range(answers) for t in range(topics)]
    assert first_rows(" ".join(rows)) == [k * topics for k in range(answers) for _ in range(topics)]
