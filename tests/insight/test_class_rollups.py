from __future__ import annotations

import pytest

from mastery.insight.class_rollups import class_rollup
from mastery.insight.rollups import CurriculumPath, TopicScore

PLACES = {
    "add": CurriculumPath("Adding", "Fractions", "Numbers", "Maths 5"),
    "sub": CurriculumPath(None, "Fractions", "Numbers", "Maths 5"),
}


def topic(topic_id, score, evidence):
    return TopicScore(topic_id, score, score, score, evidence)


def found(students):
    return {(unit.level, unit.name): unit for unit in class_rollup(students, PLACES, 3)}


def test_every_student_counts_the_same_however_busy():
    adding = found([[topic("add", 0.2, 3)], [topic("add", 0.8, 900)]])["topic", "Adding"]
    assert adding.mastery_score == pytest.approx(0.5)
    assert (adding.students, adding.students_seen, adding.evidence_count) == (2, 2, 903)
    assert adding.band == "developing"


def test_students_without_enough_evidence_are_counted_beside_the_mean():
    adding = found([[topic("add", 0.2, 3)], [topic("add", 0.9, 2)]])["topic", "Adding"]
    assert (adding.mastery_score, adding.students, adding.students_seen, adding.evidence_count) == (0.2, 1, 2, 3)
    assert adding.bands == {
        "not_enough_evidence": 1,
        "needs_help": 1,
        "developing": 0,
        "proficient": 0,
        "mastered": 0,
    }


def test_where_nobody_has_enough_evidence_there_is_no_score():
    course = found([[topic("add", 0.2, 1)]])["course", "Maths 5"]
    assert (course.mastery_score, course.students, course.band) == (None, 0, "not_enough_evidence")


def test_a_chapter_of_a_class_is_the_mean_of_its_students_chapters():
    chapter = found([[topic("add", 0.0, 4), topic("sub", 1.0, 12)], [topic("add", 0.25, 4)]])["chapter", "Fractions"]
    assert chapter.mastery_score == pytest.approx((0.75 + 0.25) / 2)
    assert chapter.parents == ("Maths 5", "Numbers")


def test_topics_come_first_and_go_by_their_id_where_they_have_no_title():
    units = class_rollup([[topic("add", 0.2, 3), topic("sub", 0.2, 3), topic("unheard of", 0.2, 3)]], PLACES, 3)
    assert [(unit.level, unit.name, unit.topic_id) for unit in units] == [
        ("topic", "Adding", "add"),
        ("topic", "sub", "sub"),
        ("topic", "unheard of", "unheard of"),
        ("chapter", "Fractions", None),
        ("subject", "Numbers", None),
        ("course", "Maths 5", None),
    ]
