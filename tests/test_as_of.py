"""A moment as people type it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mastery.as_of import as_of_us, fixed
from mastery.errors import BadInput
from mastery.instants import instant, microseconds

NOW_US = microseconds(datetime(2026, 5, 1, 12, tzinfo=UTC))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-04-11", "2026-04-11T23:59:59.999999+00:00"),
        ("2026-04-11T10:00Z", "2026-04-11T10:00:00+00:00"),
        ("2026-04-11t10:00:00z", "2026-04-11T10:00:00+00:00"),
        ("2026-04-11 10:00:00.5", "2026-04-11T10:00:00.500000+00:00"),
        ("2026-04-11T10:00:00+02:00", "2026-04-11T08:00:00+00:00"),
        (" 2026-04-11 ", "2026-04-11T23:59:59.999999+00:00"),
    ],
)
def test_a_moment_is_read_in_utc_and_a_date_is_the_end_of_its_day(text, expected):
    assert fixed(text).isoformat() == expected


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2026-02-30", "2026-13-01", "20260411", "1775000000", "2026-04-11T25:00", "2026-W15-6"]
)
def test_what_is_no_moment_is_refused_with_what_was_expected(text):
    with pytest.raises(BadInput, match="expected now, latest"):
        fixed(text)


def test_a_misspelt_word_is_answered_with_the_right_one():
    with pytest.raises(BadInput, match="did you mean 'latest'"):
        fixed("lates")


def test_a_plus_lost_in_a_url_is_named():
    with pytest.raises(BadInput, match="%2B"):
        fixed("2026-04-11T10:00:00 02:00")


def test_a_zone_that_leads_out_of_the_calendar_is_refused():
    with pytest.raises(BadInput):
        fixed("0001-01-01T00:00:00+14:00")


def test_latest_is_the_newest_event_and_now_is_now():
    assert as_of_us("latest", NOW_US, lambda: 5) == 5
    assert as_of_us("now", NOW_US, lambda: 5) == NOW_US
    assert as_of_us("latest", NOW_US, lambda: None) == NOW_US


def test_the_lake_is_asked_for_its_newest_event_only_for_latest():
    def ask() -> int:
        raise AssertionError("asked")

    assert as_of_us("2026-04-11", NOW_US, ask) < as_of_us("now", NOW_US, ask)


@given(st.datetimes(timezones=st.just(UTC)))
def test_an_instant_and_its_microseconds_are_one(at):
    assert instant(microseconds(at)) == at
    assert fixed(at.isoformat()) == at
