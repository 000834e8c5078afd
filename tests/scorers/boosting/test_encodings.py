"""Encodings: raw sums of other students, shrunk towards a parent."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from answers import answer_batch
from histories import histories, table
from mastery.features.batch import Batch, make_batch
from mastery.features.columns import event_columns
from mastery.scorers.boosting.encodings import ENCODINGS, encode, learn_encodings, names

NAMES = [encoding.name for encoding in ENCODINGS]


def learn(batch: Batch, fold_of_student: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    out = np.empty((batch.row.size, len(names())), np.float32)
    fold = np.repeat(np.asarray(fold_of_student, np.int32), np.diff(batch.student_ptr))
    return out, learn_encodings(batch, fold, out)


def encoded(batch: Batch, sums: dict[str, np.ndarray]) -> np.ndarray:
    out = np.empty((batch.row.size, len(names())), np.float32)
    encode(batch, sums, out)
    return out


def probability(logit: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-logit.astype(np.float64)))


def log(answers: list[tuple[str, str, str, int]]) -> pa.Table:
    student, item, topic, right = zip(*answers, strict=True)
    return pa.table({"student_id": student, "question_id": item, "topic_id": topic, "is_correct": right})


PAGE = (Path(__file__).parents[3] / "docs" / "scorers" / "ml.md").read_text("utf-8")

TRAINING = answer_batch(
    log([("a", "q1", "t", 1), ("a", "q2", "t", 1), ("b", "q1", "t", 0), ("b", "q2", "t", 1), ("c", "q1", "t", 1)])
)


def test_a_new_student_reads_the_sums_of_all_training_students_by_hand():
    _, sums = learn(TRAINING, np.arange(3))
    found = encoded(answer_batch(log([("z", "q1", "t", 0), ("z", "new", "t", 0), ("z", "q9", "other", 0)])), sums)
    mean = (4 + 0.5) / (5 + 1)
    topic = (4 + 10 * mean) / (5 + 10)
    assert probability(found[:, names().index("topic")]) == pytest.approx([topic, topic, mean], abs=1e-6)
    item = (2 + 10 * topic) / (3 + 10)
    assert probability(found[:, names().index("item")]) == pytest.approx([item, topic, mean], abs=1e-6)
    assert found[:, names().index("topic_n")].tolist() == [round(2 * np.log2(6)), round(2 * np.log2(6)), 0]
    assert found[:, names().index("item_n")].tolist() == [round(2 * np.log2(4)), 0, 0]
    for shown in (
        f"| {mean:.4f} |",
        f"| {topic:.4f} |",
        f"**{item:.4f}**",
        f"logit, {found[0, names().index('item')]:.4f},",
    ):
        assert shown in PAGE


def test_a_training_student_reads_the_sums_of_the_other_cv_folds_by_hand():
    found, _ = learn(TRAINING, np.arange(3))
    mean = (2 + 0.5) / (3 + 1)  # b and c, for a
    topic = (2 + 10 * mean) / (3 + 10)
    assert probability(found[0, names().index("topic")]) == pytest.approx(topic, abs=1e-6)
    item = (1 + 10 * topic) / (2 + 10)
    assert probability(found[0, names().index("item")]) == pytest.approx(item, abs=1e-6)
    assert f"{mean:.4f}, {topic:.4f} and {item:.4f}" in PAGE


def test_an_answer_on_several_topics_counts_once_for_its_item_and_once_for_each_topic():
    rows = pa.table({"student_id": ["a", "a", "b"], "question_id": ["q", "q", "q"], "topic_id": ["t1", "t2", "t1"],
                     "is_correct": [1, 1, 0], "interaction_id": [0, 0, 1]})  # fmt: skip
    _, sums = learn(answer_batch(rows), np.arange(2))
    ptr, n = sums["encoding_ptr"], sums["encoding_n"]
    assert sorted(n[ptr[0] : ptr[1]].tolist()) == [1.0, 2.0]
    assert n[ptr[1] : ptr[2]].tolist() == [2.0]


def test_without_items_a_topic_stands_for_its_item():
    rows = pa.table({"student_id": ["a", "b", "b"], "topic_id": ["t", "t", "u"], "is_correct": [1, 0, 0]})
    _, sums = learn(answer_batch(rows), np.arange(2))
    ptr = sums["encoding_ptr"]
    assert ptr[2] - ptr[1] == 2


@given(events=histories(), data=st.data())
def test_an_encoding_out_of_fold_never_sees_an_answer_of_its_own_fold(events, data):
    batch = make_batch(event_columns(table(events)))
    assume(batch.row.size)
    folds = np.array([data.draw(st.integers(0, 2)) for _ in batch.students], np.int32)
    turn = data.draw(st.integers(0, batch.row.size - 1))
    owner = np.repeat(np.arange(len(batch.students)), np.diff(batch.student_ptr))
    mine = (owner == owner[turn]) & (np.arange(batch.row.size) >= np.flatnonzero(batch.row == batch.row[turn]).min())
    before, _ = learn(batch, folds)
    after, _ = learn(replace(batch, y=np.where(mine, 1.0 - batch.y, batch.y)), folds)
    # Rows of the same fold move only where their own context holds an answer that was turned.
    same_fold = folds[owner] == folds[owner[turn]]
    still = same_fold & (~mine | (batch.row == batch.row[turn]))
    np.testing.assert_array_equal(after[still], before[still])


@given(events=histories(), data=st.data())
def test_the_labels_of_a_training_student_never_move_its_encodings_by_topic_item_and_tries(events, data):
    batch = make_batch(event_columns(table(events)))
    assume(batch.row.size)
    student = data.draw(st.integers(0, len(batch.students) - 1))
    mine = np.repeat(np.arange(len(batch.students)), np.diff(batch.student_ptr)) == student
    fold = np.arange(len(batch.students))
    before, _ = learn(batch, fold)
    after, _ = learn(replace(batch, y=np.where(mine, 1.0 - batch.y, batch.y)), fold)
    for name in ("topic", "item", "topic_opportunity", "item_tries", "item_previous_item"):
        at = names().index(name)
        np.testing.assert_array_equal(after[mine, at : at + 2], before[mine, at : at + 2])


@given(events=histories())
def test_encodings_are_finite_clipped_and_no_sum_holds_a_context_without_answers(events):
    batch = make_batch(event_columns(table(events)))
    found, sums = learn(batch, np.arange(len(batch.students)) % 2)
    for matrix in (found, encoded(batch, sums)):
        assert np.isfinite(matrix).all()
        assert np.all(np.abs(matrix[:, ::2]) <= np.float32(np.log(99.0)) + 1e-6)
        assert np.all(matrix[:, 1::2] >= 0.0)
    assert np.all(sums["encoding_n"] > 0.0)
    assert sums["encoding_ptr"][-1] == sums["encoding_key"].size == sums["encoding_right"].size


def test_every_parent_is_encoded_before_its_children():
    assert all(encoding.parent < place for place, encoding in enumerate(ENCODINGS))
    assert len(set(NAMES)) == len(NAMES)


def test_the_page_lists_every_encoding():
    rows = [
        f"| `{e.name}` | {'mean' if e.parent < 0 else f'`{NAMES[e.parent]}`'} | {e.shrinkage:g} |" for e in ENCODINGS
    ]
    assert "\n".join(rows) in PAGE
