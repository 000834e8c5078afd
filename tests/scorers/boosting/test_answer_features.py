"""Features of an answer: from that student's own past, and from nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

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
from mastery.scorers.boosting.answer_features import FEATURES, answer_features
from mastery.scorers.boosting.encodings import ENCODINGS, contexts

clocks = st.sampled_from(("start", "answer"))


def features(batch: Batch, clock: str = "start") -> np.ndarray:
    out = np.empty((batch.row.size, len(FEATURES)), np.float32)
    answer_features(batch, clock, out)
    return out


def of(batch: Batch, name: str, clock: str = "start") -> list[float]:
    return features(batch, clock)[:, FEATURES.index(name)].tolist()


def log(answers: list[tuple[str, str | None, str, int]], **more: list) -> pa.Table:
    student, item, topic, right = zip(*answers, strict=True)
    return pa.table(
        {"student_id": student, "question_id": item, "topic_id": topic, "is_correct": right,
         "order": list(range(len(answers))), **more}
    )  # fmt: skip


ANSWERS = [("a", "q1", "t1", 1), ("a", "q1", "t1", 0), ("a", "q2", "t2", 1), ("a", "q1", "t1", 1), ("b", "q1", "t1", 0)]


def test_counts_and_shares_by_hand():
    batch = answer_batch(log(ANSWERS))
    assert of(batch, "answers") == pytest.approx(np.log1p([0, 1, 2, 3, 0]))
    assert of(batch, "share_right") == pytest.approx([1 / 2, 2 / 3, 2 / 4, 3 / 5, 1 / 2])
    assert of(batch, "topic_answers") == pytest.approx(np.log1p([0, 1, 0, 2, 0]))
    assert of(batch, "topic_share_right") == pytest.approx([1 / 2, 2 / 3, 1 / 2, 2 / 4, 1 / 2])
    assert of(batch, "tries") == [0, 1, 0, 2, 0]
    assert of(batch, "item_last_outcome") == [-1, 1, -1, 0, -1]
    assert of(batch, "item_run") == [0, 1, 0, 0, 0]
    assert of(batch, "topic_run") == [0, 1, 0, 0, 0]
    assert of(batch, "streak") == [0, 1, -1, 1, 0]
    assert of(batch, "last_outcomes") == [1, 0b11, 0b110, 0b1101, 1]
    assert of(batch, "topics_seen") == [0, 1, 1, 2, 0]
    assert of(batch, "first_tries_right") == pytest.approx([1 / 2, 2 / 3, 2 / 3, 3 / 4, 1 / 2])
    assert of(batch, "first_tries_recent") == pytest.approx([1 / 2, 1.5 / 2, 1.5 / 2, 2.25 / 2.75, 1 / 2])
    assert of(batch, "first_tries_lasting") == pytest.approx([1 / 2, 1.5 / 2, 1.5 / 2, 2.45 / 2.95, 1 / 2])
    assert of(batch, "later_tries_right") == pytest.approx([1 / 2, 1 / 2, 1 / 3, 1 / 3, 1 / 2])
    assert of(batch, "last_item_tries") == [0, 0, 2, 1, 0]
    assert of(batch, "mean_tries") == pytest.approx(np.log([1, 2 / 2, 3 / 2, 4 / 3, 1]))
    assert of(batch, "topic_first_tries_right") == pytest.approx([1 / 2, 2 / 3, 1 / 2, 2 / 3, 1 / 2])
    assert of(batch, "item_since_answers") == pytest.approx(
        [np.nan, np.log1p(1), np.nan, np.log1p(2), np.nan], nan_ok=True
    )


def test_rows_of_one_interaction_know_nothing_of_each_other_and_count_as_one_answer():
    answers = [("a", "q1", "t1", 1), ("a", "q1", "t2", 1), ("a", "q2", "t1", 0)]
    batch = answer_batch(log(answers, interaction_id=[0, 0, 1]))
    assert of(batch, "topics_of_event") == [2, 2, 1]
    assert of(batch, "answers") == pytest.approx(np.log1p([0, 0, 1]))
    assert of(batch, "topic_answers") == pytest.approx(np.log1p([0, 0, 1]))
    assert of(batch, "topics_seen") == [0, 0, 2]
    assert of(batch, "tries") == [0, 0, 0]
    assert of(batch, "topic_first_tries_right") == pytest.approx([1 / 2, 1 / 2, 2 / 3])
    last = answer_batch(log([*answers, ("a", "q3", "t2", 1)], interaction_id=[0, 0, 1, 2]))
    assert of(last, "topic_first_tries_right")[-1] == pytest.approx(2 / 3)  # the first event was a first try on both


def at(*seconds: float) -> list[datetime]:
    return [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=s) for s in seconds]


def test_a_gap_is_read_as_it_is_by_the_clock_start_and_in_whole_ten_minutes_by_the_clock_answer():
    answers = [("a", "q1", "t1", 1), ("a", "q2", "t1", 0), ("a", "q3", "t1", 0)]
    batch = answer_batch(log(answers, timestamp=at(0, 599, 599 + 1_300)))
    assert of(batch, "gap_s") == pytest.approx([np.nan, np.log1p(599), np.log1p(1_300)], nan_ok=True)
    assert of(batch, "gap_s", "answer") == pytest.approx([np.nan, 0.0, np.log1p(1_200)], nan_ok=True)


@given(events=histories(), clock=clocks, data=st.data())
def test_no_feature_and_no_context_moves_when_an_answer_and_all_that_follow_are_turned_round(events, clock, data):
    batch = make_batch(event_columns(table(events)))
    assume(batch.row.size)
    turn = data.draw(st.integers(0, batch.row.size - 1))
    turned, same = turned_round(batch, turn)
    np.testing.assert_array_equal(features(turned, clock)[same], features(batch, clock)[same])
    np.testing.assert_array_equal(contexts(turned)[0][:, same], contexts(batch)[0][:, same])


@given(events=histories(), extra_s=st.integers(0, 599))
def test_by_the_clock_answer_the_response_time_being_predicted_is_not_in_any_feature(events, extra_s):
    batch = make_batch(event_columns(table(events)))
    last = batch.student_ptr[1:] - 1
    assume(last.size)
    events_of_last = np.isin(batch.row, batch.row[last])
    # The last answers of all students are given at the start of their ten minutes, and then `extra_s` later.
    before = np.array([batch.at_us[i - 1] for i in last])
    weighted = np.array([batch.weight[i - 1] > 0.0 and batch.row[i] != batch.row[i - 1] for i in last])
    assume(weighted.any())
    base = batch.at_us.copy()
    base[last] = before + (batch.at_us[last] - before) // 600_000_000 * 600_000_000
    later = base.copy()
    later[last] += extra_s * 1_000_000
    alone = np.array([np.sum(batch.row == batch.row[i]) == 1 for i in last])
    rows = last[weighted & alone]
    sooner, slower = (features(replace(batch, at_us=moved), "answer")[rows] for moved in (base, later))
    np.testing.assert_array_equal(sooner, slower)
    assert events_of_last.any()


@given(events=histories(), clock=clocks, data=st.data())
def test_a_student_alone_has_the_same_features_as_among_others(events, clock, data):
    batch = make_batch(event_columns(table(events)))
    assume(len(batch.students) > 1)
    keep = np.array(data.draw(st.lists(st.booleans(), min_size=len(batch.students), max_size=len(batch.students))))
    rows = np.repeat(keep, np.diff(batch.student_ptr))
    some = take_students(batch, keep)
    np.testing.assert_array_equal(features(some, clock), features(batch, clock)[rows])
    np.testing.assert_array_equal(contexts(some)[0], contexts(batch)[0][:, rows])


@given(events=histories(), clock=clocks)
def test_features_are_numbers_or_nan_never_infinite(events, clock):
    found = features(make_batch(event_columns(table(events))), clock)
    assert not np.isinf(found).any()
    unknown = {"topic_since_answers", "topic_since_s", "topic_last_duration_s", "item_since_answers", "item_since_s",
               "gap_s", "last_duration_s", "mean_duration_s", "last_hints", "hinted"}  # fmt: skip
    assert {FEATURES[k] for k in np.flatnonzero(np.isnan(found).any(axis=0))} <= unknown


def test_contexts_do_not_depend_on_the_codes_of_the_batch():
    batch = answer_batch(log(ANSWERS))
    # Other students bring other items and topics first in the alphabet, so every code moves.
    more = answer_batch(log([("0", "a0", "a0", 1), *ANSWERS]))
    np.testing.assert_array_equal(contexts(more)[0][:, 1:], contexts(batch)[0])
    assert contexts(batch)[0].shape == (len(ENCODINGS), 5)


def test_tries_on_the_item_before_are_a_context_also_within_a_run():
    """Item q2 after one try at q1 and after two; then a second try at q2, when q1 is still the item before."""
    after_one = [("a", "q1", "t", 1), ("a", "q2", "t", 0), ("a", "q2", "t", 1)]
    after_two = [("b", "q1", "t", 0), ("b", "q1", "t", 1), ("b", "q2", "t", 0), ("b", "q2", "t", 1)]
    keys = contexts(answer_batch(log([*after_one, *after_two, *(("c", *row[1:]) for row in after_one)])))[0]
    key = keys[[encoding.name for encoding in ENCODINGS].index("item_tries_last_item_tries")]
    one, two, same = key[1:3], key[5:7], key[8:10]
    assert one.tolist() == same.tolist()
    assert len({*one.tolist(), *two.tolist()}) == 4
