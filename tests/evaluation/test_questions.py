import numpy as np
import pyarrow as pa
import pytest

from answers import answer_batch
from mastery.evaluation.questions import questions


def batch_of(**columns):
    return answer_batch(pa.table(columns))


def test_rows_of_one_interaction_are_one_question_and_its_prediction_is_their_mean():
    batch = batch_of(student_id=["a"] * 4, topic_id=["t1", "t2", "t1", "t3"], is_correct=[1, 1, 0, 1],
                     interaction_id=[7, 7, 8, 9])  # fmt: skip
    found = questions(batch, np.ones(4, bool))
    assert found.y.tolist() == [1.0, 0.0, 1.0]
    assert found.place.tolist() == [0, 1, 2]
    assert found.mean(np.array([0.2, 0.4, 0.5, 0.9])) == pytest.approx([0.3, 0.5, 0.9])


def test_rows_of_one_interaction_with_other_outcomes_are_other_questions():
    batch = batch_of(student_id=["a"] * 2, topic_id=["t1", "t2"], is_correct=[1, 0], interaction_id=[7, 7])
    assert sorted(questions(batch, np.ones(2, bool)).y.tolist()) == [0.0, 1.0]


def test_questions_that_are_not_counted_still_come_before_those_that_are():
    batch = batch_of(student_id=["a"] * 3 + ["b"] * 2, is_correct=[1, 0, 1, 1, 1], order=[0, 1, 2, 0, 1])
    found = questions(batch, np.array([False, True, True, False, True]))
    assert found.place.tolist() == [1, 2, 1]
    assert found.student.tolist() == [0, 0, 1]
    assert found.mean(np.arange(5.0)).tolist() == [1.0, 2.0, 4.0]


def test_no_question_is_no_question():
    batch = batch_of(student_id=["a"], is_correct=[1])
    assert questions(batch, np.zeros(1, bool)).y.size == 0
