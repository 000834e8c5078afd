import os
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from mastery.lake import Lake
from mastery.lake.handle import CLEANED_EVERY, Change
from mastery.lake.location import locate
from mastery.lake.log import commit_naming
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

    assert commit_until(CLEANED_EVERY + 5) == 0
    for path in folder.iterdir():
        if path.name[0] != "_":
            os.utime(path, (0, 0))
    assert commit_until(2 * CLEANED_EVERY - 1) == 0
    assert commit_until(2 * CLEANED_EVERY) == CLEANED_EVERY - 1, "the last checkpoint before, and what came after it"
