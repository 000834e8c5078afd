"""The starter set: what scores say before anything was fitted, in histories that speak for themselves and in a school
that it was not found on.
"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from answers import answer_batch
from mastery.features.counters import EVIDENCE
from mastery.insight.bands import band_codes
from mastery.pipelines.evaluation.simulated import truth_of
from mastery.pipelines.models.rules import load_rules
from mastery.pipelines.scoring.fold import fold_batch, fold_events
from mastery.pipelines.simulation.events import simulated_events
from mastery.scorers import SPECS, best_first, unfitted
from mastery.scorers.model_set import default_model_set, starter_parameters
from mastery.scorers.rule_based.scorer import with_scale
from mastery.simulation import SchoolPlan

MORNING = datetime(2026, 1, 12, 9, tzinfo=UTC)
RULES = load_rules("classic").params
SET = default_model_set(RULES, {}, {})
SHOWN = best_first(unfitted())[0]


def score_after(outcomes: str, a_day: int, scorer: str = SHOWN, model_set=SET) -> float:
    """Return the score right after these answers (`+` right, `-` wrong), a_day of them each day."""
    rows = [
        {
            "student_id": "s",
            "topic_id": "t",
            "question_id": f"q{k}",
            "is_correct": outcome == "+",
            "timestamp": MORNING + timedelta(days=k // a_day, minutes=3 * (k % a_day)),
        }
        for k, outcome in enumerate(outcomes)
    ]
    batch = answer_batch(pa.Table.from_pylist(rows))
    return float(fold_batch(batch, model_set, int(batch.at_us.max()), False).scores()[scorer].score[0])


def test_the_blend_is_shown_first():
    assert SHOWN == "blend"
    assert set(SET.scorers) == set(unfitted())


@pytest.mark.parametrize("a_day", [1, 2, 20])
def test_twenty_of_twenty_is_mastered_and_none_of_ten_is_next_to_nothing(a_day):
    assert score_after("+" * 20, a_day) >= 0.85
    assert score_after("-" * 10, a_day) <= 0.10


@pytest.mark.parametrize("scorer", ["bkt", "elo", "blend"])
def test_as_many_right_as_wrong_is_neither_mastered_nor_lost(scorer):
    assert 0.35 <= score_after("+-" * 100, 10, scorer) <= 0.60


@pytest.mark.parametrize("name", unfitted())
def test_what_a_scorer_starts_with_names_its_parameters(name):
    starter = SPECS[name].starter
    if starter is not None:
        assert set(starter.numbers) <= {parameter.name for parameter in SPECS[name].parameters}
        assert starter_parameters(SPECS[name], starter).digest() == SET.scorers[name].digest()


@pytest.mark.parametrize("rules", ["classic", "spaced"])
def test_shipped_rules_say_what_their_sum_stands_for_and_weigh_what_people_wrote(rules):
    shipped = load_rules(rules).params
    plain = with_scale(shipped)
    assert not np.array_equal(shipped, plain)
    one, other = (score_after("+" * 20, 2, "rule_based", default_model_set(row, {}, {})) for row in (shipped, plain))
    assert one >= 0.85 > other


def test_a_harder_topic_and_a_harder_item_begin_lower_by_what_metadata_say():
    easy, hard = (
        default_model_set(RULES, {("default", "t"): difficulty}, {("default", "i"): ("u", difficulty)}).scorers["elo"]
        for difficulty in (0.4, 0.6)
    )
    column = SPECS["elo"].scorer.column("difficulty")
    own = SET.scorers["elo"].default[column]
    for mine, off in ((easy, -0.4), (hard, 0.4)):
        assert mine.topics.take([("default", "t")], mine.default)[0, column] == pytest.approx(own + off)
        assert mine.items.values[0, 0] == pytest.approx(own + off)


@pytest.fixture(scope="module")
def school():
    """A school of a kind and seed that nothing was found on: its fold by the starter set, and by plain rules; truth."""
    plan = SchoolPlan(students=150, days=91, seed=951, topics=30, topics_per_student=15, starting_skill=-0.9)
    events, truth = simulated_events(plan, 0, 150)
    end = plan.start + timedelta(days=91)
    as_of_us = int(datetime.combine(end, time(), UTC).timestamp() * 1e6)
    told = truth.filter(pc.equal(truth["day"], pa.scalar(end - timedelta(days=1), pa.date32())))
    folds = [
        fold_events(events, one, as_of_us, history=False) for one in (SET, default_model_set(with_scale(RULES), {}, {}))
    ]
    return folds[0], folds[1].scores()["rule_based"].score, truth_of(folds[0].batch, told)


def test_the_score_shown_first_is_nearest_to_the_truth_in_a_school_it_was_not_found_on(school):
    folded, index, truth = school
    there = np.isfinite(truth)
    rmse = {name: np.sqrt(np.mean((one.score - truth)[there] ** 2)) for name, one in folded.scores().items()}
    assert there.sum() > 1_000
    assert rmse[SHOWN] == min(rmse.values())
    assert rmse[SHOWN] < 0.8 * np.sqrt(np.mean((index - truth)[there] ** 2))


def test_it_is_in_the_right_band_more_often_than_an_index_and_its_intervals_hold(school):
    folded, index, truth = school
    there = np.isfinite(truth) & (folded.counters[:, EVIDENCE] >= 3)
    shown, much = folded.scores()[SHOWN], np.full(there.sum(), 3)
    right, before = (
        np.mean(band_codes(one[there], much, 3) == band_codes(truth[there], much, 3)) for one in (shown.score, index)
    )
    assert right > before + 0.15
    assert 0.86 <= np.mean((shown.lower[there] <= truth[there]) & (truth[there] <= shown.upper[there])) <= 0.94
