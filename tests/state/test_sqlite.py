"""What only the SQLite store does: its file, its processes, its crashes."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from mastery.errors import BadInput
from mastery.state import CorruptRecord, Position, RecordBlock, StateUnusable, connect, decode, encode_many, sqlite
from mastery.state.sqlite import SqliteStore
from state.conftest import LAKE

Block = Callable[..., RecordBlock]

COUNTS_UP = """
import sys
from dataclasses import replace
from mastery.state import Overtaken, connect
store = connect(sys.argv[1])
for _ in range(int(sys.argv[2])):
    while True:
        record = store.get(sys.argv[3], "v1")
        try:
            store.put(replace(record, events_folded=record.events_folded + 1), record.version)
            break
        except Overtaken:
            continue
    print(record.events_folded + 1, flush=True)
"""


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", COUNTS_UP, *arguments], stdout=subprocess.PIPE, text=True)


def seed(url: str, block: Block) -> str:
    store = connect(url)
    store.know_lake(LAKE, None)
    store.put_many(block(3))
    student = decode(encode_many(block(1))[0].tobytes()).student_id
    record = store.get(student, "v1")
    assert record is not None
    store.close()
    return student


def folded(url: str, student: str) -> int:
    store = connect(url)
    record = store.get(student, "v1")
    store.close()
    assert record is not None
    return record.events_folded


@pytest.mark.slow
def test_two_processes_that_race_for_one_record_lose_no_write(tmp_path: Path, block: Block) -> None:
    url = f"sqlite:{tmp_path / 'state.db'}"
    student = seed(url, block)
    before = folded(url, student)
    racers = [start(url, "40", student) for _ in range(2)]
    for racer in racers:
        racer.communicate(timeout=120)
        assert racer.returncode == 0
    assert folded(url, student) == before + 80


@pytest.mark.slow
def test_a_writer_killed_in_the_middle_leaves_a_store_with_all_it_had_said(tmp_path: Path, block: Block) -> None:
    url = f"sqlite:{tmp_path / 'state.db'}"
    student = seed(url, block)
    for _ in range(3):
        with start(url, "1000000", student) as writer:
            assert writer.stdout is not None
            said = int(writer.stdout.readline())
            deadline = time.monotonic() + 0.1
            while time.monotonic() < deadline:
                said = int(writer.stdout.readline())
            os.kill(writer.pid, signal.SIGKILL)
            rest = [line for line in writer.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
        said = int(rest[-1]) if rest else said
        assert folded(url, student) in (said, said + 1)


def test_a_damaged_body_is_reported_and_not_returned(tmp_path: Path, block: Block) -> None:
    path = tmp_path / "state.db"
    student = seed(f"sqlite:{path}", block)
    with sqlite3.connect(path) as db:
        db.execute("UPDATE bodies SET body = substr(body, 1, 40)")
    db.close()
    store = connect(f"sqlite:{path}")
    with pytest.raises(CorruptRecord, match="checksum"):
        store.get(student, "v1")
    found = store.get_many([student], "v1")
    assert not found.records and "checksum" in str(found.outdated[student].damaged)
    store.close()


def test_the_bytes_of_deleted_records_are_gone_from_the_file(tmp_path: Path, block: Block) -> None:
    path = tmp_path / "state.db"
    student = seed(f"sqlite:{path}", block)
    store = connect(f"sqlite:{path}")
    assert store.drop_model_versions(["v1"]) == 3
    store.close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    assert student.encode() not in path.read_bytes()


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="open files are counted in /proc")
def test_many_threads_share_two_connections(tmp_path: Path, block: Block) -> None:
    path = tmp_path / "state.db"
    student = seed(f"sqlite:{path}", block)
    store = connect(f"sqlite:{path}")
    together = threading.Barrier(40)

    def ask() -> int:
        together.wait()
        record = store.get(student, "v1")
        assert record is not None
        store.drop_model_versions([])
        together.wait()
        return record.version

    with ThreadPoolExecutor(40) as pool:
        jobs = [pool.submit(ask) for _ in range(40)]
        assert {job.result() for job in jobs} == {1}
        links = [str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    # each connection holds the file, its log and the log's index
    assert 0 < sum(link.startswith(str(path)) for link in links) <= 2 * 3
    store.close()


def test_a_file_that_is_not_a_state_store_is_refused_with_what_to_do_and_left_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is a folder"):
        connect(f"sqlite:{tmp_path}")
    text = tmp_path / "text"
    text.write_text("dear diary" * 1000)
    with pytest.raises(StateUnusable, match=r"cannot be used: .*; move it away together with .*text-wal"):
        connect(f"sqlite:{text}").known_lake()
    assert text.read_text() == "dear diary" * 1000
    with sqlite3.connect(tmp_path / "other.db") as db:
        db.execute("CREATE TABLE notes (text)")
    db.close()
    with pytest.raises(StateUnusable, match="another program"):
        connect(f"sqlite:{tmp_path / 'other.db'}").known_lake()
    with sqlite3.connect(tmp_path / "other.db") as db:
        assert db.execute("SELECT count(*) FROM notes").fetchone() == (0,)
    db.close()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file" / "state.db", tmp_path / "file" / "deeper" / "state.db"):
        with pytest.raises(StateUnusable, match="its folder cannot be made .*give it another path"):
            connect(f"sqlite:{place}").known_lake()


def layout(path: Path, number: int) -> None:
    with sqlite3.connect(path) as db:
        db.execute(f"PRAGMA user_version = {number}")
    db.close()


def test_a_store_of_a_later_version_is_refused(tmp_path: Path, block: Block) -> None:
    path = tmp_path / "state.db"
    seed(f"sqlite:{path}", block)
    layout(path, 99)
    with pytest.raises(
        StateUnusable, match=r"layout 99, this version knows 6: a later version made it; use that one, or"
    ):
        connect(f"sqlite:{path}").count()
    layout(path, 6)
    assert connect(f"sqlite:{path}").count() == 3


def test_a_store_of_an_earlier_version_is_made_again_which_one_line_says(
    tmp_path: Path, block: Block, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "state.db"
    url = f"sqlite:{path}"
    seed(url, block)
    with sqlite3.connect(path) as db:
        db.execute("ALTER TABLE lake RENAME TO metadata")
    db.close()
    layout(path, 3)
    store = connect(url)
    assert (store.known_lake(), store.count(), store.model_versions()) == (None, 0, [])
    student = decode(encode_many(block(1))[0].tobytes()).student_id
    assert student.encode() not in path.read_bytes(), "what was dropped has left the file"
    assert store.know_lake(LAKE, None)
    assert store.put_many(block(3)) == 3
    store.close()
    assert connect(url).count() == 3
    (line,) = caplog.messages
    assert "layout 3, now 6" in line and "\n" not in line


def test_a_store_that_was_mended_or_moved_away_is_used_without_a_new_start(tmp_path: Path, block: Block) -> None:
    path = tmp_path / "state.db"
    student = seed(f"sqlite:{path}", block)
    whole = path.read_bytes()
    path.write_bytes(whole[:100] + b"x" * 20_000 + whole[20_100:])
    store = connect(f"sqlite:{path}")
    with pytest.raises(StateUnusable, match="move it away together with"):
        store.get(student, "v1")
    for name in path.parent.glob("state.db*"):
        name.rename(name.with_name(f"damaged-{name.name}"))
    assert store.known_lake() is None
    assert store.know_lake(LAKE, None)
    assert store.put_many(block(3)) == 3
    assert store.get(student, "v1") is not None
    store.close()


def test_a_dropped_model_set_gives_its_space_back(tmp_path: Path, block: Block) -> None:
    path = tmp_path / "state.db"
    store = connect(f"sqlite:{path}")
    store.put_many(block(2_000, "v1", slots=9, days=60))
    store.put_many(block(100, "v2"))
    store.close()  # the log goes into the file
    before = path.stat().st_size
    store = connect(f"sqlite:{path}")
    assert store.drop_model_versions(["v1"]) == 2_000
    store.close()
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA freelist_count").fetchone() == (0,)
        assert db.execute("SELECT count(*) FROM bodies").fetchone() == (100,)
    db.close()
    assert path.stat().st_size < before / 5


def test_space_is_given_back_a_little_at_a_time_and_others_write_in_between(
    tmp_path: Path, block: Block, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "FREED_AT_ONCE", 8)
    monkeypatch.setattr(sqlite, "PAUSE_S", 0)
    path = tmp_path / "state.db"
    store, others = SqliteStore(str(path)), connect(f"sqlite:{path}")
    store.put_many(block(1_000, "v1", slots=9, days=60))
    store.put_many(block(300, "v2", slots=9, days=60))  # at the end of the file, from where they move
    written, outside = [], store._outside_transactions

    def others_first(statement: str) -> None:
        others.note_events(["somebody"], Position(1, len(written)))
        written.append(statement)
        outside(statement)

    monkeypatch.setattr(store, "_outside_transactions", others_first)
    before = pages(path)
    assert store.drop_model_versions(["v1"]) == 1_000
    assert store.count("v2") == 300
    store.close()
    others.close()
    assert len(written) > (before - pages(path)) // 8 > 3


def pages(path: Path) -> int:
    with sqlite3.connect(path) as db:
        (count,) = db.execute("PRAGMA page_count").fetchone()
    db.close()
    return int(count)


def test_a_drop_that_was_killed_before_its_end_is_ended_by_the_next(tmp_path: Path, block: Block) -> None:
    path = tmp_path / "state.db"
    store = connect(f"sqlite:{path}")
    store.put_many(block(50, "v1"))
    store.put_many(block(5, "v2"))
    store.close()
    with sqlite3.connect(path) as db:
        db.execute("UPDATE model_sets SET name = NULL WHERE name = 'v1'")  # the first of the transactions
    db.close()
    store = connect(f"sqlite:{path}")
    assert (store.model_versions(), store.count()) == (["v2"], 5)
    store.put_many(block(3, "v1"))  # used again meanwhile
    assert store.drop_model_versions([]) == 0
    assert (store.count("v1"), store.count("v2")) == (3, 5)
    store.close()
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT (SELECT count(*) FROM bodies), (SELECT count(*) FROM heads)").fetchone() == (8, 8)
    db.close()


def test_an_unknown_store_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"unknown state store 'sqlit' \(did you mean 'sqlite'\?\); known: .*sqlite"):
        connect("sqlit:x")
    with pytest.raises(BadInput, match="names no place"):
        connect("sqlite:")


@pytest.mark.slow
def test_a_new_store_may_be_opened_by_many_at_once(tmp_path: Path) -> None:
    for round_ in range(30):
        url = f"sqlite:{tmp_path / f'{round_}.db'}"
        start = Barrier(8)

        def opened(url: str = url, start: Barrier = start) -> int:
            store = connect(url)
            start.wait()
            try:
                return store.count()
            finally:
                store.close()

        with ThreadPoolExecutor(8) as pool:
            assert [future.result() for future in [pool.submit(opened) for _ in range(8)]] == [0] * 8
