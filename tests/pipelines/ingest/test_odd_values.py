"""Every odd value has one defined answer. Each case is a real file through the real ingest."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mastery.directory.pseudonyms import Pseudonyms
from mastery.events.read_options import ReadOptions
from mastery.lake import Lake
from mastery.pipelines.ingest.ingest import ingest
from mastery.tables import EVENTS, REJECTED
from odd_values import GOOD, LEFT_OUT, REFUSED

NOW = datetime(2025, 1, 1, tzinfo=UTC)
KEY = Pseudonyms(bytes(32))

FRACTION = ReadOptions(units={"watch_pct": "fraction"})


def csv(rows: list[dict]) -> str:
    quoted = [['"' + value.replace('"', '""') + '"' for value in row.values()] for row in rows]
    return "\n".join([",".join(rows[0]), *map(",".join, quoted)]) + "\n"


@pytest.fixture
def lake(tmp_path):
    return Lake.open(str(tmp_path / "lake"), buckets=2)


@pytest.fixture
def put(lake, tmp_path):
    """Ingest one odd row of a table beside a good one of another student; return the event or the refusal."""

    def one(table: str, odd: dict, **options):
        good = GOOD[table] | {"student_id": "beside", **options.pop("beside", {})}
        file = tmp_path / "odd.csv"
        file.write_text(csv([GOOD[table] | odd, good]))
        report = ingest([file], lake=lake, pseudonyms=KEY, tenant="default", now=NOW, **options)
        assert (report.read, report.accepted + report.rejected) == (2, 2)
        assert report.accepted >= 1, "one bad row must not cost the other"
        one.notes = [note for note in report.notes if "missing from `topics`" not in note]
        if report.rejected:
            (refused,) = lake.scan(REJECTED).to_pylist()
            return refused
        return next(e for e in lake.scan(EVENTS).to_pylist() if e["student_id"] != KEY.student("default", "beside"))

    return one


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("quiz_attempts", ("quiz", "Q1", None, 1, 1_000_000, 12_500, 1, None, None)),
        ("practice_sessions", ("practice", None, None, 10, 7_000_000, None, None, None, None)),
        ("assignments", ("assignment", "A1", ["T2", "T3"], 1, 600_000, None, None, None, None)),
        ("video_events", ("video", "V1", None, 1, 550_000, 60_000, None, None, 2)),
        ("chatbot_interactions", ("tutor", None, None, 3, 2_000_000, None, None, None, None)),
        ("teacher_feedback", ("feedback", None, None, 1, 600_000, None, None, None, None)),
    ],
)
def test_each_table_becomes_the_canonical_event(put, table, expected):
    event = put(table, {})
    names = (
        "kind",
        "item_id",
        "other_topic_ids",
        "attempts",
        "success_ppm",
        "duration_ms",
        "attempt_number",
        "hints",
        "rewinds",
    )
    assert tuple(event[name] for name in names) == expected
    assert (event["topic_id"], event["student_id"]) == ("T1", KEY.student("default", "S1"))


def test_feedback_keeps_its_words_and_the_teacher_as_a_pseudonym(put):
    event = put("teacher_feedback", {})
    assert event["reason"] == "Explains it,\nin her own words"
    assert event["teacher_id"].startswith("t_")


@pytest.mark.parametrize(("table", "odd", "column", "code"), REFUSED)
def test_these_values_are_refused_with_column_value_and_reason(put, table, odd, column, code):
    refused = put(table, odd)
    assert (refused["column"], refused["code"], refused["line"]) == (column, code, 2)
    value = odd[column]
    assert refused["value"] == (value[:200] if value else None)
    assert (refused["source_table"], refused["source"]) == (table, "odd.csv")
    assert refused["reason"]


@pytest.mark.parametrize(("table", "odd", "field"), LEFT_OUT)
def test_a_value_that_nobody_needs_costs_that_value_and_is_noted(put, table, odd, field):
    event = put(table, odd)
    assert event[field] is None
    (column,) = odd
    (note,) = put.notes
    assert note.startswith(f"odd.csv: {column}: 1 value left out that cannot be used")


def test_an_order_that_is_not_there_is_none(put):
    assert put("quiz_attempts", {"order": "NA", "attempt_number": "3"})["sequence"] == 3 << 20


def test_values_of_refused_rows_are_not_noted(put):
    put("quiz_attempts", {"hints_used": "NA", "is_correct": "maybe"})
    assert put.notes == []


def test_an_order_that_is_damaged_refuses_its_row(put):
    assert put("quiz_attempts", {"order": "first"})["code"] == "not_a_number"


@pytest.mark.parametrize("odd", [{"student_id": ""}, {"student_id": "secret\x07"}])
def test_the_value_of_an_id_of_a_person_is_never_kept(put, odd):
    refused = put("quiz_attempts", odd)
    assert refused["column"] == "student_id"
    assert refused["value"] is None


@pytest.mark.parametrize(
    ("odd", "expected"),
    [
        ({"is_correct": "yes"}, {"success_ppm": 1_000_000}),
        ({"is_correct": "F"}, {"success_ppm": 0}),
        ({"topic_id": ""}, {"topic_id": "unassigned"}),
        ({"topic_id": " T2 "}, {"topic_id": "T2"}),
        ({"question_id": ""}, {"item_id": None}),
        ({"timestamp": "2025-01-01T00:05:00Z"}, {"occurred_at": datetime(2025, 1, 1, 0, 5, tzinfo=UTC)}),
        ({"timestamp": "1990-01-01"}, {"occurred_at": datetime(1990, 1, 1, tzinfo=UTC)}),
        ({"timestamp": "1700000000"}, {"occurred_at": datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)}),
        ({"timestamp": "1700000000000"}, {"occurred_at": datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)}),
        ({"order": "41"}, {"sequence": 41, "attempt_number": 1}),
        ({"attempt_number": "", "order": ""}, {"sequence": 0, "attempt_number": None}),
        ({"hints_used": "2.0"}, {"hints": 2}),
        ({"time_spent_sec": ""}, {"duration_ms": None}),
    ],
)
def test_these_values_are_accepted_and_mean_this(put, odd, expected):
    event = put("quiz_attempts", odd)
    assert {name: event[name] for name in expected} == expected


def test_clocks_without_a_zone_stand_in_the_zone_given(put):
    event = put("quiz_attempts", {"timestamp": "2024-07-15 12:00:00"}, options=ReadOptions(timezone="Europe/Berlin"))
    assert event["occurred_at"] == datetime(2024, 7, 15, 10, tzinfo=UTC)


def test_declared_units_are_used(put):
    event = put(
        "video_events",
        {"watch_pct": "0.55"},
        options=FRACTION,
        beside={"watch_pct": "1"},
    )
    assert event["success_ppm"] == 550_000


@pytest.mark.parametrize(
    ("text", "ppm"),
    [
        ("85%", 850_000),
        ("90 %", 900_000),
        ("85,5 %", 855_000),
        ("7/10", 700_000),
        ("9 / 12", 750_000),
        ("7 out of 10", 700_000),
        ("7,5/10", 750_000),
        ("100.00000000000001", 1_000_000),
        ("1e-17", 0),
        ("-1e-17", 0),
        ("105", 1_000_000),
        ("11/10", 1_000_000),
        ("85,5", 855_000),
    ],
)
def test_shares_are_read_as_they_say(put, text, ppm):
    assert put("assignments", {"score_pct": text})["success_ppm"] == ppm
    assert any("counted as all" in note for note in put.notes) == (text in ("105", "11/10"))


@pytest.mark.parametrize(
    ("unit", "text", "ppm"),
    [
        ("fraction", "0.85", 850_000),
        ("fraction", "85%", 850_000),
        ("points/20", "17", 850_000),
        ("1-5", "4", 750_000),
        ("6-1", "1", 1_000_000),
        ("6-1", "6", 0),
        ("percent", "0.5", 5_000),
    ],
)
def test_shares_are_read_in_the_unit_declared(put, unit, text, ppm):
    options = ReadOptions(units={"score_pct": unit})
    beside = {"score_pct": "1"}
    assert put("assignments", {"score_pct": text}, options=options, beside=beside)["success_ppm"] == ppm


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("PT12S", 12_000),
        ("PT1M2.5S", 62_500),
        ("P1DT1H", 90_000_000),
        ("1:12", 72_000),
        ("90:00", 5_400_000),
        ("0:01:12", 72_000),
        ("0 days 00:01:12", 72_000),
        ("0 days 00:01:12.500000", 72_500),
        ("12 s", 12_000),
        ("1 min 12 secs", 72_000),
        ("1 hour, 2 minutes", 3_720_000),
        ("750ms", 750),
        ("12,5", 12_500),
        ("PT", None),
        ("P1M", None),
        ("1:75", None),
        ("-5", None),
        ("soon", None),
    ],
)
def test_durations_are_read_as_they_say(put, text, ms):
    assert put("quiz_attempts", {"time_spent_sec": text})["duration_ms"] == ms


WORTHS = ReadOptions(values={"Gelöst": 1, "nicht gelöst": 0, "zum Teil": 0.5, "2": 1})


@pytest.mark.parametrize(
    ("text", "ppm"), [("gelöst", 1_000_000), (" Nicht Gelo\u0308st", 0), ("2", 1_000_000), ("1", 1_000_000), ("no", 0)]
)
def test_words_are_worth_what_is_declared(put, text, ppm):
    assert put("quiz_attempts", {"is_correct": text}, options=WORTHS)["success_ppm"] == ppm


def test_what_is_partly_right_is_a_share_and_no_answer(put):
    assert put("quiz_attempts", {"is_correct": "zum Teil"}, options=WORTHS)["code"] == "partly_right"
    assert put("assignments", {"score_pct": "Zum Teil"}, options=WORTHS)["success_ppm"] == 500_000


def test_a_fraction_above_one_is_refused(put):
    refused = put(
        "video_events",
        {"watch_pct": "2.5"},
        options=FRACTION,
        beside={"watch_pct": "1"},
    )
    assert (refused["column"], refused["reason"]) == ("watch_pct", "is above 1 fraction")


def test_a_withdrawal_has_no_outcome_and_names_what_it_replaces(put):
    event = put("practice_sessions", {"attempts": "", "correct_count": "", "replaces": "P1", "session_id": "P2"})
    assert event["success_ppm"] is None
    assert event["replaces_hi"] is not None


def test_a_file_whose_per_cents_are_all_at_most_one_gets_a_note_and_no_guess(lake, tmp_path):
    file = tmp_path / "video.csv"
    file.write_text(csv([GOOD["video_events"] | {"watch_pct": "0.55"}]))
    report = ingest([file], lake=lake, pseudonyms=KEY, tenant="default", now=NOW)
    assert any("watch_pct=fraction" in note for note in report.notes)
    assert lake.scan(EVENTS)["success_ppm"].to_pylist() == [5_500]
    again = ingest([file], lake=lake, pseudonyms=KEY, tenant="other", now=NOW, options=FRACTION)
    assert not any("fraction" in note for note in again.notes)


def test_topics_that_the_metadata_does_not_know_are_accepted_and_counted(lake, tmp_path):
    topics, quiz = tmp_path / "topics.csv", tmp_path / "quiz.csv"
    topics.write_text("topic_id,title\nT1,One\n")
    rows = [
        GOOD["quiz_attempts"] | {"topic_id": topic, "question_id": f"Q-{topic}"} for topic in ("T1", "T2", "T3", "")
    ]
    quiz.write_text(csv(rows))
    report = ingest([quiz, topics], lake=lake, pseudonyms=KEY, tenant="default", now=NOW)
    assert report.accepted == 5
    assert any(note.startswith("quiz.csv: 2 rows on 2 topics") and "(T2, T3)" in note for note in report.notes)
    assert any("1 row without a topic" in note for note in report.notes)


def test_a_row_over_several_lines_has_the_line_it_begins_on(lake, tmp_path):
    rows = [GOOD["teacher_feedback"], GOOD["teacher_feedback"] | {"score": "7"}]
    file = tmp_path / "feedback.csv"
    file.write_text(csv(rows))
    ingest([file], lake=lake, pseudonyms=KEY, tenant="default", now=NOW)
    assert [row["line"] for row in lake.scan(REJECTED).to_pylist()] == [4]


BROKEN_CSV = b"""student_id,question_id,topic_id,is_correct,timestamp
S1,Q1,T1,1,2024-01-01
S2,Q1,T1,1
S3,Q1,T1,1,2024-01-01,extra
S4,"Q1,T1,1,2024-01-01
S5,Q1,T1,1,2024-01-01
S6,Q\xff1,T1,1,2024-01-01
S7,"Q1"x,T1,1,2024-01-01
S8,5" ruler,T1,1,2024-01-01
S9,Q1,"T""1",1,2024-01-01
"""


def test_damaged_lines_of_csv_are_refused_and_cost_no_others(lake, tmp_path):
    file = tmp_path / "quiz.csv"
    file.write_bytes(BROKEN_CSV)
    report = ingest([file], lake=lake, pseudonyms=KEY, tenant="default", now=NOW)
    assert (report.read, report.accepted, report.rejected) == (9, 4, 5)
    refused = sorted((row["line"], row["code"], row["value"]) for row in lake.scan(REJECTED).to_pylist())
    assert refused == [
        (3, "fields", None),
        (4, "fields", None),
        (5, "quote", None),
        (7, "utf8", None),
        (8, "quote", None),
    ]
    events = lake.scan(EVENTS).to_pylist()
    assert {event["item_id"] for event in events} == {"Q1", '5" ruler'}
    assert {event["topic_id"] for event in events} == {"T1", 'T"1'}


def test_damaged_lines_of_ndjson_are_refused_and_cost_no_others(lake, tmp_path):
    good = {name: value for name, value in GOOD["quiz_attempts"].items() if value}
    lines = [
        json.dumps(good).encode(),
        b"{broken",
        b"[1, 2]",
        b'{"student_id": "\xff"}',
        b"",
        json.dumps(good | {"student_id": "S2", "is_correct": True, "time_spent_sec": 3}).encode(),
        json.dumps(good | {"student_id": ["S3"]}).encode(),
        json.dumps(good | {"is_correct": None}).encode(),
    ]
    file = tmp_path / "quiz.ndjson"
    file.write_bytes(b"\n".join(lines))
    report = ingest([file], lake=lake, pseudonyms=KEY, tenant="default", now=NOW)
    refused = sorted((row["line"], row["code"]) for row in lake.scan(REJECTED).to_pylist())
    assert (2, "json") in refused
    assert (3, "json") in refused
    assert (4, "utf8") in refused
    assert (8, "no_outcome") in refused
    assert report.read == 7
    assert (report.read - report.rejected) == report.accepted


def test_nan_and_nested_values_of_parquet_that_nobody_needs_cost_themselves(lake, tmp_path):
    table = pa.table(
        {
            "student_id": ["S1", "S2", "S3"],
            "question_id": [7.0, 8.0, 9.0],
            "topic_id": pa.array(["T1", "T1", None]).dictionary_encode(),
            "is_correct": pa.array([1, 0, 1], pa.int8()),
            "time_spent_sec": pa.array([1.5, float("nan"), None], pa.float32()),
            "timestamp": pa.array([datetime(2024, 5, 6, 7, 8, 9)] * 3, pa.timestamp("ns")),  # noqa: DTZ001 a clock
            "attempt_number": pa.array([[1], [2], None]),
        }
    )
    file = tmp_path / "quiz.parquet"
    pq.write_table(table, file)
    report = ingest([file], lake=lake, pseudonyms=KEY, tenant="default", now=NOW)
    assert (report.accepted, report.rejected) == (3, 0)
    events = sorted(lake.scan(EVENTS).to_pylist(), key=lambda event: event["item_id"])
    assert [(event["item_id"], event["topic_id"]) for event in events] == [
        ("7", "T1"),
        ("8", "T1"),
        ("9", "unassigned"),
    ]
    assert [(event["duration_ms"], event["attempt_number"]) for event in events] == [
        (1500, None),
        (None, None),
        (None, None),
    ]
    assert [note.split(", such")[0] for note in report.notes if "topic" not in note] == [
        "quiz.parquet: attempt_number: 2 values left out that cannot be used",
        "quiz.parquet: time_spent_sec: 1 value left out that cannot be used",
    ]


ONE_QUIZ = '{{{}, "question_id": "Q1", "is_correct": 1, "timestamp": "2024-05-06T07:08:09Z"}}'


@pytest.mark.parametrize(
    "given",
    [
        '"student_id": ["S1"], "topic_id": "T1"',
        '"student_id": [], "topic_id": "T1"',
        '"student_id": [1, 2], "topic_id": "T1"',
        '"student_id": {"a": 1}, "topic_id": "T1"',
        '"student_id": "S1", "topic_id": {"id": "t"}',
        '"student_id": "S1", "topic_id": ["a", ["b"]]',
        '"student_id": "S1", "topic_id": ["a", {"b": 1}]',
    ],
)
def test_a_list_or_an_object_of_json_is_no_id(lake, tmp_path, given):
    file = tmp_path / "quiz.ndjson"
    fine = '"student_id": "{3F25-04E0}", "topic_id": "[T1]"'  # no JSON, so ids
    file.write_text("\n".join(ONE_QUIZ.format(one) for one in (given, fine)))
    report = ingest([file], lake=lake, pseudonyms=KEY, tenant="default", now=NOW)
    assert (report.accepted, report.rejected) == (1, 1)
    (refused,) = lake.scan(REJECTED).to_pylist()
    assert refused["code"] == "not_a_value"
    (event,) = lake.scan(EVENTS).to_pylist()
    assert (event["student_id"], event["topic_id"]) == (KEY.student("default", "{3F25-04E0}"), "[T1]")


def test_an_id_that_a_spreadsheet_protects_is_what_is_quoted(put):
    event = put("assignments", {"student_id": '="00123"', "topic_ids": "a"})
    assert event["student_id"] == KEY.student("default", "00123")
    assert [note for note in put.notes if '1 value such as ="007"' in note]


@pytest.mark.parametrize("written", ["#REF!", "#VALUE!", "=A1"])
def test_an_id_that_a_spreadsheet_did_not_compute_is_counted_in_a_note(put, written):
    event = put("assignments", {"student_id": written})
    assert event["student_id"] == KEY.student("default", written)
    assert [note for note in put.notes if "student_id: 1 value like NA" in note]


@pytest.mark.parametrize("written", ["{a,b}", "(a,b)", "[a, b]", '{"a":1,"b":2}'])
def test_several_topics_in_brackets_are_no_list_unless_they_are_json(put, written):
    refused = put("assignments", {"topic_ids": written})
    assert (refused["column"], refused["code"], refused["value"]) == ("topic_ids", "not_a_list", written)


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.binary_view()])
def test_bytes_that_are_no_text_reject_their_row(lake, tmp_path, kind):
    table = pa.table(
        {
            "student_id": pa.array([b"S1", b"\xff\xfe", "Zoë".encode()], kind),
            "question_id": ["Q1", "Q1", "Q1"],
            "topic_id": ["T1", "T1", "T1"],
            "is_correct": [1, 0, 1],
            "timestamp": ["2024-05-06T07:08:09Z"] * 3,
        }
    )
    sources = [table]
    if kind != pa.binary_view():
        pq.write_table(table, tmp_path / "quiz.parquet")
        sources.append(tmp_path / "quiz.parquet")
    for number, source in enumerate(sources):
        report = ingest([source], lake=lake, pseudonyms=KEY, tenant="default", now=NOW)
        assert (report.read, report.accepted, report.duplicates, report.rejected) == (3, 2 - 2 * number, 2 * number, 1)
    assert {(row["line"], row["code"]) for row in lake.scan(REJECTED).to_pylist()} == {(2, "utf8")}
    assert {row["student_id"] for row in lake.scan(EVENTS).to_pylist()} == {
        KEY.student("default", one) for one in ("S1", "Zoë")
    }


def test_an_id_of_a_float_is_the_whole_number_however_long_it_is(put):
    event = put("quiz_attempts", {"question_id": "12345678901234567890.0"})
    assert event["item_id"] == "12345678901234567890"


@pytest.mark.parametrize("written", ["02-Mar-26", "2 March 26", "2/3/26", "02.03.26 09:00"])
def test_a_year_of_two_digits_is_told_as_that(put, written):
    assert put("quiz_attempts", {"timestamp": written})["reason"].startswith("has a year of two digits")
