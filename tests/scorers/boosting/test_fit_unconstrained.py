"""The fit of ml_unconstrained: it learns, it repeats itself, and it takes bad input without a crash."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from answers import answer_batch
from mastery.errors import BadInput
from mastery.features.batch import Batch
from mastery.features.subset import take_students
from mastery.scorers.boosting.fit_unconstrained import fit_unconstrained, student_parts
from mastery.scorers.boosting.residuals import RESIDUALS
from mastery.scorers.boosting.unconstrained import column_names, pack, predict_unconstrained


def school(students: int = 60, answers: int = 30, seed: int = 0) -> Batch:
    """Return answers of students whose ability, and of items whose difficulty, decide."""
    rng = np.random.default_rng(seed)
    ability, difficulty = rng.normal(0.0, 1.0, students), rng.normal(0.0, 1.5, 20)
    who = np.repeat(np.arange(students), answers)
    item = rng.integers(0, 20, who.size)
    right = rng.random(who.size) < 1.0 / (1.0 + np.exp(difficulty[item] - ability[who]))
    return answer_batch(
        pa.table({"student_id": [f"s{s:03d}" for s in who], "question_id": [f"q{i}" for i in item],
                  "topic_id": [f"t{i % 4}" for i in item], "is_correct": right.astype(np.int8),
                  "order": np.tile(np.arange(answers), students)})
    )  # fmt: skip


def loss(y: np.ndarray, p: np.ndarray) -> float:
    return float(-np.mean(y * np.log(p) + (1.0 - y) * np.log1p(-p)))


@pytest.fixture(scope="module")
def parts() -> tuple[Batch, Batch]:
    batch = school()
    new = student_parts(batch, 4, "test") == 0
    return take_students(batch, ~new), take_students(batch, new)


@pytest.mark.slow
def test_it_predicts_new_students_better_than_the_mean_and_than_the_topic(parts):
    training, new = parts
    fit = fit_unconstrained(training, {})
    probability = predict_unconstrained(new, fit.parameters, {})
    assert np.all((probability > 0.0) & (probability < 1.0))
    share = np.array([training.y[training.slot_topic[training.slot] == t].mean() for t in range(4)])
    assert loss(new.y, probability) < loss(new.y, share[new.slot_topic[new.slot]]) - 0.02
    assert fit.measures["trees"] > 0
    assert fit.notes == ()


def test_the_same_answers_and_seed_give_the_same_bits_and_what_is_stored_says_all(parts):
    training, new = parts
    first, second = (fit_unconstrained(training, {}, seed=3).parameters for _ in range(2))
    assert first.digest() == second.digest()
    copy = replace(first, shared={name: array.copy() for name, array in first.shared.items()})
    np.testing.assert_array_equal(predict_unconstrained(new, copy, {}), predict_unconstrained(new, second, {}))


def test_a_students_probabilities_are_the_same_alone_and_among_others(parts):
    training, new = parts
    parameters = fit_unconstrained(training, {}).parameters
    together = predict_unconstrained(new, parameters, {})
    for s in range(len(new.students)):
        alone = take_students(new, np.arange(len(new.students)) == s)
        np.testing.assert_array_equal(
            predict_unconstrained(alone, parameters, {}), together[new.student_ptr[s] : new.student_ptr[s + 1]]
        )


def test_nothing_said_by_then_moves_when_later_answers_are_turned_round(parts):
    training, new = parts
    parameters = fit_unconstrained(training, {}).parameters
    before = predict_unconstrained(new, parameters, {})
    turn = new.student_ptr[2] + 7
    after = (np.arange(new.row.size) >= turn) & (np.arange(new.row.size) < new.student_ptr[3])
    again = predict_unconstrained(replace(new, y=np.where(after, 1.0 - new.y, new.y)), parameters, {})
    still = ~after
    still[turn] = True
    np.testing.assert_array_equal(again[still], before[still])
    assert np.any(again[after] != before[after])


def test_logits_of_other_scorers_are_used_and_must_be_those_of_the_fit(parts):
    training, new = parts
    rng = np.random.default_rng(1)
    told = {"irt": 4.0 * training.y - 2.0 + rng.normal(0.0, 1.0, training.y.size)}
    parameters = fit_unconstrained(training, told).parameters
    asked = {"irt": 4.0 * new.y - 2.0 + rng.normal(0.0, 1.0, new.y.size)}
    plain = predict_unconstrained(new, fit_unconstrained(training, {}).parameters, {})
    assert loss(new.y, predict_unconstrained(new, parameters, asked)) < loss(new.y, plain) - 0.1
    assert np.isfinite(predict_unconstrained(new, parameters, {"irt": np.full(new.y.size, np.nan)})).all()
    with pytest.raises(BadInput, match="fitted with the logits of irt; given: none"):
        predict_unconstrained(new, parameters, {})
    with pytest.raises(BadInput, match=r"'irt' has shape \(3,\)"):
        predict_unconstrained(new, parameters, {"irt": np.zeros(3)})


def test_answers_are_held_against_the_probabilities_of_the_recurrence_where_it_is_given(parts):
    training, new = parts
    assert set(RESIDUALS) <= set(column_names({"linear_rnn_unconstrained": training.y}))
    assert not set(RESIDUALS) & set(column_names({"irt": training.y}))
    told = {"linear_rnn_unconstrained": np.zeros(training.y.size)}
    fit = fit_unconstrained(training, told)
    assert fit.measures["columns"] == len(column_names(told))
    probability = predict_unconstrained(new, fit.parameters, {"linear_rnn_unconstrained": np.zeros(new.y.size)})
    # Nothing of a row's own answer is in it: turned round, the first answer of each student is predicted the same.
    first = new.student_ptr[:-1]
    turned = new.y.copy()
    turned[first] = 1.0 - turned[first]
    again = predict_unconstrained(
        replace(new, y=turned), fit.parameters, {"linear_rnn_unconstrained": np.zeros(new.y.size)}
    )
    np.testing.assert_array_equal(again[first], probability[first])
    assert np.any(again != probability)


def test_what_another_version_has_fitted_is_refused(parts):
    training, new = parts
    parameters = fit_unconstrained(training, {}).parameters
    older, other = dict(parameters.shared), dict(parameters.shared)
    del older["columns"]  # nothing said so then
    other["columns"] = pack(("answers", "a column there is no more"))
    for shared in (older, other):
        with pytest.raises(BadInput, match="another version of the engine.*Fit it again"):
            predict_unconstrained(new, replace(parameters, shared=shared), {})


def test_it_is_exempt_from_law_6_by_this_counterexample():
    # A wrong answer shows the solution: the second try is right 19 times in 20, after a right one every other time.
    rng = np.random.default_rng(0)
    first = rng.integers(0, 2, 1_000)
    second = (rng.random(1_000) < np.where(first == 1, 0.5, 0.95)).astype(int)
    student = np.repeat(np.arange(100), 20)
    item = np.tile(np.repeat(np.arange(10), 2), 100)
    batch = answer_batch(
        pa.table({"student_id": [f"s{s:03d}" for s in student], "question_id": [f"q{i}" for i in item],
                  "topic_id": ["t"] * student.size, "is_correct": np.stack([first, second], axis=1).ravel(),
                  "order": np.tile(np.arange(20), 100)})
    )  # fmt: skip
    parameters = fit_unconstrained(batch, {}).parameters
    asked = {"student_id": ["new"] * 2, "question_id": ["q3"] * 2, "topic_id": ["t"] * 2, "order": [0, 1]}
    right, wrong = (
        predict_unconstrained(answer_batch(pa.table({**asked, "is_correct": [y, 1]})), parameters, {})[1]
        for y in (1, 0)
    )
    assert wrong > right + 0.2


def test_a_known_number_of_trees_is_grown_on_all_students():
    batch = school()
    fit = fit_unconstrained(batch, {}, rounds=7)
    assert fit.measures["trees"] == 7.0
    assert "held_out_log_loss" not in fit.measures


def test_trees_stopped_early_are_as_many_as_those_grown_again_on_all_students(parts):
    training, new = parts
    stopped, grown = (fit_unconstrained(training, {}, again=again) for again in (False, True))
    assert stopped.measures == grown.measures
    assert stopped.parameters.digest() != grown.parameters.digest()
    probabilities = [predict_unconstrained(new, fit.parameters, {}) for fit in (stopped, grown)]
    assert abs(loss(new.y, probabilities[0]) - loss(new.y, probabilities[1])) < 0.02


def test_few_answers_grow_no_tree_and_the_mean_is_said():
    fit = fit_unconstrained(school(4, 10), {})
    probability = predict_unconstrained(school(2, 5, seed=1), fit.parameters, {})
    assert fit.notes == (
        "ml_unconstrained: too few answers to grow trees on (40, and 200 are needed); it predicts their mean",
    )
    assert np.all(probability == probability[0])
    assert 0.0 < probability[0] < 1.0


@pytest.mark.parametrize("right", [0.0, 1.0])
def test_answers_all_alike_give_a_probability_near_theirs_and_never_0_or_1(right):
    batch = school()
    alike = replace(batch, y=np.full(batch.y.size, right))
    probability = predict_unconstrained(batch, fit_unconstrained(alike, {}).parameters, {})
    assert np.all((probability > 0.0) & (probability < 1.0))
    assert np.all(np.abs(probability - right) < 0.05)


def test_one_student_is_fitted_without_early_stopping_and_a_note_says_so():
    fit = fit_unconstrained(school(1, 400), {})
    assert "no students to hold out" in fit.notes[0]
    assert np.isfinite(predict_unconstrained(school(3, 10, seed=1), fit.parameters, {})).all()


def test_a_batch_without_rows_is_neither_fitted_on_nor_predicted():
    nobody = take_students(school(3, 5), np.zeros(3, bool))
    assert predict_unconstrained(nobody, fit_unconstrained(nobody, {}).parameters, {}).size == 0
    assert predict_unconstrained(nobody, fit_unconstrained(school(20, 20), {}).parameters, {}).size == 0


def test_parts_of_students_are_equally_large_and_depend_on_names_alone():
    batch = school(23, 2)
    parts = student_parts(batch, 5, "salt")
    assert sorted(np.bincount(parts, minlength=5).tolist()) == [4, 4, 5, 5, 5]
    assert parts.tolist() == student_parts(school(23, 4, seed=9), 5, "salt").tolist()
