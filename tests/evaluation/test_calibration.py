import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mastery.evaluation.calibration import CANDIDATES, IDENTITY, apply, fit_calibration


def logistic(x):
    return 1.0 / (1.0 + np.exp(-x))


def sample(rows, true, seed=0, students=200):
    """Predicted log-odds, outcomes whose log-odds are `true` of them, and whose they are."""
    rng = np.random.default_rng(seed)
    logit = rng.normal(0.5, 1.5, rows)
    return logit, (rng.random(rows) < logistic(true(logit))).astype(float), rng.integers(0, students, rows)


def loss(logit, y):
    return np.mean(np.logaddexp(0.0, logit) - y * logit)


@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(1, 400), students=st.integers(1, 40), share=st.floats(0, 1))
def test_a_higher_prediction_never_becomes_a_lower_one_and_nothing_becomes_nan(seed, rows, students, share):
    rng = np.random.default_rng(seed)
    logit = rng.normal(0.0, 30.0 if share < 0.1 else 1.0, rows)
    logit[rng.random(rows) < 0.3] = logit[0]  # ties
    y = (rng.random(rows) < share).astype(float)
    found = fit_calibration(logit, y, rng.integers(0, students, rows))
    at = np.sort(np.concatenate([logit, [-40.0, 0.0, 40.0]]))
    mapped = apply(found, at)
    assert np.all(np.isfinite(mapped))
    assert np.all(np.diff(mapped) >= -1e-12)
    assert np.all(np.diff(found.knots_x) > 0.0)


def test_the_identity_changes_nothing_to_any_distance():
    at = np.array([-40.0, -1.0, 0.0, 0.3, 12.0, 40.0])
    np.testing.assert_allclose(apply(IDENTITY, at), at, rtol=0, atol=1e-12)


def test_predictions_that_are_right_already_are_left_as_they_are_or_nearly():
    logit, y, student = sample(100_000, lambda x: x)
    found = fit_calibration(logit, y, student)
    at = np.linspace(-2.0, 3.0, 50)
    assert np.max(np.abs(apply(found, at) - at)) < 0.1


@pytest.mark.parametrize(
    "true", [lambda x: 0.5 * x - 0.4, lambda x: x + 0.8, lambda x: np.where(x > 0, 2 * x, 0.3 * x)]
)
def test_distortions_are_undone(true):
    logit, y, student = sample(100_000, true)
    found = fit_calibration(logit, y, student)
    assert found.name != "identity"
    again, outcome, _ = sample(100_000, true, seed=1)
    assert loss(apply(found, again), outcome) < loss(true(again), outcome) + 0.001 < loss(again, outcome)


def test_an_answer_of_weight_two_is_two_answers():
    logit, y, student = sample(2_000, lambda x: 0.5 * x + 0.4)
    twice = np.tile(np.arange(y.size), 2)
    one = fit_calibration(logit, y, student, np.full(y.size, 2.0))
    other = fit_calibration(logit[twice], y[twice], student[twice])
    assert one.name == other.name
    np.testing.assert_allclose(one.knots_y, other.knots_y, rtol=1e-6)


@pytest.mark.parametrize("name", CANDIDATES)
def test_every_candidate_undoes_a_slope_and_a_shift(name):
    from mastery.evaluation.calibration import _cells

    logit, y, _ = sample(200_000, lambda x: 0.6 * x - 0.3)
    found = CANDIDATES[name](_cells(logit, y, np.ones(y.size), np.ones(y.size, bool)))
    at = np.linspace(-1.5, 2.5, 30)
    assert np.max(np.abs(apply(found, at) - (0.6 * at - 0.3))) < 0.15


def test_too_few_students_or_one_outcome_alone_leave_predictions_as_they_are():
    logit, y, student = sample(1_000, lambda x: 0.2 * x)
    assert fit_calibration(logit, y, student % 5).name == "identity"
    assert fit_calibration(logit, np.ones(1_000), student).name == "identity"
    assert fit_calibration(np.zeros(0), np.zeros(0), np.zeros(0, np.int64)).name == "identity"


def test_rows_without_a_prediction_do_not_count():
    logit, y, student = sample(20_000, lambda x: 0.5 * x)
    gaps = np.where(np.arange(20_000) % 3 == 0, np.nan, logit)
    there = np.isfinite(gaps)
    one, two = fit_calibration(gaps, y, student), fit_calibration(logit[there], y[there], student[there])
    assert one.name == two.name
    np.testing.assert_array_equal(one.knots_y, two.knots_y)
