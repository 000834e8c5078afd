import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mastery.evaluation.measures import MEASURES, auc, bootstrap, interval, measures

probabilities = st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.7, 0.7001, 1.0]), st.booleans()), min_size=1)


def test_by_hand():
    p, y = np.array([0.9, 0.8, 0.3, 0.6]), np.array([1.0, 0.0, 0.0, 1.0])
    found = measures(p, y)
    # Right above wrong: (0.9, 0.8), (0.9, 0.3), (0.6, 0.3) of four pairs.
    assert found["auc"] == 0.75
    assert found["accuracy"] == 0.75
    assert found["brier"] == pytest.approx((0.01 + 0.64 + 0.09 + 0.16) / 4)
    assert found["rmse"] == pytest.approx(np.sqrt(0.225))
    assert found["logloss"] == pytest.approx(-(np.log(0.9) + np.log(0.2) + np.log(0.7) + np.log(0.6)) / 4)


@given(answers=probabilities)
def test_auc_is_the_share_of_pairs_in_order_and_a_tie_is_half(answers):
    p, y = (np.array(column, float) for column in zip(*answers, strict=True))
    right, wrong = p[y == 1], p[y == 0]
    pairs = [1.0 if a > b else 0.5 if a == b else 0.0 for a in right for b in wrong]
    assert auc(p, y) == (pytest.approx(np.mean(pairs)) if pairs else pytest.approx(np.nan, nan_ok=True))


def test_one_sure_mistake_does_not_make_the_log_loss_infinite():
    assert np.isfinite(measures(np.array([0.0, 1.0]), np.array([1.0, 0.0]))["logloss"])


def test_no_answers_have_no_measures_and_one_outcome_has_no_auc():
    assert all(np.isnan(value) for value in measures(np.zeros(0), np.zeros(0)).values())
    alone = measures(np.array([0.2, 0.6]), np.ones(2))
    assert np.isnan(alone["auc"])
    assert alone["accuracy"] == 0.5


@given(seed=st.integers(0, 2**32 - 1))
def test_a_draw_equals_the_measures_of_the_answers_copied_as_often_as_their_student_was_drawn(seed):
    rng = np.random.default_rng(seed)
    student = np.sort(rng.integers(0, 6, 40))
    student = np.unique(student, return_inverse=True)[1]
    p, y = np.round(rng.random(40), 1), rng.integers(0, 2, 40).astype(float)
    found = bootstrap(p, y, student, 3, seed)
    again, students = np.random.default_rng(seed), student.max() + 1
    for draw in range(3):
        drawn = again.integers(0, students, students)
        rows = np.concatenate([np.flatnonzero(student == s) for s in drawn])
        expected = measures(p[rows], y[rows])
        for name in MEASURES:
            assert found[name][draw] == pytest.approx(expected[name], nan_ok=True), name


def test_an_interval_holds_the_middle_and_says_nothing_of_what_is_undefined():
    assert interval(np.arange(101.0)) == pytest.approx((2.5, 97.5))
    assert interval(np.array([np.nan, np.nan, 1.0])) == pytest.approx((np.nan, np.nan), nan_ok=True)


def test_intervals_by_student_are_wider_than_by_answer_where_students_differ():
    rng = np.random.default_rng(0)
    student = np.repeat(np.arange(50), 100)
    y = (rng.random(5_000) < rng.beta(1, 1, 50)[student]).astype(float)
    p = np.full(5_000, 0.5)
    low, high = interval(bootstrap(p, y, student, 200, 1)["brier"])
    assert low == high == pytest.approx(0.25)  # every answer costs the same
    p = np.full(5_000, 0.9)
    by_student = np.diff(interval(bootstrap(p, y, student, 200, 1)["brier"]))[0]
    by_answer = np.diff(interval(bootstrap(p, y, np.arange(5_000), 200, 1)["brier"]))[0]
    assert by_student > 3 * by_answer
