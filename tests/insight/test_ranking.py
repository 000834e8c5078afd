from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from mastery.insight.ranking import weakest


def rows(score, upper, evidence, students=None) -> pa.Table:
    names = [f"s{k}" for k in range(len(score))] if students is None else students
    return pa.table(
        {
            "student_id": pa.array(names, pa.string()).dictionary_encode(),
            "topic_id": pa.array(["t"] * len(score), pa.string()),
            "mastery_score": pa.array(score, pa.float64()),
            "upper": pa.array(upper, pa.float64()),
            "evidence_count": pa.array(evidence, pa.int32()),
        }
    )


def found(table: pa.Table, count: int) -> list[str]:
    return weakest(table, count, 3)["student_id"].to_pylist()


def test_the_lowest_scores_come_first_of_equal_ones_the_surer_and_then_by_student():
    table = rows([0.5, 0.1, 0.3, 0.1, 0.1], [0.6, 0.4, 0.4, 0.2, 0.4], [9] * 5, ["a", "e", "c", "d", "b"])
    assert found(table, 4) == ["d", "b", "e", "c"]


def test_those_with_too_little_evidence_or_no_score_are_left_out():
    assert found(rows([0.0, np.nan, 0.9], [0.0, np.nan, 0.9], [2, 9, 3]), 5) == ["s2"]


def test_nobody_asked_for_is_nobody():
    assert found(rows([0.1], [0.2], [9]), 0) == []


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 5))), st.integers(0, 12))
def test_the_short_way_gives_what_ordering_all_would(drawn, count):
    score, upper, evidence = ([row[k] for row in drawn] for k in range(3))
    judged = [i for i in range(len(drawn)) if evidence[i] >= 3]
    expected = sorted(judged, key=lambda i: (score[i], upper[i], f"s{i}"))[:count]
    assert found(rows(score, upper, evidence), count) == [f"s{i}" for i in expected]
