"""Answers read without a lake: the same decisions as an ingest, ids and rows the caller's own."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from answers import NOW, answers_in
from mastery.errors import BadInput, NotFound
from mastery.events.read_options import ReadOptions
from mastery.features.columns import QUIZ
from mastery.lake import Lake
from mastery.pipelines.ingest.answers import read_answers
from mastery.pipelines.ingest.ingest import ingest
from mastery.tables import EVENTS, REJECTED
from school import KEY, RESEARCH, SAMPLE

MORNING = datetime(2026, 3, 2, 8, tzinfo=UTC)

QUIZ_CSV = """student_id,question_id,topic_id,is_correct,timestamp,attempt_id
S1,q1,t1,true,2026-03-02T08:00:00Z,a1
S1,q2,t1,no,2026-03-02T08:01:00Z,a2
S1,q2,t1,no,2026-03-02T08:01:00Z,a2
S2,q1,t1,maybe,2026-03-02T08:02:00Z,a3
S2,q1,t1,,2026-03-02T08:02:00Z,a4
S2,q1,t1,1,2026-03-02T08:02:00Z
S2,q1,t1,1,2026-03-02T08:03:00Z,a5
S2,q1,t1,0,2026-03-02T08:03:00Z,a5
,q1,t1,0,2026-03-02T08:04:00Z,a6
S3,q1,,0,2030-03-02T08:04:00Z,a7
S3,q1,,0,2026-03-02T08:04:00Z,a8
"""


@pytest.fixture
def quiz(tmp_path):
    path = tmp_path / "quiz.csv"
    path.write_text(QUIZ_CSV)
    return path


def read(source, **options):
    return read_answers(source, **({"now": datetime(2026, 6, 1, tzinfo=UTC)} | options))


def test_the_sample_quiz_is_read_as_it_is_ingested(tmp_path):
    path = SAMPLE / "quiz_attempts.csv"
    answers = read(path)
    lake = Lake.open(str(tmp_path / "lake"), buckets=4)
    report = ingest([path], lake=lake, pseudonyms=KEY, tenant="default", now=datetime(2026, 6, 1, tzinfo=UTC))
    assert answers.report.as_dict()["read"] == report.read
    assert (answers.report.accepted, answers.report.duplicates, answers.report.rejected) == (
        report.accepted, report.duplicates, report.rejected,
    )  # fmt: skip
    own = Counter(zip(*(answers.events[name].to_pylist() for name in MEANING), strict=True))
    there = lake.scan(EVENTS)
    assert own == Counter(zip(*(there[name].to_pylist() for name in MEANING), strict=True))
    assert set(answers.events["student_id"].to_pylist()) == set(pacsv.read_csv(path)["student_id"].to_pylist()) - {""}


MEANING = ("kind", "topic_id", "item_id", "occurred_at", "sequence", "attempts", "success_ppm", "duration_ms", "hints")


def test_every_decision_is_that_of_an_ingest(quiz, tmp_path):
    answers = read(quiz)
    lake = Lake.open(str(tmp_path / "lake"), buckets=1)
    report = ingest([quiz], lake=lake, pseudonyms=KEY, tenant="default", now=datetime(2026, 6, 1, tzinfo=UTC))
    found = answers.report.as_dict()
    assert found["files"] == report.as_dict()["files"]
    assert [found[name] for name in ("read", "accepted", "revised", "duplicates", "rejected")] == [11, 4, 1, 1, 5]
    assert answers.events.num_rows == 4
    columns = ("line", "column", "reason", "code", "source_table", "source")
    kept = lake.scan(REJECTED).select(columns)
    # Which of two revisions counts is decided by their bodies, and those are the same here and there.
    meant = [Counter(rows.column("success_ppm").to_pylist()) for rows in (answers.events, lake.scan(EVENTS))]
    assert meant[0] == meant[1]
    assert sorted(map(str, answers.rejected.select(columns).to_pylist())) == sorted(map(str, kept.to_pylist()))


def test_every_row_knows_its_event_and_every_event_its_row(quiz):
    answers = read(quiz, keep=["attempt_id"])
    # The line with a field too few is no row; line 2 of the file is row 0.
    assert answers.table["attempt_id"].to_pylist() == ["a1", "a2", "a2", "a3", "a4", "a5", "a5", "a6", "a7", "a8"]
    assert answers.event_of_row[[0, 1, 2]].tolist() == [0, 1, 1]
    assert answers.event_of_row[[3, 4, 7, 8]].tolist() == [-1] * 4
    assert sorted(answers.event_of_row[[5, 6]].tolist()) == [-1, 2]
    for event, row in enumerate(answers.rows.tolist()):
        assert answers.event_of_row[row] == event


def test_a_prediction_stands_beside_its_row(quiz):
    answers = read(quiz)
    batch = answers.batch()
    values = answers.by_row(batch, 10.0 + batch.row)
    assert values[[0, 1, 2, 9]].tolist() == [10.0, 11.0, 11.0, 13.0]
    assert np.isnan(values[[3, 4, 7, 8]]).all()


def test_an_answer_on_several_topics_has_the_mean_of_its_topics_at_each_of_its_rows():
    table = pa.table({"student_id": ["a"] * 3, "topic_id": ["t", "u", "t"], "is_correct": [1, 1, 0],
                      "interaction_id": [7, 7, 8]})  # fmt: skip
    answers = answers_in(table)
    batch = answers.batch()
    assert answers.by_row(batch, np.array([0.2, 0.4, 0.9])).tolist() == pytest.approx([0.3, 0.3, 0.9])


def test_a_withdrawn_answer_is_no_answer_and_its_rows_have_no_value():
    table = pa.table({
        "student_id": ["a"] * 3, "question_id": ["q"] * 3, "topic_id": ["t"] * 3, "is_correct": [True, False, None],
        "timestamp": [MORNING + timedelta(minutes=k) for k in range(3)],
        "attempt_id": ["1", "2", "3"], "replaces": [None, None, "1"],
    })  # fmt: skip
    answers = answers_in(table)
    batch = answers.batch()
    assert batch.y.tolist() == [0.0]
    assert np.isnan(answers.by_row(batch, np.array([0.5]))).tolist() == [True, False, True]


def test_a_table_and_every_kind_of_file_give_the_same_events(tmp_path):
    table = pa.table({
        "student_id": ["b", "a", "a"], "question_id": ["q1", None, "q2"], "topic_id": ["t", "u", "t"],
        "is_correct": [True, False, True], "timestamp": [MORNING + timedelta(hours=k) for k in range(3)],
        "time_spent_sec": [1.5, None, 20.0], "hints_used": [0, 1, None],
    })  # fmt: skip
    pq.write_table(table, tmp_path / "a.parquet")
    pacsv.write_csv(table, tmp_path / "a.csv")
    rows = [row | {"timestamp": row["timestamp"].isoformat()} for row in table.to_pylist()]
    (tmp_path / "a.ndjson").write_text("\n".join(json.dumps(row) for row in rows))
    wanted = answers_in(table).events.drop_columns(["source"])
    for name in ("a.parquet", "a.csv", "a.ndjson"):
        assert read_answers(tmp_path / name, now=NOW).events.drop_columns(["source"]).equals(wanted), name


def test_a_table_in_several_pieces_with_dictionaries_is_read_as_one():
    piece = pa.table({"student_id": pa.array(["a", "b"]).dictionary_encode(), "is_correct": [1, 0], "order": [0, 1]})
    other = pa.table({"student_id": pa.array(["c", "a"]).dictionary_encode(), "is_correct": [1, 1], "order": [0, 1]})
    answers = answers_in(pa.concat_tables([piece, other]))
    assert answers.events["student_id"].to_pylist() == ["a", "b", "c", "a"]


def test_units_zones_and_other_names_are_those_of_an_ingest():
    table = pa.table({
        "pupil": ["a"], "question_id": ["q"], "topic_id": ["t"], "is_correct": ["yes"],
        "timestamp": ["2026-07-01 10:00"], "time_spent_sec": [1500],
    })  # fmt: skip
    (event,) = answers_in(
        table, options=ReadOptions(None, {"pupil": "student_id"}, {"time_spent_sec": "ms"}, "Europe/Berlin")
    ).events.to_pylist()
    assert event["student_id"] == "a"
    assert event["duration_ms"] == 1500
    assert event["occurred_at"] == datetime(2026, 7, 1, 8, tzinfo=UTC)


def test_a_folder_gives_all_of_its_events_and_names_what_it_leaves_out():
    answers = read(SAMPLE)
    kinds = Counter(answers.events["kind"].to_pylist())
    assert set(kinds) == {"quiz", "practice", "assignment", "video", "tutor", "feedback"}
    left_out = [note for note in answers.notes() if "left out topics.csv" in note]
    assert "describes a course" in left_out[0]
    assert answers.rows.tolist() == sorted(answers.rows.tolist())
    assert np.count_nonzero(answers.batch().kind == QUIZ) == kinds["quiz"]


def test_a_log_without_time_stamps_has_an_order_and_no_clock():
    answers = answers_in(pa.table({"student_id": ["a", "a"], "is_correct": [1, 0], "order": [1, 0]}))
    assert not answers.timed
    assert answers.batch().y.tolist() == [0.0, 1.0]
    assert np.ptp(answers.batch().at_us) == 0
    assert answers.notes() == []


def test_notes_say_how_many_rows_are_left_out_and_why(quiz):
    said = " ".join(read(quiz).notes())
    assert "5 rows were rejected and are not counted, of 11 read: " in said
    assert (
        "1 × is_correct is not one of true, false, yes, no, right, wrong, correct, incorrect, 1, 0 (quiz_attempts)"
        in said
    )
    assert "1 × has another number of fields than the 6 of the header (quiz_attempts)" in said
    assert "1 of 11 rows says something other than another row of the same event (by its own id" in said
    assert "1 of 11 rows repeats another one" in said


def test_strictly_read_one_bad_row_is_too_many(quiz):
    with pytest.raises(
        BadInput, match=r"5 of 11 rows cannot be used; the first is line 5 of quiz.csv: is_correct is not"
    ):
        read(quiz, strict=True)
    good = pa.table({"student_id": ["a"], "is_correct": [1]})
    assert answers_in(good, strict=True).report.accepted == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "student_id,right\na,1\n",
            r"log.csv: for responses, column 'is_correct' .* is missing; it has student_id, right",
        ),
        ("student_id,is_correct\n,1\n,0\n", "column 'student_id' has no usable value in any of 2 rows"),
        ("student_id,is_correct\na,maybe\nb,often\n", "column 'is_correct' has no usable value in any of 2 rows"),
        ("student_id,is_correct\na,maybe\n", r"none of 1 rows can be used; the first is line 2 of log.csv: .*'maybe'"),
        ("student_id,is_correct,timestamp\na,1,noon\n", "is not a time stamp; expected ISO 8601"),
        ("student_id,is_correct,is_correct\na,1,1\n", "there twice"),
        ("topic_id,title\nt,T\n", "`topics` describes a course"),
    ],
)
def test_files_that_cannot_be_used_say_why(tmp_path, text, said):
    path = tmp_path / "log.csv"
    path.write_text(text)
    with pytest.raises(BadInput, match=said):
        read(path)


def test_a_table_without_rows_has_no_answers_and_says_so():
    answers = answers_in(pa.table({"student_id": pa.array([], pa.string()), "is_correct": pa.array([], pa.int8())}))
    assert answers.events.num_rows == answers.event_of_row.size == answers.batch().y.size == 0
    assert answers.notes() == ["table: has no rows"]


def test_a_file_of_which_every_row_is_rejected_is_not_one_without_rows(tmp_path):
    header = "student_id,question_id,topic_id,is_correct,timestamp\n"
    good, cut, wrong = (tmp_path / name for name in ("good.csv", "cut.csv", "wrong.csv"))
    good.write_text(f"{header}S1,q1,t1,1,2026-03-02T09:00:00Z\n")
    cut.write_text(f"{header}S1,q1,t1,1\nS1,q2,t1\n")
    wrong.write_text(f"{header}S1,q1,t1,1,soon\n")
    notes = read_answers([good, cut, wrong], now=NOW).report.notes
    assert notes[0] == (
        "cut.csv: all 2 rows were rejected; the first is line 2 of cut.csv: has another number of fields than the 5 of "
        "the header"
    )
    assert notes[1].startswith("wrong.csv: its only row was rejected; the first is line 2 of wrong.csv: timestamp ")
    assert not [note for note in notes if "has no rows" in note]


def test_columns_and_files_that_are_not_there_are_named(tmp_path):
    with pytest.raises(NotFound, match="no such file"):
        read(tmp_path / "none.csv")
    with pytest.raises(BadInput, match="the table: no column 'fold'; there are student_id, is_correct"):
        answers_in(pa.table({"student_id": ["a"], "is_correct": [1]}), keep=["fold"])
    twice = pa.Table.from_arrays(
        [pa.array(["a"]), pa.array([1]), pa.array([1]), pa.array([1])], names=["student_id", "x", "x", "is_correct"]
    )
    assert answers_in(twice).table.column_names == ["student_id", "x", "x#2", "is_correct"]
    with pytest.raises(BadInput, match=r"the table: column 'x' is there twice.*--map 'x#1=is_correct' or --map 'x#2="):
        answers_in(twice, options=ReadOptions(columns={"x": "is_correct"}))
    with pytest.raises(BadInput, match="has no zone"):
        answers_in(pa.table({"student_id": ["a"], "is_correct": [1]}), now=datetime(2026, 1, 1))  # noqa: DTZ001


@pytest.mark.skipif(not RESEARCH.exists(), reason="needs the research logs")
@pytest.mark.parametrize("name", ["statics2011", "csedm2019_itap", "moodle_delfi22"])
def test_no_answer_of_a_research_log_is_lost(name):
    path = RESEARCH / f"{name}.parquet"
    answers = read(path)
    assert answers.report.accepted == answers.report.read == pq.read_metadata(path).num_rows
    assert answers.batch().y.size == answers.report.read
