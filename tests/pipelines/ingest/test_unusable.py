"""A file that cannot be used: one message that names file, column and what was expected; nothing is written."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mastery.directory.pseudonyms import Pseudonyms
from mastery.errors import BadInput, MasteryError, NotFound
from mastery.events.read_options import ReadOptions
from mastery.lake import Lake
from mastery.pipelines.ingest.ingest import ingest
from mastery.tables import EVENTS, REJECTED

NOW = datetime(2025, 1, 1, tzinfo=UTC)
QUIZ = b"student_id,question_id,topic_id,is_correct,timestamp\nS1,Q1,T1,1,2024-01-01\nS2,Q1,T1,1,2024-01-01\n"


@pytest.fixture
def refuse(tmp_path):
    lake = Lake.open(str(tmp_path / "lake"), buckets=2)

    def refusal(name: str, content: bytes | None, expected: str, **options) -> MasteryError:
        file, good = tmp_path / name, tmp_path / "good.csv"
        good.write_bytes(QUIZ)
        if content is not None:
            file.write_bytes(content)
        files = options.pop("files", [good, file])
        with pytest.raises(MasteryError, match=expected) as caught:
            ingest(files, lake=lake, pseudonyms=Pseudonyms(bytes(32)), **{"tenant": "default", "now": NOW} | options)
        assert lake.count(EVENTS) == lake.count(REJECTED) == 0
        return caught.value

    return refusal


def test_a_file_that_is_not_there(refuse):
    assert isinstance(refuse("gone.csv", None, r"gone\.csv: no such file"), NotFound)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("quiz.pdf", b"%PDF", r"quiz\.pdf: files of this kind cannot be read.*\.csv"),
        ("quiz.xlsx", b"PK", r"quiz\.xlsx: cannot be read as a workbook"),
        ("quiz.csv.zip", b"PK", r"quiz\.csv\.zip: cannot be read as a zip archive"),
        (
            "latin1.csv",
            "Schüler".encode("latin-1") + QUIZ,
            r"latin1\.csv: the first line is not UTF-8; save the file as UTF-8",
        ),
        ("noise.parquet", b"PAR1 and noise", r"noise\.parquet: cannot be read as parquet"),
        ("cut.csv.gz", gzip.compress(QUIZ * 50)[:-9], r"cut\.csv\.gz: cannot be read as csv"),
        ("noise.ndjson", b"hello\nworld\n", r"noise\.ndjson: no JSON object in its first lines"),
        (
            "twice.csv",
            QUIZ.replace(b"\n", b",student_id\n", 1).replace(b"2024-01-01", b"2024-01-01,S2"),
            r"twice\.csv: column 'student_id' is there twice",
        ),
        ("pets.csv", b"name,legs\nRex,4\n", r"pets\.csv: no source table has columns like these \(name and 1 more\)"),
        (
            "lacks.csv",
            QUIZ.replace(b"is_correct", b"correct"),
            r"lacks\.csv: the columns fit no source table; the nearest is quiz_attempts, .*'is_correct' .* is missing",
        ),
        (
            "two.csv",
            b"student_id,topic_id,attempts,correct_count,queries,resolved_count,timestamp\n",
            r"two\.csv: the columns fit chatbot_interactions and practice_sessions alike; name the right one with --as",
        ),
        (
            "type.csv",
            QUIZ.replace(b"2024-01-01", b"soon"),
            r"type\.csv: column 'timestamp' has no usable value in any of 2 rows; expected a time stamp in ISO 8601",
        ),
        (
            "order.csv",
            QUIZ.replace(b"2024-01-01", b"3/4/2024 14:30"),
            r"order\.csv: column 'timestamp' cannot be read as it is: a date such as 3/4/2026 .*--dates D/M/Y or",
        ),
        (
            "void.csv",
            QUIZ.replace(b"S1", b"").replace(b"S2", b""),
            r"void\.csv: column 'student_id' has no usable value in any of 2 rows; expected an id",
        ),
        (
            "truth.csv",
            QUIZ.replace(b",1,", b",perhaps,"),
            r"truth\.csv: column 'is_correct' has no usable value.*expected true or false",
        ),
    ],
)
def test_a_file_that_cannot_be_used(refuse, name, content, expected):
    error = refuse(name, content, expected)
    assert isinstance(error, BadInput)
    assert error.exit_code == 2


def test_a_named_table_that_lacks_a_column(refuse):
    expected = r"x\.csv: for quiz_attempts, column 'topic_id' .* is missing; it has student_id.*--map"
    content = QUIZ.replace(b"topic_id", b"topik_id")
    assert "is it 'topik_id'?" in str(refuse("x.csv", content, expected, options=ReadOptions("quiz_attempts")))


def test_research_logs_need_a_time_or_an_order(refuse):
    content = b"student_id,is_correct\nS1,1\n"
    refuse(
        "x.csv",
        content,
        r"x\.csv: .*one of the columns timestamp and order is needed",
        options=ReadOptions("responses"),
    )


def test_a_column_of_lists_where_a_time_is_needed(refuse, tmp_path):
    file = tmp_path / "lists.parquet"
    columns = {name: ["1", "1"] for name in ("student_id", "question_id", "topic_id", "is_correct")}
    pq.write_table(pa.table(columns | {"timestamp": [[1], [2]]}), file)
    refuse("lists.parquet", None, r"lists\.parquet: column 'timestamp' has no usable value", files=[file])


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"options": ReadOptions("quiz_atempts")}, "unknown source table 'quiz_atempts' .did you mean 'quiz_attempts'"),
        (
            {"options": ReadOptions(units={"watch": "fraction"})},
            "unit of 'watch': this is not a column with a choice of units",
        ),
        (
            {"options": ReadOptions(units={"time_spent_sec": "hours"})},
            "unit of 'time_spent_sec': it cannot be in 'hours'; expected one of s, ms, min, h",
        ),
        (
            {"options": ReadOptions(timezone="Europe/Berln")},
            "'Europe/Berln' is not a time zone of this machine .did you mean 'Europe/Berlin'",
        ),
        ({"options": ReadOptions(dates="Y/D/M")}, "--dates 'Y/D/M': expected one of D/M/Y"),
        ({"options": ReadOptions(decimal=";")}, "--decimal ';': expected a point or a comma"),
        ({"options": ReadOptions(thousands=".")}, "--thousands '.': expected one of .* and not the decimal sign"),
        ({"options": ReadOptions(values={"ja": 2})}, "the value 'ja' is declared as 2; expected a share from 0"),
        ({"tenant": ""}, "tenant ''"),
        ({"now": NOW.replace(tzinfo=None)}, "has no zone"),
        (
            {"options": ReadOptions(columns={"x": "student"})},
            "no source table has a column 'student' .did you mean 'student_id'",
        ),
        ({"options": ReadOptions(columns={"learner": "student_id"})}, "there is no column 'learner' to rename"),
        (
            {"options": ReadOptions(columns={"topic_id": "student_id", "question_id": "student_id"})},
            "after renaming, two columns are called 'student_id'",
        ),
        ({"options": ReadOptions(encoding="utf-9")}, "unknown encoding 'utf-9'"),
        ({"files": []}, "nothing to read"),
    ],
)
def test_an_option_that_cannot_be_used(refuse, options, expected):
    refuse("x.csv", QUIZ, expected, **options)


def test_an_empty_folder(refuse, tmp_path):
    folder = tmp_path / "nothing"
    folder.mkdir()
    refuse("x.csv", QUIZ, r"nothing to read: left out nothing/: has no file in it", files=[Path(folder)])


def test_a_file_with_names_of_columns_only_is_read_and_noted(tmp_path):
    file = tmp_path / "quiz.csv"
    file.write_bytes(QUIZ.split(b"\n")[0])
    lake = Lake.open(str(tmp_path / "lake"), buckets=2)
    report = ingest([file], lake=lake, pseudonyms=Pseudonyms(bytes(32)), tenant="default", now=NOW)
    assert (report.read, report.notes) == (0, ("quiz.csv: has no rows",))


def test_one_bad_row_alone_is_a_bad_row_and_not_a_bad_file(tmp_path):
    file = tmp_path / "quiz.csv"
    file.write_bytes(QUIZ.replace(b"2024-01-01", b"soon").rsplit(b"S2")[0])
    lake = Lake.open(str(tmp_path / "lake"), buckets=2)
    report = ingest([file], lake=lake, pseudonyms=Pseudonyms(bytes(32)), tenant="default", now=NOW)
    assert (report.read, report.rejected) == (1, 1)


def test_a_late_file_is_looked_into_before_an_early_one_is_written(refuse, monkeypatch):
    monkeypatch.setattr("mastery.pipelines.ingest.ingest.ROWS_PER_WRITE", 1)
    refuse("zz.csv", QUIZ.replace(b"2024-01-01", b"soon"), r"zz\.csv: column 'timestamp' has no usable value")
