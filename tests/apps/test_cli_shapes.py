"""Files in other shapes on the command line: `--set`, `--join`, `--wide`, `--only`, `--map` twice, and profiles."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import fields

import pytest

from mastery.apps.cli.reading import OPTIONS
from mastery.events.read_options import ReadOptions
from mastery.pipelines.ingest.profiles import shipped_profiles


@pytest.fixture
def empty(tmp_path):
    return tmp_path / "home"


def counts(done):
    found = json.loads(done.stdout)
    return tuple(found[name] for name in ("read", "accepted", "revised", "duplicates", "rejected"))


def events(mastery, home):
    assert mastery("export", "events", "--format", "json", "--out", home / "e.json", home=home).exception is None
    return json.loads((home / "e.json").read_text())


def test_a_wide_table_is_read_by_its_options(mastery, empty, tmp_path):
    file = tmp_path / "Fractions.csv"
    file.write_text(
        "pupil,try,state,day,Q. 1 /1.00,Q. 2 /2.00\nA,1,done,2026-03-02,1.00,1.00\nB,1,open,2026-03-02,-,-\n"
    )
    options = (
        *("--map", "pupil=student_id", "--map", "day=timestamp", "--map", "day=interaction_id"),
        *(
            "--only",
            "state=done",
            "--set",
            "topic_id={file}",
            "--join",
            "attempt_id=try",
            "--join",
            "attempt_id={question}",
        ),
        *("--wide", "Q. * /{points}=is_correct", "--json"),
    )
    done = mastery("ingest", file, *options, home=empty)
    assert counts(done) == (2, 2, 0, 0, 0)
    assert sorted((e["topic_id"], e["item_id"], e["success_ppm"]) for e in events(mastery, empty)) == [
        ("Fractions", "1", 1_000_000),
        ("Fractions", "2", 0),
    ]


def test_profiles_are_listed_and_printed_and_a_printed_one_can_be_used(mastery, empty, tmp_path):
    listed = mastery("profiles")
    assert all(name in listed.stdout for name in shipped_profiles())
    found = json.loads(mastery("profiles", "--json").stdout)
    assert [one["name"] for one in found] == list(shipped_profiles())
    (tmp_path / "ours.yaml").write_text(mastery("profiles", "eedi-2020").stdout)
    file = tmp_path / "answers.csv"
    file.write_text("QuestionId,UserId,AnswerId,IsCorrect\n1,2,3,1\n2,2,4,0\n")
    done = mastery("ingest", file, "--profile", tmp_path / "ours.yaml", "--set", "topic_id=maths", "--json", home=empty)
    assert counts(done) == (2, 2, 0, 0, 0)
    assert {event["topic_id"] for event in events(mastery, empty)} == {"maths"}


def test_a_profile_that_is_not_there_is_an_error_with_the_nearest(mastery, empty, tmp_path):
    (tmp_path / "x.csv").write_text("a\n1\n")
    done = mastery("ingest", tmp_path / "x.csv", "--profile", "kolibri-log", home=empty)
    assert "did you mean 'kolibri-logs'" in str(done.exception)


def test_a_preview_writes_nothing_and_ends_with_the_command_that_reads(mastery, empty, tmp_path):
    file = tmp_path / "an answer.csv"
    file.write_text("pupil,is_correct,question_id,timestamp\nJane Doe,yes,q1,2026-03-02 09:00\n")
    options = ("--map", "pupil=student_id", "--set", "topic_id=whole numbers", "--timezone", "Europe/Berlin")
    done = mastery("preview", file, *options, "--tenant", "hill", home=empty)
    assert done.exception is None
    assert "Jane" not in done.stdout
    assert re.search(r"is_correct +is_correct +true / false", done.stdout)  # in the words of docs/events.md
    assert re.search(r"timestamp +timestamp +time stamp", done.stdout)
    assert not empty.exists()
    words = shlex.split(done.stdout.strip().splitlines()[-1])
    assert words[0] == "mastery"
    assert words[3:] == ["ingest", str(file), *dict_options(options), "--tenant", "hill"]
    assert counts(mastery(*words[3:], "--json", home=empty)) == (1, 1, 0, 0, 0)


def dict_options(options):
    """Return the options in the order in which commands list them."""
    by_flag = dict(zip(options[::2], options[1::2], strict=True))
    return [word for flag in ("--map", "--timezone", "--set") for word in (flag, by_flag[flag])]


def test_a_preview_as_json_has_all_of_it(mastery, empty, tmp_path):
    file = tmp_path / "answers.csv"
    file.write_text("student_id,is_correct,topic_id,question_id,timestamp\nS1,yes,t,q1,2026-03-02T09:00:00Z\n")
    found = json.loads(mastery("preview", file, "--json", home=empty).stdout)
    (one,) = found["files"]
    assert (one["table"], one["read"], one["usable"], one["assumed"]) == ("quiz_attempts", 1, 1, [])
    assert found["command"].endswith(f"ingest {file}")


@pytest.mark.parametrize("named", [(), ("--as", "quiz_attempts")])
def test_a_preview_of_a_file_that_lacks_a_column_ends_with_a_preview_that_works(mastery, empty, tmp_path, named):
    file = tmp_path / "answers.csv"
    file.write_text("pupil,question_id,topic_id,is_correct,timestamp\nJane Doe,q1,t,yes,2026-03-02T09:00:00Z\n")
    done = mastery("preview", file, *named, home=empty)
    assert done.exception.exit_code == 2
    assert "nearest to quiz_attempts" in done.stdout
    assert "missing  student_id: " in done.stdout
    assert "here     question_id, topic_id, is_correct, timestamp" in done.stdout
    assert "unknown  pupil" in done.stdout
    assert "Jane" not in done.stdout
    (line,) = [line for line in done.stdout.splitlines() if line.strip().startswith("mastery ")]
    assert line.endswith("--as quiz_attempts --map pupil=student_id")
    assert mastery(*shlex.split(line)[3:], home=empty).exception is None
    found = json.loads(mastery("preview", file, *named, "--json", home=empty).stdout)
    assert (found["files"], found["lacking"]["missing"], found["lacking"]["spare"]) == ([], ["student_id"], ["pupil"])
    assert shlex.split(found["command"]) == shlex.split(line)


def test_a_preview_leaves_open_what_it_cannot_guess_and_keeps_what_was_said(mastery, empty, tmp_path):
    file = tmp_path / "answers.csv"
    file.write_text("who,x,is_correct,when\na,q,1,2026-03-02\n")
    done = mastery("preview", file, "--as", "quiz_attempts", "--set", "topic_id=t", home=empty)
    assert "in place of THEIRS" in done.stdout
    assert "--map THEIRS=student_id --map THEIRS=question_id --map when=timestamp --set topic_id=t" in done.stdout


def test_a_preview_shows_no_columns_of_a_file_without_a_header(mastery, empty, tmp_path):
    file = tmp_path / "answers.csv"
    file.write_text("Jane Doe,q1,t,1,2026-03-02T09:00:00Z\nJane Doe,q1,t,1,2026-03-02T09:00:00Z\n")
    done = mastery("preview", file, "--as", "quiz_attempts", home=empty)
    assert done.exception.exit_code == 2
    assert "Jane" not in done.stdout
    assert "unknown" not in done.stdout


def test_a_preview_of_a_file_of_which_nothing_can_be_used_ends_as_its_ingest(mastery, empty, tmp_path):
    file = tmp_path / "videos.csv"
    file.write_text("student_id,video_id,topic_id,watch_pct,timestamp\nS1,v,t,400,2026-03-02T09:00:00Z\n")
    for as_json in ((), ("--json",)):
        done = mastery("preview", file, *as_json, home=empty)
        assert done.stdout
        assert "no row of videos.csv can be used" in str(done.exception)
        assert done.exception.exit_code == mastery("ingest", file, *as_json, home=empty).exception.exit_code == 2


def test_everything_that_can_be_said_of_files_has_an_option_of_its_name():
    assert set(OPTIONS) == {field.name for field in fields(ReadOptions)}


def test_an_ingest_says_what_it_assumed(mastery, empty, tmp_path):
    file = tmp_path / "answers.csv"
    file.write_text("student_id,is_correct,topic_id,question_id,timestamp\nS1,yes,t,q1,2026-03-02 09:00\n")
    done = mastery("ingest", file, home=empty)
    assert "Assumed: answers.csv: clocks that name no zone are in UTC (--timezone)" in " ".join(done.stdout.split())
    assert "Assumed" not in mastery("ingest", file, "--timezone", "UTC", home=empty).stdout
