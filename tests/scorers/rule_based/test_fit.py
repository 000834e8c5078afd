from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from answers import answer_batch
from mastery.evaluation.measures import measures
from mastery.features.batch import Batch
from mastery.features.subset import take_students
from mastery.fitting.cross_fitting import deal, labelled
from mastery.pipelines.models.rules import load_rules
from mastery.scorers.base import Model, defaults, fold, predict, read, start
from mastery.scorers.bkt import scorer as bkt
from mastery.scorers.parameters import KeyedRows, Parameters, no_rows
from mastery.scorers.rule_based import scorer as rule_based
from mastery.scorers.rule_based.fit import fit_rules
from mastery.scorers.rule_based.scorer import with_scale

RULES = with_scale(load_rules("classic").params)  # as rules that name no scale: an index is the score
GUESS, SLIP = 0.15, 0.05


def answers(students: int, seed: int, each: int = 20, hinted: bool = False) -> tuple[Batch, np.ndarray]:
    """Return answers on one topic, and what each student truly knows: an answer is right with guess + 0.8 · truth."""
    rng = np.random.default_rng(seed)
    truth = rng.random(students)
    student = np.repeat(np.arange(students), each)
    columns = {
        "student_id": [f"s{s:04d}" for s in student],
        "topic_id": ["t"] * student.size,
        "is_correct": (rng.random(student.size) < GUESS + (1.0 - SLIP - GUESS) * truth[student]).astype(np.int8),
    }
    if hinted:  # every second answer is preceded by a hint, and right
        helped = np.arange(student.size) % 2 == 1
        columns |= {"hints_used": helped.astype(np.int64), "is_correct": np.where(helped, 1, columns["is_correct"])}
    return answer_batch(pa.table(columns)), truth


def bkt_of(guess: float, slip: float) -> dict[str, Parameters]:
    row, other = defaults(bkt.SCORER, 1)[0], defaults(bkt.SCORER, 1)[0]
    row[[bkt.SCORER.column("guess"), bkt.SCORER.column("slip")]] = guess, slip
    other[[bkt.SCORER.column("guess"), bkt.SCORER.column("slip")]] = 0.05, 0.02
    return {"bkt": Parameters(other, KeyedRows((("default", "t"),), row[None, :]), no_rows(0))}


def fitted(batch: Batch, given=None):
    part = deal(batch.students, 5, 0)
    return fit_rules(batch, labelled(batch), part, RULES, bkt_of(GUESS, SLIP) if given is None else given)


def scores(batch: Batch, parameters: Parameters) -> np.ndarray:
    model = parameters.model(batch.topics, batch.uses)
    states = start(rule_based.SCORER, model, batch)
    as_of_us = int(batch.at_us.max())
    fold(rule_based.SCORER, model, batch, states, as_of_us)
    return read(rule_based.SCORER, model, batch, states, as_of_us).score


@pytest.mark.slow
def test_a_score_is_the_share_of_right_answers_to_expect_without_guessing_and_slipping():
    batch, _ = answers(600, seed=1)
    fit, _ = fitted(batch)
    others, truth = answers(600, seed=2)
    as_index = Parameters(RULES, no_rows(RULES.size), no_rows(0))
    index, score = scores(others, as_index), scores(others, fit.parameters)
    assert fit.measures["calibration"] != "identity"
    assert index.mean() < 0.4  # what nobody can reach without practice and videos
    assert score.mean() == pytest.approx(truth.mean(), abs=0.03)
    for low in (0.0, 0.25, 0.5, 0.75):  # and among students of like scores
        mine = (score >= low) & (score < low + 0.25)
        assert mine.sum() > 50
        assert score[mine].mean() == pytest.approx(truth[mine].mean(), abs=0.08)
    assert np.sqrt(np.mean((score - truth) ** 2)) < 0.6 * np.sqrt(np.mean((index - truth) ** 2))


@pytest.mark.slow
def test_weights_priors_and_half_lives_stay_what_people_wrote():
    fit, _ = fitted(answers(100, seed=1)[0])
    for row in (fit.parameters.default, *fit.parameters.topics.values):
        np.testing.assert_array_equal(row[: rule_based.SCORE_AT], RULES[: rule_based.SCORE_AT])
        rule_based.check(Model(row[None, :], np.zeros((0, 0))))


@pytest.mark.slow
def test_a_topic_has_its_own_guess_and_slip_and_a_new_one_those_of_a_topic_nobody_knows():
    batch, _ = answers(100, seed=1)
    fit, _ = fitted(batch)
    pairs = [
        (row[rule_based.GUESS], row[rule_based.SLIP])
        for row in (fit.parameters.topics.values[0], fit.parameters.default)
    ]
    assert batch.topics == [("default", "t")]
    assert pairs == [(GUESS, SLIP), (0.05, 0.02)]
    bounded, _ = fitted(batch, bkt_of(0.4, 0.3))
    assert bounded.parameters.topics.values[0, [rule_based.GUESS, rule_based.SLIP]].tolist() == [0.2, 0.1]


@pytest.mark.slow
def test_what_is_said_of_a_student_has_not_been_learnt_from_that_student():
    batch, _ = answers(60, seed=1)
    part = deal(batch.students, 5, 0)
    _, said = fitted(batch)
    mine = np.repeat(part == 2, np.diff(batch.student_ptr))
    alone, _ = fit_rules(*_without(batch, part, 2), RULES, bkt_of(GUESS, SLIP))
    model = alone.parameters.model(batch.topics, batch.uses)
    expected = predict(rule_based.SCORER, model, batch, start(rule_based.SCORER, model, batch))
    np.testing.assert_array_equal(said[mine], expected[mine])
    rows = labelled(batch)
    index = predict(
        rule_based.SCORER, Model(RULES[None, :], np.zeros((0, 0))), batch, start(rule_based.SCORER, model, batch)
    )
    assert measures(said[rows], batch.y[rows])["logloss"] < measures(index[rows], batch.y[rows])["logloss"] - 0.02


def _without(batch: Batch, part: np.ndarray, which: int) -> tuple[Batch, np.ndarray, np.ndarray]:
    rest = take_students(batch, part != which)
    return rest, labelled(rest), np.zeros(len(rest.students), np.int64)


@pytest.mark.slow
def test_answers_with_help_say_nothing_of_what_is_to_be_expected_without():
    batch, truth = answers(600, seed=3, hinted=True)
    fit, _ = fitted(batch)
    unaided = replace(batch, weight=np.where(batch.weight < 1.0, 0.0, batch.weight))
    assert np.count_nonzero(unaided.weight) == batch.weight.size // 2
    assert scores(batch, fit.parameters).mean() == pytest.approx(truth.mean(), abs=0.05)


@pytest.mark.slow
def test_an_answer_on_several_topics_is_an_unaided_one_of_each():
    batch, truth = answers(100, seed=1)
    row = np.repeat(np.arange(batch.row.size // 2), 2)  # each two answers are one on two topics
    shared = replace(batch, row=row, y=np.repeat(batch.y[::2], 2), weight=np.full(batch.weight.size, 0.5))
    fit, _ = fitted(shared)
    assert fit.notes == () and fit.parameters.topics.count == 1
    assert scores(batch, fit.parameters).mean() == pytest.approx(truth.mean(), abs=0.08)
    hinted = replace(shared, weight=np.full(batch.weight.size, 0.25))
    assert "no unaided right and wrong answers" in fitted(hinted)[0].notes[0]


@pytest.mark.parametrize("students", [1, 9])
def test_with_few_students_the_score_stays_what_the_rules_say_and_says_so(students):
    batch, _ = answers(students, seed=1)
    fit, said = fitted(batch)
    assert fit.parameters.default.tolist() == RULES.tolist()
    assert "its score stays what the rules say" in fit.notes[0]
    assert np.all(np.isfinite(said[labelled(batch)]))


def test_answers_that_are_all_right_leave_the_scale_as_it_is():
    batch, _ = answers(50, seed=1)
    right = replace(batch, y=np.ones(batch.y.size))
    fit, _ = fit_rules(right, labelled(right), deal(right.students, 5, 0), RULES, bkt_of(GUESS, SLIP))
    assert fit.parameters.default.tolist() == RULES.tolist()
    assert "its score stays what the rules say" in fit.notes[0]
