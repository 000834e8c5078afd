from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from answers import answer_batch
from mastery.errors import BadInput
from mastery.evaluation.splits import Log, Split, cv_folds_of, parse_split
from mastery.features.take_rows import take_rows
from mastery.scorers.fits import held_out

START = datetime(2026, 3, 1, tzinfo=UTC)


def log_of(**columns) -> Log:
    table = pa.table(columns)
    return Log(answer_batch(table), table)


def log(students=40, each=5, **more) -> Log:
    n = students * each
    rng = np.random.default_rng(0)
    return log_of(
        student_id=[f"s{k // each:03d}" for k in range(n)], topic_id=[f"t{k % 3}" for k in range(n)],
        is_correct=rng.integers(0, 2, n), order=list(range(n)),
        timestamp=[START + timedelta(hours=k % each, minutes=k // each) for k in range(n)], **more,
    )  # fmt: skip


def test_texts_name_splits_and_what_names_none_is_refused():
    assert parse_split("student") == Split("student")
    assert parse_split("time") == Split("time")
    assert parse_split("time:2026-03-01T08:00") == Split("time", value="2026-03-01T08:00")
    assert parse_split("column:akt_fold") == Split("column", "akt_fold")
    assert parse_split("column:name=a=b") == Split("column", "name", "a=b")
    for text in ("", "students", "column", "column:", "column:=1", "time:", "student:3"):
        with pytest.raises(BadInput, match="unknown split"):
            parse_split(text)


def test_every_student_is_tested_in_one_of_the_parts_and_never_learnt_from_in_it():
    whole = log()
    names, folds = cv_folds_of(whole, Split("student"), 4, seed=0)
    tested = []
    for fold in folds:
        assert not set(fold.train.students) & set(fold.test.students)
        assert set(fold.train.students) | set(fold.test.students) == set(whole.batch.students)
        assert fold.counted.all()
        tested += fold.test.students
    assert len(names) == 4
    assert sorted(tested) == list(whole.batch.students)


def test_one_in_five_is_tested_and_another_seed_tests_others():
    many = log(students=1_000, each=2)
    (one,) = cv_folds_of(many, Split("student"), None, seed=0)[1]
    (same,) = cv_folds_of(many, Split("student"), 1, seed=0)[1]
    (other,) = cv_folds_of(many, Split("student"), None, seed=1)[1]
    assert 150 < len(one.test.students) < 250
    assert one.test.students == same.test.students != other.test.students


@given(seed=st.integers(0, 20))
def test_a_fit_still_finds_students_to_hold_out_among_those_it_learns_from(seed):
    (fold,) = cv_folds_of(log(students=300, each=1), Split("student"), None, seed)[1]
    for one_in in (5, 10):
        assert held_out(fold.train.students, one_in).any()


def test_time_cuts_every_log_at_one_moment_and_keeps_the_past_of_who_is_tested():
    (fold,) = cv_folds_of(log(), Split("time", value="2026-03-01T02:30"), None, 0)[1]
    moment = int((START + timedelta(hours=2, minutes=30)).timestamp() * 1e6)
    assert fold.train.at_us.max() < moment <= fold.test.at_us[fold.counted].min()
    assert fold.test.at_us[~fold.counted].max() < moment
    assert fold.train.row.size + fold.counted.sum() == 200


def test_without_a_moment_four_fifths_lie_before():
    (fold,) = cv_folds_of(log(), Split("time"), None, 0)[1]
    assert fold.train.row.size == 160


def test_a_column_tests_its_values_in_turn_in_order_of_numbers_and_null_is_never_tested():
    values = [None if k < 4 else 10 * (k % 3) for k in range(40)]
    whole = log(group=pa.array([values[k // 5] for k in range(200)], pa.float64()))
    names, folds = cv_folds_of(whole, Split("column", "group"), None, 0)
    assert names == ["group=0", "group=10", "group=20"]
    for fold in folds:
        assert {"s000", "s001", "s002", "s003"} <= set(fold.train.students)
    assert cv_folds_of(whole, Split("column", "group"), 1, 0)[0] == ["group=0"]


def test_a_stray_fold_0_marks_who_is_never_tested_but_a_full_one_is_a_fold():
    folds = [0] + [1 + k % 3 for k in range(39)]
    assert cv_folds_of(log(fold=[folds[k // 5] for k in range(200)]), Split("column", "fold"), None, 0)[0] == [
        "fold=1", "fold=2", "fold=3",
    ]  # fmt: skip
    folds = [k % 4 for k in range(40)]
    names = cv_folds_of(log(fold=[folds[k // 5] for k in range(200)]), Split("column", "fold"), None, 0)[0]
    assert names == ["fold=0", "fold=1", "fold=2", "fold=3"]


def test_nothing_that_a_student_did_after_a_tested_row_is_learnt_from():
    whole = log_of(student_id=["a"] * 5 + ["b"] * 2, is_correct=[1, 0, 1, 0, 1, 1, 0], order=[0, 1, 2, 3, 4, 0, 1],
                   part=["x", "x", "y", "x", "y", "x", "x"])  # fmt: skip
    (fold,) = cv_folds_of(whole, Split("column", "part", "y"), None, 0)[1]
    assert fold.train.row.tolist() == [0, 1, 5, 6]
    assert fold.test.row.tolist() == [0, 1, 2, 3, 4]
    assert fold.counted.tolist() == [False, False, True, False, True]


def test_rows_of_one_interaction_are_never_on_both_sides():
    whole = log_of(student_id=["a"] * 4 + ["b"], topic_id=["t", "u", "t", "u", "t"], is_correct=[1, 1, 0, 0, 1],
                   interaction_id=[1, 1, 2, 2, 3], part=["x", "y", "y", "x", "x"])  # fmt: skip
    (fold,) = cv_folds_of(whole, Split("column", "part", "y"), None, 0)[1]
    assert not set(fold.train.row.tolist()) & set(fold.test.row[fold.counted].tolist())


@pytest.mark.parametrize(
    ("split", "folds", "said"),
    [
        (Split("student"), 0, "0 folds; expected 1 or more"),
        (Split("column", "fould"), None, "no column 'fould' in the log .did you mean 'fold'"),
        (Split("column", "fold", "9"), None, "no row has fold '9'; its values are: 1, 2"),
        (Split("column", "fold", "1"), 3, "3 folds of a split that has one test"),
        (Split("column", "empty"), None, "column 'empty' is null in every row"),
        (Split("column", "order"), None, "order has 200 values; name one"),
        (Split("time", value="tomorrow"), None, "'tomorrow' is not a moment"),
    ],
)
def test_what_cannot_be_split_says_why(split, folds, said):
    whole = log(fold=[1 + k % 2 for k in range(200)], empty=pa.nulls(200, pa.string()))
    with pytest.raises(BadInput, match=said):
        cv_folds_of(whole, split, folds, 0)


def test_a_log_without_time_or_columns_or_a_second_student_or_answers_cannot_be_split_by_them():
    one = log_of(student_id=["a", "a"], is_correct=[1, 0])
    for split, whole, said in [
        (Split("time"), one, "no time stamps"),
        (Split("student"), one, "one student"),
        (Split("column", "x"), Log(one.batch), "no columns to split by"),
        (Split("student"), Log(take_rows(one.batch, np.zeros(2, bool))), "no answers"),
    ]:
        with pytest.raises(BadInput, match=said):
            cv_folds_of(whole, split, None, 0)


def test_a_part_without_students_says_that_there_are_too_few_of_them():
    with pytest.raises(BadInput, match=r"part 1 of 2 has all of the 2 students.*take more students"):
        cv_folds_of(log(students=2), Split("student"), 2, 0)
    with pytest.raises(BadInput, match=r"part 2 of 3 has none of the 4 students"):
        cv_folds_of(log(students=4), Split("student"), 3, 0)
