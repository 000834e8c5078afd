"""The interval of an AUC: by hand, beside the bootstrap, and where there is none."""

from __future__ import annotations

import numpy as np
import pytest

from mastery.evaluation.measures import auc, auc_interval, bootstrap, interval


def test_four_answers_of_two_students_eight_times_by_hand():
    """Of the right ones .9 is above both wrong ones and .4 above one: the AUC is ¾. Placements less ¾ are ¼ and −¼ of
    the right, −¼ and ¼ of the wrong, over 16 of a kind: 1/32 and −1/32 by student, −1/32 of the one who is imagined.
    The variance is 17/1024 · 17/16 = (17/128)², and t of 15 degrees of freedom 2.13145.
    """
    p, y = np.tile([0.9, 0.4, 0.6, 0.2], 8), np.tile([1.0, 1.0, 0.0, 0.0], 8)
    student = (np.array([0, 1, 1, 0]) + 2 * np.arange(8)[:, None]).reshape(-1)
    assert auc(p, y) == 0.75
    low, high = auc_interval(p, y, student)
    assert low == pytest.approx(0.75 - 2.13145 * 17 / 128, abs=1e-5) and high == 1.0


def test_a_few_answers_that_happen_to_be_told_apart_prove_nothing():
    low, high = auc_interval(np.array([0.9, 0.8, 0.3, 0.2]), np.array([1.0, 1.0, 0.0, 0.0]), np.array([0, 1, 0, 1]))
    assert low < 0.5 and high == 1.0


def test_it_is_that_of_the_bootstrap_over_students():
    rng = np.random.default_rng(1)
    student = np.repeat(np.arange(300), 20)
    p = 1.0 / (1.0 + np.exp(-(rng.normal(size=300)[student] + 0.5 * rng.normal(size=student.size))))
    y = (rng.random(student.size) < p).astype(np.float64)
    expected = interval(bootstrap(p, y, student, 2_000, 0)["auc"])
    np.testing.assert_allclose(auc_interval(p, y, student), expected, atol=0.003)


def test_ties_count_half_and_what_is_undefined_is_nan():
    p, student = np.full(40, 0.5), np.repeat(np.arange(4), 10)
    low, high = auc_interval(p, np.tile([0.0, 1.0], 20), student)
    assert low == high == 0.5
    for y, of in ((np.ones(40), student), (np.tile([0.0, 1.0], 20), np.zeros(40, np.int64))):
        assert np.isnan(auc_interval(p, y, of)).all()
