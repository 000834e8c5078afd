from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest

from mastery.errors import BadInput
from mastery.features.answer_log import NO_TOPIC, answer_batch


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


@pytest.mark.parametrize(("clock", "expected"), [("start", [30_000, 1_000, -1]), ("answer", [-1, 30_000, 1_000])])
def test_the_time_an_answer_took_is_the_gap_on_the_side_the_clock_says(clock, expected):
    times = [datetime(2026, 1, 1, 9, 0, s, tzinfo=UTC) for s in (0, 30, 31)]
    log = pa.table({"student_id": ["a"] * 3, "is_correct": [1, 1, 1], "timestamp": times})
    assert answer_batch(log, clock).duration_ms.tolist() == expected


def test_rows_without_an_outcome_are_left_out_and_other_outcomes_refused():
    assert answer_batch(pa.table({"student_id": ["a", "a"], "is_correct": [None, 1]})).y.tolist() == [1.0]
    with pytest.raises(BadInput, match=r"is_correct of row 2 of the log is 2; expected 0 or 1"):
        answer_batch(pa.table({"student_id": ["a", "a"], "is_correct": [1, 2]}))
    with pytest.raises(BadInput, match="0 columns 'is_correct'; expected one"):
        answer_batch(pa.table({"student_id": ["a"]}))
