"""Residuals: outcome − probability of a student's own earlier answers, and of nothing else."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from answers import answer_batch
from histories import histories, table, turned_round
from mastery.features.batch import Batch, make_batch
from mastery.features.columns import event_columns
from mastery.features.subset import take_students
from mastery.scorers.boosting.residuals import KEPT, RESIDUALS, write_residuals


def residuals(batch: Batch, logit: np.ndarray) -> np.ndarray:
    out = np.full((batch.row.size, len(RESIDUALS)), np.inf, np.float32)
    write_residuals(batch, logit, out)
    return out


def logits_for(batch: Batch) -> np.ndarray:
    """Return log-odds that depend on a row's student and place alone, so that they stay what they are among others."""
    place = np.arange(batch.row.size) - np.repeat(batch.student_ptr[:-1], np.diff(batch.student_ptr))
    return np.sin(place.astype(np.float64))


def test_by_hand():
    rows = [
        ("a", "q1", "t1", 1),
        ("a", "q1", "t1", 0),
        ("a", "q2", "t2", 1),
        ("a", "q1", "t1", 1),
        ("b", "q1", "t1", 0),
    ]
    student, item, topic, right = zip(*rows, strict=True)
    batch = answer_batch(
        pa.table({"student_id": student, "question_id": item, "topic_id": topic, "is_correct": right,
                  "order": list(range(len(rows)))})
    )  # fmt: skip
    logit = np.log(np.array([0.5, 0.8, 0.6, 0.4, 0.3]) / np.array([0.5, 0.2, 0.4, 0.6, 0.7]))
    found = residuals(batch, logit)
    column = {name: found[:, k].tolist() for k, name in enumerate(RESIDUALS)}
    assert found[0].tolist() == found[4].tolist() == [0.0] * len(RESIDUALS)
    now, after = KEPT[0], [0.5, 0.6 * 0.5 - 0.8, 0.6 * (0.6 * 0.5 - 0.8) + 0.4]
    assert column["residual_now"][1:4] == pytest.approx(
        [after[0] / 2, after[1] / (1 + now + 1), after[2] / (1 + now + now * now + 1)]
    )
    assert column["residual_first_tries"][1:4] == pytest.approx([0.5 / 2, 0.5 / 2, (0.9 * 0.5 + 0.4) / (1.9 + 1)])
    assert column["residual_later_tries"][1:4] == pytest.approx([0.0, -0.8 / 2, -0.8 / 2])
    assert column["residual_topic"][1:4] == pytest.approx([0.5 / 2, 0.0, (0.8 * 0.5 - 0.8) / (1.8 + 1)])
    assert column["residual_item"][1:4] == pytest.approx([0.5 / 2, 0.0, (0.5 - 0.8) / 3])


@given(events=histories(), data=st.data())
def test_none_moves_when_an_answer_and_all_that_follow_are_turned_round(events, data):
    batch = make_batch(event_columns(table(events)))
    assume(batch.row.size)
    logit = logits_for(batch)
    turn = data.draw(st.integers(0, batch.row.size - 1))
    turned, same = turned_round(batch, turn)
    before, found = residuals(batch, logit), residuals(turned, np.where(same, logit, -logit))
    np.testing.assert_array_equal(found[same], before[same])
    assert np.all(np.abs(before) < 1.0)


@given(events=histories(), data=st.data())
def test_a_student_alone_has_the_same_as_among_others(events, data):
    batch = make_batch(event_columns(table(events)))
    assume(len(batch.students) > 1)
    keep = np.array(data.draw(st.lists(st.booleans(), min_size=len(batch.students), max_size=len(batch.students))))
    rows = np.repeat(keep, np.diff(batch.student_ptr))
    some = take_students(batch, keep)
    np.testing.assert_array_equal(residuals(some, logits_for(batch)[rows]), residuals(batch, logits_for(batch))[rows])


@given(events=histories())
def test_rows_that_say_nothing_about_mastery_count_for_nothing(events):
    batch = make_batch(event_columns(table(events)))
    logit = logits_for(batch)
    found = residuals(batch, np.where(batch.weight > 0.0, logit, np.nan))
    np.testing.assert_array_equal(found, residuals(batch, logit))
