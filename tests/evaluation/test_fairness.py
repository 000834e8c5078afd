"""Measures of groups of students, by hand and as properties; ABROCA against an integral on a fine grid."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mastery.evaluation.fairness import FEWEST_STUDENTS, abroca, by_group, large_groups
from mastery.evaluation.measures import auc

answers = st.lists(
    st.tuples(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.7, 0.7001, 1.0]), st.booleans()), min_size=2, max_size=40
).filter(lambda rows: len({y for _, y in rows}) == 2)


def columns(rows):
    return tuple(np.array(column, float) for column in zip(*rows, strict=True))


def of_two(one, other):
    (p, y), (q, z) = columns(one), columns(other)
    first = np.arange(p.size + q.size) < p.size
    return abroca(np.concatenate([p, q]), np.concatenate([y, z]), first)


def test_by_hand():
    # The first group is told apart without a mistake: its curve goes up, then to the right. Of the second everybody
    # has the same prediction: its curve is the diagonal. Between them lies a triangle.
    perfect = [(0.1, 0), (0.9, 1)]
    assert of_two(perfect, [(0.5, 0), (0.5, 1)]) == pytest.approx(0.5)
    # The wrong way round: the curve goes to the right, then up; the whole square lies between.
    assert of_two(perfect, [(0.9, 0), (0.1, 1)]) == pytest.approx(1.0)
    # Curves that cross, with the same AUC of ½: (0, 0) (0, ½) (1, ½) (1, 1) and the diagonal.
    assert of_two([(0.9, 1), (0.5, 0), (0.1, 1)], [(0.5, 0), (0.5, 1)]) == pytest.approx(0.25)


@given(one=answers)
def test_groups_with_the_same_answers_are_not_apart(one):
    assert of_two(one, one) == pytest.approx(0.0, abs=1e-12)


@given(one=answers, other=answers)
def test_the_area_is_the_same_either_way_at_most_1_and_at_least_the_difference_of_the_aucs(one, other):
    area = of_two(one, other)
    assert area == pytest.approx(of_two(other, one), abs=1e-12)
    assert abs(auc(*columns(one)) - auc(*columns(other))) - 1e-12 <= area <= 1.0 + 1e-12


@given(one=answers, other=answers)
def test_the_area_is_what_a_fine_grid_finds(one, other):
    def curve(rows, at):
        p, y = columns(rows)
        cuts = np.unique(p)[::-1]
        right = np.array([0.0, *((p >= cut)[y == 1].mean() for cut in cuts)])
        wrong = np.array([0.0, *((p >= cut)[y == 0].mean() for cut in cuts)])
        return np.interp(at, wrong, right)

    at = (np.arange(20_000) + 0.5) / 20_000
    assert of_two(one, other) == pytest.approx(np.abs(curve(one, at) - curve(other, at)).mean(), abs=2e-3)


@given(one=answers, other=answers)
def test_a_rising_map_of_all_predictions_changes_nothing(one, other):
    def bent(rows):
        return [(0.2 + p**3 / 2, y) for p, y in rows]

    assert of_two(bent(one), bent(other)) == pytest.approx(of_two(one, other), abs=1e-12)


def test_a_group_of_one_outcome_has_no_curve():
    assert np.isnan(of_two([(0.1, 1), (0.9, 1)], [(0.5, 0), (0.5, 1)]))


@pytest.fixture(scope="module")
def school():
    """Of 60 students of "a" and 40 of "b" ten answers each, and two of "c"; those of "b" are said to know too much."""
    rng = np.random.default_rng(3)
    student = np.repeat(np.arange(102), 10)
    group = np.repeat([0, 1, 2], [600, 400, 20])
    truth = rng.random(student.size)
    y = (rng.random(student.size) < truth).astype(float)
    p = np.where(group == 1, 0.5 + truth / 2, truth)
    return p, y, student, group


def test_each_group_is_measured_alone_and_against_the_largest(school):
    p, y, _, group = school
    a, b = by_group(*school, ["a", "b", "c"], seed=1)
    assert (a.name, a.students, a.answers, b.name, b.students, b.answers) == ("a", 60, 600, "b", 40, 400)
    mine = group == 1
    assert b.measures["auc"] == auc(p[mine], y[mine])
    assert b.measures["calibration"] == pytest.approx(p[mine].mean() - y[mine].mean())
    assert b.measures["calibration"] > 0.15
    assert b.intervals["calibration"][0] > 0.1
    assert a.intervals["calibration"][0] < 0.0 < a.intervals["calibration"][1]
    assert np.isnan(a.measures["abroca"])
    assert b.measures["abroca"] == abroca(p[group < 2], y[group < 2], mine[group < 2])
    for one in (a, b):
        for name in ("auc", "logloss", "predicted", "right", "calibration"):
            low, high = one.intervals[name]
            assert low <= one.measures[name] <= high, name


def test_groups_that_do_not_differ_are_as_far_apart_as_dealt_out_ones(school):
    # A rising map of one group's predictions leaves its curve as it is: what is wrong with "b" is not its order.
    b = by_group(*school, ["a", "b", "c"], seed=1)[1].measures
    assert 0.0 < b["abroca"] < 1.2 * b["abroca_if_equal_95"]
    assert b["abroca_if_equal"] < b["abroca_if_equal_95"]
    p, y, student, group = school
    reversed_b = np.where(group == 1, 1.0 - p, p)
    worse = by_group(reversed_b, y, student, group, ["a", "b", "c"], seed=1)[1].measures
    assert worse["abroca"] > 0.5 > worse["abroca_if_equal_95"]


def test_a_small_group_is_named_and_not_measured(school):
    p, y, student, group = school
    large, small = large_groups(y, student, group, ["a", "b", "c"])
    assert large == [0, 1]
    assert [(one.name, one.students, one.answers) for one in small] == [("c", 2, 20)]
    few = np.where(student < FEWEST_STUDENTS - 1, 0, -1)
    assert by_group(p, y, student, few, ["a"], seed=1) == ()


def test_answers_that_are_all_right_make_no_group(school):
    _, y, student, group = school
    large, small = large_groups(np.where(group == 1, 1.0, y), student, group, ["a", "b", "c"])
    assert large == [0]
    assert [one.name for one in small] == ["b", "c"]
