"""The interval of an AUC: by hand, beside the bootstrap, and where there is none."""

from __future__ import annotations

import numpy as np
import pytest

from mastery.evaluation.measures import auc, auc_interval, bootstrap, interval


def test_four_answers_by_hand():
    """Of the right answers .9 is above both wrong ones and .4 above one: the AUC is ¾. Placements less ¾, over two of a
    kind: ⅛, −⅛ of the right, ⅛, −⅛ of the wrong (.2 below both, .6 below one). Students a and b: ⅛ + ⅛ and −⅛ − ⅛, so
    the variance is 2 · (¼² + ¼²) = ¼.
    """
    p, y = np.array([0.9, 0.4, 0.6, 0.2]), np.array([1.0, 1.0, 0.0, 0.0])
    assert auc(p, y) == 0.75
    low, high = auc_interval(p, y, np.array([0, 1, 1, 0]))
    assert low == pytest.approx(max(0.0, 0.75 - 1.959964 * 0.5), abs=1e-6) and high == 1.0


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
