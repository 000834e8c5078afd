"""Trees read without a library: what XGBoost says of the same rows."""

from __future__ import annotations

import json
from itertools import combinations
from math import factorial

import numpy as np
import pytest

from mastery.scorers.boosting.trees import Trees, dumped, no_trees, trees_of


def boosted(depth: int, count: int, rows: int = 3_000):
    """Return a booster on rows whose values repeat, so that many lie exactly on a threshold."""
    import xgboost as xgb

    rng = np.random.default_rng(depth)
    x = np.round(rng.normal(size=(rows, 6)), 1).astype(np.float32)
    y = (rng.random(rows) < 1 / (1 + np.exp(-(x[:, 0] * x[:, 1] + x[:, 2])))).astype(np.float32)
    settings = {"objective": "binary:logistic", "max_depth": depth, "base_score": 0.5, "nthread": 1, "seed": 3}
    booster = xgb.train(settings, xgb.DMatrix(x, y, nthread=1), count)
    model = json.loads(bytes(booster.save_raw("json")))["learner"]["gradient_booster"]["model"]
    return booster, dumped(model), x


@pytest.mark.parametrize(("depth", "count"), [(1, 7), (3, 40), (5, 25)])
def test_margins_and_contributions_are_those_of_xgboost(depth, count):
    import xgboost as xgb

    booster, trees, x = boosted(depth, count)
    theirs = booster.predict(xgb.DMatrix(x, nthread=1), output_margin=True)
    np.testing.assert_allclose(trees.margins(x), theirs, rtol=0, atol=1e-5)
    contributions, expected = trees.contributions(x)
    owed = booster.predict(xgb.DMatrix(x, nthread=1), pred_contribs=True)
    np.testing.assert_allclose(contributions, owed[:, :-1], rtol=0, atol=1e-5)
    np.testing.assert_allclose(expected, owed[:, -1], rtol=0, atol=1e-5)


def test_contributions_add_up_to_the_margin_to_the_last_bits():
    _, trees, x = boosted(4, 60)
    contributions, expected = trees.contributions(x)
    np.testing.assert_allclose(contributions.sum(axis=1) + expected, trees.margins(x), rtol=0, atol=1e-12)


def test_a_row_alone_has_the_margin_it_has_among_others():
    _, trees, x = boosted(4, 30)
    together = trees.margins(x)
    for i in (0, 1, 127, 128, 2_999):
        assert trees.margins(x[i : i + 1])[0] == together[i]


def test_shapley_values_of_one_tree_by_definition():
    _, trees, x = boosted(3, 1)
    features = range(x.shape[1])

    def expected(node: int, row: np.ndarray, known: frozenset[int]) -> float:
        """What the tree says of a row of which only some features are known."""
        if trees.left[node] < 0:
            return float(trees.value[node])
        left, right = int(trees.left[node]), int(trees.right[node])
        if trees.feature[node] in known:
            return expected(left if row[trees.feature[node]] < trees.threshold[node] else right, row, known)
        ways = [(trees.cover[way], expected(way, row, known)) for way in (left, right)]
        return float(sum(c * e for c, e in ways) / trees.cover[node])

    for row in x[:5]:
        mine, _ = trees.contributions(row[None, :])
        for i in features:
            others = [f for f in features if f != i]
            owed = 0.0
            for size in range(len(others) + 1):
                weight = factorial(size) * factorial(len(others) - size) / factorial(len(others) + 1)
                for some in map(frozenset, combinations(others, size)):
                    owed += weight * (expected(0, row, some | {i}) - expected(0, row, some))
            assert mine[0, i] == pytest.approx(owed, abs=1e-6)


def test_a_row_on_the_threshold_goes_right():
    stump = Trees(
        np.array([0, 3], np.int32),
        np.array([0, 0, 0], np.int32),
        np.array([0.5, 0, 0], np.float32),
        np.array([1, -1, -1], np.int32),
        np.array([2, -1, -1], np.int32),
        np.array([0, -1, 2], np.float32),
        np.array([4, 3, 1], np.float32),
    )
    rows = np.array([[0.49999997], [0.5]], np.float32)
    assert stump.margins(rows).tolist() == [-1.0, 2.0]
    contributions, expected = stump.contributions(rows)
    assert expected == -0.25  # 3 of 4 go left
    assert contributions[:, 0].tolist() == [-0.75, 2.25]
    assert trees_of(stump.shared()).margins(rows).tolist() == [-1.0, 2.0]


def test_without_trees_every_margin_is_0():
    rows = np.ones((3, 2), np.float32)
    assert no_trees().margins(rows).tolist() == [0.0] * 3
    contributions, expected = no_trees().contributions(rows)
    assert not contributions.any() and expected == 0.0
