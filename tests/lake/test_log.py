import os
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from mastery.lake import Lake
from mastery.lake.handle import CHECKPOINT_EVERY, REWRITE, Change
from mastery.lake.location import locate
from mastery.lake.log import commit_naming, last_checkpoint
from mastery.tables import EVENTS, TOPICS

Events = Callable[..., pa.Table]


def test_a_lake_kept_open_sees_commits_of_others_also_when_the_log_was_cleaned_up(
    tmp_path: Path, events: Events
) -> None:
    mine, other = Lake.open(str(tmp_path), buckets=1), Lake.open(str(tmp_path))
    mine.append(EVENTS, events(1))
    for seed in range(3):
        other.append(EVENTS, events(10, seed=seed))
    assert mine.count(EVENTS) == 31
    for seed in range(3, 6):
        other.append(EVENTS, events(10, seed=seed))
    DeltaTable(str(tmp_path / "events")).create_checkpoint()
    for version in range(7):
        (tmp_path / "events" / "_delta_log" / f"{version:020d}.json").unlink()
    assert mine.version(EVENTS) == 7
    assert mine.count(EVENTS) == 61
    assert mine.files_added(EVENTS, 3, 7) is None


def test_the_newest_instant_is_known_from_the_log(tmp_path: Path, events: Events) -> None:
    lake = Lake.open(str(tmp_path), buckets=2)
    assert lake.newest(EVENTS, "occurred_at") is None
    assert lake.newest(TOPICS, "occurred_at") is None
    rows = events(50)
    lake.append(EVENTS, rows)
    lake.append(EVENTS, events(1, seed=1))
    every = pa.concat_tables([rows, events(1, seed=1)])
    assert lake.newest(EVENTS, "occurred_at") == max(every["occurred_at"].cast(pa.int64()).to_pylist())


def test_the_commit_that_names_a_file_is_found_among_those_of_others(tmp_path: Path, events: Events) -> None:
    lake = Lake.open(str(tmp_path), buckets=1)
    versions = {lake.append(EVENTS, events(5, seed=seed)): seed for seed in range(4)}
    place = locate(str(tmp_path / "events"))
    for version in versions:
        (path,) = lake.files_added(EVENTS, version - 1, version) or []
        assert commit_naming(place, {path}, 0, 4) == version


@pytest.mark.slow
def test_commits_of_long_ago_go_from_the_log_once_in_a_while(tmp_path: Path) -> None:
    lake = Lake.open(str(tmp_path / "lake"))
    table = lake._handle(TOPICS)
    folder = tmp_path / "lake" / "topics" / "_delta_log"

    def commit_until(version: int) -> int:
        while table.snapshot().version < version:
            table.commit("append", lambda now: Change((), numbers={"test": now.version + 1}))
        return min(int(path.name[:20]) for path in folder.glob("*.json"))

    assert commit_until(CHECKPOINT_EVERY + 5) == 0
    table.tidy_log()
    assert last_checkpoint(table.place) == CHECKPOINT_EVERY + 5
    for path in folder.iterdir():
        if path.name[0] != "_":
            os.utime(path, (0, 0))
    commit_until(2 * CHECKPOINT_EVERY + 4)
    table.tidy_log()
    assert last_checkpoint(table.place) == CHECKPOINT_EVERY + 5, "so soon there is no other one"
    commit_until(2 * CHECKPOINT_EVERY + 5)
    table.tidy_log()
    assert commit_until(0) == CHECKPOINT_EVERY + 5, "the last checkpoint before, and what came after it"
    assert Lake.open(str(tmp_path / "lake")).version(TOPICS) == 2 * CHECKPOINT_EVERY + 5
    commit_until(4 * CHECKPOINT_EVERY + 5)
    assert last_checkpoint(table.place) == 4 * CHECKPOINT_EVERY + 5, "made with a commit, where nobody tidies"


def test_a_table_kept_open_knows_what_one_opened_now_knows_whoever_commits(tmp_path: Path, events: Events) -> None:
    """Own commits move it forward without a look at the log, those of others and of delta-rs are read from it."""
    root = str(tmp_path / "lake")
    mine, other = Lake.open(root, buckets=2), Lake.open(root)
    handle = mine._handle(EVENTS)
    steps: list[Callable[[], object]] = [
        lambda: mine.append(EVENTS, events(20, seed=1)),
        lambda: other.append(EVENTS, events(20, seed=2)),
        lambda: other.compact(),
        lambda: mine.append(EVENTS, events(5, seed=3)),
        lambda: other._handle(EVENTS).commit("append", lambda now: Change((), numbers={"other": now.version + 1})),
        lambda: mine._handle(EVENTS).commit("append", lambda now: Change((), numbers={"mine": now.version + 1})),
        lambda: mine.compact(),
        lambda: other.replace(EVENTS, events(3, seed=4)),
        lambda: other.append(EVENTS, events(1, seed=5)),
        lambda: DeltaTable(f"{root}/events").alter.set_table_properties({"delta.appendOnly": "false"}),
        lambda: mine.append(EVENTS, events(2, seed=6)),
    ]
    for step in steps:
        mine.newest(EVENTS, "occurred_at")  # known before, and moved on
        step()
        opened = Lake.open(root)._handle(EVENTS)
        assert handle.identified() == opened.identified()
        for name in ("mine", "other", REWRITE):
            assert handle.number(name) == opened.number(name)
        assert mine.newest(EVENTS, "occurred_at") == opened.newest("occurred_at", opened.snapshot())


def test_of_many_who_add_at_once_each_gets_a_number_of_its_own(tmp_path: Path, events: Events) -> None:
    root = str(tmp_path / "lake")
    Lake.open(root, buckets=1)
    lakes = [Lake.open(root) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        versions = pool.map(lambda at: lakes[at % 4].append(EVENTS, events(1, seed=at)), range(80))
    assert sorted(versions) == list(range(1, 81))
    assert all(lake.count(EVENTS) == 80 for lake in lakes)
    assert not list((tmp_path / "lake" / "events" / "_delta_log").glob("*.tmp"))


def test_a_commit_of_ours_is_read_by_delta_rs_as_one_of_its_own(tmp_path: Path, events: Events) -> None:
    lake = Lake.open(str(tmp_path / "lake"), buckets=2)
    rows = events(20)
    lake.append(EVENTS, rows)
    table = DeltaTable(f"{lake.root}/events")
    assert table.to_pyarrow_table(columns=["event_id_hi"]).num_rows == 20
    assert table.history(1)[0]["operation"] == "WRITE"
    actions = pa.table(table.get_add_actions(flatten=True))
    assert sum(actions["num_records"].to_pylist()) == 20 and set(actions["partition.bucket"].to_pylist()) <= {0, 1}


def test_files_that_a_commit_of_ours_takes_away_are_gone_for_delta_rs_and_are_its_to_vacuum(
    tmp_path: Path, events: Events
) -> None:
    lake = Lake.open(str(tmp_path / "lake"), buckets=2)
    for seed in range(3):
        lake.append(EVENTS, events(20, seed=seed))
    before = {file.path for file in lake.snapshot(EVENTS).files}
    open_since = DeltaTable(f"{lake.root}/events")
    lake.compact()
    after = {file.path for file in lake.snapshot(EVENTS).files}
    open_since.update_incremental()
    for table in (open_since, DeltaTable(f"{lake.root}/events")):
        actions = pa.table(table.get_add_actions(flatten=True))
        assert set(actions["path"].to_pylist()) == after and after.isdisjoint(before)
        assert table.to_pyarrow_table(columns=["event_id_hi"]).num_rows == 60
        assert table.transaction_version(REWRITE) == table.version()
    gone = DeltaTable(f"{lake.root}/events").vacuum(0, enforce_retention_duration=False, full=False)
    assert set(gone) == before  # without `full` delta-rs knows of them by the log alone


def test_a_commit_stands_though_the_log_can_get_no_checkpoint(
    tmp_path: Path, events: Events, caplog: pytest.LogCaptureFixture
) -> None:
    """Folders have the names that the checkpoints are to get, as where a disk has room for a commit and no more."""
    lake = Lake.open(str(tmp_path / "lake"), buckets=1)
    handle, folder = lake._handle(EVENTS), tmp_path / "lake" / "events" / "_delta_log"
    for version in range(2 * CHECKPOINT_EVERY + 5):
        (folder / f"{version:020d}.checkpoint.parquet" / "in-the-way").mkdir(parents=True)
    while handle.snapshot().version < 2 * CHECKPOINT_EVERY - 3:
        handle.commit("append", lambda now: Change((), numbers={"test": now.version + 1}))
    for seed in range(4):
        assert lake.append(EVENTS, events(1, seed=seed)) == lake.version(EVENTS)
    assert lake.count(EVENTS) == Lake.open(lake.root).count(EVENTS) == 4
    assert len(caplog.records) == 1, "and it is not tried with each commit from then on"
    assert "'events' could get no checkpoint" in caplog.text
    for path in folder.glob("*.checkpoint.parquet"):
        shutil.rmtree(path)
    lake.tidy_logs()
    assert last_checkpoint(handle.place) == lake.version(EVENTS)


def test_rows_come_in_while_the_log_gets_a_checkpoint(
    tmp_path: Path, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = Lake.open(str(tmp_path / "lake"), buckets=1)
    for seed in range(CHECKPOINT_EVERY):
        lake.append(EVENTS, events(1, seed=seed))
    being_made, go_on = threading.Event(), threading.Event()
    make = DeltaTable.create_checkpoint

    def slowly(table: DeltaTable) -> None:
        being_made.set()
        assert go_on.wait(60)
        make(table)

    monkeypatch.setattr(DeltaTable, "create_checkpoint", slowly)
    with ThreadPoolExecutor(2) as pool:
        checkpoint = pool.submit(lake.tidy_logs)
        assert being_made.wait(60)
        try:
            pool.submit(lake.append, EVENTS, events(1, seed=1_000)).result(60)
            assert not checkpoint.done()
        finally:
            go_on.set()
        checkpoint.result()
    assert last_checkpoint(locate(f"{lake.root}/events")) == CHECKPOINT_EVERY
    assert Lake.open(lake.root).count(EVENTS) == CHECKPOINT_EVERY + 1
