from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mastery.features.counters import EVIDENCE
from mastery.fitting.intervals import (
    PROBE,
    evidence_of,
    fit_intervals,
    fitted_intervals,
    with_numbers,
)
from mastery.insight.bands import BANDS, band_codes
from mastery.pipelines.evaluation.simulated import truth_of
from mastery.pipelines.models.rules import load_rules
from mastery.pipelines.scoring.fold import fold_events
from mastery.pipelines.simulation.events import simulated_events
from mastery.scorers import SPECS, best_first, unfitted, with_scores
from mastery.scorers.base import place_of
from mastery.scorers.interval import KNOTS, interval
from mastery.scorers.model_set import ModelSet, default_model_set
from mastery.simulation import SchoolPlan

SCHOOL = SchoolPlan(students=250, days=91, seed=77)
"""No half width was found on it: scripts/intervals.py says on which they were."""

SCHOOLS_DIFFER = 0.05
"""Other topics, other items: one scorer in one band may be off by so much, which is wider than the 2 points asked.

On this school rule_based holds 96 % of needs_help, and docs/evaluation.md has worse.
"""


def intervals(numbers, score, evidence):
    params = np.array([[*numbers[0], *numbers[1], *numbers[2:]]])
    return np.array([interval(s, e, params, 0, 0) for s, e in zip(score, evidence, strict=True)]).T


@pytest.fixture(scope="module")
def readings():
    """(reading, band, truth) of each unfitted scorer at the end of the school's last week, and of the folded batch."""
    end = SCHOOL.start + timedelta(days=SCHOOL.days)
    as_of_us = int(datetime.combine(end, time(), UTC).timestamp() * 1e6)
    events, truth = simulated_events(SCHOOL, 0, SCHOOL.students)
    told = truth.filter(pc.equal(truth["day"], pa.scalar(end - timedelta(days=1), pa.date32())))
    models = default_model_set(load_rules("classic").params, {}, {})
    folded = fold_events(events, models, as_of_us, history=False)
    true, count = truth_of(folded.batch, told), folded.counters[:, EVIDENCE]
    assert np.isfinite(true).all()
    return {
        name: (reading, band_codes(reading.score, count, 3), true, folded.batch.slot_student)
        for name, reading in folded.scores().items()
    }


@pytest.mark.parametrize("name", unfitted())
def test_nine_in_ten_intervals_hold_the_truth_of_a_school_they_were_not_found_on(readings, name):
    reading, _, true, _ = readings[name]
    held = (true >= reading.lower) & (true <= reading.upper)
    assert held.size > 4_000
    off = 0.02 if name == best_first(unfitted())[0] else 0.03  # of the score shown first, and of those beside it
    assert abs(held.mean() - 0.9) <= off


@pytest.mark.parametrize("name", unfitted())
def test_in_each_band_too_but_for_what_so_few_students_cannot_tell(readings, name):
    reading, band, true, student = readings[name]
    held = (true >= reading.lower) & (true <= reading.upper)
    for code, word in enumerate(BANDS):
        mine = band == code
        if mine.sum() < 300:
            continue
        # Topics of one student err together: the error of the share is that of means over students.
        off = np.bincount(student[mine], held[mine] - held[mine].mean())
        error = np.sqrt(np.sum(off**2)) / mine.sum()
        assert abs(held[mine].mean() - 0.9) <= 2.0 * error + SCHOOLS_DIFFER, (word, held[mine].mean(), error)


@pytest.mark.parametrize("name", unfitted())
def test_most_intervals_say_something(readings, name):
    reading, band, _, _ = readings[name]
    assert (reading.upper - reading.lower)[band > 0].mean() < 0.75


def test_intervals_that_were_fitted_hold_what_they_were_fitted_to_at_every_score():
    rng = np.random.default_rng(3)
    n = 20_000
    truth, evidence = rng.beta(2, 2, n), rng.integers(1, 40, n).astype(float)
    score = np.clip(0.3 * 0.5 + 0.7 * rng.binomial(evidence.astype(int), truth) / evidence, 0, 1)
    numbers = fit_intervals(score, evidence, truth)
    lower, upper = intervals(numbers, score, evidence)
    held = (truth >= lower) & (truth <= upper)
    assert held.mean() == pytest.approx(0.9, abs=0.01)
    for low, high in pairwise(KNOTS):
        mine = (score >= low) & (score < high)
        assert held[mine].mean() == pytest.approx(0.9, abs=0.03)
    for few, many in ((1, 5), (5, 15), (15, 40)):
        mine = (evidence >= few) & (evidence < many)
        assert held[mine].mean() == pytest.approx(0.9, abs=0.03)
    assert numbers[2] < 1.0 and numbers[3] < 1.0  # shares of more answers are nearer to the truth
    assert numbers == fit_intervals(score, evidence, truth)


def test_where_one_side_needs_nothing_the_other_may_miss_one_in_ten():
    rng = np.random.default_rng(4)
    score = rng.uniform(0, 0.5, 5_000)
    truth = score + 0.4 * rng.random(5_000)  # always above
    lower, upper = intervals(fit_intervals(score, np.full(5_000, 9.0), truth), score, np.full(5_000, 9.0))
    np.testing.assert_allclose(lower, score, atol=1e-3)
    assert ((truth >= lower) & (truth <= upper)).mean() == pytest.approx(0.9, abs=0.01)


@pytest.mark.parametrize("rows", [0, 1])
def test_next_to_nothing_to_learn_from_gives_numbers(rows):
    found = fit_intervals(np.full(rows, 0.5), np.full(rows, 3.0), np.full(rows, 0.7))
    values = np.array([*found[0], *found[1], *found[2:]])
    assert np.all(np.isfinite(values) & (values > 0.0))


@given(score=st.floats(0.0, 1.0), evidence=st.floats(0.3, 500.0))
def test_a_probe_tells_the_evidence_behind_an_interval(score, evidence):
    lower, upper = intervals(PROBE, [score], [evidence])
    found = evidence_of(np.array([score]), lower, upper)
    assert found[0] == pytest.approx(evidence, rel=1e-6)


def test_fitted_sets_carry_the_shipped_half_widths_and_nothing_else_is_touched():
    before = dict(default_model_set(load_rules("classic").params, {("a", "t"): 0.7}, {}).scorers)
    after = fitted_intervals(before)
    for name, mine in after.items():
        start = place_of(SPECS[name].parameters, "below_1").start
        shipped = SPECS[name].intervals
        numbers = [*shipped.fitted.below, *shipped.fitted.above, *shipped.fitted[2:]]
        assert mine.default[start : start + 13].tolist() == numbers
        assert np.all(mine.topics.values[:, start : start + 13] == numbers)
        back = with_numbers(name, mine, shipped.unfitted)
        assert back.digest() == before[name].digest()
    assert ModelSet("x", after).models([("a", "t")], [])["elo"].params[0, 0] != 0.0


def test_every_scorer_with_scores_has_half_widths():
    for name in with_scores():
        assert (SPECS[name].intervals.unfitted is not None) == SPECS[name].works_unfitted
