import math

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from histories import DAY, START, Event, examples, histories, model, seeds, table
from mastery.features.batch import make_batch
from mastery.features.columns import event_columns
from mastery.insight.retention import HORIZON_DAYS, fadings, retention_of
from mastery.scorers import SCORERS
from mastery.scorers.base import fold, read, start

SIX_RIGHT = [Event(START + k * DAY, number=k) for k in range(6)]


def test_a_score_that_halves_every_ten_days_towards_a_rest_is_seen_through():
    def score(days: float) -> float:
        return 0.3 + 0.6 * 2.0 ** (-days / 10.0)

    found = retention_of(score(0), score(4), score(8), 4.0)
    assert found.rest == pytest.approx(0.3)
    assert found.half_life_days == pytest.approx(10.0)
    assert found.days_until_below(0.6) == pytest.approx(10.0)
    assert found.days_until_below(0.95) == 0.0
    assert found.days_until_below(0.3) is None
    assert found.days_until_below(0.30006) == pytest.approx(10.0 * math.log2(10_000))


def test_a_score_that_does_not_fade_never_falls():
    found = retention_of(0.7, 0.7, 0.7, 30.0)
    assert math.isinf(found.half_life_days)
    assert found.days_until_below(0.6) is None
    assert found.score_in(1e6) == 0.7


def test_nobody_is_told_of_a_date_beyond_the_horizon():
    found = retention_of(1.0, 2.0**-0.001, 2.0**-0.002, 10.0)
    assert found.half_life_days == pytest.approx(10_000.0, rel=1e-6)
    assert found.days_until_below(2.0**-0.36) == pytest.approx(3_600.0, rel=1e-6)
    assert found.days_until_below(2.0**-0.37) is None
    assert HORIZON_DAYS == 3_650.0


@pytest.mark.slow
@pytest.mark.parametrize("scorer", SCORERS.values(), ids=SCORERS)
@examples(100)
@given(events=histories(), seed=seeds, target=st.floats(0.05, 0.95), wait=st.integers(0, 60))
@example(events=SIX_RIGHT, seed=242, target=0.5, wait=0)  # rule_based: its recency fades on another clock
@example(events=SIX_RIGHT, seed=171, target=0.2, wait=0)  # and what an index stands for is a line in pieces
def test_the_day_told_is_the_day_on_which_the_score_falls_under_the_target(scorer, events, seed, target, wait):
    batch = make_batch(event_columns(table(events)))
    assume(batch.row.size)
    parameters = model(scorer, batch, seed)
    states = start(scorer, parameters, batch)
    as_of = max(event.at_us for event in events) + wait * DAY
    fold(scorer, parameters, batch, states, as_of, history=False)

    def at(days: float) -> np.ndarray:
        return read(scorer, parameters, batch, states, as_of + int(days * DAY)).score

    now, later = at(0), at(20.0)
    for p, found in enumerate(fadings(at, target)):
        days = found.days_until_below
        if now[p] - later[p] < 1e-6:  # scores so near each other leave no digits to tell a date by
            continue
        if days is not None and days > 0.0:
            assert at(days * 0.98 - 0.01)[p] >= target - 1e-6
            assert at(days * 1.02 + 0.01)[p] <= target + 1e-6
        if days is None:
            assert at(HORIZON_DAYS - 1.0)[p] >= target - 1e-6


def test_a_score_that_is_gone_within_hours_is_followed_to_its_hour():
    (found,) = fadings(lambda days: np.array([max(1e-12, 0.8 * 2.0 ** (-days / 0.1))]), 0.4)  # as bkt bounds its odds
    assert found.half_life_days == pytest.approx(0.1, abs=1e-3)
    assert found.days_until_below == pytest.approx(0.1, abs=1e-3)


def test_a_score_that_fades_on_two_clocks_is_followed_to_its_day():
    def score_in(days: float) -> np.ndarray:
        bonus = 0.25 * 2.0 ** (-days / 5.0)
        return np.array([0.2 + 0.5 * 2.0 ** (-days / 200.0) + bonus, 0.9, 0.3 + 0.6 * 2.0 ** (-days / 10.0)])

    two_clocks, steady, one_clock = fadings(score_in, 0.6)
    assert score_in(two_clocks.days_until_below)[0] == pytest.approx(0.6, abs=1e-6)
    assert score_in(two_clocks.half_life_days)[0] == pytest.approx(0.5 * (0.95 + 0.2), abs=1e-5)
    assert math.isinf(steady.half_life_days) and steady.days_until_below is None
    assert (one_clock.half_life_days, one_clock.days_until_below) == pytest.approx((10.0, 10.0))


def test_a_score_that_stays_before_it_fades_is_no_score_that_never_fades():
    def score_in(days: float) -> np.ndarray:
        return np.array([min(0.8, 1.2 * 2.0 ** (-days / 100.0))])

    (found,) = fadings(score_in, 0.6)
    assert found.days_until_below == pytest.approx(100.0, abs=1e-3)
