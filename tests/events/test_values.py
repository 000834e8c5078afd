from __future__ import annotations

import math
from datetime import time, timedelta

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mastery.events.durations import read_durations
from mastery.events.ids import ID_LETTERS, read_id, written_id
from mastery.events.lists import read_ids
from mastery.events.numbers import Notation, read_number, read_whole
from mastery.events.values import Read, read_text, read_truth


def codes(read: Read) -> list[str]:
    """Return for each row why it is refused, "" when it is not."""
    found = [""] * len(read.values)
    for problem in read.problems:
        for row, here in enumerate(problem.where):
            found[row] = found[row] or (problem.code if here else "")
    return found


@pytest.mark.parametrize(
    "text", ["true", "T", "YES", "y", "1", "1.0", "1.00", "1,0", " Yes ", "tRuE", "Right", "correct"]
)
def test_these_texts_are_true(text):
    assert read_truth(pa.array([text])).values.to_pylist() == [True]


@pytest.mark.parametrize("text", ["false", "F", "no", "N", "0", "0.0", "0.000", " FALSE\t", "wrong", "INCORRECT"])
def test_these_texts_are_false(text):
    assert read_truth(pa.array([text])).values.to_pylist() == [False]


@pytest.mark.parametrize("value", ["maybe", "2", "-1", "ja", "01", "richtig", "1.5", "NA"])
def test_other_texts_are_no_truths(value):
    assert codes(read_truth(pa.array([value, "1"]))) == ["not_a_boolean", ""]


def test_numbers_0_and_1_are_truths_and_others_are_not():
    for kind in (pa.int8(), pa.float64()):
        read = read_truth(pa.array([1, 0, 2, None], kind))
        assert read.values.to_pylist() == [True, False, None, None]
        assert codes(read) == ["", "", "not_a_boolean", ""]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1", 1),
        ("+2.5", 2.5),
        (" 3 ", 3),
        (".5", 0.5),
        ("1e3", 1000),
        ("-0", 0),
        ("5.", 5),
        ("85,5", 85.5),
        ("0,125", 0.125),
        ("1234,567", 1234.567),
        ("\u22125", -5),
    ],
)
def test_numbers_are_read_alike_alone_and_beside_a_bad_one(text, number):
    assert read_number(pa.array([text])).values.to_pylist() == [number]
    assert read_number(pa.array([text, "x"])).values.to_pylist() == [number, None]


@pytest.mark.parametrize("text", ["x", "1,5,5", "1.234,5", "0x1", "1_0", "--1", "1e", ".", "١"])
def test_other_texts_are_no_numbers(text):
    assert codes(read_number(pa.array([text, "1"]))) == ["not_a_number", ""]


@pytest.mark.parametrize("text", ["nan", "NaN", "inf", "-Infinity", "1e400"])
def test_what_is_not_finite_is_refused_alone_and_beside_a_bad_one(text):
    assert codes(read_number(pa.array([text]))) == ["not_finite"]
    assert codes(read_number(pa.array([text, "x"]))) == ["not_finite", "not_a_number"]
    assert codes(read_number(pa.array([math.nan, math.inf, 1.0]))) == ["not_finite", "not_finite", ""]


def test_a_whole_number_may_be_written_with_a_point_and_a_broken_one_is_refused():
    read = read_whole(pa.array(["3", "3.0", "2.5", "1e17", ""]))
    assert read.values.to_pylist() == [3, 3, None, None, None]
    assert codes(read) == ["", "", "not_whole", "out_of_range", ""]


def test_ids_are_trimmed_and_empty_ones_are_null():
    texts = ["a", " a ", "\ta\n", "", "  ", None, "Circle Graph", "é"]
    expected = ["a", "a", "a", None, None, None, "Circle Graph", "é"]
    assert read_id(pa.array(texts)).values.to_pylist() == expected
    assert read_id(pa.array(texts).dictionary_encode()).values.to_pylist() == expected


def test_ids_that_are_long_or_hold_control_characters_are_refused():
    texts = ["x" * ID_LETTERS, "x" * (ID_LETTERS + 1), "a\x07b", "a\nb", "a\x85b", "ok"]
    assert codes(read_id(pa.array(texts))) == ["", "bad_id", "bad_id", "bad_id", "bad_id", ""]


def test_a_number_that_may_be_two_is_refused_until_somebody_says_which():
    assert codes(read_number(pa.array(["1,234", "12"]))) == ["unclear_number", ""]
    comma, german, swiss = Notation(","), Notation(",", "."), Notation(".", "'")
    assert read_number(pa.array(["1,234", "85,5", "12"]), comma).values.to_pylist() == [1.234, 85.5, 12]
    assert codes(read_number(pa.array(["1.234", "85,5"]), comma)) == ["unclear_number", ""]
    assert read_number(pa.array(["1.234", "1.234.567,5", "0,5"]), german).values.to_pylist() == [1234, 1234567.5, 0.5]
    assert codes(read_number(pa.array(["1.5", "12.34"]), german)) == ["not_a_number"] * 2
    assert read_number(pa.array(["1'234.5", "7"]), swiss).values.to_pylist() == [1234.5, 7]
    assert read_number(pa.array(["1,234"]), Notation(".", ",")).values.to_pylist() == [1234]
    assert read_whole(pa.array(["1.234"]), german).values.to_pylist() == [1234]


def test_a_duration_that_says_its_unit_does_not_depend_on_the_one_declared():
    for column in (pa.array(["1:12", "5", "2 s"]), pa.array(["1:12", "5", "2 s"]).dictionary_encode()):
        found = read_durations(column, 1.0, Notation())
        assert found.read.values.to_pylist() == [72_000, 5, 2_000]
        assert found.plain.to_pylist() == [None, 5, None]
    clock, span = pa.array([time(0, 1, 12)]), pa.array([timedelta(minutes=1, seconds=12)])
    assert [read_durations(column, 1.0, Notation()).read.values.to_pylist() for column in (clock, span)] == [
        [72_000]
    ] * 2


def test_numbers_as_ids_are_the_texts_a_person_would_write():
    assert read_id(pa.array([1.0, 2.5, None, math.nan])).values.to_pylist() == ["1", "2.5", None, None]
    assert read_id(pa.array([7, 8], pa.int64())).values.to_pylist() == ["7", "8"]


SAME = {
    "101.0": "101",
    "-7.0": "-7",
    "0.0": "0",
    "Jose\u0301": "Jos\u00e9",
    "\ufeffS1": "S1",
    "S\u200b1\u200d": "S1",
    "\u2060\u00a0S1 ": "S1",
    "007": "007",
    "007.0": "007.0",
    "1.10": "1.10",
    "1.00": "1.00",
    "1e3": "1e3",
    "12e4567": "12e4567",
    "'00123": "'00123",
    "NA": "NA",
    "1.0.0": "1.0.0",
    "+1": "+1",
}


@pytest.mark.parametrize("text", SAME)
def test_an_id_has_one_form_alone_and_beside_any_other_in_a_column_and_typed(text):
    assert read_id(pa.array([text])).values.to_pylist() == [SAME[text]]
    assert written_id(text) == SAME[text]
    for other in SAME:
        assert read_id(pa.array([other, text])).values.to_pylist() == [SAME[other], SAME[text]]


@pytest.mark.parametrize("text", ["1.23457E+11", "1E+11", "1.2345678901234568e+17", "-1.5E+12"])
def test_an_id_of_which_a_spreadsheet_has_lost_digits_is_refused(text):
    assert codes(read_id(pa.array([text, "1"]))) == ["rounded_id", ""]
    assert codes(read_id(pa.array(["\u00e9", text]))) == ["", "rounded_id"]


def test_numbers_too_large_for_a_float_are_no_ids():
    assert codes(read_id(pa.array([1.2345678901234568e17, 5.0]))) == ["rounded_id", ""]


def test_ids_that_look_like_none_or_a_marked_text_are_remarked_on_and_kept():
    texts = ["NA", "null", "NaN", "N/A", "-", "'7", "N", "nano", "na1", "O'Neil"]
    for column in (pa.array(texts), pa.array(texts).dictionary_encode()):
        read = read_id(column)
        assert read.values.to_pylist() == texts
        assert {remark.code: remark.where.tolist() for remark in read.remarks} == {
            "looks_empty": [True] * 5 + [False] * 5,
            "apostrophe": [False] * 5 + [True] + [False] * 4,
        }


@given(st.lists(st.one_of(st.none(), st.sampled_from(["a", " b", "", "x\x01", "1", "nan", "yes", "2.5"]))))
def test_a_dictionary_is_read_as_its_values_are(texts):
    plain = pa.array(texts, pa.string())
    for read in (read_id, read_text, read_number, read_whole, read_truth, read_ids):
        one, other = read(plain), read(plain.dictionary_encode())
        assert one.values.to_pylist() == other.values.to_pylist()
        assert codes(one) == codes(other)


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("a|b|c", ["a", "b", "c"]),
        ("a", ["a"]),
        (" a | b |a", ["a", "b"]),
        ('["x", "y", 3]', ["x", "y", "3"]),
        ("a||c", ["a", "c"]),
        ("", None),
        ("[]", None),
        ("[null]", None),
        (None, None),
    ],
)
def test_lists_of_ids(text, ids):
    assert read_ids(pa.array([text], pa.string())).values.to_pylist() == [ids]


def test_lists_of_the_file_format_are_read_too():
    read = read_ids(pa.array([["a", "b", "a"], [], None, ["", "x\x00"]]))
    assert read.values.to_pylist() == [["a", "b"], None, None, None]
    assert codes(read) == ["", "", "", "bad_id"]


def test_a_damaged_json_list_is_refused():
    assert codes(read_ids(pa.array(['["a"', "b"]))) == ["not_a_list", ""]
