from __future__ import annotations

import errno
import hashlib
import hmac
import os
import re
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from mastery.directory.pseudonyms import Pseudonyms, load_or_create_key
from mastery.errors import BadInput, Unwritable

KEY = bytes(range(32))
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def test_a_pseudonym_is_the_hmac_of_tenant_id_and_role():
    message = b"\x00\x00\x00\x06school\x00\x00\x00\x02S1s"
    expected = "s_" + hmac.new(KEY, message, hashlib.sha256).hexdigest()[:32]
    assert Pseudonyms(KEY).student("school", "S1") == expected


@given(st.tuples(TEXTS, TEXTS), st.tuples(TEXTS, TEXTS))
def test_two_people_never_share_a_pseudonym(one, other):
    names = Pseudonyms(KEY)
    assert (names.student(*one) == names.student(*other)) == (one == other)


def test_a_student_and_a_teacher_of_one_id_are_two_people():
    names = Pseudonyms(KEY)
    student = names.students("default", pa.array(["7"])).to_pylist()[0]
    teacher = names.teachers("default", pa.array(["7"])).to_pylist()[0]
    assert (teacher[:2], student[:2]) == ("t_", "s_")
    assert student[2:] != teacher[2:]


@given(st.lists(st.one_of(st.none(), TEXTS)))
def test_a_column_gets_what_its_values_get_one_by_one(ids):
    names = Pseudonyms(KEY)
    expected = [None if i is None else Pseudonyms(KEY)._one("s", "default", i) for i in ids]
    plain = pa.array(ids, pa.string())
    assert names.students("default", plain).to_pylist() == expected
    assert names.students("default", plain.dictionary_encode()).to_pylist() == expected
    assert names.students("default", pa.chunked_array([plain, plain])).to_pylist() == expected * 2


def test_a_typed_pseudonym_is_passed_through():
    names = Pseudonyms(KEY)
    pseudonym = names.student("default", "S1")
    assert names.student("default", pseudonym) == pseudonym
    assert names.student("default", "s_1") != "s_1"


def test_another_key_gives_other_names():
    assert Pseudonyms(KEY).student("default", "S1") != Pseudonyms(KEY[::-1]).student("default", "S1")


def test_a_key_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path):
    path = tmp_path / "keys" / "pseudonym.key"
    key = load_or_create_key(path, None)
    assert len(key) == 32
    assert load_or_create_key(path, None) == key
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["pseudonym.key"]


def test_a_key_that_others_can_read_is_refused(tmp_path: Path):
    path = tmp_path / "pseudonym.key"
    load_or_create_key(path, None)
    path.chmod(0o644)
    with pytest.raises(BadInput, match=r"mode 0644.*chmod 600"):
        load_or_create_key(path, None)


def test_a_damaged_key_is_refused_and_not_shown(tmp_path: Path):
    path = tmp_path / "pseudonym.key"
    path.write_text("deadbeef")
    path.chmod(0o600)
    with pytest.raises(BadInput, match="expected 64 hex digits") as caught:
        load_or_create_key(path, None)
    assert "deadbeef" not in str(caught.value)


def test_the_configured_key_is_used_and_no_file_is_made(tmp_path: Path):
    path = tmp_path / "pseudonym.key"
    assert load_or_create_key(path, SecretStr(KEY.hex())) == KEY
    assert not path.exists()


def test_the_key_is_not_printed():
    assert not re.search(KEY.hex(), repr(Pseudonyms(KEY)))


def test_what_a_kill_left_while_the_key_was_made_goes_and_other_files_stay(tmp_path: Path):
    path = tmp_path / "pseudonym.key"
    never_used = tmp_path / "pseudonym.key.17.0a1b2c3d"
    never_used.write_text(KEY.hex())
    key = load_or_create_key(path, None)
    assert key != KEY
    second_copy = tmp_path / "pseudonym.key.4711.deadbeef"
    second_copy.write_text(path.read_text())
    backup = tmp_path / "pseudonym.key.backup"
    backup.write_text(path.read_text())
    assert load_or_create_key(path, None) == key
    assert sorted(file.name for file in tmp_path.iterdir()) == ["pseudonym.key", "pseudonym.key.backup"]


@pytest.mark.slow
def test_processes_that_make_the_key_at_once_read_the_same_one(tmp_path: Path):
    path = tmp_path / "keys" / "pseudonym.key"
    program = (
        "import sys; from pathlib import Path; from mastery.directory.pseudonyms import load_or_create_key;"
        "sys.stdin.read(1); print(load_or_create_key(Path(sys.argv[1]), None).hex())"
    )
    line = [sys.executable, "-c", program, str(path)]
    started = [subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(6)]
    for one in started:
        one.stdin.write("x")
        one.stdin.flush()
    assert len({one.communicate()[0] for one in started}) == 1
    assert [file.name for file in path.parent.iterdir()] == ["pseudonym.key"]


def test_a_key_is_not_made_where_there_are_no_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def without_links(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", without_links)
    with pytest.raises(Unwritable, match="no hard links"):
        load_or_create_key(tmp_path / "keys" / "pseudonym.key", None)
    assert list((tmp_path / "keys").iterdir()) == []
