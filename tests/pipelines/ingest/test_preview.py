"""A preview: the same reading as an ingest, nothing written, nobody named."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from mastery.directory.pseudonyms import Pseudonyms
from mastery.errors import BadInput
from mastery.events.read_options import ReadOptions
from mastery.lake import Lake
from mastery.pipelines.ingest.ingest import ingest
from mastery.pipelines.ingest.preview import HIDDEN, preview

NOW = datetime(2026, 6, 1, tzinfo=UTC)
ANSWERS = (
    "pupil,name,question_id,topic_id,is_correct,timestamp,took\n"
    "jane@x.org,Jane Doe,q1,fractions,yes,2026-03-02 09:00,12\n"
    "jane@x.org,Jane Doe,q2,fractions,maybe,2026-03-02 09:01,13\n"
    "al@x.org,Al Roe,q2,fractions,no,2026-03-02 09:01,13\n"
    "jane@x.org,Jane Doe,q3,fractions,perhaps,2026-03-02 09:03,13\n"
    ",Nobody Noe,q3,fractions,no,2026-03-02 09:03,13\n"
    "jane@x.org,Jane Doe,q4,fractions,no,2026-03-02 09:04,13\n"
)
OPTIONS = {"columns": {"pupil": ("student_id", "interaction_id"), "took": "time_spent_sec"}}


@pytest.fixture
def look(tmp_path):
    def look(text: str, name: str = "answers.csv", rows: int = 3, **options):
        (tmp_path / name).write_text(text)
        (found, *others), _ = preview(
            [tmp_path / name], now=NOW, options=ReadOptions(**options), zone="UTC", tenant="default", rows=rows
        )
        assert not others
        return found

    return look


def test_a_preview_says_how_each_column_is_understood(look):
    found = look(ANSWERS, **OPTIONS)
    assert found.table == "quiz_attempts"
    assert {one.name: (one.source, one.kind, one.unit) for one in found.columns} == {
        "student_id": ("pupil", "id", None),
        "interaction_id": ("pupil", "id", None),
        "question_id": ("question_id", "id", None),
        "topic_id": ("topic_id", "id", None),
        "is_correct": ("is_correct", "truth", None),
        "timestamp": ("timestamp", "moment", None),
        "time_spent_sec": ("took", "duration", "s"),
    }
    assert found.unused == ("name",)


def test_a_preview_counts_what_an_ingest_counts(look, tmp_path):
    found = look(ANSWERS, **OPTIONS)
    assert (found.read, found.usable) == (6, 3)
    assert [(one.rows, one.column, one.first_line, one.first_value) for one in found.rejected] == [
        (2, "is_correct", 3, "maybe"),
        (1, "student_id", 6, None),
    ]
    lake = Lake.open(str(tmp_path / "lake"), buckets=2)
    report = ingest(
        [tmp_path / "answers.csv"],
        lake=lake,
        pseudonyms=Pseudonyms(bytes(32)),
        tenant="default",
        now=NOW,
        options=ReadOptions(**OPTIONS),
        zone="UTC",
    )
    assert (report.read, report.accepted, report.rejected) == (6, 3, 3)
    assert [f"answers.csv: {note}" for note in found.notes] == [note for note in report.notes if "`topics`" not in note]
    assert [f"answers.csv: {what}" for what in found.assumed] == list(report.assumed)


def test_the_first_rows_are_shown_as_written_and_as_read(look):
    found = look(ANSWERS, rows=2, **OPTIONS)
    assert [row["is_correct"] for row in found.before] == ["yes", "no"]
    assert found.after[0] == {
        "student_id": "student 1",
        "kind": "quiz",
        "topic_id": "fractions",
        "item_id": "q1",
        "occurred_at": "2026-03-02T09:00:00Z",
        "attempts": 1,
        "duration_ms": 12000,
        "success": 1.0,
    }


def test_nobody_is_named(look):
    options = {**OPTIONS, "joined": {"attempt_id": ("pupil", "question_id")}}
    found = look(ANSWERS.replace("maybe", "jane@x.org"), rows=10, **options)
    assert [row["student_id"] for row in found.before] == ["student 1", "student 2", "student 1"]
    assert {row["interaction_id"] for row in found.before} == {row["attempt_id"] for row in found.before} == {HIDDEN}
    shown = json.dumps(found.as_dict(), default=str)
    assert "jane" not in shown.lower()
    assert "Roe" not in shown
    feedback = "teacher_id,student_id,topic_id,score,timestamp,reason\nMs Poe,Jo,t,0.5,2026-03-02,Jo was ill\n"
    shown = json.dumps(look(feedback, "feedback.csv").as_dict(), default=str)
    assert "teacher 1" in shown
    assert "Poe" not in shown
    assert "ill" not in shown


def test_names_of_people_in_other_places_are_not_shown(look):
    head = "attempt_id,student_id,question_id,topic_id,is_correct,timestamp,Jane Doe,Al Roe,remark code\n"
    rows = "Jane.Doe-1,jane.doe,q1,t,1,2026-03-02T09:00:00Z,,,\n"
    found = look(head + rows + "x,al.roe,q1,t,Al Roe was not there,2026-03-02T09:00:00Z,,,\n")
    assert found.unused == ("remark code", "2 others")
    assert [row["attempt_id"] for row in found.before] == [HIDDEN]
    assert [one.first_value for one in found.rejected] == [HIDDEN]
    shown = json.dumps(found.as_dict(), default=str).casefold()
    assert "jane" not in shown
    assert "roe" not in shown


def test_the_name_of_a_file_that_is_a_student_is_not_shown(look):
    text = "question_id,topic_id,is_correct,timestamp\nq1,t,1,2026-03-02T09:00:00Z\n"
    found = look(text, "Jane Doe.csv", constants={"student_id": "{file}"})
    assert {one.name: one.source for one in found.columns}["student_id"] == "one text in all rows"
    assert found.before[0]["student_id"] == "student 1"


def test_a_message_counts_columns_that_may_be_names_of_people(look):
    with pytest.raises(BadInput, match=r"question, student and 2 more") as caught:
        look("question,Jane Doe,John Roe,student\nq1,1,0,1\n")
    assert "Doe" not in str(caught.value)


def test_what_nobody_said_is_named(look):
    assert look(ANSWERS, **OPTIONS).assumed == (
        "clocks that name no zone are in UTC (--timezone)",
        "'took' (time_spent_sec) is in s, not ms or min or h (--unit)",
    )
    said = {**OPTIONS, "timezone": "UTC", "units": {"time_spent_sec": "s"}}
    assert look(ANSWERS, **said).assumed == ()
    zoned = (
        ANSWERS.replace("09:00", "09:00Z").replace(":01,", ":01+02,").replace(":03,", ":03Z,").replace(":04,", ":04Z,")
    )
    assert look(zoned, **said | {"timezone": None}).assumed == ()


def test_wide_tables_constants_and_metadata_have_previews(look):
    found = look(
        "student_id,timestamp,Q 1,Q 2\nS1,2026-03-02,1,0\nS2,2026-03-02,1,\n",
        wide={"Q *": "is_correct"},
        constants={"topic_id": "t"},
    )
    assert found.read == found.usable == 3
    source = {one.name: one.source for one in found.columns}
    assert source["is_correct"] == "cells of 2 columns, Q 1 to Q 2"
    assert source["question_id"] == "the name of 2 columns"
    assert source["topic_id"] == "'t' in all rows"
    topics = look("topic_id,title,chapter\nt,Fractions,\n", "topics.csv")
    assert topics.after == ({"topic_id": "t", "title": "Fractions"},)


def test_a_file_that_an_ingest_refuses_has_no_preview(look):
    with pytest.raises(BadInput, match="column 'timestamp' has no usable value"):
        look(ANSWERS.replace("2026-03-02", "noon"), **OPTIONS)
    with pytest.raises(BadInput, match="no source table has columns like these"):
        look("a,b\n1,2\n")


def test_blocks_do_not_matter(look, monkeypatch):
    head, *rows = ANSWERS.splitlines(keepends=True)
    right = [row.replace("maybe", "yes").replace("perhaps", "no") for row in rows]
    text = head + "".join(rows) + "".join(row.replace("q", f"q{n}_") for n in range(50) for row in right)
    whole = look(text, **OPTIONS)
    monkeypatch.setattr("mastery.pipelines.ingest.files.BLOCK_BYTES", 700)
    monkeypatch.setattr("mastery.pipelines.ingest.files.HEAD_BYTES", 200)
    assert look(text, **OPTIONS) == whole


ROWS = "student_id,question_id,topic_id,is_correct,timestamp,hints_used\n"
SAID = {
    "equal": ["a,1,09:00:07,0", "a,1,09:00:07,0"],
    "other hints": ["a,1,09:00:07,0", "a,1,09:00:07,1", "a,1,09:00:07,1"],
    "another outcome": ["a,1,09:00:07,0", "a,0,09:00:07,0", "a,0,09:00:07,2"],
    "a row for each skill": ["a,1,09:00:07,0", "b,1,09:00:07,0"],
    "points for each criterion": ["a,1,09:00:07,0", "b,0,09:00:07,0", "b,0,09:00:07,2"],
    "answers of one minute": ["a,1,09:00,0", "a,0,09:00,1", "b,0,09:00,1"],
}


@pytest.mark.parametrize("on_revision", ["replace", "keep"])
@pytest.mark.parametrize("said", SAID.values(), ids=list(SAID))
def test_a_preview_notes_what_an_ingest_notes_of_rows_of_one_event(look, tmp_path, said, on_revision):
    more = ["a,1,10:00,0"] if "09:00," in said[0] else ["a,1,10:00:08,0"]
    rows = [row.split(",") for row in (*said, *more)]
    text = ROWS + "".join(
        f"S1,q{n // 9},{topic},{right},2026-03-02 {at},{hints}\n" for n, (topic, right, at, hints) in enumerate(rows)
    )
    found = look(text, on_revision=on_revision)
    report = ingest(
        [tmp_path / "answers.csv"],
        lake=Lake.open(str(tmp_path / "lake"), buckets=2),
        pseudonyms=Pseudonyms(b"k" * 32),
        tenant="default",
        now=NOW,
        options=ReadOptions(on_revision=on_revision),
    )
    assert {note for note in found.notes if "something else" in note} == {
        note.removeprefix("answers.csv: ") for note in report.notes if "something else" in note
    }
