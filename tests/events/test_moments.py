from __future__ import annotations

from datetime import UTC, date, datetime

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mastery.events.calendar import date_orders
from mastery.events.moments import Dating, read_moment


def read(values, timezone=None, unit=None, **dating):
    return read_moment(pa.array(values), Dating(timezone, unit, **dating)).values.to_pylist()


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


GOOD = {
    "2024-05-06": at(2024, 5, 6),
    "2024-05-06 07": at(2024, 5, 6, 7),
    "2024-05-06T07:08": at(2024, 5, 6, 7, 8),
    "2024-05-06T07:08:09": at(2024, 5, 6, 7, 8, 9),
    "2024-05-06 07:08:09.5": at(2024, 5, 6, 7, 8, 9, 500_000),
    "2024-05-06T07:08:09.123456789": at(2024, 5, 6, 7, 8, 9, 123_456),
    "2024-05-06T07:08:09Z": at(2024, 5, 6, 7, 8, 9),
    "2024-05-06T07:08:09+02:00": at(2024, 5, 6, 5, 8, 9),
    "2024-05-06T07:08:09.25-0530": at(2024, 5, 6, 12, 38, 9, 250_000),
    "2024-05-06T07:08:09+02": at(2024, 5, 6, 5, 8, 9),
    "2024-05-06T07Z": at(2024, 5, 6, 7),
    "2024-02-29": at(2024, 2, 29),
    "1700000000": at(2023, 11, 14, 22, 13, 20),
    "1700000000123": at(2023, 11, 14, 22, 13, 20, 123_000),
    "1700000000.5": at(2023, 11, 14, 22, 13, 20, 500_000),
    " 2024-05-06 ": at(2024, 5, 6),
    "1700000000123456": at(2023, 11, 14, 22, 13, 20, 123_456),
    "1700000000123456000": at(2023, 11, 14, 22, 13, 20, 123_456),
    "20240506": at(2024, 5, 6),
    "20240506T0708": at(2024, 5, 6, 7, 8),
    "20240506T070809.5Z": at(2024, 5, 6, 7, 8, 9, 500_000),
    "20240506T070809+0200": at(2024, 5, 6, 5, 8, 9),
    "2024-W19-1": at(2024, 5, 6),
    "2024W191T07": at(2024, 5, 6, 7),
    "2020-W53-7 12:00": at(2021, 1, 3, 12),
    "2024-127": at(2024, 5, 6),
    "2024-366": at(2024, 12, 31),
    "2024-05-06 07:08:09 UTC": at(2024, 5, 6, 7, 8, 9),
    "2024-05-06 07:08:09 GMT": at(2024, 5, 6, 7, 8, 9),
    "2024-05-06 07:08:09 +0100": at(2024, 5, 6, 6, 8, 9),
    "2024-05-06 07:08:09 UTC+2": at(2024, 5, 6, 5, 8, 9),
    "2024-05-06t07:08:09,25z": at(2024, 5, 6, 7, 8, 9, 250_000),
    "2024/05/06 7:08:09 PM GMT+2": at(2024, 5, 6, 17, 8, 9),
    "2024/5/6": at(2024, 5, 6),
    "6.5.2024": at(2024, 5, 6),
    "06.05.2024, 07:08": at(2024, 5, 6, 7, 8),
    "6 May 2024, 2:30 PM": at(2024, 5, 6, 14, 30),
    "Monday, 6 May 2024, 12:05 AM": at(2024, 5, 6, 0, 5),
    "6-Sep-2024 12:05 p.m.": at(2024, 9, 6, 12, 5),
    "May 6, 2024 at 7:08 am": at(2024, 5, 6, 7, 8),
    "Mon, 06 May 2024 07:08:09 GMT": at(2024, 5, 6, 7, 8, 9),
    "Mon May 06 2024 07:08:09 GMT+0200 (CEST)": at(2024, 5, 6, 5, 8, 9),
}

BAD = [
    "yesterday",
    "2023-02-29",
    "2024-02-30",
    "2024-13-01",
    "2024-00-10",
    "2024-1-1",
    "20240230",
    "20240506T24",
    "06/05/2024",
    "13/14/2024",
    "06/05/24",
    "06.05.24 07:08",
    "31.02.2024",
    "2024-W54-1",
    "2021-W53-1",
    "2024-366x",
    "2023-366",
    "6 Foo 2024",
    "6 May 2024 13:00 PM",
    "2024-05-06 07:08 CEST",
    "45321.5",
    "2024-05-06T24:00:00",
    "2024-05-06T07:08:60",
    "2024-05-06T07:08:09.",
    "2024-05-06Z",
    "2024-05-06T07:08:09+25:00",
    "2024-05-06T07:08:09+02:60",
    "2024-05-06T0708",
    "17000000000",
    "17000000000000000",
    "17000000000000000000",
    "-1700000000",
    "nan",
]


@pytest.mark.parametrize("text", GOOD)
def test_a_time_stamp_is_read_alike_alone_and_beside_any_other(text):
    assert read([text]) == [GOOD[text]]
    for other in GOOD:
        assert read([other, text]) == [GOOD[other], GOOD[text]]
    assert read([text, "x", None]) == [GOOD[text], None, None]


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_time_stamp_is_refused_alone_and_beside_a_good_one(text):
    for values in ([text], [text, "2024-05-06"], [text, "2024-05-06T07:08:09Z"], [text, "1700000000"]):
        found = read_moment(pa.array(values), Dating())
        assert found.values[0].as_py() is None
        assert [problem.where[0] for problem in found.problems] == [True]


def test_clocks_without_a_zone_stand_in_the_zone_declared_and_others_in_their_own():
    values = ["2024-01-15 12:00:00", "2024-07-15 12:00:00", "2024-07-15T12:00:00Z"]
    expected = [at(2024, 1, 15, 11), at(2024, 7, 15, 10), at(2024, 7, 15, 12)]
    assert read(values, "Europe/Berlin") == expected
    assert read(values[:2], "Europe/Berlin") == expected[:2]


def test_an_hour_shown_twice_is_the_first_and_one_left_out_is_when_the_clock_leaps():
    assert read(["2024-10-27 02:30:00"], "Europe/Berlin") == [at(2024, 10, 27, 0, 30)]
    assert read(["2024-03-31 02:30:00"], "Europe/Berlin") == [at(2024, 3, 31, 1, 0)]


def test_a_declared_unit_allows_any_number():
    assert read(["86400", "1700000000"], unit="epoch_s") == [at(1970, 1, 2), at(2023, 11, 14, 22, 13, 20)]
    assert read([86_400_000], unit="epoch_ms") == [at(1970, 1, 2)]


def test_arrow_types_of_time_are_read_as_they_are():
    moment = at(2024, 5, 6, 7, 8, 9).replace(tzinfo=None)
    assert read(pa.array([moment], pa.timestamp("ns"))) == [at(2024, 5, 6, 7, 8, 9)]
    assert read(pa.array([moment], pa.timestamp("ms", tz="America/New_York"))) == [at(2024, 5, 6, 7, 8, 9)]
    assert read(pa.array([moment.date()])) == [at(2024, 5, 6)]
    assert read(pa.array([1_700_000_000, None])) == [at(2023, 11, 14, 22, 13, 20), None]
    assert read(pa.array([1_700_000_000.0, float("nan")])) == [at(2023, 11, 14, 22, 13, 20), None]


@pytest.mark.parametrize("sign", "/-.")
@pytest.mark.parametrize(("dates", "day", "month"), [("D/M/Y", 6, 5), ("M/D/Y", 5, 6)])
def test_dates_are_read_in_the_order_declared(sign, dates, day, month):
    first, second = (day, month) if dates == "D/M/Y" else (month, day)
    texts = [f"{first}{sign}{second}{sign}2024", f"{first:02}{sign}{second:02}{sign}2024 2:30:09 PM", "2024-05-06"]
    expected = [at(2024, month, day), at(2024, month, day, 14, 30, 9), at(2024, 5, 6)]
    assert read(texts, dates=dates) == expected
    assert [read([text], dates=dates)[0] for text in texts] == expected


def test_a_date_whose_order_nobody_has_said_is_refused_with_what_to_say():
    found = read_moment(pa.array(["03/04/2026", "25/04/2026", "3-4-26", "2026-04-03"]), Dating())
    assert found.values.to_pylist() == [None, None, None, at(2026, 4, 3)]
    assert [(problem.code, problem.where.tolist()) for problem in found.problems] == [
        ("unclear_date", [True, True, False, False]),
        ("not_a_time", [False, False, True, False]),
    ]
    assert "--dates D/M/Y" in found.problems[0].reason


def test_what_a_column_of_dates_says_of_their_order_is_counted():
    texts = ["25/12/2025", "12/25/2025 10:00", "1/2/2025", "3-4-2025", "25.12.2025", "2025-01-01", "40/40/2025", None]
    assert date_orders(pa.array(texts)) == {"D/M/Y": 1, "M/D/Y": 1, "either": 2}
    assert date_orders(pa.array(texts).dictionary_encode()) == {"D/M/Y": 1, "M/D/Y": 1, "either": 2}
    assert date_orders(pa.array([1.5])) == {}


def test_days_that_spreadsheets_count_are_clocks_in_the_zone_declared():
    texts = ["45418", "45418.5", "2024-05-06"]
    assert read(texts, dates="serial") == [at(2024, 5, 6), at(2024, 5, 6, 12), at(2024, 5, 6)]
    assert read([45418.5], "Europe/Berlin", dates="serial") == [at(2024, 5, 6, 10)]
    assert read([45418.0 + 34_245 / 86_400], dates="serial") == [at(2024, 5, 6, 9, 30, 45)]


def test_days_since_a_day():
    zero = date(2013, 10, 1)
    assert read(["-19", "0", "1.5"], day_zero=zero) == [at(2013, 9, 12), at(2013, 10, 1), at(2013, 10, 2, 12)]
    assert read([-19, 240], day_zero=zero) == [at(2013, 9, 12), at(2014, 5, 29)]


def test_numbers_are_days_as_their_texts_are():
    assert read([20240506, 20240230]) == [at(2024, 5, 6), None]
    assert read([20240506], "Europe/Berlin") == [at(2024, 5, 5, 22)]


@given(st.lists(st.sampled_from([*GOOD, *BAD, None])))
def test_a_time_stamp_is_understood_from_itself(texts):
    alone = [read(pa.array([text], pa.string()))[0] for text in texts]
    assert read(pa.array(texts, pa.string())) == alone
