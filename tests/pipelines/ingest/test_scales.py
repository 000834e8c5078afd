"""A column whose values fit another unit far better than the one they are read in is refused, with both readings."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from mastery.directory.pseudonyms import Pseudonyms
from mastery.errors import BadInput
from mastery.events.read_options import NOTHING_SAID, ReadOptions
from mastery.lake import Lake
from mastery.pipelines.ingest.answers import read_answers
from mastery.pipelines.ingest.ingest import ingest
from mastery.tables import EVENTS, REJECTED

NOW = datetime(2025, 1, 1, tzinfo=UTC)
HEADS = {
    "score_pct": "student_id,assignment_id,topic_ids,score_pct,timestamp",
    "watch_pct": "student_id,video_id,topic_id,watch_pct,timestamp",
    "score": "student_id,teacher_id,topic_id,score,timestamp",
    "time_spent_sec": "student_id,question_id,topic_id,time_spent_sec,timestamp,is_correct",
    "is_correct": "student_id,question_id,topic_id,is_correct,timestamp",
}


def write(path, column, values):
    end = ",1" if column == "time_spent_sec" else ""
    rows = [f"S{i},Q1,T1,{value},2024-05-06T07:08:{i % 60:02}Z{end}" for i, value in enumerate(values)]
    path.write_text("\n".join([HEADS[column], *rows]) + "\n")
    return path


@pytest.fixture
def read(tmp_path):
    lake = Lake.open(str(tmp_path / "lake"), buckets=2)

    def one(column, values, options=NOTHING_SAID):
        file = write(tmp_path / "file.csv", column, values)
        return ingest([file], lake=lake, pseudonyms=Pseudonyms(bytes(32)), tenant="default", now=NOW, options=options)

    one.lake = lake
    return one


ODD = [
    ("score_pct", ["0.5", "0.85", "1"], "look like fractions", "fraction"),
    ("score_pct", ["0", "1", "1", "0"], "look like fractions", "fraction"),
    ("score_pct", ["7", "8", "9", "10", "5"], "look like points", "points/10"),
    ("score_pct", [str(5 + i % 14) for i in range(12)], "look like points", "points/20"),
    ("score_pct", ["120", "140", "90", "150"], "look like points", "points/150"),
    ("score_pct", ["350", "420", "480", "120"], "look like points", "points/500"),
    ("watch_pct", ["0.2", "0.9"], "look like fractions", "fraction"),
    ("score_pct", ["0.9", "0.8", "1.05"], "look like fractions", "fraction"),
    ("score_pct", ["1.05", "0.9"], "look like fractions", "fraction"),
    ("score_pct", [*(f"0.{5 + i % 5}" for i in range(16)), "1.05"], "look like fractions", "fraction"),
    ("watch_pct", ["0.5", "0.75", "1.5"], "look like fractions", "fraction"),
    ("score", ["1", "2", "3", "4", "5"], "a scale from 1 to 5", "1-5"),
    ("score", ["1", "5"], "a scale from 1 to 5", "1-5"),
    ("score", ["1", "2", "3", "5", "6"], r"or 1 is \(6-1\)", "6-1"),
    ("score", ["2.3", "1.7", "5", "6", "1.0", "2.0", "3.3", "4", "3", "2.7"], r"or 1 is \(6-1\)", "6-1"),
    ("score", ["85", "90", "40", "0"], "look like per cents", "percent"),
    ("score", ["0", "8", "9", "4", "10"], "points out of 10", "points/10"),
    ("time_spent_sec", ["40000", "12000", "38000", "52000"], "look like ms", "ms"),
]


@pytest.mark.parametrize(("column", "values", "reading", "unit"), ODD)
def test_a_column_in_another_unit_is_refused_with_both_readings_until_one_is_declared(
    read, column, values, reading, unit
):
    with pytest.raises(BadInput, match=reading) as caught:
        read(column, values)
    assert f"--unit {column}={unit}" in str(caught.value)
    assert read.lake.count(EVENTS) == read.lake.count(REJECTED) == 0
    report = read(column, values, ReadOptions(units={column: unit}))
    assert (report.accepted, report.rejected) == (len(values), 0)


MIXED = [
    ("score_pct", ["0.5", "0.7", "100"], "all but 1 are at most 1 %; they look like fractions", "fraction", 1),
    ("score_pct", [*(f"0.{i:02}" for i in range(50, 86)), "100"], "look like fractions", "fraction", 1),
    (
        "score_pct",
        [*(str(7 + i % 4) for i in range(20)), "55"],
        "all but 1 are at most .* look like points",
        "points/10",
        1,
    ),
    (
        "score_pct",
        [*(str(12 + i % 9) for i in range(20)), "55"],
        "all but 1 are at most .* look like points",
        "points/20",
        1,
    ),
    ("score_pct", ["0.5", "80", "1", "90"], "2 are not above 1 % and look like fractions, 2 are above", "fraction", 2),
]


@pytest.mark.parametrize(("column", "values", "reading", "unit", "outside"), MIXED)
def test_a_few_values_do_not_hide_the_unit_of_the_others(read, column, values, reading, unit, outside):
    with pytest.raises(BadInput, match=reading) as caught:
        read(column, values)
    assert f"--unit {column}={unit} or --unit {column}=percent" in str(caught.value)
    assert read.lake.count(EVENTS) == read.lake.count(REJECTED) == 0
    report = read(column, values, ReadOptions(units={column: unit}))
    assert (report.accepted, report.rejected) == (len(values) - outside, outside)


@pytest.mark.parametrize(("column", "values", "reading", "unit"), ODD)
def test_it_is_refused_wherever_files_are_cut(read, tmp_path, monkeypatch, column, values, reading, unit):
    monkeypatch.setattr("mastery.pipelines.ingest.files.BLOCK_BYTES", 64)
    monkeypatch.setattr("mastery.pipelines.ingest.files.HEAD_BYTES", 100)
    with pytest.raises(BadInput, match=reading):
        read(column, values)
    if column != "score":
        with pytest.raises(BadInput, match=reading):
            read_answers(write(tmp_path / "file.csv", column, values), now=NOW)


FINE = [
    ("score_pct", ["0", "0", "0"]),
    ("score_pct", ["5", "85", "100", "40"]),
    ("score_pct", ["5", "7", "9"]),
    ("score_pct", ["105", "90", "85", "110"]),
    ("score_pct", ["0.5", "90", "85", "100"]),
    ("score_pct", ["1", "90", "85", "100"]),
    ("watch_pct", ["0.5", "0.7", "90", "85", "100", "30", "55", "80", "12"]),
    ("watch_pct", [*("0" for _ in range(30)), "85"]),
    ("score_pct", [*(str(2 + i % 9) for i in range(18)), "85"]),
    ("score_pct", ["7/10", "8/10", "9/10", "10/10", "5/10"]),
    ("score", ["0", "1", "1", "0.5"]),
    ("score", ["1", "1", "1", "1"]),
    ("time_spent_sec", ["12", "3600", "40", "52"]),
    ("time_spent_sec", ["40000", "12000", "38000"]),
]


@pytest.mark.parametrize(("column", "values"), FINE)
def test_a_column_that_fits_its_unit_is_read(read, column, values):
    assert read(column, values).accepted == len(values)


def test_an_outcome_with_words_that_nobody_declared_is_refused_and_names_them(read):
    values = ["right", "skipped", "wrong", "skipped", "half", "right"]
    with pytest.raises(BadInput, match=r"3 of 6 values are neither right nor wrong \('skipped', 'half'\).*--values"):
        read("is_correct", values)
    report = read("is_correct", values, ReadOptions(values={"skipped": 0, "half": 0}))
    assert report.accepted == 6


def test_a_few_odd_outcomes_are_odd_rows(read):
    assert read("is_correct", ["1", "0", "1", "2", "0", "1", "1", "1", "?", "0"]).rejected == 2


def test_numbers_in_two_notations_are_refused(read):
    values = ["1.234", '"1,234"', '"1.234,5"']
    with pytest.raises(BadInput, match=r"1 of its numbers are as 1\.234,5.*--decimal , --thousands \."):
        read("time_spent_sec", values)
    assert read.lake.count(EVENTS) == 0
    read("time_spent_sec", values, ReadOptions(decimal=",", thousands="."))
    found = read.lake.scan(EVENTS, ["duration_ms"])["duration_ms"].to_pylist()
    assert sorted(found) == [1234, 1_234_000, 1_234_500]


def test_numbers_that_may_be_two_are_refused_until_somebody_says_which(read):
    with pytest.raises(BadInput, match="--decimal , or --thousands ,"):
        read("score_pct", ['"85,5"', '"33,333"', '"90,25"'])
    assert read("score_pct", ['"85,5"', '"33,333"', '"90,25"'], ReadOptions(decimal=",")).accepted == 3


WIDE = ReadOptions(wide={"HW *": "score_pct"}, constants={"topic_ids": "T1"})


def wide(path, *columns):
    names = ["student_id", *(f"HW {number}" for number in range(1, len(columns) + 1)), "timestamp"]
    rows = [",".join([f"S{i}", *cells, "2024-05-06"]) for i, cells in enumerate(zip(*columns, strict=True))]
    path.write_text("\n".join([",".join(names), *rows]) + "\n")
    return path


@pytest.mark.parametrize(
    ("odd", "reading", "unit"),
    [
        (["0.9", "0.8", "1", "0.7", "0.95"], "none is above 1 %; they look like fractions", "fraction"),
        (["17", "18", "20", "12", "14", "9", "11", "16", "19"], "look like points", "points/20"),
    ],
)
@pytest.mark.parametrize("block", [1 << 20, 64])
def test_the_unit_of_a_wide_table_is_judged_for_each_question(tmp_path, monkeypatch, odd, reading, unit, block):
    monkeypatch.setattr("mastery.pipelines.ingest.files.BLOCK_BYTES", block)
    monkeypatch.setattr("mastery.pipelines.ingest.files.HEAD_BYTES", 100)
    lake = Lake.open(str(tmp_path / "lake"), buckets=2)

    def read(*columns):
        file = wide(tmp_path / "marks.csv", *columns)
        return ingest([file], lake=lake, pseudonyms=Pseudonyms(bytes(32)), tenant="default", now=NOW, options=WIDE)

    fine = [[str(40 + (i * 7 + k * 13) % 60) for i in range(len(odd))] for k in range(6)]
    with pytest.raises(BadInput, match=rf"column 'HW 7' cannot be read as it is: .*{reading}") as caught:
        read(*fine, odd)
    assert f"--unit score_pct={unit}" in str(caught.value)
    assert "write these as 85 % or as 17/20" in str(caught.value)
    assert lake.count(EVENTS) == 0
    most = 1 if unit == "fraction" else 20
    assert read(*fine, [f"{one}/{most}" for one in odd]).accepted == 7 * len(odd)


def test_a_hard_question_of_a_wide_table_is_no_other_unit(tmp_path):
    lake = Lake.open(str(tmp_path / "lake"), buckets=2)
    file = wide(tmp_path / "marks.csv", ["80", "70", "90", "60", "100"], ["0", "5", "0", "0", "10"])
    report = ingest([file], lake=lake, pseudonyms=Pseudonyms(bytes(32)), tenant="default", now=NOW, options=WIDE)
    assert report.accepted == 10
