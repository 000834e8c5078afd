from __future__ import annotations

import pytest

from mastery.insight.freshness import staleness_note
from mastery.instants import DAY_US

TODAY = 20_000  # 2024-10-04


@pytest.mark.parametrize("age_days", [0, 1, 89, -3])
def test_events_within_the_longest_window_are_fresh(age_days):
    assert staleness_note((TODAY - age_days) * DAY_US, TODAY * DAY_US + 1) is None


def test_a_log_that_ended_before_the_longest_window_is_said_to_be_stale():
    note = staleness_note((TODAY - 90) * DAY_US, TODAY * DAY_US)
    assert "2024-07-06, 90 days before 2024-10-04" in note
    assert "as of `latest`" in note


def test_without_any_event_there_is_nothing_to_say():
    assert staleness_note(None, TODAY * DAY_US) is None


def test_the_hour_of_the_day_does_not_matter():
    newest = (TODAY - 90) * DAY_US + DAY_US - 1
    assert staleness_note(newest, TODAY * DAY_US) is not None
    assert staleness_note(newest + 1, TODAY * DAY_US + DAY_US - 1) is None


def test_it_is_said_whose_newest_event_it_is():
    old = (TODAY - 100) * DAY_US
    assert staleness_note(old, TODAY * DAY_US).startswith("The newest event of the lake is from 2024-06-26, 100 days")
    of_student = staleness_note(old, TODAY * DAY_US, of_student=True)
    assert of_student.startswith("The newest event of this student is from 2024-06-26")
    assert "as of `2024-06-26`" in of_student, "`latest` is the newest event of all, long after this one's"
