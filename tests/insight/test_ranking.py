from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mastery.insight.ranking import weakest


def test_the_lowest_scores_come_first_and_of_equal_ones_the_surer():
    score = np.array([0.5, 0.1, 0.3, 0.1, 0.1])
    upper = np.array([0.6, 0.4, 0.4, 0.2, 0.4])
    assert weakest(score, upper, np.full(5, 9), 4, 3).tolist() == [3, 1, 4, 2]


def test_those_with_too_little_evidence_or_no_score_are_left_out():
    score = np.array([0.0, np.nan, 0.9])
    assert weakest(score, score, np.array([2, 9, 3]), 5, 3).tolist() == [2]


def test_nobody_asked_for_is_nobody():
    assert weakest(np.array([0.1]), np.array([0.2]), np.array([9]), 0, 3).size == 0


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 5))), st.integers(0, 12))
def test_the_short_way_gives_what_ordering_all_would(rows, count):
    score, upper, evidence = (np.array([row[k] for row in rows], float) for k in range(3))
    judged = [i for i in range(len(rows)) if evidence[i] >= 3]
    expected = sorted(judged, key=lambda i: (score[i], upper[i], i))[:count]
    assert weakest(score, upper, evidence, count, 3).tolist() == expected
