"""Fitting ml: what is learnt, from what, and what happens when there is little of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from histories import DAY, Event, table
from mastery.features.batch import Batch, make_batch
from mastery.features.columns import FEEDBACK, QUIZ, event_columns
from mastery.features.subset import take_students
from mastery.scorers import SCORERS
from mastery.scorers.base import Model, predict, start
from mastery.scorers.boosting import fit as fitting
from mastery.scorers.boosting import scorer as ml
from mastery.scorers.boosting.training_rows import (
    Bases,
    held_out_cv_folds,
    labelled,
    opinions_as_questions,
    probabilities_before,
)
from mastery.scorers.parameters import Parameters
from ml_school import fitted, school, shipped

GIVEN = {name: shipped().scorers[name] for name in ("bkt", "elo")}


def probabilities(batch: Batch, given=GIVEN) -> dict[str, np.ndarray]:
    models = {name: mine.model(batch.topics, batch.uses) for name, mine in given.items()}
    return {name: predict(SCORERS[name], m, batch, start(SCORERS[name], m, batch)) for name, m in models.items()}


def log_loss(batch: Batch, p: np.ndarray) -> float:
    quiz = (batch.kind == QUIZ) & (batch.weight > 0)
    y, p = batch.y[quiz], p[quiz]
    return float(-np.mean(y * np.log(p) + (1 - y) * np.log(1 - p)))


def rows_of(batch: Batch):
    sums = Bases.of(batch, held_out_cv_folds(batch))
    parameters = fitting._scale(batch, GIVEN, sums)
    asked = opinions_as_questions(batch)
    said = {name: probabilities_before(name, batch, asked, mine, None) for name, mine in GIVEN.items()}
    return labelled(batch, asked, said, sums, parameters)


def quizzes(*answers: tuple[str, str, int], item: str | None = None, apart_us: int = DAY) -> Batch:
    """Return a batch of (student, topic, right) in order."""
    events = [
        Event(at_us=19_000 * DAY + k * apart_us, student=who, topics=(topic,), share_ppm=right * 1_000_000, number=k,
              item=item)
        for k, (who, topic, right) in enumerate(answers)
    ]  # fmt: skip
    return make_batch(event_columns(table(events)))


def test_new_students_are_predicted_better_than_by_any_scorer_that_was_read():
    test = school(students=200, seed=77)
    said = probabilities(test)
    mine = log_loss(test, ml.predict(test, fitted().parameters, said))
    assert mine < min(log_loss(test, p) for p in said.values())


def test_the_same_seed_gives_the_same_parameters_to_the_bit():
    batch = school(students=80)
    one, other = (fitting.fit(batch, given=GIVEN, seed=3).parameters.digest() for _ in range(2))
    assert one == other
    assert fitting.fit(batch, given=GIVEN, seed=4).parameters.digest() != one


def test_what_is_measured_is_what_the_parameters_predict_when_every_choice_is_made():
    measures = fitted().measures
    assert {"rows", "trees", "held_out_log_loss", "held_out_later_log_loss", "members"} <= set(measures)
    assert measures["members"] == "elo"


def test_bases_of_a_training_row_hold_no_answer_of_its_own_student():
    batch = school(students=60)
    topic, item = Bases.of(batch, held_out_cv_folds(batch)).rows(batch)
    owner = np.repeat(np.arange(len(batch.students)), np.diff(batch.student_ptr))
    for student in (0, 17, 59):
        mine = owner == student
        turned = replace(batch, y=np.where(mine, 1.0 - batch.y, batch.y))
        topic_turned, item_turned = Bases.of(turned, held_out_cv_folds(batch)).rows(turned)
        np.testing.assert_array_equal(topic_turned[mine], topic[mine])
        np.testing.assert_array_equal(item_turned[mine], item[mine])
        assert np.any(item_turned[~mine] != item[~mine])


def test_a_coming_week_is_labelled_on_its_first_answer_with_the_mean_of_the_topic():
    batch = quizzes(
        ("s_a0", "t0", 1), ("s_a0", "t1", 0), ("s_a0", "t0", 0), ("s_a0", "t0", 1), *[("s_a0", "t0", 0)] * 9
    )
    found = rows_of(batch)
    answers = int(found.answer.sum())
    assert answers == 13
    # t0 on days 0, 2, 3 … 6 is one week, days 7 to 12 the next; t1 has one answer, which is its own label.
    assert found.label[answers:].tolist() == [pytest.approx(2 / 6), pytest.approx(0.0)]
    assert found.weight[answers:].tolist() == [0.05 * 6, 0.05 * 6]
    np.testing.assert_array_equal(found.features[answers], found.features[0])


def test_a_log_of_one_day_has_no_coming_weeks():
    assert rows_of(quizzes(*[("s_a0", "t0", 1)] * 5, apart_us=1)).label.size == 5


def test_a_teachers_score_is_a_label_and_never_a_feature():
    answers = [Event(at_us=19_000 * DAY + k, share_ppm=1_000_000, number=k) for k in range(3)]
    told = Event(at_us=19_000 * DAY + 9, kind="feedback", share_ppm=500_000, number=9)
    last = Event(at_us=19_000 * DAY + 10, share_ppm=0, number=10)
    batch = make_batch(event_columns(table([*answers, told, last])))
    found = rows_of(batch)
    bkt = SCORERS["bkt"]
    guess, slip = (GIVEN["bkt"].default[bkt.column(name)] for name in ("guess", "slip"))
    assert found.label.tolist() == [1.0, 1.0, 1.0, 0.0, pytest.approx(guess + (1.0 - guess - slip) * 0.5)]
    assert found.weight[-1] == 4.0
    other = replace(batch, success_ppm=np.where(batch.kind == FEEDBACK, 900_000, batch.success_ppm))
    np.testing.assert_array_equal(rows_of(other).features, found.features)
    # Asked after three right answers: what the next answer's row says too, but for the item.
    np.testing.assert_allclose(found.features[-1], found.features[3], atol=1e-5)


def test_predicted_probabilities_take_the_place_of_the_members_own():
    batch = school(students=80)
    said = probabilities(batch)
    assert fitting.fit(batch, given=GIVEN, predicted=said).parameters.digest() == (
        fitting.fit(batch, given=GIVEN).parameters.digest()
    )
    flat = {name: np.full(batch.slot.size, 0.5) for name in said}
    assert fitting.fit(batch, given=GIVEN, predicted=flat).parameters.digest() != (
        fitting.fit(batch, given=GIVEN).parameters.digest()
    )


@pytest.mark.parametrize(
    ("case", "batch"),
    [
        ("one student, one answer", quizzes(("s_a0", "t0", 1))),
        ("one student", quizzes(*[("s_a0", "t0", k % 2) for k in range(30)])),
        ("all right", quizzes(*[(f"s_a{k % 40}", "t0", 1) for k in range(200)])),
        ("all wrong", quizzes(*[(f"s_a{k % 40}", "t0", 0) for k in range(200)])),
        ("a topic with one answer", quizzes(("s_a1", "t9", 1), *[(f"s_a{k % 9}", "t0", k % 2) for k in range(90)])),
        ("no answers", take_students(quizzes(("s_a0", "t0", 1)), np.zeros(1, bool))),
        ("practice alone", make_batch(event_columns(table([Event(kind="practice", attempts=3)])))),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_odd_input_gives_numbers_and_a_sentence(case, batch):
    fit = fitting.fit(batch, given=GIVEN)
    ml.check(fit.parameters.model([("a", "t0"), ("a", "never seen")], [("a", "i0")]))
    p = ml.predict(batch, fit.parameters, probabilities(batch))
    assert np.array_equal(np.isnan(p), batch.weight <= 0.0)
    if len(batch.students) < 5:
        assert fit.notes


def test_without_scorers_to_read_counts_alone_are_learnt_from():
    fit = fitting.fit(school(students=100), given={})
    assert fit.measures["members"] == ""
    assert fit.measures["trees"] > 5


def test_guess_slip_and_half_life_are_those_of_bkt():
    row = GIVEN["bkt"].default.copy()
    for name, value in (("guess", 0.15), ("slip", 0.05), ("half_life_days", 50.0)):
        row[SCORERS["bkt"].column(name)] = value
    given = GIVEN | {"bkt": Parameters(row, GIVEN["bkt"].topics, GIVEN["bkt"].items)}
    params: Model = fitting.fit(school(students=40), given=given).parameters.model([("a", "t0"), ("b", "new")], [])
    columns = [ml.GUESS, ml.SLIP, ml.HALF_LIFE]
    np.testing.assert_array_equal(params.params[:, columns], [[0.15, 0.05, 50.0]] * 2)


def test_the_prior_is_the_score_of_a_student_nobody_has_seen():
    params = fitted().parameters.model([("a", "t0")], []).params[0]
    assert 0.2 < params[ml.PRIOR] < 0.8
