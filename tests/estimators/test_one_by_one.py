"""One answer at a time: the bits of the fold, a new value each time, and no more than 50 µs."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mastery as ms

FOLDING = (
    "RuleBased", "RuleBased unfitted", "BKT", "Elo", "IRT", "LinearRNN", "LinearRNN unconstrained"
)  # fmt: skip
START = datetime(2020, 3, 1, tzinfo=UTC)
each = pytest.mark.parametrize("name", FOLDING)

answer = st.fixed_dictionaries(
    {
        "topic": st.sampled_from(["frac-equiv", "frac-compare", "never taught"]),
        "item": st.sampled_from(
            [None, "frac-equiv-q01", "frac-equiv-q02", "frac-compare-q01", "never asked", "nor this"]
        ),
        "correct": st.booleans(),
        "gap_s": st.sampled_from([0, 1, 45, 1_799, 1_801, 86_400, 5_000_000]),
        "seconds": st.sampled_from([None, 3.0, 61.5]),
        "hints": st.sampled_from([None, 0, 2]),
        "attempt": st.sampled_from([None, 1, 2, 4]),
    }
)


def as_table(answers):
    """The answers of one student as rows of a table."""
    at, rows = START, []
    for k, one in enumerate(answers):
        at += timedelta(seconds=one["gap_s"])
        rows.append(
            {
                "student_id": "S1",
                "topic_id": one["topic"],
                "question_id": one["item"],
                "is_correct": one["correct"],
                "timestamp": at,
                "order": k,
                "time_spent_sec": one["seconds"],
                "hints_used": one["hints"],
                "attempts_count": one["attempt"],
            }
        )
    types = {"question_id": pa.string(), "time_spent_sec": pa.float64(), "hints_used": pa.int64(),
             "attempts_count": pa.int64(), "timestamp": pa.timestamp("us", "UTC")}  # fmt: skip
    names = rows[0].keys()
    return pa.table({name: pa.array([row[name] for row in rows], types.get(name)) for name in names})


@pytest.mark.slow
@each
@settings(max_examples=25, deadline=None)
@given(
    answers=st.lists(answer, min_size=1, max_size=12), zone=st.sampled_from(["UTC", "Asia/Kolkata", "Europe/Berlin"])
)
def test_updates_one_by_one_are_the_fold_and_predict_what_it_predicts(fitted, name, answers, zone):
    model, table = fitted[name], as_table(answers)
    read = ms.read_answers(table, table="responses", school_timezone=zone)
    state = replace(model.state(student="S1", school_timezone=zone), durations_are_gaps=read.durations_are_gaps)
    predicted = []
    for one, at in zip(answers, table["timestamp"].to_pylist(), strict=True):
        predicted.append(model.p_correct(state, topic=one["topic"], item=one["item"], at=at))
        asked = {name: one[name] for name in ("topic", "item", "correct", "seconds", "hints", "attempt")}
        state = model.update(state, at=at, **asked)
    assert state == model.state(read, student="S1")
    np.testing.assert_array_equal(predicted, model.predict(read)["p_correct"].to_numpy())


@each
def test_a_state_stays_what_it_was_when_an_answer_follows(fitted, school, name):
    model = fitted[name]
    state = model.state(school.answers, student=school.answers.students[0])
    same = model.state(school.answers, student=school.answers.students[0])
    topic = next(iter(state.topics))
    for correct in (True, False):
        assert model.update(state, topic=topic, correct=correct) != state
    assert state == same and hash(state) == hash(same)


@each
def test_an_update_takes_50_microseconds_at_most(fitted, school, name):
    model = fitted[name]
    state = model.state(school.answers, student=school.answers.students[0])
    topic, item, at = next(iter(state.topics)), school.answers.batch.items[0][1], datetime(2026, 12, 1, tzinfo=UTC)

    def once():
        begun = time.perf_counter()
        for _ in range(100):
            model.update(state, topic=topic, item=item, correct=True, at=at)
        return (time.perf_counter() - begun) / 100

    once()
    assert min(once() for _ in range(20)) <= 50e-6


@each
def test_more_is_expected_after_a_right_answer_than_after_a_wrong_one(fitted, name):
    model = fitted[name]
    state = model.state(student="new")
    wrong, right = (
        model.p_correct(model.update(state, topic="frac-equiv", correct=c), topic="frac-equiv") for c in (False, True)
    )
    assert wrong < right


def test_an_answer_before_the_newest_one_is_refused(fitted):
    model = fitted["BKT"]
    state = model.update(model.state(student="S1"), topic="t", correct=True, at=START)
    with pytest.raises(ms.BadInput, match=r"answer at 2020-02-29 .* comes after one at 2020-03-01 .*Fold all of the"):
        model.update(state, topic="t", correct=True, at=START - timedelta(hours=1))
    assert model.update(state, topic="t", correct=True, at=START).last_at_us == state.last_at_us


def test_a_state_of_another_model_is_refused(fitted):
    state = fitted["BKT"].state(student="S1")
    with pytest.raises(ms.BadInput, match="was made by model bkt-.*, and this one is elo-.*fold the student's answers"):
        fitted["Elo"].update(state, topic="t", correct=True)
    with pytest.raises(ms.BadInput, match="was made by model bkt-.*, and this one is elo-.*fold the student's answers"):
        fitted["Elo"].scores(state)


@pytest.mark.parametrize("value", ["not a state", None, 3, {}])
def test_what_is_no_state_is_refused(fitted, value):
    for read in (
        lambda: fitted["BKT"].update(value, topic="t", correct=True),
        lambda: fitted["BKT"].p_correct(value, topic="t"),
    ):
        with pytest.raises(ms.BadInput, match=r"is not the state of a student; expected what model\.state"):
            read()


@pytest.mark.parametrize(
    "value", ["", "  ", float("nan"), float("inf"), "a\x00b", "a\tb", "x" * 1025, [], b"t", True, pd.NA]
)
def test_an_id_that_no_row_could_have_is_refused(fitted, school, value):
    model = fitted["BKT"]
    state = model.state(student="S1")
    for what, read in {
        "topic": lambda: model.update(state, topic=value, correct=True),
        "item": lambda: model.p_correct(state, topic="t", item=value),
        "student": lambda: model.state(student=value),
    }.items():
        with pytest.raises(ms.BadInput, match=f"{what} is .*; expected an id: a text of 1 to 1,024 letters"):
            read()


def test_an_id_is_understood_as_a_column_of_ids_is(fitted):
    model = fitted["BKT"]
    state = model.update(model.state(student=" S1 "), topic=3.0, correct=True)
    assert (state.student, *state.topics) == ("S1", "3")
    for topic in (3, np.int8(3), np.float32(3), "3", " 3"):
        assert model.update(model.state(student="S1"), topic=topic, correct=True) == state


@pytest.mark.parametrize("value", ["false", "0", None, float("nan"), 0.5, -1, 2, []])
def test_an_outcome_that_is_neither_true_nor_false_is_refused(fitted, value):
    with pytest.raises(ms.BadInput, match="correct is .*; expected True or False, or 1 or 0"):
        fitted["BKT"].update(fitted["BKT"].state(student="S1"), topic="t", correct=value)


@pytest.mark.parametrize(("wrong", "right"), [(0, 1), (0.0, 1.0), (np.False_, np.True_), (np.int8(0), np.int8(1))])
def test_an_outcome_may_be_a_number(fitted, wrong, right):
    model = fitted["BKT"]
    state = model.state(student="S1")
    for given_as, meant in ((wrong, False), (right, True)):
        assert model.update(state, topic="t", correct=given_as) == model.update(state, topic="t", correct=meant)


@pytest.mark.parametrize("name", ["seconds", "hints", "attempt"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1, -0.001, 1e30, "3"])
def test_a_number_that_no_answer_can_have_is_refused(fitted, name, value):
    with pytest.raises(ms.BadInput, match=f"{name} is .*; expected a number from 0 to 1,000,000,000"):
        fitted["BKT"].update(fitted["BKT"].state(student="S1"), topic="t", correct=True, **{name: value})


@pytest.mark.parametrize("name", ["hints", "attempt"])
def test_half_a_hint_and_half_an_attempt_are_refused(fitted, name):
    with pytest.raises(ms.BadInput, match=f"{name} is 1.5; expected a whole number"):
        fitted["BKT"].update(fitted["BKT"].state(student="S1"), topic="t", correct=True, **{name: 1.5})


def test_a_time_that_is_missing_in_pandas_is_refused(fitted):
    pandas = pytest.importorskip("pandas")
    with pytest.raises(ms.BadInput, match="at is NaT; expected a datetime, a date, or a text"):
        fitted["BKT"].update(fitted["BKT"].state(student="S1"), topic="t", correct=True, at=pandas.NaT)


def test_the_score_of_a_state_is_the_score_of_the_answers(fitted, school):
    answers, student = school.answers, school.answers.students[3]
    for name in ("RuleBased", "BKT", "Elo", "IRT", "LinearRNN"):
        model = fitted[name]
        whole = model.scores(answers, as_of="2026-12-31").to_pylist()
        of_state = model.scores(model.state(answers, student=student), as_of="2026-12-31").to_pylist()
        mine = [row for row in whole if row["student_id"] == student]
        assert sorted(of_state, key=lambda row: row["topic_id"]) == mine
    with pytest.raises(ms.BadInput, match="holds answers after 2025-01-01"):
        fitted["BKT"].scores(fitted["BKT"].state(answers, student=student), as_of="2025-01-01")


@pytest.mark.parametrize("model", [ms.Boosting(), ms.Blend()])
def test_who_keeps_no_state_says_so(model):
    with pytest.raises(ms.BadInput, match=f"{type(model).__name__} keeps no state of a student"):
        model.state(student="S1")


def test_a_student_who_never_answered_is_named(fitted, school):
    with pytest.raises(ms.NotFound, match=r"no answer of student 'S99'.*model\.state\(student="):
        fitted["BKT"].state(school.answers, student="S99")


def test_a_date_is_its_end_and_counts_of_one_are_singular(fitted):
    model = fitted["BKT"]
    state = model.state(student="S1")
    day = model.update(state, topic="t", correct=True, at=date(2026, 3, 2))
    assert day == model.update(state, topic="t", correct=True, at="2026-03-02")
    assert repr(day).startswith("<StudentState of S1: 1 answer on 1 topic, the last at 2026-03-02 23:59 UTC")
