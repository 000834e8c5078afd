"""Half widths of intervals that are found on simulated schools like the deployment."""

from __future__ import annotations

from functools import cache

import numpy as np
import pyarrow as pa
import pytest

from answers import answer_batch
from mastery.features.batch import Batch, make_batch
from mastery.features.columns import event_columns
from mastery.fitting.fit_all import fit_all
from mastery.pipelines.evaluation.deployment_intervals import Readings, coverage, fit_deployment, like, readings
from mastery.pipelines.models.rules import load_rules
from mastery.pipelines.simulation.events import simulated_events
from mastery.scorers.parameters import Parameters
from mastery.simulation import SchoolPlan

RULES = load_rules("classic").params
SCHOOL = SchoolPlan(students=200, days=63, seed=977, topics=12, topics_per_student=8, active_share=0.5)
FEW = ("bkt", "rule_based")
"""They are fitted in no time."""


def events(first: int, last: int) -> pa.Table:
    return simulated_events(SCHOOL, first, last)[0]


@cache
def fitted() -> tuple[Batch, dict[str, Parameters]]:
    batch = make_batch(event_columns(events(0, 80)))
    return batch, dict(fit_all(batch, rules=RULES, scorers=FEW, held_out=False).scorers)


def test_intervals_of_a_fitted_set_hold_what_they_were_found_on():
    batch, scorers = fitted()
    found, document = fit_deployment(batch, scorers, FEW, seed=0)
    assert set(document.scorers) == set(FEW) and len(document.schools) == 3
    for groups in document.scorers.values():
        assert {one.group for one in groups} >= {"all", "evidence 25+", "evidence 1–2", "proficient"}
        for one in groups:
            if one.group == "all":
                assert one.share == pytest.approx(0.9, abs=0.015)
    assert found["bkt"].digest() != scorers["bkt"].digest()


def test_scorers_that_were_not_fitted_keep_their_half_widths():
    batch, scorers = fitted()
    found, document = fit_deployment(batch, scorers, ["bkt"], seed=0)
    assert [*document.scorers] == ["bkt"]
    assert found["rule_based"].digest() == scorers["rule_based"].digest()


def test_the_order_of_rows_changes_no_bit():
    one = events(0, 30)
    other = one.take(pa.array(np.random.default_rng(2).permutation(one.num_rows)))
    _, scorers = fitted()
    digests = [
        fit_deployment(make_batch(event_columns(some)), scorers, ["bkt"], seed=3)[0]["bkt"].digest()
        for some in (one, other)
    ]
    assert digests[0] == digests[1]


def test_scores_and_predictions_stay_what_they_were():
    batch, scorers = fitted()
    schools = like(batch, scorers, 0)
    before, after = (
        readings(schools[:1], batch, some) for some in (scorers, fit_deployment(batch, scorers, FEW, seed=0)[0])
    )
    for name in FEW:
        np.testing.assert_array_equal(before[name].score, after[name].score)
        assert not np.array_equal(before[name].upper, after[name].upper)


def test_without_answers_what_is_shipped_stays():
    _, scorers = fitted()
    nothing = make_batch(event_columns(events(0, 5).slice(0, 0)))
    assert fit_deployment(nothing, scorers, FEW, seed=0) == (scorers, None)


def test_coverage_by_hand():
    score, truth = np.array([0.5, 0.5, 0.9, 0.2]), np.array([0.6, 0.9, 0.9, 0.1])
    found = coverage(Readings(score, score - 0.2, score + 0.2, truth, np.array([1, 4, 30, 30]), np.zeros(4, np.int64)))
    told = {one.group: (one.scores, one.share, round(one.bias, 9)) for one in found}
    assert told["all"] == (4, 0.75, -0.1)
    assert told["not_enough_evidence"] == told["evidence 1–2"] == (1, 1.0, -0.1)
    assert told["developing"] == told["evidence 3–5"] == (1, 0.0, -0.4)
    assert told["evidence 25+"] == (2, 1.0, 0.05)
    assert "proficient" not in told and told["mastered"] == (1, 1.0, 0.0)


@pytest.mark.slow
def test_three_wrong_answers_on_items_that_nearly_nobody_gets_right_say_little():
    """Their shares of right answers lie below guessing. With the half widths that are shipped, intervals of the blend
    were a few points wide after three wrong answers: on items of the usual kind they would say much.
    """
    rng = np.random.default_rng(3)
    student, topic = np.repeat(np.arange(80), 24), np.tile(np.repeat(np.arange(4), 6), 80)
    hard = topic < 2
    log = pa.table({
        "student_id": [f"s{s}" for s in student], "topic_id": [f"t{t}" for t in topic],
        "question_id": [f"q{t}{k % 6}" for k, t in enumerate(topic)],
        "is_correct": (rng.random(student.size) < np.where(hard, 0.06, 0.75)).astype(np.int8),
        "timestamp": pa.array(
            (1_700_000_000 + 40_000 * np.tile(np.arange(24), 80)) * 1_000, pa.timestamp("ms", "UTC")),
    })  # fmt: skip
    batch = answer_batch(log)
    scorers = fit_all(batch, rules=RULES, held_out=False, clock="start").scorers
    found = fit_deployment(batch, scorers, [*scorers], seed=0)[0]
    widths = []
    for some in (scorers, found):
        got = readings(like(batch, scorers, 0), batch, some)["blend"]
        low = (got.score < 0.1) & (got.count >= 3) & (got.count <= 6)
        assert low.any()
        held = (got.lower <= got.truth) & (got.truth <= got.upper)
        widths.append((np.median((got.upper - got.lower)[low]), held[low].mean()))
    assert widths[1][0] > 0.1
    assert widths[1][1] > 0.8
