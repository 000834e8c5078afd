"""bkt's fit: likelihoods against the scorer's own predictions, counts by hand, recovery, and odd input."""

from __future__ import annotations

import itertools

import numpy as np
import pyarrow as pa
import pytest

from answers import answer_batch
from mastery.features.batch import Batch
from mastery.features.take_rows import take_rows
from mastery.scorers.base import Model, defaults, predict, start
from mastery.scorers.bkt import kernels
from mastery.scorers.bkt import scorer as bkt
from mastery.scorers.bkt.em import expect, fit_topic, improve, log_prior, room
from mastery.scorers.bkt.fit import Variant, fit, fit_variant, held_out_loss
from mastery.scorers.bkt.fit_topics import USUAL, fit_topics, make_rules, start_from, tree_of
from mastery.scorers.bkt.histories import make_histories
from mastery.scorers.bkt.passes import FORGET, GUESS, INIT, LEARN, PULL, PULL_LEARNING, RATE, SLIP
from ml_school import school

DAY_MS = 86_400_000
FIRST_DAY = 20_000  # in 2024: what is before 1990 is no time stamp


def simulated(
    students: int, topics: int = 2, answers: int = 8, *, seed: int = 0, forget: float = 0.0, days: float = 0.0,
    items: int = 0,
) -> tuple[Batch, np.ndarray]:  # fmt: skip
    """Return answers of students who are as bkt says they are, and p_init, guess, slip, p_learn of each topic."""
    rng = np.random.default_rng(seed)
    truth = rng.uniform([0.2, 0.1, 0.05, 0.1], [0.6, 0.3, 0.2, 0.3], (topics, 4))
    harder = rng.uniform(-0.09, 0.09, (topics, max(items, 1)))
    rows: dict[str, list[object]] = {name: [] for name in ("student_id", "topic_id", "is_correct", "question_id")}
    at = []
    for s, t in itertools.product(range(students), range(topics)):
        init, guess, slip, learn = truth[t]
        known, now = rng.random() < init, 0.0
        for _ in range(answers):
            item = int(rng.integers(items)) if items else 0
            more = harder[t, item] if items else 0.0
            rows["student_id"].append(f"s{s:05d}")
            rows["topic_id"].append(f"t{t}")
            rows["question_id"].append(f"t{t}i{item}")
            rows["is_correct"].append(int(rng.random() < ((1.0 - slip + more / 2) if known else guess + more)))
            at.append(FIRST_DAY * DAY_MS + int(now * DAY_MS) + t)
            known = known and rng.random() >= forget
            known = known or rng.random() < learn
            gap = rng.exponential(days) if days else 0.0
            known = known and rng.random() < 0.5 ** (gap / 10.0)
            now += gap
    table = pa.table(rows)
    if not items:
        table = table.drop_columns(["question_id"])
    if days:
        table = table.append_column("timestamp", pa.array(at, pa.timestamp("ms", tz="UTC")))
    return answer_batch(table), truth


def log_likelihood(batch: Batch, theta: np.ndarray) -> float:
    """Return Σ log P(answer), as the scorer predicts them with these probabilities."""
    params = defaults(bkt.SCORER, len(batch.topics))
    for name, column in (("p_init", INIT), ("guess", GUESS), ("slip", SLIP), ("p_learn", LEARN), ("p_forget", FORGET)):
        params[:, bkt.SCORER.column(name)] = theta[:, column]
    parameters = Model(params, np.full((batch.use_item.size, 2), np.nan))
    probability = predict(bkt.SCORER, parameters, batch, start(bkt.SCORER, parameters, batch))
    return float(np.log(np.where(batch.y > 0.5, probability, 1.0 - probability)).sum())


@pytest.mark.slow
def test_the_likelihood_of_the_trees_is_that_of_the_scorers_predictions():
    batch, _ = simulated(60, forget=0.1)
    histories = make_histories(batch)
    assert histories.parent.size < batch.y.size / 2
    fitted = fit_topics(histories, per_step=True)
    assert fitted.log_likelihood.sum() == pytest.approx(log_likelihood(batch, fitted.theta), abs=1e-6)


def test_expected_counts_are_those_of_all_paths_weighed_one_by_one():
    table = pa.table({"student_id": ["a"] * 3, "is_correct": [1, 0, 1]})
    histories = make_histories(answer_batch(table))
    tree = tree_of(histories, 0)
    probabilities, sums = room(tree)
    theta = start_from(USUAL, True, False, False, False)[1]
    ll = expect(theta, tree, probabilities, sums)
    init, guess, slip, learn, forget = (theta[k] for k in (INIT, GUESS, SLIP, LEARN, FORGET))
    total, guessed, knew_first, first_knew_and_lost = 0.0, 0.0, 0.0, 0.0
    stays = 1.0 - forget * (1.0 - learn)
    for path in itertools.product((0, 1), repeat=3):
        p = init if path[0] else 1.0 - init
        for now, then in itertools.pairwise(path):
            on = stays if now else learn
            p *= on if then else 1.0 - on
        for known, right in zip(path, (1, 0, 1), strict=True):
            right_one = 1.0 - slip if known else guess
            p *= right_one if right else 1.0 - right_one
        total += p
        guessed += p * ((path[0] == 0) + (path[2] == 0))
        knew_first += p * path[0]
        first_knew_and_lost += p * sum(now == 1 and then == 0 for now, then in itertools.pairwise(path))
    assert ll == pytest.approx(np.log(total), abs=1e-12)
    right_code = int(histories.code[0])
    assert sums.seen[right_code, 0] == pytest.approx(guessed / total, abs=1e-12)
    assert sums.began[:, 1].sum() == pytest.approx(knew_first / total, abs=1e-12)
    # Who knew and then did not has forgotten and not learnt again; others forgot and learnt at once.
    lost = sums.taught[:, 2].sum()
    assert lost > first_knew_and_lost / total


@pytest.mark.parametrize("variant", ["plain", "step", "day", "pull"])
def test_no_step_of_expectation_maximisation_loses(variant):
    batch, _ = simulated(40, forget=0.1 if variant == "step" else 0.0, days=3.0 if variant == "day" else 0.0)
    rng = np.random.default_rng(3)
    pulled = variant == "pull"
    excess = rng.uniform(-0.5, 0.5, batch.y.size) if pulled else None
    histories = make_histories(batch, variant == "day", False, excess, pulled)
    flags = (variant == "step", variant == "day", pulled, pulled)
    tree, rules = tree_of(histories, 0), make_rules(USUAL, 1.0, *flags)
    probabilities, sums = room(tree)
    for theta in start_from(USUAL, *flags):
        values = []
        for _ in range(25):
            ll = expect(theta, tree, probabilities, sums)
            values.append(ll + log_prior(theta, rules))
            improve(theta, tree, rules, sums)
        assert np.all(np.diff(values) >= -1e-7 * abs(values[0]))


def test_a_topic_is_walked_with_what_is_its_own():
    """Practice in sessions makes codes by the hundred; those of other topics cost every pass of this one, 50 times."""
    batch = school(200, topics=4)
    for t in range(4):
        histories = make_histories(batch, clock=True, items=True)
        tree = tree_of(histories, t)
        assert len(tree.kinds) == np.unique(np.append(tree.code, tree.emissions[:, 0])).size < len(histories.kinds)
        assert np.array_equal(np.unique(tree.emission), np.arange(len(tree.emissions)))
        assert len(tree.emissions) == histories.emission_ptr[t + 1] - histories.emission_ptr[t]
        own = histories.code[histories.ptr[t] : histories.ptr[t + 1]]
        assert np.array_equal(tree.kinds[tree.code], histories.kinds[own])
        assert np.array_equal(tree.days[tree.step[tree.parent >= 0]], days_of(histories, t))
        alone = take_rows(batch, batch.slot_topic[batch.slot] == t)
        probabilities = fit_topics(make_histories(alone, clock=True), per_day=True).theta[t]
        together = fit_topics(make_histories(batch, clock=True), per_day=True).theta[t]
        assert probabilities == pytest.approx(
            together, abs=1e-6
        )  # codes are numbered otherwise, so sums are added otherwise


def days_of(histories, t):
    nodes = slice(histories.ptr[t], histories.ptr[t + 1])
    return histories.days[histories.step[nodes][histories.parent[nodes] >= 0]]


def test_the_search_ends_where_many_plain_steps_end():
    batch, _ = simulated(300, topics=1)
    histories = make_histories(batch)
    tree, rules = tree_of(histories, 0), make_rules(USUAL, 1.0, False, False, False, False)
    probabilities, sums = room(tree)
    theta = start_from(USUAL, False, False, False, False)[0]
    for _ in range(3_000):
        slow = expect(theta, tree, probabilities, sums)
        improve(theta, tree, rules, sums)
    best = np.empty_like(theta)
    starts = start_from(USUAL, False, False, False, False)
    fast, passes = fit_topic(tree, rules, starts, 4, 1e-8, 600, best)
    assert fast >= slow - 1e-4
    assert passes < 200


def test_law_9_probabilities_come_nearer_to_the_truth_as_students_grow():
    errors = []
    for students in (60, 600, 6_000):
        batch, truth = simulated(students, topics=4, answers=10)
        fitted = fit_topics(make_histories(batch))
        errors.append(np.abs(fitted.theta[:, [INIT, GUESS, SLIP, LEARN]] - truth).mean())
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.02


def test_the_half_life_is_found():
    batch, _ = simulated(1_500, topics=1, answers=12, days=4.0)
    fitted = fit_topics(make_histories(batch, clock=True), per_day=True)
    assert np.log(2.0) / fitted.theta[0, RATE] == pytest.approx(10.0, rel=0.25)


def test_threads_change_nothing():
    batch, _ = simulated(50, topics=7)
    one, two = (fit_topics(make_histories(batch), threads=threads).theta for threads in (1, 2))
    assert one.tobytes() == two.tobytes()


def test_items_that_differ_are_told_apart_and_help_to_predict():
    batch, _ = simulated(400, topics=2, answers=10, items=4)
    judge, _ = simulated(400, topics=2, answers=10, items=4, seed=0)
    alike, _, _ = fit_variant(batch, Variant())
    apart, _, _ = fit_variant(batch, Variant(strength=10.0))
    assert len(apart.items.keys) == 8
    assert held_out_loss(apart, judge) < held_out_loss(alike, judge)
    bkt.check(apart.model(batch.topics, batch.uses))


def test_with_all_strength_an_item_is_its_topic():
    batch, _ = simulated(100, topics=1, items=3)
    apart, _, _ = fit_variant(batch, Variant(strength=1e9))
    topic = apart.topics.values[0, [kernels.GUESS, kernels.SLIP]]
    np.testing.assert_allclose(apart.items.values, np.tile(topic, (3, 1)), atol=1e-5)


@pytest.mark.parametrize(
    "rows",
    [
        {"student_id": ["a"], "is_correct": [1]},
        {"student_id": ["a", "b"], "is_correct": [0, 0], "topic_id": ["x", "y"], "question_id": ["i", None]},
        {"student_id": ["a"] * 400, "is_correct": [1] * 400},
        {"student_id": ["a", "b"] * 300, "is_correct": [0] * 600, "question_id": ["i"] * 600},
        {"student_id": [f"s{k % 50}" for k in range(600)], "is_correct": [k % 2 for k in range(600)],
         "topic_id": [f"t{k}" for k in range(600)]},
        {"student_id": [], "is_correct": []},
    ],
    ids=["one answer", "two topics", "all right", "all wrong", "a topic each", "none"],
)  # fmt: skip
@pytest.mark.parametrize("variant", [None, Variant(True, True, True, True, 5.0, 4.0)])
def test_odd_logs_give_monotone_parameters(rows, variant):
    types = {"student_id": pa.string(), "is_correct": pa.int8(), "topic_id": pa.string(), "question_id": pa.string()}
    batch = answer_batch(pa.table({name: pa.array(values, types[name]) for name, values in rows.items()}))
    if variant is None:
        fitted = fit(batch, given={})
        parameters, notes = fitted.parameters, fitted.notes
        assert notes
    elif batch.y.size:
        parameters, _, notes = fit_variant(batch, variant)
    else:
        return
    bkt.check(parameters.model([*batch.topics, ("default", "nobody's")], batch.uses))
    assert all("bkt: " in note and note[-1] != "." for note in notes)


def test_the_fit_chooses_by_held_out_answers_and_says_what():
    batch, _ = simulated(400, topics=3, answers=10, forget=0.3)
    found = fit(batch, given={})
    assert "forgets by answers" in found.measures["variant"]
    assert found.measures["log_likelihood"] < 0.0
    assert sum(name.startswith("held-out log loss") for name in found.measures) >= 5
    assert found.parameters.digest() == fit(batch, given={}, threads=2).parameters.digest()


def test_pulls_are_fitted_only_where_they_may_move():
    batch, _ = simulated(50)
    fitted = fit_topics(make_histories(batch))
    assert np.all(fitted.theta[:, [PULL, PULL_LEARNING, FORGET, RATE]] == 0.0)


def test_notes_count_topics_out_of_how_many():
    rows = {"student_id": ["a", "b"] * 30, "is_correct": [0, 1] * 29 + [1, 1], "topic_id": ["x"] * 58 + ["y"] * 2}
    notes = " ".join(fit(answer_batch(pa.table(rows)), given={}).notes)
    assert "on 1 of 2 topics there are fewer than 20 answers" in notes
    assert "on 1 of 2 topics all answers are right or all are wrong" in notes
