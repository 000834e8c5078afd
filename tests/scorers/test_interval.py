"""Wilson's interval and what time does to a score."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mastery.scorers.interval import Z90, forgotten, retention, wilson

DAY = 86_400e6


def test_wilson_of_eight_out_of_ten():
    # By hand, z = 1.6449: centre (0.8 + 0.13528) / 1.27055 = 0.73612, half √(0.0432889 + 0.0183) / 1.27055 = 0.19532.
    lower, upper = wilson(0.8, 10.0)
    assert (lower, upper) == pytest.approx((0.540787, 0.931445), abs=1e-5)


@given(share=st.floats(0, 1), weight=st.floats(1e-3, 1e6))
def test_wilson_solves_its_own_equation(share, weight):
    for bound in wilson(share, weight):
        if 1e-9 < bound < 1 - 1e-9 and bound != share:
            assert (share - bound) ** 2 == pytest.approx(Z90**2 * bound * (1 - bound) / weight, rel=1e-4, abs=1e-12)


@given(share=st.floats(0, 1), weight=st.floats(0, 1e9), more=st.floats(1, 100))
def test_wilson_holds_the_share_and_narrows_with_evidence(share, weight, more):
    lower, upper = wilson(share, weight)
    assert 0.0 <= lower <= share <= upper <= 1.0
    narrower = wilson(share, weight * more)
    assert narrower[1] - narrower[0] <= upper - lower + 1e-9


def test_wilson_without_evidence_says_nothing():
    assert wilson(0.7, 0.0) == (0.0, 1.0)


def test_the_normal_quantile_leaves_five_per_cent_on_each_side():
    assert 0.5 * math.erfc(Z90 / math.sqrt(2)) == pytest.approx(0.05, abs=1e-12)


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
