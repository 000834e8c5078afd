"""A lake is read and written under the key that its students were named with, or not at all."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

import pytest

from mastery.directory.pseudonyms import Pseudonyms
from mastery.engine import Engine
from mastery.lake import Lake, WrongKey
from mastery.lake.handle import KEY, Handle
from mastery.lake.tenants import root_of
from mastery.tables import EVENTS

HEAD = "student_id,question_id,topic_id,is_correct,attempt_id,timestamp\n"
FIRST = HEAD + "".join(f"S{s},Q{q},T1,1,A{s}-{q},2026-03-01T10:00:0{q}Z\n" for s in range(4) for q in range(5))
OTHER_KEY = "5a" * 32


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.fixture
def home(tmp_path: Path) -> Path:
    engine = Engine.open(tmp_path / "home")
    engine.ingest(write(tmp_path / "first.csv", FIRST))
    engine.close()
    return tmp_path / "home"


def under_another_key(home: Path) -> None:
    (home / "keys" / "pseudonym.key").write_text(OTHER_KEY)


def rows_of(home: Path, tenant: str = "default") -> int:
    return Lake.open(root_of(str(home / "lake"), tenant), create=False).count(EVENTS)


def check_in(home: Path, tenant: str = "default") -> int | None:
    return Lake.open(root_of(str(home / "lake"), tenant), create=False).key_check()


def forget_check(home: Path) -> None:
    """Make the lake one of a version before: its commits say no key."""
    folder = home / "lake" / "tenants" / "default" / "events" / "_delta_log"
    for commit in folder.glob("*.json"):
        lines = [line for line in commit.read_text().splitlines(keepends=True) if KEY not in line]
        commit.write_text("".join(lines))


@pytest.mark.parametrize("tenant", ["default", "another-school"])
def test_another_key_is_refused_and_says_what_to_do(home, tmp_path, tenant):
    under_another_key(home)
    with pytest.raises(WrongKey, match="put the key file back from your backup") as told:
        Engine.open(home).ingest(tmp_path / "first.csv", tenant=tenant)
    assert OTHER_KEY not in str(told.value)
    assert rows_of(home, tenant) == (20 if tenant == "default" else 0)


def test_students_are_not_looked_up_under_another_key(home):
    under_another_key(home)
    for ask in (Engine.open(home).student, partial(Engine.open(home).history, topic_id="T1")):
        with pytest.raises(WrongKey):
            ask("S1")


def test_a_key_that_was_put_back_is_taken_again(home, tmp_path):
    kept = shutil.copy2(home / "keys" / "pseudonym.key", tmp_path / "kept.key")
    under_another_key(home)
    with pytest.raises(WrongKey):
        Engine.open(home).student("S1")
    shutil.copy2(kept, home / "keys" / "pseudonym.key")
    assert Engine.open(home).student("S1").student_id
    assert Engine.open(home).ingest(tmp_path / "first.csv").duplicates == 20


def test_of_two_first_ingests_under_two_keys_one_is_refused(tmp_path, monkeypatch):
    """The other process commits after this one has looked whether there is a key, and before it commits."""
    file = write(tmp_path / "first.csv", FIRST)
    mine, theirs = Engine.open(tmp_path / "home"), Engine.open(tmp_path / "home")
    assert mine.pseudonyms.check
    theirs.lake.commit_key(Pseudonyms(bytes.fromhex(OTHER_KEY)).check)
    real = Handle._try

    def after_them(handle: Handle, *given):
        monkeypatch.setattr(Handle, "_try", real)
        theirs.lake.keep_key(Pseudonyms(bytes.fromhex(OTHER_KEY)).check)
        real(handle, *given)

    mine.lake.count(EVENTS)
    monkeypatch.setattr(Handle, "_try", after_them)
    with pytest.raises(WrongKey):
        mine.ingest(file)
    assert rows_of(tmp_path / "home") == 0


def test_a_lake_of_a_version_before_keeps_the_key_once_it_knows_one_of_the_students(home, tmp_path):
    forget_check(home)
    assert check_in(home) is None
    strangers = write(tmp_path / "strangers.csv", FIRST.replace("S", "N"))
    Engine.open(home).ingest(strangers)
    assert check_in(home) is None
    known = write(tmp_path / "known.csv", HEAD + "S2,Q9,T1,1,A9,2026-03-02T10:00:00Z\n")
    engine = Engine.open(home)
    engine.ingest(known)
    assert check_in(home) == engine.pseudonyms.check
    under_another_key(home)
    with pytest.raises(WrongKey):
        Engine.open(home).ingest(known)


def test_a_lake_of_a_version_before_keeps_no_key_that_none_of_its_students_has(home, tmp_path):
    forget_check(home)
    under_another_key(home)
    Engine.open(home).ingest(tmp_path / "first.csv")
    assert check_in(home) is None


def test_the_check_value_is_no_part_of_the_key_and_another_for_another_key():
    key = bytes(range(32))
    check = Pseudonyms(key).check
    assert 0 <= check < 2**63
    assert check.to_bytes(8, "big") not in key
    assert check != Pseudonyms(key[::-1]).check == Pseudonyms(key[::-1]).check
