"""A batch is cut into the days of the school: cells, days away, active days, and where a day ends."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given

from by_hand import active
from folding import cells, fold_all, places
from histories import DAY, HOUR, START, Event, active_choice, days_of_schools, histories, seeds, table
from mastery.features.batch import NEVER_BEFORE, Batch, make_batch
from mastery.features.columns import FEEDBACK, event_columns
from mastery.features.counters import ACTIVE_DAYS, fold_counters, initial_counters
from mastery.instants import microseconds
from mastery.school_days import UTC_DAYS, school_days
from mastery.scorers import SCORERS

MINUTE = HOUR // 60
BERLIN, CALIFORNIA = "Europe/Berlin", "America/Los_Angeles"


def answers(zone: str, *clocks: str) -> Batch:
    """Return the batch of answers at these times of the school's clocks."""
    at = [microseconds(datetime.fromisoformat(clock).replace(tzinfo=ZoneInfo(zone))) for clock in clocks]
    events = [Event(at_us, number=k) for k, at_us in enumerate(at)]
    return make_batch(event_columns(table(events)), days=school_days(zone))


def dates(batch: Batch) -> list[str]:
    return [str(date.fromordinal(date(1970, 1, 1).toordinal() + int(day))) for day in batch.day]


def active_days(batch: Batch) -> list[int]:
    counters = initial_counters(batch.slot_topic.size)
    fold_counters(batch, counters)
    return counters[:, ACTIVE_DAYS].tolist()


def test_a_sitting_over_the_midnight_of_utc_is_one_day():
    batch = answers(CALIFORNIA, "2026-05-06T16:50", "2026-05-06T17:00", "2026-05-06T17:10")
    assert dates(batch) == ["2026-05-06"]
    assert batch.days_away.tolist() == [NEVER_BEFORE, 0, 0]
    assert active_days(batch) == [1]
    assert batch.day_end_us[0] == microseconds(datetime(2026, 5, 7, 7, tzinfo=UTC))


def test_an_evening_and_the_next_morning_are_two_days_though_one_of_utc():
    batch = answers(CALIFORNIA, "2026-05-06T22:00", "2026-05-07T08:00")
    assert dates(batch) == ["2026-05-06", "2026-05-07"]
    assert batch.days_away.tolist() == [NEVER_BEFORE, 1]


@pytest.mark.parametrize("day", ["2026-03-29", "2026-10-25"])
def test_days_are_counted_by_the_calendar_over_a_change_of_the_clocks(day):
    before, after = (str(date.fromordinal(date.fromisoformat(day).toordinal() + k)) for k in (-1, 1))
    clocks = [f"{before}T00:05", f"{before}T23:55", f"{day}T00:05", f"{day}T23:55", f"{after}T00:05", f"{after}T23:55"]
    batch = answers(BERLIN, *clocks)
    assert dates(batch) == [before, day, after]
    assert batch.days_away.tolist() == [NEVER_BEFORE, 0, 1, 0, 1, 0]


@given(events=histories(), days=days_of_schools)
def test_cells_and_days_away_are_those_of_the_clocks(events, days):
    batch = make_batch(event_columns(table(events)), days=days)
    zone = ZoneInfo(days.timezone)
    on: dict[tuple[str, str], list[int]] = {}
    for student, topic, event in active(active_choice(events)):
        shown = datetime.fromtimestamp(event.at_us // 1_000_000, zone).date()
        on.setdefault((student, topic), []).append(shown.toordinal() - date(1970, 1, 1).toordinal())
    assert set(cells(batch)) == {(*place, day) for place, mine in on.items() for day in mine}
    rows = batch.kind != FEEDBACK
    for slot, place in enumerate(places(batch)):
        mine = on.get(place, [])
        steps = [b - a for a, b in pairwise(mine)]
        assert batch.days_away[rows & (batch.slot == slot)].tolist() == ([NEVER_BEFORE, *steps] if mine else [])
    assert active_days(batch) == [len(set(on.get(place, []))) for place in places(batch)]


@pytest.mark.parametrize(
    ("zone", "hours"), [("Asia/Kolkata", 5.5), ("Pacific/Kiritimati", 14), ("Pacific/Pago_Pago", -11)]
)
@pytest.mark.parametrize("scorer", SCORERS.values(), ids=SCORERS)
@given(events=histories(max_events=12), seed=seeds)
def test_a_school_elsewhere_has_the_scores_of_one_in_utc_that_lives_by_its_clocks(scorer, zone, hours, events, seed):
    by = int(hours * HOUR)
    as_of = max(event.at_us for event in events) + DAY
    here = fold_all(scorer, table(events), seed, as_of, days=school_days(zone))
    moved = [replace(event, at_us=event.at_us + by) for event in events]
    there = fold_all(scorer, table(moved), seed, as_of + by, days=UTC_DAYS)
    for what in ("topics", "ledger", "gaps", "history", "readings"):
        assert getattr(here, what) == getattr(there, what), what


def test_years_before_the_first_that_clocks_are_known_of_are_days_too():
    events = [Event(at, number=k) for k, at in enumerate((-DAY, 0, START))]
    batch = make_batch(event_columns(table(events)), days=school_days(BERLIN))
    assert np.array_equal(batch.day, [-1, 0, START // DAY])
