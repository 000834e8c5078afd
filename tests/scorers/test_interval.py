"""The interval of a score, and what time does to a score."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mastery.scorers import SCORERS
from mastery.scorers.base import defaults, place_of
from mastery.scorers.interval import (
    KNOTS,
    LEAST,
    SCANT,
    Numbers,
    forgotten,
    interval,
    interval_parameters,
    retention,
    steadied,
)

DAY = 86_400e6

BY_HAND = np.array([[7.0, 0.0, 0.1, 0.2, 0.3, 0.2, 0.4, 0.3, 0.2, 0.1, 0.05, 0.5, 2.0, 3.0]])
"""From column 1: below and above at the five knots, what they become with evidence, and how soon."""

widths = st.lists(st.floats(LEAST, 10.0), min_size=10, max_size=10)
numbers = st.builds(
    lambda w, below, above, half: np.array([[*w, below, above, half]]),
    widths, st.floats(LEAST, 100.0), st.floats(LEAST, 100.0), st.floats(0.01, 1_000.0),
)  # fmt: skip
shares = st.one_of(st.floats(0.0, 1.0), st.sampled_from(KNOTS))
weights = st.one_of(st.floats(0.0, 1e9), st.sampled_from((0.0, SCANT, math.inf)))


def test_an_interval_by_hand():
    # Half way from 0.3 to 0.6, nine answers: rich = 1 − 1/√(1 + 9/3) = ½. Below 0.15 · (1 − ½ · 0.5) = 0.1125, above
    # 0.25 · (1 + ½ · 1) = 0.375.
    assert interval(0.45, 9.0, BY_HAND, 0, 1) == pytest.approx((0.45 - 0.1125, 0.45 + 0.375))
    # An eighth of an answer is half of what is scant: twice as wide. rich = 1 − 1/√(1 + 1/24) = 0.020204.
    lower, upper = interval(0.6, 0.125, BY_HAND, 0, 1)
    assert lower == pytest.approx(0.6 - 2 * 0.2 * (1 - 0.5 * 0.020204), abs=1e-6)
    assert upper == 1.0


@given(score=shares, evidence=weights, params=numbers)
def test_law_4_an_interval_holds_its_score_and_stays_within_0_and_1(score, evidence, params):
    lower, upper = interval(score, evidence, params, 0, 0)
    assert 0.0 <= lower <= score <= upper <= 1.0


@given(score=shares, params=numbers)
def test_without_evidence_an_interval_says_nothing(score, params):
    assert interval(score, 0.0, params, 0, 0) == (0.0, 1.0)


@given(score=shares, evidence=st.floats(0.01, 1e6), params=numbers)
def test_an_interval_moves_without_jumps(score, evidence, params):
    here = np.array(interval(score, evidence, params, 0, 0))
    for nearby in (max(0.0, score - 1e-9), min(1.0, score + 1e-9)):
        np.testing.assert_allclose(interval(nearby, evidence, params, 0, 0), here, rtol=0, atol=1e-3)
    np.testing.assert_allclose(interval(score, evidence * (1 + 1e-9), params, 0, 0), here, rtol=0, atol=1e-3)


@given(half_life=st.floats(0.1, 36_500.0), growth=st.floats(1.0, 3.0), days=st.integers(0, 10_000))
def test_study_never_shortens_a_half_life_and_makes_none_longer_than_a_year(half_life, growth, days):
    longer = steadied(half_life, growth, float(days))
    assert half_life <= longer <= max(half_life, 365.0)
    assert longer <= steadied(half_life, growth, float(days + 1))
    assert steadied(half_life, 1.0, float(days)) == half_life


@pytest.mark.parametrize("scorer", SCORERS.values(), ids=SCORERS)
def test_every_scorer_says_its_half_widths_and_is_read_with_them(scorer):
    at = place_of(scorer.parameters, "below_1").start
    names = [parameter.name for parameter in interval_parameters(Numbers((0.1,) * 5, (0.1,) * 5, 1.0, 1.0, 1.0))]
    assert [p.name for p in scorer.parameters if p.name in names] == names
    params = defaults(scorer, 1)
    params[0, at : at + len(names)] = [*(0.01,) * 10, 1.0, 1.0, 1.0]
    slots, students = scorer.start_slots(params, np.zeros(1, np.int32)), scorer.start_students(params, 1)
    zero = np.zeros(1, np.int32)
    reading = scorer.read_slots(slots, students, zero, zero, params, 0)
    assert (reading.lower[0], reading.upper[0]) == (0.0, 1.0)  # nothing has been seen


@pytest.mark.parametrize(("days", "kept"), [(0, 1.0), (-3, 1.0), (120, 0.5), (240, 0.25), (1e9, 1e-12)])
def test_half_is_retained_after_a_half_life_and_never_nothing(days, kept):
    assert retention(days * DAY, 120.0) == pytest.approx(kept, rel=1e-12)


def test_nothing_is_forgotten_before_the_first_event():
    assert retention(np.nan, 120.0) == 1.0


def test_a_score_falls_towards_the_prior_and_a_low_one_stays():
    assert forgotten(0.9, 0.3, 0.5) == pytest.approx(0.6)
    assert forgotten(0.2, 0.3, 0.5) == 0.2


@given(last=st.floats(0, 1), prior=st.floats(0, 1), kept=st.floats(0, 1), better=st.floats(0, 1), less=st.floats(0, 1))
def test_forgetting_costs_with_time_and_keeps_the_better_ahead(last, prior, kept, better, less):
    score = forgotten(last, prior, kept)
    assert min(prior, last) <= score <= last
    assert forgotten(max(last, better), prior, kept) >= score
    assert forgotten(last, prior, kept * less) <= score
