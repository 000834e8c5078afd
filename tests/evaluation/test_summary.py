import numpy as np
import pytest

from mastery.evaluation.measures import measures
from mastery.evaluation.summary import Sample, mean_of, summarise


def sample_of(n=600, students=30, seed=0):
    rng = np.random.default_rng(seed)
    each = n // students
    return (
        rng.random(n),
        Sample(np.repeat(np.arange(students), each), rng.integers(0, 2, n).astype(float),
               np.tile(np.arange(each), students), rng.integers(0, 40, n)),
    )  # fmt: skip


def test_first_answers_are_measured_apart_and_the_groups_are_all_answers():
    p, test = sample_of(n=900)
    found = summarise(p, test, seed=0)
    groups = {group.name: group for group in found.cold_start}
    assert {name: group.answers for name, group in groups.items()} == {
        "first_5": 150, "first_10": 300, "first_20": 600, "after_20": 300,
    }  # fmt: skip
    first = test.place < 5
    assert groups["first_5"].measures == measures(p[first], test.y[first])
    assert sum(group.answers for group in found.topic_size) == 900


def test_the_interval_holds_the_measure_and_the_same_seed_gives_the_same():
    p, test = sample_of()
    found = summarise(p, test, seed=3)
    for name, (low, high) in found.intervals.items():
        assert low <= found.measures[name] <= high, name
    assert summarise(p, test, seed=3).intervals == found.intervals


def test_the_mean_of_folds_is_the_mean_of_each_measure_and_leaves_out_what_is_undefined():
    folds = [
        summarise(*sample_of(seed=seed), seed=0, next_week=week) for seed, week in [(0, (0.5, 10)), (1, (np.nan, 0))]
    ]
    mean = mean_of(folds)
    assert mean.answers == 1_200
    assert mean.measures["auc"] == pytest.approx(np.mean([one.measures["auc"] for one in folds]))
    assert (mean.next_week, mean.weeks) == (0.5, 10)
    width = [np.diff(one.intervals["auc"])[0] for one in folds]
    assert np.diff(mean.intervals["auc"])[0] < max(width)
    assert mean_of(folds[:1]) is folds[0]
