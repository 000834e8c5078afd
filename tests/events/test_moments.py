from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mastery.events.moments import read_moment


def read(values, timezone=None, unit=None):
    return read_moment(pa.array(values), timezone, unit).values.to_pylist()


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
}

BAD = [
    "yesterday",
    "2023-02-29",
    "2024-02-30",
    "2024-13-01",
    "2024-00-10",
    "2024-1-1",
    "20240506",
    "06/05/2024",
    "2024-05-06T24:00:00",
    "2024-05-06T07:08:60",
    "2024-05-06T07:08:09.",
    "2024-05-06Z",
    "2024-05-06T07:08:09+25:00",
    "2024-05-06T07:08:09+02:60",
    "2024-05-06T0708",
    "17000000000",
    "17000000000000000",
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
        found = read_moment(pa.array(values), None, None)
        assert found.values[0].as_py() is None
        assert [problem.where[0] for problem in found.problems if problem.code == "not_a_time"] == [True]


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


@given(st.lists(st.sampled_from([*GOOD, *BAD, None])))
def test_a_time_stamp_is_understood_from_itself(texts):
    alone = [read(pa.array([text], pa.string()))[0] for text in texts]
    assert read(pa.array(texts, pa.string())) == alone
