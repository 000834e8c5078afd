"""Files in other shapes on the command line: `--set`, `--join`, `--wide`, `--only`, `--map` twice, and profiles."""

from __future__ import annotations

import json

import pytest

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
