"""Files whose columns are not ours: constants, a column used twice, columns joined, rows left out, wide tables."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mastery as ms
from mastery.directory.pseudonyms import Pseudonyms
from mastery.errors import BadInput
from mastery.events.read_options import ReadOptions
from mastery.lake import Lake
from mastery.pipelines.ingest.answers import read_answers
from mastery.pipelines.ingest.ingest import ingest
from mastery.tables import EVENTS, REJECTED

NOW = datetime(2026, 6, 1, tzinfo=UTC)
KEY = Pseudonyms(bytes(32))
CASES = Path(__file__).parents[3] / ".." / "shared" / "cases" / "ingest"


@pytest.fixture
def put(tmp_path):
    lake = Lake.open(str(tmp_path / "lake"), buckets=2)

    def read(name: str, text: str, **options):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="")
        report = ingest([path], lake=lake, pseudonyms=KEY, tenant="default", now=NOW, options=ReadOptions(**options))
        assert report.read == report.accepted + report.revised + report.duplicates + report.rejected
        read.lake = lake
        return report

    return read


def events(lake, *names):
    rows = lake.scan(EVENTS).to_pylist()
    return sorted(tuple(str(row[name]) for name in names) for row in rows)


def counts(report):
    return report.read, report.accepted, report.revised, report.duplicates, report.rejected


QUIZ = "student_id,question_id,is_correct,date\nS1,q1,1,2026-03-02\nS2,q1,0,2026-03-02\n"


def test_a_constant_is_the_same_in_every_row(put):
    report = put("fractions.csv", QUIZ, columns={"date": "timestamp"}, constants={"topic_id": "fractions"})
    assert counts(report) == (2, 2, 0, 0, 0)
    assert events(put.lake, "topic_id", "item_id") == [("fractions", "q1")] * 2


def test_a_constant_can_be_the_name_of_the_file_without_its_ending_and_the_number_of_a_copy(put):
    options = {"columns": {"date": "timestamp"}, "constants": {"topic_id": "{file}"}}
    assert counts(put("unit 1.2 fractions.csv", QUIZ, **options)) == (2, 2, 0, 0, 0)
    assert counts(put("unit 1.2 fractions (3).csv", QUIZ, **options)) == (2, 0, 0, 2, 0)
    assert {topic for (topic,) in events(put.lake, "topic_id")} == {"unit 1.2 fractions"}


def test_an_empty_constant_is_a_column_of_empty_values(put):
    report = put("x.csv", QUIZ, columns={"date": "timestamp"}, constants={"topic_id": ""})
    assert counts(report) == (2, 2, 0, 0, 0)
    assert events(put.lake, "topic_id") == [("unassigned",)] * 2


def test_a_constant_wins_over_a_column_of_the_file_and_a_note_says_so(put):
    text = "student_id,question_id,topic_id,is_correct,timestamp\nS1,q1,t1,1,2026-03-02\n"
    report = put("x.csv", text, constants={"topic_id": "fractions"})
    assert events(put.lake, "topic_id") == [("fractions",)]
    assert any("column 'topic_id' of the file is not read: it is set for all rows" in note for note in report.notes)


def test_a_column_can_be_used_twice(put):
    report = put(
        "x.csv",
        "student_id,topic_id,is_correct,date\nS1,t,1,2026-03-02\nS1,t,1,2026-03-03\n",
        columns={"date": ("timestamp", "question_id")},
    )
    assert counts(report) == (2, 2, 0, 0, 0)
    assert events(put.lake, "item_id") == [("2026-03-02",), ("2026-03-03",)]


CLASH = "student_id,question_id,topic_id,is_correct,timestamp,started_at\n" + "".join(
    f"S{n},q{n},t1,1,{n * 10},2026-03-02T09:0{n}:00Z\n" for n in range(3)
)


@pytest.mark.parametrize("columns", [{"started_at": "timestamp"}, {"started_at": "timestamp", "timestamp": ""}])
def test_what_is_said_of_a_column_wins_over_the_files_own_name(put, columns):
    report = put("x.csv", CLASH, columns=columns)
    assert counts(report) == (3, 3, 0, 0, 0)
    assert events(put.lake, "occurred_at")[0][0] == "2026-03-02 09:00:00+00:00"
    noted = any("column 'timestamp' of the file is not read: 'started_at'" in note for note in report.notes)
    assert noted == ("timestamp" not in columns)  # who puts a column away knows it


def test_the_shared_case_of_two_columns_for_one(put):
    case = CASES / "col_clash.csv"
    if not case.exists():
        pytest.skip("the shared cases are not here")
    text = case.read_text()
    report = put("x.csv", text, columns={"started_at": "timestamp"})
    rows = text.count("\n") - 1
    assert counts(report) == (rows, rows, 0, 0, 0)


def test_an_id_can_be_made_of_several_columns(put):
    text = "student_id,question_id,topic_id,is_correct,timestamp,quiz,try\n" + "".join(
        f"S1,q1,t,{n % 2},2026-03-02,{quiz},{n}\n" for quiz in ("a", "b") for n in range(2)
    )
    options = {"joined": {"attempt_id": ("quiz", "try", "{file}")}}
    assert counts(put("x.csv", text, **options)) == (4, 4, 0, 0, 0)
    assert counts(put("x.csv", text, **options)) == (4, 0, 0, 4, 0)


def test_rows_with_other_values_are_left_out_and_counted(put):
    text = "student_id,question_id,topic_id,is_correct,timestamp,kind\n" + "".join(
        f"S{n},q,t,1,2026-03-02,{kind}\n" for n, kind in enumerate(["quiz", "survey", " quiz", "poll", ""])
    )
    report = put("x.csv", text, only={"kind": ("quiz",)})
    assert counts(report) == (2, 2, 0, 0, 0)
    assert any("3 rows left out" in note for note in report.notes)


WIDE = (
    "pupil,day,Question 1,Question 2,Question 10\n"
    "S1,2026-03-02,1,0,1\n"
    "S2,2026-03-02,0,,yes\n"
    "S3,2026-03-02,-,perhaps,0\n"
)
WIDELY = {
    "columns": {"pupil": "student_id", "day": "timestamp"},
    "wide": {"Question *": "is_correct"},
    "constants": {"topic_id": "fractions"},
}


def test_a_wide_table_has_an_answer_in_each_cell_that_is_not_empty(put):
    report = put("x.csv", WIDE, **WIDELY)
    assert counts(report) == (7, 6, 0, 0, 1)
    assert events(put.lake, "item_id", "success_ppm") == [
        ("1", "0"), ("1", "1000000"), ("10", "0"), ("10", "1000000"), ("10", "1000000"), ("2", "0"),
    ]  # fmt: skip
    (rejected,) = put.lake.scan(REJECTED).to_pylist()
    assert (rejected["line"], rejected["column"], rejected["value"]) == (4, "is_correct", "perhaps")
    assert counts(put("x.csv", WIDE, **WIDELY)) == (7, 0, 0, 6, 1)


def test_an_own_id_of_a_row_becomes_one_of_each_answer(put):
    text = WIDE.replace("pupil", "submission,pupil").replace("\nS", "\nx,S")
    options = WIDELY | {"columns": WIDELY["columns"] | {"submission": "attempt_id"}}
    assert counts(put("x.csv", text, **options)) == (7, 6, 0, 0, 1)
    later = text.replace(",1,0,1", ",1,1,1")
    assert counts(put("x.csv", later, **options)) == (7, 0, 1, 5, 1)


POINTS = (
    "Email address,Started on,Q. 1 /1.00,Q. 2 /2.00,Q. 3 /0.50,Q. 4 /0.00\n"
    'a@b.org,2026-03-02,1.00,1.00,"0,50",0.00\n'
    "c@d.org,2026-03-02,0.00,2.00,-,0.00\n"
)


def test_points_are_right_or_wrong_by_the_points_that_the_name_of_the_column_gives(put):
    report = put(
        "x.csv",
        POINTS,
        columns={"Email address": "student_id", "Started on": "timestamp"},
        wide={"Q. * /{points}": "is_correct"},
        joined={"question_id": ("{file}", "{question}")},
        constants={"topic_id": "t"},
    )
    assert counts(report) == (5, 5, 0, 0, 0)
    assert events(put.lake, "item_id", "success_ppm") == [
        ("x:1", "0"), ("x:1", "1000000"), ("x:2", "0"), ("x:2", "1000000"), ("x:3", "1000000"),
    ]  # fmt: skip
    assert any("1 answer with some of the points, read as wrong" in note for note in report.notes)


@pytest.mark.parametrize("units", [{}, {"score_pct": "fraction"}])
def test_points_are_shares_where_the_cells_are_said_to_be(put, units):
    report = put(
        "x.csv",
        POINTS,
        columns={"Email address": "student_id", "Started on": "timestamp"},
        wide={"Q. * /{points}": "score_pct"},
        units=units,
        constants={"topic_ids": "t"},
    )
    assert [file.table for file in report.files] == ["assignments"]
    assert events(put.lake, "item_id", "success_ppm") == [
        ("1", "0"), ("1", "1000000"), ("2", "1000000"), ("2", "500000"), ("3", "1000000"),
    ]  # fmt: skip


def test_the_question_and_its_cells_can_be_columns_beside_each_other(put):
    text = (
        'id,submitted,"9001: What is 1/2?\nShow it",1.0,"9002: Which is larger?",2.0,score\n'
        "4000,2026-03-02,x,1.0,b,0.0,1.0\n"
        "4001,2026-03-02,y,0.0,a,2.0,2.0\n"
    )
    report = put(
        "x.csv",
        text,
        table="quiz_attempts",
        columns={"id": "student_id", "submitted": "timestamp"},
        wide={"*: {text} >> {points}": "is_correct"},
        constants={"topic_id": "t"},
    )
    assert counts(report) == (4, 4, 0, 0, 0)
    assert events(put.lake, "item_id", "success_ppm") == [
        ("9001", "0"), ("9001", "1000000"), ("9002", "0"), ("9002", "1000000"),
    ]  # fmt: skip


def test_a_cell_may_say_points_and_all_points_and_other_columns_of_a_question_go_with_it(put):
    text = "student_id,timestamp,A [Score],A [Sec],B [Score],B [Sec]\nS1,2026-03-02,1.00 / 1,12,0.5 / 2,7\n"
    report = put(
        "x.csv",
        text,
        wide={"* [Score]": "is_correct", "* [Sec]": "time_spent_sec"},
        constants={"topic_id": "t"},
    )
    assert counts(report) == (2, 2, 0, 0, 0)
    assert events(put.lake, "item_id", "success_ppm", "duration_ms") == [("A", "1000000", "12000"), ("B", "0", "7000")]


POINTS_OF = "student_id,topic_ids,assignment_id,timestamp,points,out of\n" + "".join(
    f"S1,t,a{n},2026-03-02,{points}\n" for n, points in enumerate(["5,10", "10,10.0", "0,4", "x,4", ",4", "3,", "3,0"])
)


@pytest.mark.parametrize("units", [{}, {"score_pct": "fraction"}])
def test_a_share_can_be_points_and_most_points(put, units):
    report = put("x.csv", POINTS_OF, joined={"score_pct": ("points", "out of")}, units=units, table="assignments")
    assert (report.read, report.accepted, report.rejected) == (7, 3, 4)
    assert events(put.lake, "item_id", "success_ppm")[:3] == [("a0", "500000"), ("a1", "1000000"), ("a2", "0")]


def test_an_outcome_can_be_points_and_most_points(put):
    text = POINTS_OF.replace("topic_ids", "topic_id").replace("assignment_id", "question_id")
    report = put("x.csv", text, joined={"is_correct": ("points", "out of")})
    assert events(put.lake, "item_id", "success_ppm") == [("a0", "0"), ("a1", "1000000"), ("a2", "0")]
    assert (report.read, report.accepted) == (7, 3)
    with pytest.raises(BadInput, match="'is_correct' is joined of 1 columns; expected two"):
        put("x.csv", text, joined={"is_correct": ("points",)})


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"wide": {"Question": "is_correct"}}, r"expected one \* where the name of the question stands"),
        ({"wide": {"Question *": "correct"}}, "no source table has a column 'correct'"),
        ({"wide": {"Item *": "is_correct"}}, r"x\.csv: no column of the file is a question by the pattern 'Item \*'"),
        ({"constants": {"topic": "t"}}, "'topic' cannot be set: .*did you mean 'topic_id'"),
        ({"constants": {"student_id": "t"}, "columns": {"pupil": "student_id"}}, "'student_id' is renamed to and set"),
        ({"joined": {"event_id": ("pupil", "nope")}}, r"x\.csv: there is no column 'nope'"),
        ({"only": {"nope": ("1",)}}, r"x\.csv: there is no column 'nope'"),
        (
            {"columns": {"pupil": "student_id", "day": "student_id"}},
            r"x\.csv: after renaming, two columns are called 'student_id': 'pupil' and 'day'",
        ),
    ],
)
def test_what_cannot_be_so_is_refused(put, options, expected):
    with pytest.raises(BadInput, match=expected):
        put("x.csv", WIDE, **options)


def test_the_order_of_questions_on_a_line_is_the_order_of_answers_without_time_stamps(tmp_path):
    table = pa.table({"pupil": ["S1", "S2"], "b": [1, 0], "a": [0.0, None]})
    options = ReadOptions(columns={"pupil": "student_id"}, wide={"*": "is_correct"})
    pq.write_table(table, tmp_path / "wide.parquet")
    for source in (table, tmp_path / "wide.parquet"):
        found = read_answers(source, now=NOW, options=options)
        ordered = found.events.sort_by("occurred_at")
        assert ordered["item_id"].to_pylist() == ["b", "a", "b"]
        assert ordered["success_ppm"].to_pylist() == [1_000_000, 0, 0]


def test_a_wide_frame_is_read_as_a_frame_of_answers():
    frame = pa.table({"pupil": ["S1", "S2"], "q1": [1, 0], "q2": [0, None]})
    answers = ms.read_answers(
        frame, columns={"pupil": "student_id"}, wide={"q*": "is_correct"}, constants={"topic_id": "t"}
    )
    assert (len(answers), answers.students, len(answers.batch.items)) == (3, ["S1", "S2"], 2)


@given(
    st.lists(st.lists(st.sampled_from(["1", "0", "yes", "no", None]), min_size=3, max_size=3), min_size=1, max_size=6)
)
def test_a_wide_table_is_the_long_one_event_for_event(rows):
    students, questions = [f"S{n % 4}" for n in range(len(rows))], ["a", "b 2", "c"]
    days = [f"2026-03-{n + 1:02d}T10:00:05Z" for n in range(len(rows))]
    wide = pa.table(
        {"student_id": students, "timestamp": days}
        | {f"Item {name}": pa.array([row[k] for row in rows], pa.string()) for k, name in enumerate(questions)}
    )
    cells = [(n, k) for n, row in enumerate(rows) for k, cell in enumerate(row) if cell is not None]
    long = pa.table(
        {
            "student_id": pa.array([students[n] for n, _ in cells], pa.string()),
            "timestamp": pa.array([days[n] for n, _ in cells], pa.string()),
            "question_id": pa.array([questions[k] for _, k in cells], pa.string()),
            "is_correct": pa.array([rows[n][k] for n, k in cells], pa.string()),
        }
    )
    same = {"constants": {"topic_id": "t"}}
    found = read_answers(wide, now=NOW, options=ReadOptions(wide={"Item *": "is_correct"}, **same))
    other = read_answers(long, now=NOW, options=ReadOptions(**same))
    assert found.events.equals(other.events)
    assert found.report.read == len(cells)


def test_blocks_do_not_matter_to_a_wide_table(put, monkeypatch):
    head, *rows = WIDE.splitlines(keepends=True)
    text = head + "".join(row.replace("S", f"S{n}_") for n in range(300) for row in rows)
    monkeypatch.setattr("mastery.pipelines.ingest.files.BLOCK_BYTES", 500)
    monkeypatch.setattr("mastery.pipelines.ingest.files.HEAD_BYTES", 200)
    assert counts(put("small.csv", text, **WIDELY)) == (2100, 1800, 0, 0, 300)
    monkeypatch.undo()
    assert counts(put("small.csv", text, **WIDELY)) == (2100, 0, 0, 1800, 300)


CHOSEN = "student_id,topic_id,question_id,timestamp,chosen\n" + "".join(
    f"S1,t,{question},2026-03-02,{chosen}\n"
    for question, chosen in [("q1", "b"), ("q1", " B"), ("q2", "b"), ("q2", ""), ("q9", "a")]
)


@pytest.fixture
def key(tmp_path):
    path = tmp_path / "key.csv"
    path.write_text("question_id,part,correct_answer\nq1,1,b\nq2,1,c\nq3,1,\n")
    return str(path)


def test_with_a_key_what_was_answered_is_right_where_it_is_the_right_answer(put, key):
    options = {"columns": {"chosen": "is_correct"}, "key": key, "repeats": "answers"}
    report = put("x.csv", CHOSEN, **options)
    assert counts(report) == (5, 3, 0, 0, 2)
    assert events(put.lake, "item_id", "success_ppm") == [("q1", "1000000"), ("q1", "1000000"), ("q2", "0")]
    assert any("is_correct: 1 value to questions that the key has not" in note for note in report.notes)


@pytest.mark.parametrize(
    ("right", "answer", "counts_as"),
    [
        ("3.0", "3", 1),
        ("2", "2.0", 1),
        ("+02.50", "2.5", 1),
        ("0", "0.00", 1),
        ("100", "10", 0),
        ("1.05", "1.5", 0),
        ("-2", "2", 0),
        ("caf\u00e9", "cafe\u0301", 1),
        ("  B ", "b", 1),
        ("\ufeffb", "B", 1),
        ('"A,B"', '"a, b"', 1),
        ('"A,B"', '"b,a"', 0),
        ("New  York", "new york", 1),
        ("New York", "newyork", 0),
        ("x\u00b2", "x2", 0),
    ],
)
def test_one_answer_written_in_two_ways_is_one_answer(put, key, right, answer, counts_as):
    Path(key).write_text(f"question_id,correct_answer\n 7.0 ,{right}\n")
    text = f"student_id,topic_id,question_id,timestamp,chosen\nS1,t,7,2026-03-02,{answer}\nS2,t,7,2026-03-02,other\n"
    put("x.csv", text, columns={"chosen": "is_correct"}, key=key)
    assert [int(ppm) // 1_000_000 for (ppm,) in events(put.lake, "success_ppm")] == sorted([0, counts_as])


def test_with_a_key_the_cells_of_a_wide_table_are_answers(put, key):
    text = "student_id,timestamp,Item q1,Item q2\nS1,2026-03-02,B,1/2\nS2,2026-03-02,,c\n"
    report = put("x.csv", text, wide={"Item *": "is_correct"}, constants={"topic_id": "t"}, key=key)
    assert counts(report) == (3, 3, 0, 0, 0)
    assert events(put.lake, "item_id", "success_ppm") == [("q1", "1000000"), ("q2", "0"), ("q2", "1000000")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("question_id,answer\nq1,a\n", "there is no column 'correct_answer' .did you mean 'answer'"),
        ("question_id,correct_answer\nq1,a\nq1,b\n", "question 'q1' has two right answers"),
        ("question_id,correct_answer\nq1,\n", "no question with its right answer"),
    ],
)
def test_a_key_that_cannot_be_used_is_refused(put, key, text, expected):
    Path(key).write_text(text)
    with pytest.raises(BadInput, match=expected):
        put("x.csv", CHOSEN, columns={"chosen": "is_correct"}, key=key)
