"""`ingest`, `recompute`, `rejected`, `compact`, `tune` and `export`."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from mastery.apps.cli import build
from mastery.apps.cli.ingest import ingest
from mastery.errors import BadInput, NotFound
from mastery.events.registry import SOURCES
from mastery.insight.reasons import ROUNDING
from workbooks import workbook

pytestmark = pytest.mark.slow  # commands on a home

SAMPLE = Path(__file__).parents[2] / "data" / "sample"
QUIZ = "student_id,question_id,topic_id,is_correct,time_spent_sec,attempt_number,timestamp\n"
COUNTS = ("read", "accepted", "revised", "duplicates", "rejected")


@pytest.fixture
def quiz(tmp_path):
    """A file of three answers; the second cannot be used."""
    file = tmp_path / "answers.csv"
    file.write_text(
        QUIZ
        + "A,q1,fractions,yes,4,1,2026-03-01T10:00:00Z\n"
        + "B,q1,fractions,perhaps,4,1,2026-03-01T10:00:00Z\n"
        + "B,q2,fractions,no,4,1,2026-03-01T10:05:00Z\n"
    )
    return file


@pytest.fixture
def empty(tmp_path):
    return tmp_path / "home"


def test_every_row_read_is_accepted_a_duplicate_or_rejected(mastery, empty, quiz):
    counts = json.loads(mastery("ingest", quiz, "--json", home=empty).stdout)
    assert [counts[name] for name in COUNTS] == [3, 2, 0, 0, 1]
    again = json.loads(mastery("ingest", quiz, "--json", home=empty).stdout)
    assert [again[name] for name in COUNTS] == [3, 0, 0, 2, 1]


def test_what_a_later_reading_replaced_is_listed(mastery, empty, quiz, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    mastery("ingest", quiz, home=empty)
    assert (
        mastery("rejected", "--superseded", home=empty).stdout.strip() == "No row of tenant 'default' was superseded."
    )
    quiz.write_text(QUIZ + "A,q1,fractions,no,9,1,2026-03-01T10:00:00Z\n")
    shown = mastery("ingest", quiz, home=empty).stdout
    assert "1 row changes an event that was already known. For each event only one row counts" in shown
    assert "rejected --superseded` lists the others" in shown
    (row,) = json.loads(mastery("rejected", "--superseded", "--json", home=empty).stdout)
    assert (row["item_id"], row["success_ppm"], row["duration_ms"]) == ("q1", 1_000_000, 4_000)
    now = row["replaced_by"]
    assert (now["item_id"], now["success_ppm"], now["duration_ms"], now["source"]) == ("q1", 0, 9_000, "answers.csv")
    listed = mastery("rejected", "--superseded", home=empty).stdout
    assert "1 of 1, 4 s, attempt 1" in listed
    assert "counts now" in listed and "0 of 1, 9 s, attempt 1" in listed and "(answers.csv, received" in listed
    assert row["student_id"] in listed


def test_what_does_not_count_is_exported_before_a_compaction_as_after_it(mastery, empty, quiz):
    mastery("ingest", quiz, home=empty)
    quiz.write_text(QUIZ + "A,q1,fractions,no,9,1,2026-03-01T10:00:00Z\n")
    mastery("ingest", quiz, home=empty)
    before = mastery("export", "superseded", "--format", "json", home=empty).stdout
    (row,) = json.loads(before)
    assert (row["item_id"], row["success_ppm"]) == ("q1", 1_000_000)
    assert mastery("compact", home=empty).exit_code == 0
    assert mastery("export", "superseded", "--format", "json", home=empty).stdout == before


def test_the_total_tells_rows_of_events_from_rows_about_the_course(mastery, empty, quiz, tmp_path):
    topics = tmp_path / "topics.csv"
    topics.write_text("topic_id,title\nfractions,Fractions\n")
    shown = mastery("ingest", quiz, topics, home=empty).stdout
    totals = [line.split() for line in shown.splitlines() if line.startswith(("all ", "topics and"))]
    assert totals == [
        ["all", "events", "3", "2", "0", "0", "1"],
        ["topics", "and", "items", "1", "1", "0", "0", "0"],
        ["all", "rows", "4", "3", "0", "0", "1"],
    ]
    assert "all events" not in mastery("ingest", quiz, quiz, home=empty).stdout


def test_a_file_of_which_nothing_can_be_used_is_an_error_and_one_of_duplicates_is_none(mastery, empty, quiz, tmp_path):
    useless = tmp_path / "useless.csv"
    useless.write_text(QUIZ.splitlines()[0] + "\nA,q1,fractions,perhaps,4,1,2026-03-01T10:00:00Z\n")
    for arguments in ((quiz, useless), (quiz, useless, "--json")):
        done = mastery("ingest", *arguments, home=empty)
        assert isinstance(done.exception, BadInput)
        assert done.exception.exit_code == 2
        assert "no row of useless.csv can be used: 1 row read and rejected" in str(done.exception)
        assert "the other files were read" in str(done.exception)
        assert "answers.csv" in done.stdout
    quiz.write_text(QUIZ)
    assert mastery("ingest", quiz, home=empty).exit_code == 0
    assert "the other files" not in str(mastery("ingest", useless, home=empty).exception)


def test_ingest_says_why_rows_were_rejected_and_where_they_are_listed(mastery, empty, quiz):
    shown = mastery("ingest", quiz, home=empty).stdout
    assert "is_correct is not one of true, false" in shown
    assert "rejected` lists it" in shown
    assert "The rejected row was rejected before" in mastery("ingest", quiz, home=empty).stdout


def test_one_reason_beyond_those_listed_is_one_reason(mastery, empty, tmp_path):
    file = tmp_path / "answers.csv"
    wrong = ("A,q,t,perhaps,4,1,2026-03-01", ",q,t,no,4,1,2026-03-01", "1.2E+11,q,t,no,4,1,2026-03-01",
             "A,q,t,no,4,1,1980-01-01", "A,q,t,no,4,1,never", "A,q,t,no,4,1,")  # fmt: skip
    file.write_text(QUIZ + "".join(f"{row}\n" for row in wrong) + "A,q,t,no,4,1,2026-03-01T10:00:00Z\n")
    shown = mastery("ingest", file, home=empty).stdout
    assert "and 1 other reason\n" in shown
    assert "rejected` lists them" in shown


def test_rejected_lists_file_line_column_value_and_reason(mastery, empty, quiz):
    mastery("ingest", quiz, home=empty)
    rows = json.loads(mastery("rejected", "--json", home=empty).stdout)
    assert [(row["source"], row["line"], row["column"], row["value"]) for row in rows] == [
        ("answers.csv", 3, "is_correct", "perhaps")
    ]
    shown = mastery("rejected", home=empty).stdout
    assert "answers.csv" in shown
    assert "perhaps" in shown


def test_a_value_that_would_steer_the_terminal_is_written_out(mastery, empty, tmp_path):
    file = tmp_path / "answers.csv"
    file.write_text(QUIZ + "A,q1,t,\x1b[2Jyes,4,1,2026-03-01T10:00:00Z\nA,q1,t,no,4,1,2026-03-01T10:00:00Z\n")
    mastery("ingest", file, home=empty)
    shown = mastery("rejected", home=empty).stdout
    assert "\x1b" not in shown
    assert "\\x1b[2Jyes" in shown


def test_no_more_rejected_rows_are_listed_than_asked_for(mastery):
    assert len(json.loads(mastery("rejected", "--limit", "4", "--json").stdout)) == 4
    assert "--limit 0 lists all" in mastery("rejected", "--limit", "4").stdout
    everything = json.loads(mastery("rejected", "--limit", "0", "--json").stdout)
    assert json.loads(mastery("rejected", "--limit", "9" * 20, "--json").stdout) == everything
    assert len(everything) == 25


def test_columns_are_renamed_and_units_declared(mastery, empty, tmp_path):
    file = tmp_path / "videos.csv"
    file.write_text(
        "pupil,video_id,topic_id,watch_pct,watch_duration,rewind_count,timestamp\nA,v1,t,0.5,60,0,2026-03-01T10:00:00\n"
    )
    done = mastery(
        "ingest",
        file,
        *("--map", "pupil=student_id", "--unit", "watch_pct=fraction", "--timezone", "Europe/Berlin", "--json"),
        home=empty,
    )
    assert json.loads(done.stdout)["accepted"] == 1
    events = json.loads(
        mastery("export", "events", "--format", "json", "--out", empty / "e.json", home=empty).stdout or "null"
    )
    assert events is None
    (event,) = json.loads((empty / "e.json").read_text())
    assert (event["success_ppm"], event["occurred_at"]) == (500_000, "2026-03-01T09:00:00.000000Z")


def test_files_in_another_encoding_a_sheet_an_array_and_standard_input_are_read(mastery, empty, tmp_path):
    row = ["A", "q1", "Brüche", "yes", "2026-03-01T10:00:00Z"]
    names = ["student_id", "question_id", "topic_id", "is_correct", "timestamp"]
    text = ",".join(names) + "\n" + ",".join(row) + "\n"
    (tmp_path / "a.csv").write_bytes(text.encode("cp1252"))
    (tmp_path / "a.json").write_text(json.dumps({"data": [dict(zip(names, row, strict=True))]}))
    (tmp_path / "a.xlsx").write_bytes(workbook({"Info": [["x"]], "Answers": [names, row]}))
    for arguments in (("a.csv", "--encoding", "latin-1"), ("a.json", "--array", "data"), ("a.xlsx", "--sheet", "2")):
        done = mastery("ingest", tmp_path / arguments[0], *arguments[1:], "--json", home=empty)
        assert json.loads(done.stdout)["read"] == 1
    assert json.loads(done.stdout)["duplicates"] == 1
    piped = CliRunner().invoke(build(), ["--home", str(empty), "ingest", "-", "--json"], input=text.encode())
    assert json.loads(piped.stdout)["duplicates"] == 1


def test_of_many_files_some_are_listed_and_all_are_counted(mastery, empty, tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    for number in range(30):
        (folder / f"{number:02d}.csv").write_text(QUIZ + f"S{number},q,t,yes,4,1,2026-03-01T10:00:00Z\n")
        (folder / f"{number:02d}.pdf").write_text("%PDF")
    done = mastery("ingest", folder, home=empty)
    assert "and 10 other files" in done.stdout
    assert "left out 00.pdf, 01.pdf, 02.pdf and 27 more: files of this kind" in done.stdout.replace("\n", " ")
    assert len(json.loads(mastery("ingest", folder, "--json", home=empty).stdout)["files"]) == 30


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--map", "pupil"), "expected THEIRS=OURS"),
        (("--unit", "watch_pct=fraction", "--unit", "watch_pct=percent"), "given twice"),
        (("--unit", "watch_pct="), "expected COLUMN=UNIT"),
        (("--values", "solved"), "expected WORD=WORTH"),
        (("--as", "quizes"), "did you mean 'quiz_attempts'"),
        (("--timezone", "Mars/Olympus"), "time zone"),
    ],
)
def test_an_option_that_cannot_be_used_is_named(mastery, empty, quiz, arguments, said):
    done = mastery("ingest", quiz, *arguments, home=empty)
    assert isinstance(done.exception, BadInput)
    assert said in str(done.exception)


def test_clocks_of_a_zone_suggest_the_days_of_it_where_nobody_has_chosen(mastery, empty, quiz):
    said = mastery("ingest", quiz, "--timezone", "Europe/Berlin", home=empty).stdout
    assert "set school_timezone to Europe/Berlin" in said
    (empty / "mastery.yaml").write_text("school_timezone: Europe/Berlin\n")
    assert "school_timezone" not in mastery("ingest", quiz, "--timezone", "Europe/Berlin", home=empty).stdout


def test_a_file_that_is_not_there_writes_nothing(mastery, empty, tmp_path):
    assert isinstance(mastery("ingest", tmp_path / "no.csv", home=empty).exception, NotFound)
    assert json.loads(mastery("rejected", "--json", home=empty).stdout) == []


def test_recompute_counts_what_it_went_through(mastery, empty, quiz):
    mastery("ingest", quiz, home=empty)
    report = json.loads(mastery("recompute", "--as-of", "2026-03-01T10:01:00Z", "--json", home=empty).stdout)
    assert (report["events"], report["events_later"], report["students"]) == (1, 1, 1)
    assert report["as_of"] == "2026-03-01T10:01:00+00:00"
    assert report["topics_without_metadata"] == ["fractions"]


def test_recompute_long_after_the_last_event_offers_latest(mastery, empty, quiz):
    mastery("ingest", quiz, home=empty)
    assert "Read as of `latest`" in mastery("recompute", "--as-of", "2026-12-01", home=empty).stdout
    report = json.loads(mastery("recompute", "--as-of", "latest", "--json", home=empty).stdout)
    assert report["notes"] == []
    assert report["as_of"] == report["newest_event"] == "2026-03-01T10:05:00+00:00"


def test_compaction_changes_no_score(mastery, empty, quiz):
    mastery("ingest", quiz, home=empty)
    mastery("ingest", SAMPLE / "practice_sessions.csv", home=empty)
    mastery("recompute", "--as-of", "latest", home=empty)
    before = mastery("show", "A", "--as-of", "latest", "--json", home=empty).stdout
    files = json.loads(mastery("compact", "--json", home=empty).stdout)["tables"]
    assert files["events"]["files_after"] <= files["events"]["files_before"]
    assert mastery("show", "A", "--as-of", "latest", "--json", home=empty).stdout == before


def test_compact_says_what_it_did_to_each_table(mastery, empty, quiz):
    def said():
        return dict(line.split(maxsplit=1) for line in mastery("compact", home=empty).stdout.splitlines())

    mastery("ingest", quiz, home=empty)
    first, second = said(), said()
    assert first["events"].endswith("sorted")
    assert second["events"].endswith("nothing to do")
    assert first["shadow"] == "0 files, nothing to do"


def test_tune_writes_rules_that_recompute_takes(mastery, home, tmp_path):
    out = tmp_path / "rules.yaml"
    brier = json.loads(mastery("tune", "--out", out, "--json").stdout)["brier"]
    assert all(part["after"] <= 0.3 for part in brier.values())
    assert "half_life_days" in out.read_text()
    assert "is there already" in str(mastery("tune", "--out", out).exception)


def exported(mastery, tmp_path, table, file_format):
    out = tmp_path / f"out.{file_format}"
    done = mastery("export", table, "--format", file_format, "--out", out)
    assert done.exit_code == 0, done.exception
    assert done.stdout == ""
    return out


def test_scores_are_exported_alike_in_every_format(mastery, tmp_path):
    as_csv = list(csv.DictReader(io.StringIO(exported(mastery, tmp_path, "student_mastery", "csv").read_text())))
    as_json = json.loads(exported(mastery, tmp_path, "gold", "json").read_text())
    as_parquet = pq.read_table(exported(mastery, tmp_path, "gold", "parquet")).to_pylist()
    assert len(as_csv) == len(as_json) == len(as_parquet) == 4 * 586
    for one, other, third in zip(as_csv, as_json, as_parquet, strict=True):
        assert "bucket" not in one
        assert float(one["mastery_score"]) == other["mastery_score"] == third["mastery_score"]
        assert json.loads(one["explanation"]) == other["explanation"]
        assert other["explanation"] == {k: v for k, v in third["explanation"].items() if v is not None}
        assert json.loads(one["top_factors"]) == other["top_factors"] == third["top_factors"]
        assert one["as_of"] == other["as_of"] == "2026-04-11T17:12:00.000000Z"


def test_top_factors_are_the_three_that_move_the_score_by_most_points(mastery, tmp_path):
    for row in json.loads(exported(mastery, tmp_path, "gold", "json").read_text()):
        sizes = sorted((abs(value) for value in row["points"].values()), reverse=True)
        top = row["top_factors"]
        assert not [one for one in row["explanation"].values() if 0.0 < abs(one) < ROUNDING or str(one) == "-0.0"]
        assert [abs(one["points"]) for one in top] == [size for size in sizes[:3] if size]
        assert all(row["points"][one["name"]] == one["points"] for one in top)
        whole = [int(100 * row[name] + 1e-9) for name in ("mastery_score", "reference")]
        assert sum(row["points"].values()) == whole[0] - whole[1]


@pytest.mark.parametrize(
    "table", ["events", "rejected", "topics", "items", "ledger", "features", "history", "model_params"]
)
def test_every_table_can_be_exported(mastery, tmp_path, table):
    rows = json.loads(exported(mastery, tmp_path, table, "json").read_text())
    lines = exported(mastery, tmp_path, table, "csv").read_text("utf-8")
    assert len(rows) == len(list(csv.reader(io.StringIO(lines)))) - 1 > 0


def test_an_export_that_cannot_be_written_leaves_no_file(mastery, tmp_path):
    done = mastery("export", "gold", "--format", "xml", "--out", tmp_path / "x")
    assert "known: csv, parquet, json" in str(done.exception)
    assert "student_mastery" in str(mastery("export", "student_mastry", "--format", "csv").exception)
    assert "name a file" in str(mastery("export", "gold", "--format", "parquet").exception)
    assert "no folder" in str(mastery("export", "gold", "--format", "csv", "--out", tmp_path / "a" / "b").exception)
    assert list(tmp_path.iterdir()) == []


def test_the_help_of_ingest_names_every_table_and_the_columns_it_needs():
    said = " ".join(ingest.__doc__.split())
    for source in SOURCES.values():
        (line,) = [line for line in ingest.__doc__.splitlines() if line.split()[:1] == [source.name]]
        for column in source.needed():
            assert column in line or column in ("student_id", "timestamp"), source.name
    assert "What happened to a student has student_id, timestamp and:" in said
