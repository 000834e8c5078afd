import numpy as np
import pytest

from mastery.evaluation.truth import parameter_error, recovery


def test_scores_intervals_and_the_share_right_beside_the_truth_by_hand():
    truth = np.array([0.5, 0.2, 0.9, np.nan, 0.4])
    score, share = np.array([0.6, 0.2, 0.8, 0.1, 0.4]), np.array([0.7, 0.0, 1.0, 0.5, np.nan])
    low, high = np.array([0.4, 0.25, 0.7, 0.0, 0.3]), np.array([0.7, 0.4, 0.85, 0.2, 0.5])
    high_band = np.array([True, False, True, True, False])
    found = recovery(score, low, high, truth, share, {"high": high_band, "none": np.zeros(5, bool)})
    assert found.scores == 3  # one has no truth, one no answers
    assert found.rmse == pytest.approx(np.sqrt(0.02 / 3))
    assert found.rmse_share == pytest.approx(np.sqrt((0.04 + 0.04 + 0.01) / 3))
    assert found.ratio == pytest.approx(found.rmse / found.rmse_share)
    overall, high, none = found.coverage
    assert (overall.scores, overall.share, overall.below, overall.above) == (4, 0.5, 0.25, 0.25)
    assert (high.name, high.scores, high.share) == ("high", 2, 0.5)
    assert none.scores == 0
    assert np.isnan(none.share)


def test_parameters_compare_up_to_a_shift_only_where_asked():
    found, true = np.array([1.0, 2.0, 3.0, np.nan]), np.array([0.0, 1.0, 2.0, 5.0])
    assert parameter_error(found, true, centred=True) == {"count": 3.0, "rmse": 0.0, "bias": 0.0,
                                                          "correlation": pytest.approx(1.0)}  # fmt: skip
    assert parameter_error(found, true, centred=False)["bias"] == pytest.approx(1.0)


def test_nothing_to_compare_is_undefined_and_no_crash():
    none = np.zeros(0)
    assert np.isnan(recovery(none, none, none, none, none, {}).rmse)
    assert np.isnan(parameter_error(none, none, centred=True)["rmse"])
