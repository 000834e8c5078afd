"""`mastery reconcile`: what it says, and how it ends."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest


@pytest.fixture
def school(mastery, new_home, tmp_path):
    rows = "student_id,question_id,topic_id,is_correct,time_spent_sec,attempt_number,timestamp\n"
    answers = "".join(f"{name},q1,ratios,yes,4,1,2026-03-01T10:00:00Z\n" for name in ("Ann", "Ben", "Cid"))
    (tmp_path / "answers.csv").write_text(rows + answers)
    mastery("ingest", tmp_path / "answers.csv", home=new_home)
    mastery("recompute", "--as-of", "latest", home=new_home)
    return new_home


@pytest.fixture
def reconciled(mastery, school):
    """What `mastery reconcile` prints; it must end with this code."""

    def run(*options, code=0):
        done = mastery("reconcile", *options, home=school)
        assert done.exit_code == code, done.output
        return done.stdout

    return run


def damage(home):
    with closing(sqlite3.connect(home / "state" / "default.db")) as db:
        db.execute("UPDATE bodies SET body = substr(body, 1, 100) WHERE id = 2")
        db.commit()


def test_states_that_are_right_end_with_0_and_are_counted(reconciled):
    said = reconciled()
    assert "3 states with the same bits" in said and "no state differs" in said


@pytest.mark.parametrize("option", ["--dry-run", "--no-repair"])
def test_a_state_that_is_wrong_ends_with_1_until_it_is_put_right(reconciled, school, option):
    damage(school)
    only_compared = json.loads(reconciled(option, "--json", code=1))
    assert only_compared["causes"]["damaged"] == only_compared["faults"] == 1
    assert sum(only_compared["repaired"].values()) == 0
    said = reconciled(code=1)
    assert "damaged" in said and "1 state was wrong" in said and "s_" in said
    assert "Ann" not in said and "Ben" not in said
    assert json.loads(reconciled("--json"))["same"] == 3


def test_other_bits_are_told_in_json_too(reconciled, school):
    with closing(sqlite3.connect(school / "state" / "default.db")) as db:
        db.execute("UPDATE bodies SET body = (SELECT body FROM bodies WHERE id = 1) WHERE id = 2")
        db.commit()
    found = json.loads(reconciled("--json", code=1))
    assert found["causes"]["different"] == 1 and sum(found["what"].values()) >= 1, found


def test_answers_that_nobody_has_folded_yet_end_with_0(mastery, reconciled, school, tmp_path):
    more = (tmp_path / "answers.csv").read_text().replace("2026-03-01", "2026-03-02")
    (tmp_path / "more.csv").write_text(more)
    mastery("ingest", tmp_path / "more.csv", home=school)
    found = json.loads(reconciled("--json"))
    assert (found["causes"]["behind"], found["repaired"]["behind"], found["faults"]) == (3, 3, 0)


def test_all_tenants_are_reconciled_and_one_that_is_wrong_is_enough(mastery, reconciled, school, tmp_path):
    mastery("ingest", tmp_path / "answers.csv", "--tenant", "hill", home=school)
    damage(school)
    lines = reconciled("--all-tenants", "--json", code=1).splitlines()
    assert {one["tenant"]: one["faults"] for one in map(json.loads, lines)} == {"default": 1, "hill": 0}
