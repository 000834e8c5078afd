"""Which school day a moment belongs to."""

from __future__ import annotations

import pickle
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histories import DAY, HOUR, ZONES
from mastery.errors import BadInput
from mastery.features.day_kernels import begin_of, day_at
from mastery.instants import microseconds
from mastery.school_days import UTC_DAYS, school_days

EPOCH = date(1970, 1, 1)
moments = st.integers(0, microseconds(datetime(2099, 12, 31, tzinfo=UTC)))


def number(text: str) -> int:
    return (date.fromisoformat(text) - EPOCH).days


def at(text: str, zone: str) -> int:
    return microseconds(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)))


@given(zone=st.sampled_from(ZONES), at_us=moments)
def test_a_moment_is_on_the_day_that_the_clocks_of_the_school_show(zone, at_us):
    days = school_days(zone)
    shown = datetime.fromtimestamp(at_us // 1_000_000, ZoneInfo(zone)).date()
    assert days.day_of(at_us) == (shown - EPOCH).days
    assert days.begins_us(days.day_of(at_us)) <= at_us < days.ends_us(days.day_of(at_us))


@given(zone=st.sampled_from(ZONES), at_us=st.lists(st.integers(-(10**16), 10**16), min_size=1))
def test_kernels_and_arrays_say_the_same(zone, at_us):
    days = school_days(zone)
    of = days.days_of(at_us)
    assert [day_at(one, days.arrays) for one in at_us] == of.tolist() == [days.day_of(one) for one in at_us]
    assert [begin_of(day + 1, days.arrays) for day in of.tolist()] == days.ends_us(of).tolist()


@pytest.mark.parametrize("zone", ZONES)
def test_days_follow_each_other_without_a_gap(zone):
    days = school_days(zone)
    numbers = np.arange(number("1990-01-01"), number("2099-01-01"))
    begins = days.ends_us(numbers - 1)
    there = np.diff(begins) > 0  # but for days that the clocks left out
    assert np.array_equal(days.days_of(begins[:-1][there]), numbers[:-1][there])
    assert np.array_equal(days.days_of(begins[1:] - 1)[there], numbers[:-1][there])


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", "2026-03-29", 23),
        ("Europe/Berlin", "2026-10-25", 25),
        ("Europe/Berlin", "2026-06-01", 24),
        ("Australia/Lord_Howe", "2026-10-04", 23.5),
        ("Australia/Lord_Howe", "2026-04-05", 24.5),
        ("America/Sao_Paulo", "2018-11-04", 23),  # midnight itself was left out
        ("America/Sao_Paulo", "2018-02-17", 25),
        ("Asia/Kolkata", "2026-03-29", 24),
    ],
)
def test_a_day_on_which_clocks_change_is_shorter_or_longer(zone, day, hours):
    days = school_days(zone)
    assert int(days.ends_us(number(day))) - days.begins_us(number(day)) == hours * HOUR


def test_days_begin_fourteen_hours_before_and_eleven_after_those_of_utc():
    day = number("2026-04-11")
    assert school_days("Pacific/Kiritimati").begins_us(day) == day * DAY - 14 * HOUR
    assert school_days("Pacific/Pago_Pago").begins_us(day) == day * DAY + 11 * HOUR
    assert school_days("Asia/Kolkata").begins_us(day) == day * DAY - 5.5 * HOUR
    assert UTC_DAYS.begins_us(day) == day * DAY


def test_a_day_that_has_begun_goes_on_where_clocks_are_set_back_past_midnight():
    days, day = school_days("America/St_Johns"), number("2006-10-29")
    midnight = at("2006-10-29T00:00", "America/St_Johns")  # at 00:01 they showed 23:01 of the day before again
    assert days.begins_us(day) == midnight
    assert [days.day_of(midnight + minutes * HOUR // 60) - day for minutes in (-1, 0, 1, 30, 61, 62)] == [
        -1,
        0,
        0,
        0,
        0,
        0,
    ]
    assert int(days.ends_us(day)) - midnight == 25 * HOUR


def test_a_day_that_the_clocks_leave_out_has_no_moments():
    days, left_out = school_days("Pacific/Apia"), number("2011-12-30")
    before = at("2011-12-29T23:59:59", "Pacific/Apia")
    assert [days.day_of(before), days.day_of(before + 1_000_000)] == [left_out - 1, left_out + 1]
    assert days.begins_us(left_out) == int(days.ends_us(left_out)) == before + 1_000_000


def test_moments_are_shown_by_the_clocks_of_the_school():
    days = school_days("America/Los_Angeles")
    assert days.instant(at("2026-05-06T16:50", "America/Los_Angeles")).isoformat() == "2026-05-06T16:50:00-07:00"
    assert UTC_DAYS.instant(0).isoformat() == "1970-01-01T00:00:00+00:00"
    end = microseconds(datetime.max.replace(tzinfo=UTC))
    assert school_days("Pacific/Kiritimati").instant(end) == datetime.max.replace(tzinfo=UTC)


def test_days_are_equal_by_the_name_of_their_zone_and_can_be_sent_to_another_process():
    berlin = school_days("Europe/Berlin")
    assert pickle.loads(pickle.dumps(berlin)) == berlin
    assert berlin != school_days("Europe/Paris") != UTC_DAYS
    assert len({berlin, school_days("Europe/Berlin"), UTC_DAYS}) == 2


@pytest.mark.parametrize(
    ("name", "meant"),
    [("Europe/Berln", "Europe/Berlin"), ("europe/berlin", "Europe/Berlin"), ("Asia/Calcuta", "Asia/")],
)
def test_a_zone_that_nobody_knows_is_refused_with_one_that_is_near(name, meant):
    with pytest.raises(BadInput, match=f"'{name}' is not a time zone of this machine .did you mean '{meant}"):
        school_days(name)


def test_nobody_is_on_an_earlier_day_at_a_later_moment():
    hours = np.arange(0, 130 * 365 * 24) * HOUR + timedelta(minutes=30) // timedelta(microseconds=1)
    for zone in ZONES:
        assert (np.diff(school_days(zone).days_of(hours)) >= 0).all()
