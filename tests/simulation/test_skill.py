"""The equations by hand, and what they must never do."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mastery.log_odds import sigmoid
from mastery.simulation import SchoolPlan, course_of
from mastery.simulation.curriculum import curriculum
from mastery.simulation.rows import AT_DAY, BASE, LAST_DAY, LEVEL, MEMORY, SKILL
from mastery.simulation.skill import helped, learn, p_right, readiness, skill_at, worth


def skill_of(base: float, level: float, at_day: float = 0.0, half_life_days: float = 20.0) -> np.ndarray:
    row = np.zeros((1, len(SKILL)))
    row[0, BASE], row[0, LEVEL], row[0, AT_DAY], row[0, MEMORY], row[0, LAST_DAY] = (
        base,
        level,
        at_day,
        half_life_days,
        -1,
    )
    return row


def test_forgetting_by_hand():
    skill = skill_of(base=-1.0, level=1.0, half_life_days=10.0)
    assert skill_at(skill, 0, 0.0) == 1.0
    assert skill_at(skill, 0, 10.0) == pytest.approx(0.0)
    assert skill_at(skill, 0, 20.0) == pytest.approx(-0.5)


def test_learning_by_hand():
    skill = skill_of(base=-1.0, level=0.0)
    learn(skill, 0, 0.25, 0.8)
    forgot = -1.0 + 2 ** (-0.25 / 20.0)
    assert skill[0, LEVEL] == pytest.approx(forgot + 0.8 * (1 - 1 / (1 + math.exp(-forgot))))
    assert skill[0, MEMORY] == 20.0
    learn(skill, 0, 0.5, 0.8)
    assert skill[0, MEMORY] == 20.0  # the same day
    learn(skill, 0, 2.0, 0.8)
    assert skill[0, MEMORY] == pytest.approx(27.0)


@given(base=st.floats(-4, 4), above=st.floats(0, 6), days=st.floats(0, 400), more=st.floats(0, 400))
def test_idle_time_never_raises_the_truth_nor_takes_it_below_its_start(base, above, days, more):
    skill = skill_of(base, base + above)
    sooner, later = skill_at(skill, 0, days), skill_at(skill, 0, days + more)
    assert base <= later <= sooner <= base + above


@given(base=st.floats(-4, 4), above=st.floats(0, 6), day=st.floats(0, 90), gain=st.floats(0, 3))
def test_an_opportunity_never_lowers_the_truth(base, above, day, gain):
    skill = skill_of(base, base + above)
    before = skill_at(skill, 0, day)
    learn(skill, 0, day, gain)
    assert skill_at(skill, 0, day) >= before


@given(skill=st.floats(-6, 6), difficulty=st.floats(-3, 3), harder=st.floats(0, 3))
def test_harder_items_are_answered_less_often(skill, difficulty, harder):
    easy, hard = p_right(skill, difficulty, 0.25, 0.05), p_right(skill, difficulty + harder, 0.25, 0.05)
    assert 0.25 <= hard <= easy <= 0.95


def test_truth_is_the_share_of_right_answers_corrected_for_guess_and_slip():
    p = p_right(0.7, 0.0, 0.2, 0.1)
    assert (p - 0.2) / (1 - 0.2 - 0.1) == pytest.approx(sigmoid(0.7))


def test_a_weak_prerequisite_slows_learning():
    numbers = course_of(SchoolPlan(students=1, days=1, topics=4)).numbers
    assert curriculum(2)[1].prerequisites == ("frac-equiv",)
    on_path = np.arange(4, dtype=np.int32)
    skill = np.concatenate([skill_of(-3.0, -3.0)] * 4)
    weak = readiness(numbers, on_path, skill, 0.0, 1, 0.0)
    skill[0, LEVEL] = 3.0
    strong = readiness(numbers, on_path, skill, 0.0, 1, 0.0)
    assert weak == pytest.approx(0.15 + 0.85 * sigmoid(-3.0))
    assert strong == pytest.approx(0.15 + 0.85 * sigmoid(3.0))
    assert readiness(numbers, on_path, skill, 0.0, 0, 0.0) == 1.0


def test_hints_lift_answers_and_teach_less():
    assert helped(0.3, 0, False) == 0.3
    assert helped(0.3, 1, False) == 0.65
    assert helped(0.3, 3, True) == 0.93
    assert worth(0, False, False) == 1.0 > worth(1, False, False) > worth(0, False, True) > worth(3, True, False)
