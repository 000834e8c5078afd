"""What a notebook may give by mistake is refused with what was expected, wherever it is given."""

from __future__ import annotations

from datetime import UTC, date, datetime

import numpy as np
import pyarrow as pa
import pytest

import mastery as ms
from mastery.estimators.scorers import ESTIMATORS

ANSWERS = pa.table(
    {
        "student_id": ["a", "a", "a", "b", "b", "b"],
        "topic_id": ["t"] * 6,
        "is_correct": [1, 0, 1, 1, 1, 0],
        "timestamp": [f"2026-01-0{day}T09:00:00Z" for day in (1, 2, 3, 1, 2, 3)],
    }
)


@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize(
    ("setting", "value", "expected"),
    [
        ("min_evidence", "x", "a whole number, 0 or more"),
        ("min_evidence", -1, "a whole number, 0 or more"),
        ("random_state", None, "a whole number, 0 to 4,294,967,295"),
        ("random_state", "x", "a whole number, 0 to 4,294,967,295"),
        ("n_jobs", 0, "a whole number, 1 to 1,024"),
        ("n_jobs", "all", "a whole number, 1 to 1,024"),
    ],
)
def test_a_setting_of_another_type_is_refused_by_a_fit(name, setting, value, expected):
    with pytest.raises(ms.BadInput, match=f"{setting}.* is {value!r}; expected {expected}"):
        ESTIMATORS[name](**{setting: value}).fit(ANSWERS)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (ms.BKT(items="no"), "items is 'no'; expected True or False"),
        (ms.BKT(forgetting=None), "forgetting is None; expected a text"),
        (ms.BKT(bounds={"gess": 0.1}), "bounds: no parameter 'gess' that can be bounded .did you mean 'guess'"),
        (ms.BKT(bounds=0.3), "bounds is 0.3; expected names of parameters"),
        (ms.LinearRNN(monotone="no"), "monotone is 'no'; expected True or False"),
        (ms.Elo(chapters="numbers"), "chapters is 'numbers'; expected a mapping such as"),
        (ms.Elo(chapters={"t": 5}), "the chapter of topic 't' is 5; expected a text"),
    ],
)
def test_settings_of_single_models_are_checked_too(model, expected):
    with pytest.raises(ms.BadInput, match=expected):
        model.fit(ANSWERS)


def test_all_processors_are_asked_for_as_in_scikit_learn():
    model = ms.RuleBased(n_jobs=-1)
    assert model.predict(ANSWERS) == ms.RuleBased().predict(ANSWERS) and model.get_params()["n_jobs"] == -1


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"columns": "pupil"}, "columns is 'pupil'; expected a mapping such as .*student_id"),
        ({"columns": {"pupil": 1}}, r"columns\['pupil'\] is 1; expected a text, or several"),
        ({"constants": {"topic_id": 3}}, r"constants\['topic_id'\] is 3; expected a text"),
        ({"wide": "Question *"}, "wide is 'Question \\*'; expected a mapping such as .*is_correct"),
        ({"timezone": 5}, "timezone is 5; expected a text"),
        ({"day_zero": "2013-10-01"}, "day_zero is '2013-10-01'; expected a date"),
        ({"strict": "no"}, "strict is 'no'; expected True or False"),
    ],
)
def test_what_is_said_about_columns_has_to_be_of_its_type(options, expected):
    with pytest.raises(ms.BadInput, match=expected):
        ms.read_answers(ANSWERS, **options)


def test_one_value_alone_is_not_taken_for_its_letters():
    only = ms.read_answers(ANSWERS, only={"student_id": "a"})
    assert only.students == ["a"] and len(only) == 3


def test_answers_that_were_read_are_not_read_again():
    with pytest.raises(ms.BadInput, match="have been read already"):
        ms.read_answers(ms.read_answers(ANSWERS))


def test_a_path_without_a_name_is_not_the_current_folder():
    with pytest.raises(ms.BadInput, match="the path is empty"):
        ms.read_answers("")


def test_what_cannot_be_read_is_named_as_people_know_it():
    with pytest.raises(ms.BadInput, match="^dict cannot be read; expected a frame"):
        ms.read_answers({"student_id": ["a"]})


@pytest.mark.parametrize("models", ["bkt", ms.BKT, None, [ms.BKT(), "elo"]])
def test_only_models_are_validated(models):
    with pytest.raises(ms.BadInput, match=r"is not a model; expected one such as ms\.BKT\(\)"):
        ms.cross_validate(models, ANSWERS)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"folds": "5"}, "folds is '5'; expected a whole number"),
        ({"folds": 2.5}, "folds is 2.5; expected a whole number"),
        ({"by": None}, "by is None; expected a text"),
        ({"random_state": None}, "random_state is None; expected a whole number"),
    ],
)
def test_a_validation_is_said_in_numbers_and_texts(given, expected):
    with pytest.raises(ms.BadInput, match=expected):
        ms.cross_validate(ms.RuleBased(), ANSWERS, **given)


@pytest.mark.parametrize("given", [{"students": "x"}, {"students": 2.5}, {"days": True}, {"seed": None}])
def test_a_school_is_made_of_whole_numbers(given):
    with pytest.raises(ms.BadInput, match=f"{next(iter(given))} is .*; expected a whole number"):
        ms.simulate(**given)


def test_a_scorer_is_named_by_a_text():
    with pytest.raises(ms.BadInput, match="scorer is None; expected a text"):
        ms.estimator(None)


def test_a_moment_may_come_from_any_library():
    pandas, model = pytest.importorskip("pandas"), ms.RuleBased()
    at = datetime(2026, 1, 2, 12, tzinfo=UTC)
    expected = model.scores(ANSWERS, as_of=at)
    for same in (at.replace(tzinfo=None), at.isoformat(), pandas.Timestamp(at), np.datetime64("2026-01-02T12:00")):
        assert model.scores(ANSWERS, as_of=same) == expected
    day = model.scores(ANSWERS, as_of="2026-01-02")
    assert model.scores(ANSWERS, as_of=date(2026, 1, 2)) == day
    assert model.scores(ANSWERS, as_of=np.datetime64("2026-01-02")) == day
    for none in (5, None, pandas.NaT, np.datetime64("NaT")):
        with pytest.raises(ms.BadInput, match="as_of is .*; expected a datetime, a date, or a text in ISO 8601"):
            model.scores(ANSWERS, as_of=none)


def test_the_latest_moment_of_a_state_is_that_of_its_newest_answer():
    model = ms.RuleBased()
    state = model.state(ANSWERS, student="a")
    at_latest = model.update(state, topic="t", correct=True, at="latest")
    assert at_latest.last_at_us == state.last_at_us
    assert model.p_correct(state, topic="t", at="latest") == model.p_correct(state, topic="t")
    with pytest.raises(ms.BadInput, match=r"^at 'soon' is not a moment.*latest \(the newest answer\)"):
        model.update(state, topic="t", correct=True, at="soon")
