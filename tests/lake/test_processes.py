"""Real processes write to one lake at the same time."""

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mastery.lake import Lake
from mastery.lake.handle import Change, Handle
from mastery.lake.snapshot import Snapshot
from mastery.tables import EVENTS

Events = Callable[..., pa.Table]

APPENDS = """
import sys
import pyarrow.parquet as pq
from mastery.lake import Lake
from mastery.tables import EVENTS
rows = pq.read_table(sys.argv[2])
lake = Lake.open(sys.argv[1], buckets=2)
for i in range(8):
    print(lake.append(EVENTS, rows.slice(i * 10, 10)))
"""

COMPACTS = """
import sys
from mastery.lake import Lake
lake = Lake.open(sys.argv[1], buckets=2)
for _ in range(6):
    lake.compact()
"""


def start(script: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", script, *arguments], stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_two_processes_that_append_while_two_compact_lose_and_double_nothing(tmp_path: Path, events: Events) -> None:
    root = str(tmp_path / "lake")
    rows = events(160)
    pq.write_table(rows.slice(0, 80), tmp_path / "a.parquet")
    pq.write_table(rows.slice(80), tmp_path / "b.parquet")
    appending = [start(APPENDS, root, str(tmp_path / name)) for name in ("a.parquet", "b.parquet")]
    compacting = [start(COMPACTS, root) for _ in range(2)]
    versions = [int(line) for process in appending for line in process.communicate(timeout=120)[0].split()]
    for process in compacting:
        process.communicate(timeout=120)
    assert [process.returncode for process in appending + compacting] == [0] * 4
    assert len(set(versions)) == 16, "each append has a version of its own"
    scanned = Lake.open(root).scan(EVENTS, ["event_id_hi"])["event_id_hi"].to_pylist()
    assert sorted(scanned) == sorted(rows["event_id_hi"].to_pylist())


def test_of_two_compactions_of_one_bucket_the_later_leaves_it_alone(tmp_path: Path, events: Events) -> None:
    root = str(tmp_path / "lake")
    one, two = Lake.open(root, buckets=1), Lake.open(root)
    one.append(EVENTS, events(50))
    assert two.count(EVENTS) == 50

    def overtaken(done: int, of: int) -> None:
        one.compact()

    assert two.compact(progress=overtaken).skipped == 1
    assert one.count(EVENTS) == two.count(EVENTS) == 50
    assert len(list((tmp_path / "lake" / "events" / "bucket=00").iterdir())) == 2, "the loser's file is gone"


def test_a_commit_made_on_an_old_view_is_refused_and_tried_again(tmp_path: Path, events: Events) -> None:
    root = str(tmp_path / "lake")
    one, two = Lake.open(root, buckets=1), Lake.open(root)
    one.append(EVENTS, events(50))
    calls = []
    handle: Handle = two._handle(EVENTS)
    add = two.write_file(EVENTS, events(5, seed=2), 0)

    def plan(now):  # type: ignore[no-untyped-def]
        from mastery.lake.handle import Change

        calls.append(now.version)
        if len(calls) == 1:
            one.compact()
        return Change([add], now.bucket(0))

    handle.commit("append", plan)
    assert calls == [1, 2]
    assert one.count(EVENTS) == 5


def test_threads_share_one_lake(tmp_path: Path, events: Events) -> None:
    lake = Lake.open(str(tmp_path / "lake"), buckets=2)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda seed: lake.append(EVENTS, events(20, seed=seed)), range(8)))
        assert lake.count(EVENTS) == 160
        students = sorted(set(lake.scan(EVENTS, ["student_id"])["student_id"].to_pylist()))
        read = pool.map(lambda student: lake.read_student(EVENTS, student).num_rows, students)
    assert sum(read) == 160


def test_an_append_that_others_overtake_is_told_its_own_version(tmp_path: Path, events: Events) -> None:
    root = str(tmp_path / "lake")
    one, two = Lake.open(root, buckets=1), Lake.open(root)
    one.append(EVENTS, events(50))
    handle: Handle = two._handle(EVENTS)
    add = two.write_file(EVENTS, events(5, seed=2), 0)

    def plan(now):  # type: ignore[no-untyped-def]
        from mastery.lake.handle import Change

        one.compact()  # takes away a file that was there, between the look and the commit
        return Change([add])

    version = handle.commit("append", plan)
    assert version == one.version(EVENTS)
    assert [path.partition("/")[2] for path in one.files_added(EVENTS, version - 1, version) or []] == [
        add.path.partition("/")[2]
    ]


def test_a_commit_is_compared_with_whatever_came_after_its_plan(tmp_path, events):
    """One that carries a key's check value looked again between plan and commit, and did not see the other."""
    one, two = (Lake.open(str(tmp_path / "lake"), buckets=1) for _ in range(2))
    one.commit_key(7)
    planned: list[int] = []

    def change(lake: Lake, now: Snapshot) -> Change:
        return Change([lake.write_file(EVENTS, events(1), 0)], numbers={"bucket": now.version + 1})

    def plan(now: Snapshot) -> Change:
        planned.append(now.version)
        if len(planned) == 1:
            two._handle(EVENTS).commit("append", lambda then: change(two, then))
        return change(one, now)

    one._handle(EVENTS).commit("append", plan)
    assert planned == [0, 1]
