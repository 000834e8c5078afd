import numpy as np
import pytest

from mastery.evaluation.reliability import ece, perfect_ece, reliability


def test_bins_have_equal_mass_and_the_error_is_their_mean_distance_by_hand():
    p, y = np.array([0.8, 0.1, 0.9, 0.2]), np.array([0.0, 0.0, 1.0, 1.0])
    found = reliability(p, y, 2)
    np.testing.assert_array_equal(found.answers, [2, 2])
    np.testing.assert_allclose(found.predicted, [0.15, 0.85])
    np.testing.assert_allclose(found.right, [0.5, 0.5])
    assert found.ece == pytest.approx(0.35)


@pytest.mark.parametrize("n", [1, 2, 14, 15, 16, 17, 299])
def test_every_answer_is_in_one_bin_and_bins_differ_by_one_at_most(n):
    answers = reliability(np.linspace(0, 1, n), np.zeros(n)).answers
    assert answers.sum() == n
    assert answers.size == min(n, 15)
    assert np.ptp(answers) <= 1


def test_without_answers_there_is_no_error():
    assert np.isnan(ece(np.zeros(0), np.zeros(0)))
    assert np.isnan(perfect_ece(np.zeros(0), 0)).all()


def test_a_perfect_model_shows_what_is_said_of_it():
    rng = np.random.default_rng(3)
    p = rng.random(3_000)
    shown = [ece(p, (rng.random(3_000) < p).astype(float)) for _ in range(200)]
    mean, most = perfect_ece(p, seed=1)
    assert mean == pytest.approx(np.mean(shown), rel=0.05)
    assert most == pytest.approx(np.quantile(shown, 0.95), rel=0.1)
    assert perfect_ece(p, seed=1) == (mean, most)


def test_certain_predictions_leave_nothing_to_probability():
    assert perfect_ece(np.array([0.0, 1.0, 1.0]), seed=0) == (0.0, 0.0)
