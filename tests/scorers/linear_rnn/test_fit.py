from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from answers import answer_batch
from histories import many
from mastery.features.batch import Batch, make_batch
from mastery.features.columns import QUIZ
from mastery.features.subset import take_students
from mastery.scorers.base import defaults, predict, start, width
from mastery.scorers.bkt import scorer as bkt
from mastery.scorers.fits import held_out
from mastery.scorers.linear_rnn import fit as fitting
from mastery.scorers.linear_rnn import scorer as linear_rnn
from mastery.scorers.linear_rnn import train as training
from mastery.scorers.linear_rnn.fit import fit
from mastery.scorers.parameters import KeyedRows, Parameters, no_rows

DATA = Path(__file__).parents[4] / "shared" / "data"


def school(students: int = 400, answers: int = 40, seed: int = 4, tries: int = 1) -> Batch:
    """Answers on 50 items of 6 topics that depend on ability, item, and the trend of the last answers.

    Every item is tried so often; from the fourth time on it is easier.
    """
    rng = np.random.default_rng(seed)
    columns = many(rng, students, answers, 6)
    n = columns.student.size
    place = np.arange(n) % tries
    columns = replace(columns, item=columns.item[np.arange(n) - place])
    hard = rng.normal(0.0, 1.0, 50)[columns.item] - 2.0 * (place >= 4)
    ability = rng.normal(0.0, 1.5, students)[columns.student] + 0.03 * np.tile(np.arange(answers), students)
    right = rng.random(n) < 1.0 / (1.0 + np.exp(hard - ability))
    return make_batch(
        replace(
            columns,
            kind=np.full(n, QUIZ, np.int8),
            attempts=np.ones(n, np.int64),
            success_ppm=right.astype(np.int64) * 1_000_000,
        )
    )


def log(**columns) -> Batch:
    return answer_batch(pa.table(columns))


def log_loss(probability: np.ndarray, y: np.ndarray) -> float:
    return float(-np.mean(np.log(np.where(y > 0.5, probability, 1.0 - probability))))


def auc(y: np.ndarray, probability: np.ndarray) -> float:
    _, place, count = np.unique(probability, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2.0)[place]
    right = y > 0.5
    return float((rank[right].sum() - right.sum() * (right.sum() + 1) / 2) / (right.sum() * (~right).sum()))


def predicted(parameters: Parameters, batch: Batch, scorer=linear_rnn.SCORER) -> np.ndarray:
    model = parameters.model(batch.topics, batch.uses)
    scorer.check(model)
    return predict(scorer, model, batch, start(scorer, model, batch))


def test_what_is_learnt_predicts_students_it_was_not_learnt_from():
    batch = school()
    out = held_out(batch.students, 5)
    test = take_students(batch, out)
    found = fit(take_students(batch, ~out), given={}, seed=1)
    known = test.weight > 0.0
    probability = predicted(found.parameters, test)[known]
    assert auc(test.y[known], probability) > 0.72
    assert (
        log_loss(probability, test.y[known])
        < log_loss(np.full(probability.size, test.y[known].mean()), test.y[known]) - 0.08
    )
    assert found.measures["held_out_answers"] > 1000
    assert found.measures["l2_item"] in fitting.L2_ITEM


def test_the_same_seed_finds_the_same_bits_with_any_number_of_threads_and_another_seed_others():
    batch = school(60)
    one, again, other = (fit(batch, given={}, seed=s, threads=t) for s, t in ((1, 1), (1, 2), (2, 1)))
    assert one.parameters.digest() == again.parameters.digest() != other.parameters.digest()
    assert one.measures == again.measures


@pytest.mark.parametrize("places", fitting.PLACES)
@pytest.mark.parametrize("monotone", [True, False])
def test_the_scorer_says_what_the_training_says(monotone, places, monkeypatch):
    """The tables of all starts, averaged as logits, against the fold of the parameters made of them.

    Every item is asked on several topics here, and what was learnt on each is not drawn towards the others.
    """
    monkeypatch.setattr("mastery.scorers.item_codes.OWN_ANSWERS", 1e-12)
    batch = school(40, tries=8)
    answers = fitting.training_answers(batch, places)
    assert np.any(answers.read % places == places - 1)
    runs = [fitting.Training(batch, answers, places, 0.1, monotone, seed) for seed in fitting._starts(3)]
    for run in runs:
        run.learn()
        run.learn()
    trained = fitting._averaged([run.predict(answers) for run in runs])
    found = fit(batch, given={}, seed=3, monotone=monotone, chosen=(0.1, 2, 120.0, places)).parameters
    found.topics.values[:, linear_rnn.HALF_LIFE] = 36_500.0
    told = predicted(
        found,
        replace(batch, at_us=np.zeros_like(batch.at_us)),
        linear_rnn.SCORER if monotone else linear_rnn.UNCONSTRAINED,
    )
    np.testing.assert_allclose(told[batch.weight > 0.0], trained, atol=1e-5)


def test_the_monotone_form_keeps_its_bounds_and_the_free_one_uses_its_freedom():
    batch = school(100)
    monotone, free = (
        fit(batch, given={}, monotone=is_monotone, chosen=(0.1, 2, 120.0, 3)).parameters
        for is_monotone in (True, False)
    )
    linear_rnn.SCORER.check(monotone.model(batch.topics, batch.uses))
    linear_rnn.UNCONSTRAINED.check(free.model(batch.topics, batch.uses))
    assert free.topics.values[:, linear_rnn.U : linear_rnn.ITEM_U].min() < 0.0
    assert monotone.topics.values[:, linear_rnn.U : linear_rnn.ITEM_U].min() >= 0.0


def test_more_places_in_a_run_of_tries_are_told_apart_where_that_predicts_better():
    few, many_tries = fit(school(), given={}), fit(school(tries=8), given={})
    assert few.measures["places"] == 3.0
    assert many_tries.measures["places"] == 6.0
    bias = many_tries.parameters.topics.values[:, linear_rnn.BIAS : linear_rnn.BIAS + linear_rnn.PLACES]
    assert np.all(bias[:, 4] > bias[:, :4].max(axis=1))
    same = few.parameters.topics.values[:, linear_rnn.BIAS : linear_rnn.BIAS + linear_rnn.PLACES]
    assert np.array_equal(same[:, 2:], np.repeat(same[:, 2:3], linear_rnn.PLACES - 2, axis=1))


def test_gradients_are_those_of_finite_differences():
    batch = make_batch(many(np.random.default_rng(2), 1, 60, 3))
    answers = fitting.training_answers(batch)
    items = len(batch.items)
    rng = np.random.default_rng(7)
    bias, readers, writers = fitting._tables(batch, 3, rng, monotone=False)
    tables = training.Tables(items, fitting.KEPT, fitting.EVEN, bias, readers, writers)
    for table in (readers, writers):
        table.value[:] *= 4.0
    zeros = [np.zeros(fitting.KEPT.size, np.float32) for _ in range(4)]
    past, probability = np.zeros((answers.y.size, fitting.KEPT.size), np.float32), np.zeros(answers.y.size)

    def forward() -> float:
        zeros[0][:] = 0.0
        return training._forward(answers, 0, answers.y.size, tables, zeros[0], 0.0, past, zeros[1], probability)

    def loss() -> float:
        forward()
        right = answers.y * np.log(probability) + (1.0 - answers.y) * np.log(1.0 - probability)
        return float(-(answers.asked * right).sum())

    seen = forward()
    assert 0.0 < answers.asked.sum() < answers.y.size
    touched = training.Touched(
        np.zeros(bias.value.shape[0], bool),
        np.zeros(500, np.int64),
        np.zeros(writers.value.shape[0], bool),
        np.zeros(500, np.int64),
    )
    training._backward(answers, 0, answers.y.size, tables, seen, past, probability, zeros[2], zeros[3], touched)
    for table in (bias, readers, writers):
        largest = np.argsort(-np.abs(table.slope), axis=None)[::37][:12]
        for place in zip(*np.unravel_index(largest, table.slope.shape), strict=True):
            before, step = table.value[place], np.float32(0.02)
            table.value[place] = before + step
            up = loss()
            table.value[place] = before - step
            down = loss()
            table.value[place] = before
            assert (up - down) / (2 * float(step)) == pytest.approx(table.slope[place], rel=0.02, abs=2e-3)


def test_guess_and_slip_are_those_that_bkt_found():
    batch = school(30)
    row = defaults(bkt.SCORER, 1)[0]
    columns = [bkt.SCORER.column("guess"), bkt.SCORER.column("slip")]
    mine = row.copy()
    mine[columns] = 0.31, 0.07
    given = {
        "bkt": Parameters(row, KeyedRows([batch.topics[2]], mine[None, :]), no_rows(width(bkt.SCORER.item_parameters)))
    }
    params = fit(batch, given=given, chosen=(0.1, 1, 120.0, 3)).parameters.model(batch.topics, batch.uses).params
    assert params[2, :2] == pytest.approx([0.31, 0.07])
    assert params[0, :2] == pytest.approx(row[columns])


def test_topics_without_answers_take_the_mean_of_the_others_and_are_told():
    batch = school(30)
    few = take_students(batch, np.arange(30) == 0)
    found = fit(few, given={})
    there = len({int(t) for t in few.slot_topic})
    assert len(found.parameters.topics.keys) == there < len(batch.topics)
    unseen = f"on {len(batch.topics) - there} of {len(batch.topics)} topics there are no answers"
    assert any(unseen in note for note in found.notes)
    assert any("too few answers of students held out" in note for note in found.notes)
    low, high = found.parameters.topics.values.min(axis=0), found.parameters.topics.values.max(axis=0)
    assert np.all((found.parameters.default >= low - 1e-9) & (found.parameters.default <= high + 1e-9))


@pytest.mark.parametrize(
    "columns",
    [
        {"student_id": ["a"], "is_correct": [1]},
        {"student_id": ["a"], "is_correct": [0], "topic_id": ["t"], "question_id": ["i"]},
        {"student_id": ["a"] * 3000, "is_correct": [1] * 3000, "topic_id": ["t"] * 3000},
        {"student_id": ["a", "b"] * 900, "is_correct": [1] * 1800, "question_id": ["i", None] * 900},
        {"student_id": [f"s{k}" for k in range(900)] * 4, "is_correct": [0] * 3600, "topic_id": ["t", "u"] * 1800},
        {"student_id": pa.array([], pa.string()), "is_correct": pa.array([], pa.int64())},
    ],
    ids=["one answer", "one wrong answer", "one student", "all right, items missing", "all wrong", "no answers"],
)
@pytest.mark.parametrize("monotone", [True, False])
def test_odd_logs_give_finite_parameters_within_their_bounds(columns, monotone):
    batch = log(**columns)
    found = fit(batch, given={}, monotone=monotone)
    assert np.isfinite(found.parameters.default).all()
    probability = predicted(found.parameters, batch, linear_rnn.SCORER if monotone else linear_rnn.UNCONSTRAINED)
    assert np.all((probability > 0.0) & (probability < 1.0))
    if batch.y.size > 1000:
        assert np.mean(np.abs(probability - batch.y)) < 0.1


@pytest.mark.slow
@pytest.mark.parametrize(("name", "bar"), [("assist2009_lpp", 0.772), ("statics2011", 0.837)])
def test_it_reaches_its_bar_on_real_answers(name, bar):
    if not (DATA / f"{name}.parquet").exists():
        pytest.skip(f"needs the research log {name}, which the repository does not hold")
    answers = pq.read_table(DATA / f"{name}.parquet")
    batch = answer_batch(answers)
    ids = set(answers.filter(pc.equal(answers["lpp_split"], "test"))["student_id"].cast(pa.string()).to_pylist())
    out = np.array([student in ids for student in batch.students])
    found = fit(take_students(batch, ~out), given={})
    test = take_students(batch, out)
    assert auc(test.y, predicted(found.parameters, test)) >= bar
