"""What is peculiar to a folder of files."""

from __future__ import annotations

import os

import pytest

from any_stream import take
from mastery.errors import BadInput
from mastery.streams import connect
from mastery.streams.folder import SETTLED_S


def opened(folder, stored=()):
    source = connect(f"folder:{folder}", "readers")
    source.start(lambda partitions: {one: at for one, at in dict(stored).items() if one in partitions})
    return source


def read(source, polls=2):
    return [one for _ in range(polls) for one in source.poll(100, 0.02).messages]


def test_a_line_counts_once_it_is_whole(tmp_path):
    file = tmp_path / "a.ndjson"
    file.write_bytes(b'{"n": 1}\n{"n": ')
    source = opened(tmp_path)
    assert [one.value for one in read(source)] == [b'{"n": 1}']
    with file.open("ab") as more:
        more.write(b"2}\n")
    assert [one.value for one in read(source)] == [b'{"n": 2}']


def test_a_last_line_without_a_newline_counts_when_the_file_rests(tmp_path):
    file = tmp_path / "a.ndjson"
    file.write_bytes(b'{"n": 1}\n{"n": 2}')
    source = opened(tmp_path)
    assert len(read(source)) == 1
    rested = file.stat().st_mtime - SETTLED_S - 1
    os.utime(file, (rested, rested))
    (last,) = read(source)
    assert (last.value, last.offset, last.after) == (b'{"n": 2}', 9, 17)


def test_blank_lines_are_no_messages_and_windows_line_ends_no_part_of_one(tmp_path):
    (tmp_path / "a.ndjson").write_bytes(b'\n  \n{"n": 1}\r\n\r\n{"n": 2}\n')
    assert [(one.value, one.offset) for one in read(opened(tmp_path))] == [(b'{"n": 1}', 4), (b'{"n": 2}', 16)]


def test_only_files_of_json_lines_are_read(tmp_path):
    for name in ("a.ndjson", "b.jsonl", "c.csv", "d.ndjson.part"):
        (tmp_path / name).write_bytes(b"{}\n")
    (tmp_path / "e.ndjson").mkdir()
    assert [one.partition for one in read(opened(tmp_path))] == [
        f"folder:{tmp_path}/{n}" for n in ("a.ndjson", "b.jsonl")
    ]


def test_a_file_that_is_shorter_than_what_was_read_is_read_from_its_beginning(tmp_path, caplog):
    file = tmp_path / "a.ndjson"
    file.write_bytes(b'{"n": 1}\n')
    source = opened(tmp_path, {f"folder:{file}": 500})
    assert [one.value for one in read(source)] == [b'{"n": 1}']
    assert "is shorter than what was read of it" in caplog.text


def test_a_file_that_is_taken_away_stops_and_one_that_appears_begins(tmp_path):
    (tmp_path / "a.ndjson").write_bytes(b'{"n": 1}\n')
    source = opened(tmp_path)
    assert len(take(source, 1)) == 1
    (tmp_path / "a.ndjson").unlink()
    (tmp_path / "b.ndjson").write_bytes(b'{"n": 2}\n')
    assert [one.value for one in read(source)] == [b'{"n": 2}']


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(BadInput, match=r"there is no folder '.*/none' to read events from; make it"):
        opened(tmp_path / "none")
