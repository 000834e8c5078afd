from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mastery.insight.rollups import EVIDENCE_CAP, CurriculumPath, TopicScore, rollup, unplaced_note

PLACES = {
    "add": CurriculumPath("Adding", "Fractions", "Numbers", "Maths 5"),
    "sub": CurriculumPath("Subtracting", "Fractions", "Numbers", "Maths 5"),
    "mul": CurriculumPath("Multiplying", "Fractions", "Numbers", "Maths 5"),
    "area": CurriculumPath("Area", "Shapes", "Geometry", "Maths 5"),
    "odd": CurriculumPath("Riddles", None, "Geometry", "Maths 5"),
    "lost": CurriculumPath("Nowhere", None, None, None),
}


def topic(topic_id, score, evidence, lower=None, upper=None):
    return TopicScore(topic_id, score, score if lower is None else lower, score if upper is None else upper, evidence)


def found(scores, least=3):
    return {(*unit.parents, unit.name): unit for unit in rollup(scores, PLACES, least)}


def test_a_chapter_is_the_mean_of_its_topics_by_evidence():
    fractions = found([topic("add", 0.2, 4, 0.1, 0.4), topic("sub", 0.8, 12, 0.6, 0.9)])[
        "Maths 5", "Numbers", "Fractions"
    ]
    assert fractions.mastery_score == pytest.approx((4 * 0.2 + 12 * 0.8) / 16)
    assert fractions.lower == pytest.approx((4 * 0.1 + 12 * 0.6) / 16)
    assert fractions.upper == pytest.approx((4 * 0.4 + 12 * 0.9) / 16)
    assert (fractions.topics, fractions.topics_known, fractions.evidence_count) == (2, 3, 16)
    assert (fractions.level, fractions.parents, fractions.band) == ("chapter", ("Maths 5", "Numbers"), "proficient")


def test_a_busy_topic_does_not_drown_the_others():
    fractions = found([topic("add", 0.0, 20), topic("sub", 1.0, 2_000)])["Maths 5", "Numbers", "Fractions"]
    assert fractions.mastery_score == 0.5
    assert fractions.evidence_count == 2_020


def test_topics_with_too_little_evidence_are_left_out_and_counted_beside():
    fractions = found([topic("add", 0.9, 5), topic("sub", 0.1, 2)])["Maths 5", "Numbers", "Fractions"]
    assert (fractions.mastery_score, fractions.topics, fractions.evidence_count) == (0.9, 1, 5)


def test_a_unit_of_nothing_but_guesses_has_no_score():
    numbers = found([topic("add", 0.9, 2)])["Maths 5", "Numbers"]
    assert (numbers.mastery_score, numbers.lower, numbers.upper, numbers.topics) == (None, None, None, 0)
    assert numbers.band == "not_enough_evidence"


def test_a_topic_without_a_chapter_counts_in_its_subject_and_course():
    units = found([topic("odd", 0.4, 5)])
    assert set(units) == {("Maths 5", "Geometry"), ("Maths 5",)}
    assert units["Maths 5", "Geometry"].topics_known == 2


def test_units_come_from_the_narrowest_to_the_widest_each_by_name():
    units = rollup([topic("area", 0.4, 5), topic("add", 0.4, 5)], PLACES, 3)
    assert [unit.name for unit in units] == ["Shapes", "Fractions", "Geometry", "Numbers", "Maths 5"]


def test_chapters_of_the_same_name_in_two_courses_are_two():
    places = {
        "a": CurriculumPath("A", "Introduction", "Numbers", "Maths 5"),
        "b": CurriculumPath("B", "Introduction", "Numbers", "Maths 6"),
    }
    units = rollup([topic("a", 0.1, 5), topic("b", 0.9, 5)], places, 3)
    assert [(unit.parents, unit.mastery_score) for unit in units if unit.level == "chapter"] == [
        (("Maths 5", "Numbers"), 0.1),
        (("Maths 6", "Numbers"), 0.9),
    ]


def test_topics_without_metadata_roll_up_into_nothing_and_are_named():
    scores = [topic("add", 0.5, 5), topic("unheard of", 0.5, 5), topic("lost", 0.5, 5)]
    assert all(unit.topics == 1 for unit in rollup(scores, PLACES, 3))
    assert unplaced_note(scores, PLACES).startswith(
        "2 of 3 topics (lost, unheard of) are in no chapter, subject or course"
    )
    assert unplaced_note(scores[:2], PLACES).startswith("Topic unheard of is in no")
    assert unplaced_note(scores[:1], PLACES) is None
    assert "(t0, t1, t2, t3, t4, …)" in unplaced_note([topic(f"t{i}", 0.5, 5) for i in range(7)], PLACES)


share = st.floats(0, 1)


@st.composite
def topic_scores(draw):
    ids = draw(st.lists(st.sampled_from(sorted(PLACES)), unique=True, min_size=1))
    scores = []
    for topic_id in ids:
        lower, score, upper = sorted(draw(st.tuples(share, share, share)))
        scores.append(TopicScore(topic_id, score, lower, upper, draw(st.integers(0, 3 * EVIDENCE_CAP))))
    return scores


@given(topic_scores(), share, st.data())
def test_raising_one_topic_lowers_no_rollup(scores, raised, data):
    i = data.draw(st.integers(0, len(scores) - 1))
    more = [*scores]
    more[i] = replace(scores[i], mastery_score=max(raised, scores[i].mastery_score))
    for before, after in zip(rollup(scores, PLACES, 3), rollup(more, PLACES, 3), strict=True):
        assert before.mastery_score is None or before.mastery_score <= after.mastery_score


@given(topic_scores(), st.integers(0, 5))
def test_a_rollup_lies_in_its_interval_and_between_its_topics(scores, least):
    for unit in rollup(scores, PLACES, least):
        if unit.mastery_score is not None:
            assert 0.0 <= unit.lower <= unit.mastery_score <= unit.upper <= 1.0
            assert 0 < unit.topics <= unit.topics_known
        assert (unit.mastery_score is None) == (unit.topics == 0)


@given(topic_scores(), st.randoms())
def test_the_order_of_the_topics_does_not_matter(scores, shuffler):
    shuffled = [*scores]
    shuffler.shuffle(shuffled)
    assert rollup(shuffled, PLACES, 3) == rollup(scores, PLACES, 3)


def test_a_score_that_is_not_a_number_counts_for_nothing():
    assert found([topic("add", math.nan, 9), topic("sub", 0.5, 9)])["Maths 5",].topics == 1
