import json
from datetime import date

import numpy as np
import pytest

from mastery.errors import BadInput
from mastery.insight.bands import BANDS
from mastery.pipelines.evaluation.simulated import evaluate_simulated, parameter_errors, unfitted_parameters
from mastery.pipelines.evaluation.simulated_report import as_json, finite, markdown, write_report
from mastery.pipelines.models.rules import load_rules
from mastery.pipelines.simulation.events import KEY, simulated_events
from mastery.scorers import SCORERS
from mastery.scorers.base import defaults, place_of
from mastery.scorers.parameters import KeyedRows, Parameters, no_rows
from mastery.simulation import SchoolPlan, course_of

LEARN = unfitted_parameters(load_rules("classic").params)
SMALL = SchoolPlan(students=1, days=30, topics=10, topics_per_student=6)


@pytest.fixture(scope="module")
def found():
    return evaluate_simulated(LEARN, plan=SMALL, sizes=(20, 5), tested=40)


def test_the_same_students_are_tested_whatever_was_learnt_from(found):
    few, many = found
    assert (few.students, many.students) == (5, 20)
    assert few.answers < many.answers
    assert few.recovery == many.recovery  # defaults learn nothing


def test_scores_find_the_truth_better_than_the_share_of_right_answers(found):
    for name, got in found[-1].recovery.items():
        assert got.scores > 100
        assert got.ratio < 1.0, name
        assert got.correlation > 0.3, name
        assert [part.name for part in got.coverage] == ["all", *BANDS]
        assert got.coverage[0].scores == sum(part.scores for part in got.coverage[1:])
        assert 0.4 < got.coverage[0].share < 1.0


def test_the_truth_is_that_of_the_end_of_the_last_whole_week():
    _, truth = simulated_events(SchoolPlan(students=4, days=30, topics=10, topics_per_student=6), 0, 4)
    last = date(2026, 1, 12).toordinal() + 27
    days = {day.toordinal() for day in truth["day"].to_pylist()}
    assert last in days
    assert set(truth["student_id"].to_pylist()) <= {KEY.student("default", f"S{k:06d}") for k in range(1, 5)}


def test_parameters_that_made_the_answers_have_no_error_and_a_shift_of_a_topic_is_none():
    course, elo = course_of(SMALL), SCORERS["elo"]
    items = [("default", name) for name in course.items["question_id"].to_pylist()]
    topics = [("default", name) for name in course.topics["topic_id"].to_pylist()]
    default = defaults(elo, 1)[0]
    rows = np.tile(default, (len(topics), 1))
    for name in ("guess", "slip"):
        mean = getattr(course.numbers, name).reshape(len(topics), -1).mean(axis=1)
        rows[:, place_of(elo.parameters, name).start] = mean
        where, probability = ("lower", mean) if name == "guess" else ("upper", 1.0 - mean)
        rows[:, place_of(elo.parameters, where).start] = probability
    shifted = course.numbers.item_difficulty + np.repeat(np.arange(10.0), SMALL.items_per_topic)
    exact = Parameters(default, KeyedRows(topics, rows), KeyedRows(items, shifted[:, None]))
    errors = parameter_errors({"elo": exact}, SMALL)["elo"]
    assert set(errors) == {"topic guess", "topic slip", "item difficulty"}
    for error in errors.values():
        assert error["rmse"] == pytest.approx(0.0, abs=1e-12)
    nothing = Parameters(default, no_rows(default.size), no_rows(1))
    assert parameter_errors({"elo": nothing}, SMALL) == {}


def test_the_report_is_json_without_nan_and_a_page(found, tmp_path):
    text, page = write_report(found, tmp_path / "out")
    document = json.loads(text.read_text())
    assert document == json.loads(json.dumps(finite(as_json(found)), allow_nan=False))
    assert document["learnt_from"][0]["scorers"]["bkt"]["coverage"]["all"]["scores"] > 0
    assert page.read_text() == markdown(found)
    assert "nan" not in markdown(found)
    with pytest.raises(BadInput, match="is a file"):
        write_report(found, text)


def test_schools_that_cannot_be_evaluated_are_refused():
    with pytest.raises(BadInput, match="0 simulated students"):
        evaluate_simulated(LEARN, plan=SMALL, sizes=(0,))
    with pytest.raises(BadInput, match="3 simulated days; expected 7 or more"):
        evaluate_simulated(LEARN, plan=SchoolPlan(students=1, days=3), sizes=(2,))
