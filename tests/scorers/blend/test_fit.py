from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from scipy.optimize import minimize

import ml_school
from answers import answer_batch
from mastery.fitting.cross_fitting import labelled
from mastery.scorers import SCORERS
from mastery.scorers.base import defaults
from mastery.scorers.blend.fit import RIDGE, cross_fitted, fit_blend, plenty, scale_of, stack
from mastery.scorers.blend.scorer import HALF_LIFE, PARAMETERS, PRIOR, check, mixture, predict
from mastery.scorers.parameters import KeyedRows, Parameters, no_rows
from mastery.scorers.stacked import Stacked


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def simulated(n: int = 20_000, weights=(0.6, 0.3, 0.0), bias: float = 0.2, seed: int = 1) -> Stacked:
    """Answers whose log-odds are a weighted sum of what three members say, of 100 students."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0.0, 1.5, (len(weights), n))
    y = (rng.random(n) < sigmoid(np.array(weights) @ logits + bias)).astype(np.float64)
    probabilities = {name: sigmoid(row) for name, row in zip("abc", logits, strict=False)}
    return Stacked(probabilities, y, np.arange(n) % 100, np.zeros(n, np.int64))


def nothing_known() -> Parameters:
    return Parameters(np.array([p.default for p in PARAMETERS]), no_rows(len(PARAMETERS)), no_rows(0))


def test_weights_are_found_again():
    found = fit_blend(simulated(), nothing_known())
    mix = mixture(found.parameters.shared)
    by_name = dict(zip(mix.members, mix.weights, strict=True))
    assert by_name["a"] == pytest.approx(0.6, abs=0.05)
    assert by_name["b"] == pytest.approx(0.3, abs=0.05)
    assert by_name.get("c", 0.0) < 0.03
    assert found.measures["weight of a"] == by_name["a"]
    assert mix.bias == pytest.approx(0.2, abs=0.05)


def test_the_error_of_the_weights_falls_with_answers():
    def error(n: int) -> float:
        weights, _ = stack(np.array([np.log(p / (1 - p)) for p in simulated(n).probabilities.values()]), simulated(n).y)
        return float(np.abs(weights - (0.6, 0.3, 0.0)).max())

    assert error(100_000) < 0.02 < error(300)


@pytest.mark.parametrize("truth", [(0.6, 0.3, 0.0), (1.2, -0.7, 0.1), (-1.0, -1.0, -1.0)])
def test_the_optimum_is_that_of_another_solver(truth):
    stacked = simulated(2_000, truth)
    logits = np.array([np.log(p / (1 - p)) for p in stacked.probabilities.values()])
    weights, bias = stack(logits, stacked.y)

    def loss(at):
        z = at[:3] @ logits + at[3]
        return np.sum(np.logaddexp(0, z) - stacked.y * z) + 0.5 * RIDGE * (np.sum((at[:3] - 1 / 3) ** 2) + at[3] ** 2)

    other = minimize(loss, np.zeros(4), bounds=[(0, None)] * 3 + [(None, None)], method="L-BFGS-B",
                     options={"ftol": 1e-14, "gtol": 1e-8})  # fmt: skip
    assert np.all(weights >= 0.0)
    np.testing.assert_allclose([*weights, bias], other.x, atol=2e-4)


def test_members_that_say_the_same_weigh_the_same():
    stacked = simulated(5_000)
    twins = Stacked(
        {"a": stacked.probabilities["a"], "b": stacked.probabilities["a"]}, stacked.y, stacked.student, stacked.topic
    )
    mix = mixture(fit_blend(twins, nothing_known()).parameters.shared)
    assert mix.weights[0] == pytest.approx(mix.weights[1], abs=1e-9)


def test_the_same_answers_give_the_same_bits():
    one, two = (fit_blend(simulated(), nothing_known()).parameters.digest() for _ in range(2))
    assert one == two


@pytest.mark.parametrize("y", [np.zeros(0), np.zeros(1), np.ones(400)], ids=["no answer", "one", "all right"])
def test_too_little_to_learn_from_gives_a_sentence_and_no_nan(y):
    n = y.size
    stacked = Stacked({"a": np.full(n, 0.7), "b": np.full(n, 1.0)}, y, np.arange(n), np.zeros(n, np.int64))
    found = fit_blend(stacked, nothing_known(), "blend_unconstrained")
    assert "blend_unconstrained" in found.notes[0]
    mix = mixture(found.parameters.shared)
    said = predict(mix, {"a": np.array([0.0, 0.5, 1.0]), "b": np.array([0.0, 0.5, 1.0])})
    assert np.all((said > 0.0) & (said < 1.0))


@pytest.mark.slow
def test_a_calibration_is_taken_where_it_helps_and_only_there():
    stacked = simulated(40_000, (1.0,), 0.0)
    assert fit_blend(stacked, nothing_known()).measures["calibration"] == "identity"
    logit = np.log(stacked.probabilities["a"] / (1.0 - stacked.probabilities["a"]))
    bent = Stacked({"a": sigmoid(np.where(logit > 0, 3.0, 0.4) * logit)}, stacked.y, stacked.student, stacked.topic)
    found = fit_blend(bent, nothing_known())
    assert found.measures["calibration"] != "identity"
    said = predict(mixture(found.parameters.shared), bent.probabilities)
    assert np.mean(np.abs(said - stacked.probabilities["a"])) < 0.02


@pytest.mark.slow
def test_what_a_blend_is_measured_by_has_not_seen_the_student():
    stacked = simulated(4_000)
    said = cross_fitted(stacked)
    turned = np.where(stacked.student % 5 == 2, 1.0 - stacked.y, stacked.y)
    again = cross_fitted(Stacked(stacked.probabilities, turned, stacked.student, stacked.topic))
    mine = stacked.student % 5 == 2
    assert np.array_equal(said[mine], again[mine])
    assert not np.array_equal(said[~mine], again[~mine])


def school(rows: list[tuple[str, str, int]]) -> pa.Table:
    return pa.table(
        {
            "student_id": [row[0] for row in rows],
            "topic_id": [row[1] for row in rows],
            "is_correct": [row[2] for row in rows],
        }
    )


def test_the_scale_is_that_of_bkt_with_the_half_life_of_elo_and_the_prior_of_first_answers():
    batch = answer_batch(school([("s1", "t", 1), ("s1", "t", 0), ("s2", "t", 1), ("s2", "u", 0)]))
    bkt, elo = SCORERS["bkt"], SCORERS["elo"]
    row, other = defaults(bkt, 1)[0], defaults(elo, 1)[0]
    row[bkt.column("guess")], row[bkt.column("slip")] = 0.1, 0.05
    other[elo.column("half_life_days")] = 30.0
    key = (("default", "t"),)
    given = {
        "bkt": Parameters(defaults(bkt, 1)[0], KeyedRows(key, row[None, :]), no_rows(0)),
        "elo": Parameters(defaults(elo, 1)[0], KeyedRows(key, other[None, :]), no_rows(1)),
    }
    found = scale_of(batch, labelled(batch), given)
    t, u = found.topics.take([("default", "t"), ("default", "u")], found.default)
    # First answers: 1, 1 on t and 0 on u. Everybody's: (2 + 10) / (3 + 20) = 0.521739.
    assert t[:2].tolist() == [0.1, 0.05]
    assert (t[HALF_LIFE], u[HALF_LIFE]) == (30.0, 120.0)
    assert t[PRIOR] == pytest.approx(((2 + 20 * 0.521739) / 22 - 0.1) / 0.85, abs=1e-6)
    assert u[PRIOR] == pytest.approx((20 * 0.521739 / 21 - 0.2) / 0.7, abs=1e-6)


def test_what_is_fitted_can_be_read():
    batch = answer_batch(school([("s1", "t", 1), ("s2", "t", 0)]))
    found = fit_blend(simulated(1_000), scale_of(batch, labelled(batch), {})).parameters
    check(found.model(batch.topics, batch.uses))


def test_plenty_is_what_one_student_topic_in_a_thousand_exceeds_and_200_at_least():
    assert plenty(ml_school.school(20, events=10)) == 200.0
    batch = ml_school.school(30, events=1_000, topics=2)
    evidence = np.bincount(batch.slot[batch.weight > 0.0])
    assert plenty(batch) == np.sort(evidence)[int(0.999 * (evidence.size - 1))] > 200.0


def test_an_anchor_moves_no_prediction_of_an_answer():
    stacked = simulated(2_000)
    plain, anchored = (fit_blend(stacked, nothing_known(), "blend", *more) for more in ((), ("irt", 250.0)))
    one, two = (mixture(fit.parameters.shared) for fit in (plain, anchored))
    assert (one.anchor, two.anchor, two.plenty) == (None, "irt", 250.0)
    np.testing.assert_array_equal(predict(one, stacked.probabilities), predict(two, stacked.probabilities))
