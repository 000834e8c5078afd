"""Outcomes: what a rule means, and how numbers go with them, by hand and against copies of drawn students."""

from __future__ import annotations

import numpy as np
import pytest

from mastery.errors import BadInput
from mastery.evaluation.measures import auc, interval
from mastery.evaluation.next_week import correlation
from mastery.evaluation.outcomes import OutcomeRule, agreements, outcome_of, parse_outcome
from mastery.evaluation.student_columns import StudentColumn

RESULTS = StudentColumn("result", {"a": "Pass", "b": "Fail", "c": "Distinction"}, empty=1, several=2)
MARKS = StudentColumn("mark", {"a": "7.5", "b": "4", "c": "6"})


def test_a_rule_names_a_column_and_what_is_good_in_it():
    assert parse_outcome("mark") == OutcomeRule("mark")
    assert parse_outcome("result=Pass, Distinction") == OutcomeRule("result", ("Pass", "Distinction"))
    assert parse_outcome("mark>=5.5") == OutcomeRule("mark", least=5.5)


@pytest.mark.parametrize("text", ["", "=Pass", "result=", "mark>=", "mark>=good", ">=5", "mark>=nan"])
def test_what_is_no_rule_is_refused(text):
    with pytest.raises(BadInput, match="expected COLUMN, COLUMN=VALUE,VALUE or COLUMN>=NUMBER"):
        parse_outcome(text)


def test_words_numbers_and_thresholds_are_outcomes():
    words = outcome_of(parse_outcome("result=Pass,Distinction"), RESULTS)
    assert words.good == {"a": True, "b": False, "c": True}
    assert (words.meaning, words.left_out) == ("result Pass or Distinction", 3)
    plain = outcome_of(parse_outcome("mark"), MARKS)
    assert plain.number == {"a": 7.5, "b": 4.0, "c": 6.0}
    assert plain.good == {"a": True, "b": False, "c": False}
    assert plain.meaning == "mark above its median, 6"
    assert outcome_of(parse_outcome("mark>=6"), MARKS).good == {"a": True, "b": False, "c": True}
    flags = outcome_of(parse_outcome("left"), StudentColumn("left", {"a": "true", "b": "0"}))
    assert (flags.good, flags.meaning) == ({"a": True, "b": False}, "left 1")


def test_a_value_that_is_not_there_or_no_number_is_refused():
    with pytest.raises(BadInput, match="no student has result 'Passed'; its values are: Distinction, Fail, Pass"):
        outcome_of(parse_outcome("result=Passed"), RESULTS)
    with pytest.raises(BadInput, match="result is 'Distinction', which is no number.*result=Distinction"):
        outcome_of(parse_outcome("result"), RESULTS)


def test_decimal_commas_are_numbers_where_they_can_be_nothing_else():
    marks = outcome_of(parse_outcome("mark>=1.7"), StudentColumn("mark", {"a": "1,3", "b": "2,0", "c": "1.7"}))
    assert marks.number == {"a": 1.3, "b": 2.0, "c": 1.7}
    assert marks.good == {"a": False, "b": True, "c": True}
    with pytest.raises(BadInput) as refused:  # of values with a comma no list of good ones can be made
        outcome_of(parse_outcome("mark"), StudentColumn("mark", {"a": "1,234", "b": "5,678"}))
    assert str(refused.value) == (
        "mark is '1,234', which is no number; expected numbers such as 12.5; its values are: 1,234, 5,678"
    )


def test_numbers_are_measured_beside_the_outcome_on_the_same_drawn_students():
    rng = np.random.default_rng(4)
    number = rng.normal(size=50)
    good = number > 0.2
    said = {"close": number + rng.normal(size=50), "share": rng.normal(size=50)}
    found = agreements(said, number, good, against="share", seed=7, draws=40)
    for name, values in said.items():
        assert found[name].measures["auc"] == auc(values, good.astype(float))
        assert found[name].measures["correlation"] == correlation(values, number)
    assert found["share"].measures["auc_gain"] == 0.0
    again, areas, gains, rs = np.random.default_rng(7), [], [], []
    for _ in range(40):
        rows = again.integers(0, 50, 50)
        areas.append(auc(said["close"][rows], good[rows].astype(float)))
        gains.append(areas[-1] - auc(said["share"][rows], good[rows].astype(float)))
        rs.append(correlation(said["close"][rows], number[rows]))
    for name, draws in (("auc", areas), ("auc_gain", gains), ("correlation", rs)):
        assert found["close"].intervals[name] == pytest.approx(interval(np.array(draws))), name


def test_of_too_few_students_nothing_is_said():
    few = np.arange(19.0)
    assert agreements({"share": few}, few, few > 9, against="share", seed=0) == {}
    many = np.arange(60.0)
    assert agreements({"share": many}, many, many > 50, against="share", seed=0) == {}
