"""`mastery state copy`: the states of all tenants in another store, with the same answers from there."""

from __future__ import annotations

import json
import sqlite3
from uuid import uuid4

import pytest

from mastery.errors import BadInput, Conflict, NotFound
from mastery.lake.tenants import folder_of
from mastery.state import connect, encode, url_of

TENANTS = ("hill", "Süd")


@pytest.fixture
def schools(mastery, new_home, tmp_path):
    """A home with two tenants whose students have records."""
    rows = "student_id,question_id,topic_id,is_correct,time_spent_sec,attempt_number,timestamp\n"
    for tenant in TENANTS:
        answers = "".join(f"{name},q1,ratios,yes,4,1,2026-03-01T10:00:00Z\n" for name in ("Ann", "Ben", "Cid"))
        (tmp_path / "answers.csv").write_text(rows + answers)
        mastery("ingest", tmp_path / "answers.csv", "--tenant", tenant, home=new_home)
        mastery("recompute", "--as-of", "latest", "--tenant", tenant, home=new_home)
    return new_home


def every_record(url):
    found = {}
    for tenant in TENANTS:
        store = connect(url_of(url, folder_of(tenant)))
        for model_version in store.model_versions():
            students = [one.student_id for page in store.stored(model_version) for one in page]
            records = store.get_many(students, model_version).records
            found |= {(tenant, model_version, student): encode(record) for student, record in records.items()}
        store.close()
    return found


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "redis"])
def test_the_states_of_all_tenants_are_in_the_other_store(mastery, schools, tmp_path, server, kind):
    there = f"sqlite:{tmp_path / uuid4().hex}" if kind == "sqlite" else server(kind)
    here = f"sqlite:{schools / 'state'}"
    if kind != "sqlite":  # the server is shared: it may hold what another test has copied
        mastery("state", "copy", here, there, "--overwrite", home=schools)
    copied = json.loads(mastery("state", "copy", here, there, "--overwrite", "--json", home=schools).stdout)
    assert [(one["tenant"], one["records"], one["damaged"]) for one in copied] == [("Süd", 3, 0), ("hill", 3, 0)]
    assert len(every_record(here)) == 6 and every_record(there) == every_record(here)
    back = f"sqlite:{tmp_path / 'back'}"
    mastery("state", "copy", there, back, home=schools)
    assert every_record(back) == every_record(here)


def test_a_store_that_holds_records_is_left_alone_and_an_interrupted_copy_run_again(mastery, schools, tmp_path):
    here, there = f"sqlite:{schools / 'state'}", f"sqlite:{tmp_path / 'there'}"
    done = mastery("state", "copy", here, there, home=schools)
    assert f"Next: set `state` to {there}" in done.stdout and "3" in done.stdout
    store = connect(url_of(there, "hill"))
    student = next(store.stored(store.model_versions()[0]))[0].student_id
    store.drop_students([student], store.known_lake().position._replace(version=10**6))
    store.close()
    refused = mastery("state", "copy", here, there, home=schools)
    assert isinstance(refused.exception, Conflict) and "--overwrite" in str(refused.exception)
    assert len(every_record(there)) == 5
    mastery("state", "copy", here, there, "--overwrite", home=schools)
    assert every_record(there) == every_record(here)


def test_damaged_records_are_counted_and_left_out(mastery, schools, tmp_path):
    with sqlite3.connect(schools / "state" / "hill.db") as db:
        db.execute("UPDATE bodies SET body = substr(body, 1, 40) WHERE id = 1")
    db.close()
    done = mastery("state", "copy", f"sqlite:{schools / 'state'}", f"sqlite:{tmp_path / 'there'}", home=schools)
    assert "made again from the lake" in done.stdout
    assert len(every_record(f"sqlite:{tmp_path / 'there'}")) == 5


def test_what_cannot_be_copied_is_refused_and_nothing_is_made(mastery, schools, tmp_path):
    here = f"sqlite:{schools / 'state'}"
    for source, target, error, said in (
        (here, here, BadInput, "name another one"),
        (f"sqlite:{tmp_path / 'nowhere'}", here, NotFound, "holds no states"),
        (here, "sqlit:there", BadInput, "did you mean 'sqlite'"),
        (here, "redis:there", BadInput, "must be the URL of a server, like redis://user:password@host:port/database"),
        (here, "sqlite:", BadInput, "'sqlite:' must read backend:location"),  # it was copied to the root of the disk
    ):
        done = mastery("state", "copy", source, target, "--overwrite", home=schools)
        assert isinstance(done.exception, error) and said in str(done.exception)
    assert not (tmp_path / "nowhere").exists() and len(every_record(here)) == 6
