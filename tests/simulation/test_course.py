"""Topics, items and what is behind them."""

from __future__ import annotations

import numpy as np
import pytest

from mastery.simulation import SchoolPlan, course_of
from mastery.simulation.curriculum import NAMED, curriculum


@pytest.mark.parametrize("topics", [1, 24, 40, 47, 300])
def test_prerequisites_come_before_what_needs_them(topics):
    seen: set[str] = set()
    for topic in curriculum(topics):
        assert set(topic.prerequisites) <= seen
        assert topic.topic_id not in seen
        seen.add(topic.topic_id)
    assert len(seen) == topics


def test_forty_topics_have_names_of_their_own():
    assert len(NAMED) == 40
    assert len({topic.title for topic in NAMED}) == 40


def test_a_chapter_lies_in_one_subject_and_a_subject_in_one_course():
    whole = curriculum(300)
    assert len({topic.chapter for topic in whole}) == len({(topic.chapter, topic.subject) for topic in whole}) == 75
    assert len({topic.subject for topic in whole}) == len({(topic.subject, topic.course) for topic in whole}) == 5


def test_more_topics_leave_those_that_were_there_as_they_were():
    few, many = (course_of(SchoolPlan(students=1, days=1, topics=topics)) for topics in (24, 40))
    assert many.topics.slice(0, 24) == few.topics
    np.testing.assert_array_equal(many.numbers.item_difficulty[: 24 * 12], few.numbers.item_difficulty)


def test_the_mean_item_of_each_topic_has_no_difficulty_of_its_own():
    numbers = course_of(SchoolPlan(students=1, days=1)).numbers
    np.testing.assert_allclose(numbers.item_difficulty.reshape(40, 12).mean(axis=1), 0.0, atol=1e-12)


def test_guess_and_slip_leave_room_for_knowing_even_when_rushed():
    numbers = course_of(SchoolPlan(students=1, days=1)).numbers
    assert np.all(numbers.guess + numbers.slip + 0.2 < 1)


def test_estimates_are_shares_and_lengths_are_minutes():
    topics = course_of(SchoolPlan(students=1, days=1, topics=300)).topics
    assert 0 <= min(topics["difficulty_estimate"].to_pylist()) < max(topics["difficulty_estimate"].to_pylist()) <= 1
    assert min(topics["content_length"].to_pylist()) > 10
