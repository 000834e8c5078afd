"""What is peculiar to a folder of files."""

from __future__ import annotations

import os
import threading
from pathlib import Path

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
    assert [one.partition.partition("#")[0] for one in read(opened(tmp_path))] == [
        f"folder:{tmp_path}/{n}" for n in ("a.ndjson", "b.jsonl")
    ]


def test_a_file_that_is_shorter_than_what_was_read_is_read_from_its_beginning(tmp_path, caplog):
    file = tmp_path / "a.ndjson"
    file.write_bytes(b'{"n": 1}\n')
    (partition,) = {one.partition for one in read(opened(tmp_path))}
    source = opened(tmp_path, {partition: 500})
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


def lines(*numbers):
    return b"".join(b'{"n": %d}\n' % n for n in numbers)


def numbers(messages):
    return [int(one.value[6:-1]) for one in messages]


def written_again(file, content):
    file.write_bytes(content)


def moved_over(file, content):
    (file.parent / "elsewhere").write_bytes(content)
    (file.parent / "elsewhere").rename(file)


@pytest.mark.parametrize("put", [written_again, moved_over])
@pytest.mark.parametrize("restarted", [False, True])
def test_other_lines_under_a_name_are_all_read(tmp_path, put, restarted):
    """Ten lines in the place of ten were none, and of 25 that took the place of 20 the first were left out."""
    file, stored = tmp_path / "a.ndjson", {}
    file.write_bytes(lines(*range(10, 20)))
    source, found = opened(tmp_path), []

    def look():
        messages = read(source)
        stored.update({one.partition: max(one.after, stored.get(one.partition, 0)) for one in messages})
        found.extend(numbers(messages))

    look()
    for content in (lines(*range(20, 30)), lines(*range(30, 33)), lines(*range(30, 60))):
        put(file, content)
        if restarted:
            source = opened(tmp_path, stored)
        look()
    assert set(found) == set(range(10, 60))


def test_the_same_lines_moved_over_a_name_are_read_again_and_those_behind_them(tmp_path):
    file = tmp_path / "a.ndjson"
    file.write_bytes(lines(1, 2, 3))
    source = opened(tmp_path)
    assert numbers(read(source)) == [1, 2, 3]
    moved_over(file, lines(1, 4))
    assert numbers(read(source)) == [1, 4]


def test_a_name_that_is_no_utf_8_is_told_as_text(tmp_path):
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.ndjson")).write_bytes(lines(1))
    (message,) = read(opened(tmp_path))
    assert message.partition.encode() and "\\xff.ndjson#" in message.partition


def test_files_that_come_and_go_while_the_folder_is_listed_end_nothing(tmp_path):
    stop = threading.Event()

    def come_and_go():
        while not stop.is_set():
            for n in range(20):
                (tmp_path / f"{n}.ndjson").write_bytes(lines(n))
            for n in range(20):
                (tmp_path / f"{n}.ndjson").unlink()

    (tmp_path / "stays.ndjson").write_bytes(lines(100))
    source, beside = opened(tmp_path), threading.Thread(target=come_and_go)
    beside.start()
    try:
        found = []
        for _ in range(300):
            found += numbers(source.poll(100, 0.0).messages)
            source.behind({})
    finally:
        stop.set()
        beside.join()
    assert found.count(100) == 1 and len(found) > 1
