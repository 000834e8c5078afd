"""Scores at the end of weeks beside an outcome: whose weeks, which answers, and nothing of what came after."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from answers import log_of
from mastery.errors import BadInput
from mastery.evaluation.outcomes import outcome_of, parse_outcome
from mastery.evaluation.splits import Split
from mastery.evaluation.student_columns import column_of_rows, column_of_table
from mastery.instants import DAY_US
from mastery.pipelines.evaluation.evaluate import evaluate
from mastery.pipelines.evaluation.outcome import COUNT, SHARE, term_of, weeks_said
from mastery.pipelines.evaluation.predictors import unfitted
from mastery.pipelines.evaluation.report import as_json, markdown
from mastery.pipelines.models.rules import load_rules
from mastery.scorers.model_set import default_model_set
from mastery.simulation import SchoolPlan, simulate

RULES = load_rules("classic").params
PARAMETERS = default_model_set(RULES, {}, {}).scorers


@pytest.fixture(scope="module")
def school() -> pa.Table:
    """Answers of a simulated class, in two courses by turns."""
    (chunk,) = simulate(SchoolPlan(students=120, days=60, seed=4, topics=10, topics_per_student=6, truth=False))
    answers = chunk.tables["quiz_attempts"].select(["student_id", "question_id", "topic_id", "is_correct", "timestamp"])
    course = ["ab"[int(str(name)[-1]) % 2] for name in answers["student_id"].to_pylist()]
    return answers.append_column("course", pa.array(course))


@pytest.fixture(scope="module")
def log(school):
    return log_of(school)


def test_weeks_begin_with_the_students_own_first_answer_or_with_that_of_the_cohort(log):
    batch = log.batch
    first = dict(zip(batch.students, batch.at_us[batch.student_ptr[:-1]].tolist(), strict=True))
    alone = term_of(log, None)
    assert alone.begins_us == {name: at // DAY_US * DAY_US for name, at in first.items()}
    cohort = column_of_rows(log, "course")
    together = term_of(log, cohort)
    for name, course in cohort.of_student.items():
        same = [first[other] for other, mine in cohort.of_student.items() if mine == course]
        assert together.begins_us[name] == min(same) // DAY_US * DAY_US


def test_share_and_count_are_those_of_the_answers_so_far(log, school):
    term = term_of(log, None)
    said = weeks_said(log.batch, PARAMETERS, ["elo"], term)[3]
    assert set(said.mastery) == {"elo", SHARE, COUNT}
    at_us = school["timestamp"].cast(pa.timestamp("us", "UTC")).cast(pa.int64()).to_numpy()
    who, right = np.array(school["student_id"].to_pylist()), school["is_correct"].to_numpy()
    for place, name in enumerate(said.students[:20]):
        mine = (who == name) & (at_us < term.begins_us[name] + 21 * DAY_US)
        assert said.mastery[COUNT][place] == mine.sum()
        assert said.mastery[SHARE][place] == pytest.approx(right[mine].mean())


def test_what_comes_after_a_week_changes_nothing_that_is_said_at_its_end(log):
    term = term_of(log, None)
    batch = log.batch
    owner = np.repeat(np.arange(len(batch.students)), np.diff(batch.student_ptr))
    begins = np.array([term.begins_us[name] for name in batch.students])[owner]
    later = batch.at_us >= begins + 21 * DAY_US
    other = replace(batch, y=np.where(later, 1.0 - batch.y, batch.y))
    one, two = (weeks_said(which, PARAMETERS, ["elo", "bkt", "rule_based"], term) for which in (batch, other))
    assert later.sum() > 300
    for week in (1, 2, 3):
        for name, values in one[week].mastery.items():
            np.testing.assert_array_equal(values, two[week].mastery[name])
    assert np.any(one[4].mastery["elo"] != two[4].mastery["elo"])


def test_a_term_that_begins_some_weeks_later_is_the_same_term(log):
    term = term_of(log, None)
    later = 5 * 7 * DAY_US
    moved = replace(log, batch=replace(log.batch, at_us=log.batch.at_us + later))
    one, two = (weeks_said(which.batch, PARAMETERS, ["elo"], term_of(which, None)) for which in (log, moved))
    assert term.begins_us != term_of(moved, None).begins_us
    assert one.keys() == two.keys()
    for week, said in one.items():
        np.testing.assert_array_equal(said.mastery["elo"], two[week].mastery["elo"])


def test_scores_are_told_beside_the_outcome_in_json_and_on_the_page(log, school):
    """The outcome is who answers right more often than others: every number goes with it."""
    table = pa.TableGroupBy(school, "student_id").aggregate([("is_correct", "mean")])
    marks = pa.table({"student_id": table["student_id"], "mark": table["is_correct_mean"]}).slice(1)
    outcome = outcome_of(parse_outcome("mark"), column_of_table(log, marks, "mark"))
    found = evaluate(log, Split("student"), unfitted(RULES), cv_folds=3, outcome=outcome)
    document = json.loads(json.dumps(as_json(found), allow_nan=False))["outcome"]
    assert (document["column"], document["cohort"]) == ("mark", None)
    last = document["weeks"][-1]
    assert set(last["scores"]) == {"rule_based", "bkt", "elo", "blend", "share_right", "answers"}
    assert last["scores"]["share_right"]["auc"] > 0.95
    assert last["scores"]["elo"]["auc"] > 0.8
    low, high = last["scores"]["elo"]["intervals_95"]["auc_gain"]
    assert low <= last["scores"]["elo"]["auc_gain"] <= high
    assert [week["week"] for week in document["weeks"]] == [1, 2, 3, 4, 6, 8, 10][: len(document["weeks"])]
    assert any("left out beside mark: 1 student without one" in note for note in found.notes)
    assert "## Beside mark" in markdown(found)
    assert as_json(evaluate(log, Split("student"), unfitted(RULES)))["outcome"] is None


def test_a_log_without_a_clock_has_no_weeks(school):
    untimed = log_of(school.drop_columns(["timestamp"]))
    with pytest.raises(BadInput, match="the log has no time stamps, so it has no weeks"):
        term_of(untimed, None)
