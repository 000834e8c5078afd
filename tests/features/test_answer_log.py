from dataclasses import fields
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from answers import answer_batch
from mastery.features.answer_log import NO_TOPIC


def test_rows_are_ordered_by_student_and_order_and_keep_their_names():
    log = pa.table({"student_id": ["b", "a", "a"], "question_id": ["q2", "q1", None], "topic_id": ["t", "t", None],
                    "is_correct": [1, 0, 1], "order": [0, 1, 0]})  # fmt: skip
    batch = answer_batch(log)
    assert list(batch.students) == ["a", "b"]
    assert batch.y.tolist() == [1.0, 0.0, 1.0]
    assert [batch.topics[batch.slot_topic[p]][1] for p in batch.slot] == [NO_TOPIC, "t", "t"]
    assert [batch.items[i][1] if i >= 0 else None for i in batch.item] == [None, "q1", "q2"]
    assert np.all(batch.weight == 1.0)


def test_rows_of_one_interaction_are_one_event_even_when_they_lie_apart():
    log = pa.table({"student_id": ["a"] * 4, "topic_id": ["t1", "t2", "t3", "t2"], "is_correct": [1, 0, 1, 0],
                    "order": [0, 1, 2, 3], "interaction_id": [7, 8, 7, 9]})  # fmt: skip
    batch = answer_batch(log)
    assert [batch.topics[batch.slot_topic[p]][1] for p in batch.slot] == ["t1", "t3", "t2", "t2"]
    assert batch.row.tolist() == [0, 0, 1, 3]
    assert batch.weight.tolist() == [0.5, 0.5, 1.0, 1.0]


@pytest.mark.parametrize(("clock", "expected"), [("start", [30_000, 1_000, -1]), ("answer", [-1, 30_000, 1_000])])
def test_the_time_an_answer_took_is_the_gap_on_the_side_the_clock_says(clock, expected):
    times = [datetime(2026, 1, 1, 9, 0, s, tzinfo=UTC) for s in (0, 30, 31)]
    log = pa.table({"student_id": ["a"] * 3, "is_correct": [1, 1, 1], "timestamp": times})
    assert answer_batch(log, clock).duration_ms.tolist() == expected


def test_rows_of_an_interaction_are_those_of_one_student_and_no_interaction_is_shared_by_none():
    columns = {"student_id": ["a", "b", "a", "a"], "topic_id": ["t1", "t1", "t2", "t3"], "is_correct": [1, 0, 1, 0]}
    log = pa.table(columns | {"order": [0, 0, 1, 2], "interaction_id": [7, 7, None, None]})
    assert answer_batch(log).row.tolist() == [0, 2, 3, 1]


def test_a_gap_of_more_than_half_an_hour_is_a_break_and_a_longer_answer_has_no_duration():
    log = pa.table(
        {"student_id": ["a"] * 2, "is_correct": [1, 1], "order": [0, 1], "time_spent_sec": [1_800.0, 1_801.0]}
    )
    assert answer_batch(log).duration_ms.tolist() == [1_800_000, -1]
    times = [datetime(2026, 1, 1, hour, tzinfo=UTC) for hour in (9, 10)]
    assert (
        answer_batch(pa.table({"student_id": ["a"] * 2, "is_correct": [1, 1], "timestamp": times})).duration_ms.max()
        == -1
    )


def test_answers_of_one_moment_without_an_order_follow_each_other_as_the_rows_do():
    moment = [datetime(2026, 1, 1, tzinfo=UTC)] * 20
    log = pa.table({"student_id": ["a"] * 20, "question_id": [f"q{k}" for k in range(20)], "timestamp": moment,
                    "is_correct": [k % 2 for k in range(20)]})  # fmt: skip
    assert answer_batch(log).row.tolist() == list(range(20))


def test_the_order_of_rows_with_time_stamps_changes_nothing_else():
    rng = np.random.default_rng(3)
    n = 400
    log = pa.table(
        {
            "attempt_id": [f"a{k}" for k in range(n)],
            "student_id": [f"s{k}" for k in rng.integers(0, 9, n)],
            "question_id": [f"q{k}" for k in rng.integers(0, 30, n)],
            "topic_id": [f"t{k}" for k in rng.integers(0, 5, n)],
            "is_correct": rng.integers(0, 2, n),
            "interaction_id": [int(k) if k < 60 else None for k in rng.integers(0, 120, n)],
            # None is shared: rows of one moment are in the order of their file.
            "timestamp": [datetime(2026, 1, 1, 9, 0, 1, tzinfo=UTC) + timedelta(seconds=int(k) * 7)
                          for k in rng.permutation(n)],
        }
    )  # fmt: skip
    order = rng.permutation(n)
    mine, other = answer_batch(log), answer_batch(log.take(pa.array(order)))
    for field in fields(mine):
        left, right = getattr(mine, field.name), getattr(other, field.name)
        if field.name == "row":
            np.testing.assert_array_equal(left, order[right])
        elif field.name != "by_slot":
            np.testing.assert_array_equal(left, right, err_msg=field.name)
    for left, right in zip(mine.by_slot, other.by_slot, strict=True):
        np.testing.assert_array_equal(left, right)
