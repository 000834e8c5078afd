"""A table that was put back from a backup, made again, or copied from elsewhere, under an open lake."""

import shutil
from pathlib import Path

import pyarrow as pa
import pytest

from mastery.errors import Conflict
from mastery.lake import Lake, log
from mastery.lake.handle import KEY
from mastery.lake.leftovers import LogDeleted
from mastery.tables import EVENTS, REJECTED


def events(*students: str) -> pa.Table:
    rows = {field.name: pa.nulls(len(students), field.type) for field in EVENTS.schema if field.name != "bucket"}
    return pa.table({**rows, "student_id": pa.array(students, pa.string())})


def students(lake: Lake) -> list[str]:
    return sorted(lake.scan(EVENTS, ["student_id"]).column("student_id").to_pylist())


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    opened = Lake.open(str(tmp_path / "lake"), buckets=2)
    opened.append(EVENTS, events("a"))
    return opened


def put_back(backup: Path, lake: Lake) -> None:
    shutil.rmtree(lake.root)
    shutil.copytree(backup, lake.root)


def test_a_version_is_told_from_the_same_number_of_a_lake_that_was_put_back(lake: Lake, tmp_path: Path) -> None:
    shutil.copytree(lake.root, tmp_path / "backup")
    old = lake.identified(EVENTS)[1]
    lake.append(EVENTS, events("b"))
    before = lake.identified(EVENTS)[1]
    put_back(tmp_path / "backup", lake)
    assert students(lake) == ["a"]
    assert lake.identified(EVENTS)[1] == old
    assert lake.holds(EVENTS, old) and not lake.holds(EVENTS, before)
    lake.append(EVENTS, events("c"))
    after = lake.identified(EVENTS)[1]
    assert (after.table_id, after.version) == (before.table_id, before.version)
    assert after.fingerprint != before.fingerprint
    lake.append(EVENTS, events("d"))
    assert lake.holds(EVENTS, old) and lake.holds(EVENTS, after) and not lake.holds(EVENTS, before)
    assert students(lake) == ["a", "c", "d"]


def test_a_lake_that_is_put_back_behind_an_open_one_is_seen_by_it(lake: Lake, tmp_path: Path) -> None:
    shutil.copytree(lake.root, tmp_path / "backup")
    lake.append(EVENTS, events("b"))
    assert students(lake) == ["a", "b"]
    put_back(tmp_path / "backup", lake)
    Lake.open(lake.root).append(EVENTS, events("c"))
    assert students(lake) == ["a", "c"]


def test_a_lake_that_is_made_again_is_another(lake: Lake) -> None:
    before = lake.identified(EVENTS)[1]
    shutil.rmtree(lake.root)
    again = Lake.open(lake.root, buckets=2)
    again.append(EVENTS, events("x"))
    for opened in (lake, again):
        now = opened.identified(EVENTS)[1]
        assert now.version == before.version and now.table_id != before.table_id
        assert not opened.holds(EVENTS, before)
        assert students(opened) == ["x"]


def test_a_table_whose_log_is_gone_under_an_open_lake_is_not_taken_for_an_empty_one(lake: Lake, tmp_path: Path) -> None:
    shutil.copytree(lake.root, tmp_path / "backup")
    shutil.rmtree(Path(lake.root) / "events" / "_delta_log")
    for _ in range(2):
        with pytest.raises(LogDeleted, match="restore the folder from your backup"):
            lake.snapshot(EVENTS)
    put_back(tmp_path / "backup", lake)
    assert students(lake) == ["a"]
    shutil.rmtree(Path(lake.root) / "events")
    with pytest.raises(Conflict, match="was at version 1 and its log is gone; restore it"):
        lake.snapshot(EVENTS)


def empty(folder: Path) -> None:
    for file in folder.iterdir():
        file.unlink()


@pytest.mark.parametrize("delete", [shutil.rmtree, empty], ids=["deleted", "emptied"])
@pytest.mark.parametrize("table", [EVENTS, REJECTED], ids=lambda table: table.name)
def test_a_table_whose_log_was_deleted_with_its_commits_is_not_begun_again(lake, table, delete) -> None:
    lake.append(REJECTED, pa.Table.from_pylist([{"source": "a.csv"}], REJECTED.schema))
    folder = Path(lake.root) / table.name
    delete(folder / "_delta_log")
    rows = events("b") if table is EVENTS else REJECTED.schema.empty_table()
    for run in (
        lambda: Lake.open(lake.root).scan(table),
        lambda: Lake.open(lake.root, create=False).scan(table),
        lambda: Lake.open(lake.root).append(table, rows),
    ):
        with pytest.raises(LogDeleted, match=f"table '{table.name}' in .*_delta_log, was deleted.* remove the folder"):
            run()
    shutil.rmtree(folder)
    assert Lake.open(lake.root).scan(table).num_rows == 0


def test_a_lake_that_is_put_back_between_two_looks_at_it_is_read_as_it_is_then(lake, tmp_path, monkeypatch) -> None:
    shutil.copytree(lake.root, tmp_path / "backup")
    lake.commit_key(7)
    lake.append(EVENTS, events("b"))
    handle = Lake.open(lake.root)._handle(EVENTS)
    look = handle.snapshot

    def look_and_put_back():
        found = look()
        monkeypatch.undo()
        put_back(tmp_path / "backup", lake)
        return found

    monkeypatch.setattr(handle, "snapshot", look_and_put_back)
    assert handle.number(KEY) is None
    handle.snapshot()
    put_back(tmp_path / "backup", lake)
    shutil.rmtree(Path(lake.root) / "events" / "_delta_log")
    with pytest.raises(Conflict, match="its log of version 1 cannot be read any more"):
        handle.number_here("another")


@pytest.mark.parametrize("moved", [True, False], ids=["old one moved", "old one deleted"])
@pytest.mark.parametrize("copied", [True, False], ids=["copied", "renamed"])
def test_a_table_that_a_lake_had_not_yet_when_it_was_copied_is_none_once_the_copy_is_put_back(
    lake, tmp_path, moved, copied
) -> None:
    shutil.copytree(lake.root, tmp_path / "backup")
    lake.append(REJECTED, pa.Table.from_pylist([{"source": "a.csv"}], REJECTED.schema))
    opened = Lake.open(lake.root)
    assert opened.count(REJECTED) == 1
    if moved:
        Path(lake.root).rename(tmp_path / "old")
    else:
        shutil.rmtree(lake.root)
    if copied:
        shutil.copytree(tmp_path / "backup", lake.root)
    else:
        (tmp_path / "backup").rename(lake.root)
    assert opened.count(REJECTED) == 0
    lake.append(REJECTED, pa.Table.from_pylist([{"source": "b.csv"}], REJECTED.schema))
    assert opened.count(REJECTED) == 1


def test_a_lake_that_is_put_back_again_before_it_was_looked_at_is_looked_at_again(lake: Lake, tmp_path: Path) -> None:
    shutil.copytree(lake.root, tmp_path / "backup")
    lake.append(EVENTS, events("b"))
    handle = Lake.open(lake.root)._handle(EVENTS)
    handle.snapshot()
    handle._open_again()  # as it does when it finds another log, and is kept from going on
    put_back(tmp_path / "backup", lake)
    assert handle.snapshot().version == 1


def test_where_a_commit_is_gone_its_checkpoint_tells_of_the_version(lake: Lake) -> None:
    delta_log = Path(lake.root) / "events" / "_delta_log"
    version = lake.version(EVENTS)
    (delta_log / f"{version:020d}.checkpoint.parquet").write_bytes(b"one")
    with_commit = lake.identified(EVENTS)[1]
    place = lake._handle(EVENTS).place
    (delta_log / f"{version:020d}.json").unlink()
    one = log.fingerprint(place, version)
    (delta_log / f"{version:020d}.checkpoint.parquet").write_bytes(b"two")
    assert len({one, log.fingerprint(place, version), with_commit.fingerprint, None}) == 4
    assert log.fingerprint(place, version + 1) is None
