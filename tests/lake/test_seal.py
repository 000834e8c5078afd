"""A bit that flips on the disk is noticed or makes no difference; what was committed outlasts a power cut."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mastery.lake import Lake, files
from mastery.lake.columns import conform
from mastery.lake.file_writer import write
from mastery.lake.handle import Handle
from mastery.lake.layout import layout
from mastery.lake.location import locate
from mastery.lake.seal import DamagedFile, chunks_of
from mastery.tables import EVENTS, GOLD, TABLES, Table
from school import SAMPLE, Deployment

Events = Callable[..., pa.Table]
FLIPS = 400


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    deployment = Deployment.at(tmp_path_factory.mktemp("home"))
    deployment.ingest(SAMPLE)
    deployment.recompute()
    deployment.lake.compact(EVENTS)
    return deployment.lake


def every_file(lake: Lake) -> list[tuple[Table, Path, str]]:
    found = [(table, file.path) for table in TABLES.values() for file in lake.snapshot(table).files]
    return [(table, Path(lake.root) / table.name / path, path) for table, path in found]


class Flipped:
    """A file with one bit the other way, until the end of the block."""

    def __init__(self, path: Path, byte: int, bit: int) -> None:
        self.path, self.byte, self.bit = path, byte, bit

    def __enter__(self) -> None:
        self.whole = self.path.read_bytes()
        torn = bytearray(self.whole)
        torn[self.byte] ^= 1 << self.bit
        self.path.write_bytes(torn)

    def __exit__(self, *_: object) -> None:
        self.path.write_bytes(self.whole)


def flips(path: Path, times: int, draws: random.Random) -> Iterator[Flipped]:
    for _ in range(times):
        yield Flipped(path, draws.randrange(path.stat().st_size), draws.randrange(8))


@pytest.mark.slow
def test_a_flipped_bit_in_any_file_of_any_table_is_noticed_or_makes_no_difference(lake: Lake) -> None:
    draws = random.Random(7)
    there = every_file(lake)
    assert {"events", "gold", "history", "ledger", "features", "rejected", "topics"} <= {t.name for t, _, _ in there}
    told: list[tuple[Table, Path, DamagedFile]] = []
    for table, path, name in (draws.choice(there) for _ in range(FLIPS)):
        expected = lake.read_files(table, [name])
        with Flipped(path, draws.randrange(path.stat().st_size), draws.randrange(8)):
            try:
                assert lake.read_files(table, [name]).equals(expected)
            except DamagedFile as error:
                told.append((table, path, error))
    assert len(told) > 0.95 * FLIPS
    for table, path, error in told:
        assert error.table == table.name
        assert path.name in str(error)
        assert ("mastery recompute" if table.published else "backup") in str(error)


def test_a_recompute_makes_damaged_published_tables_again(tmp_path: Path) -> None:
    deployment = Deployment.at(tmp_path)
    deployment.ingest(SAMPLE)
    deployment.recompute()
    published = [(table, path) for table, path, _ in every_file(deployment.lake) if table.published]
    expected = {table.name: deployment.lake.scan(table) for table, _ in published}
    for _, path in published:
        path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DamagedFile):
        deployment.lake.scan(GOLD)
    deployment.recompute()
    for table, _ in published:
        found = deployment.lake.scan(table)
        assert found.sort_by([(n, "ascending") for n in table.key]).equals(
            expected[table.name].sort_by([(n, "ascending") for n in table.key])
        ), table.name


@pytest.mark.slow
def test_a_flipped_bit_is_noticed_when_one_student_is_read(lake: Lake) -> None:
    draws = random.Random(8)
    for table in (EVENTS, GOLD):
        one = lake.scan(table, ["student_id"])["student_id"][0].as_py()
        expected = lake.read_student(table, one)
        paths = [path for t, path, _ in every_file(lake) if t is table]
        noticed = 0
        for cached in (False, True):  # whether the end of the file has been read before
            for flipped in (flip for path in paths for flip in flips(path, 25, draws)):
                again = Lake.open(lake.root)
                if cached:
                    again.read_student(table, one)
                with flipped:
                    try:
                        assert again.read_student(table, one).equals(expected)
                    except DamagedFile:
                        noticed += 1
        assert noticed > 10


@pytest.mark.parametrize("content", [b"", b"PAR1", b"torn", b"PAR1" + bytes(100) + b"\xff\xff\xff\x7fPAR1"])
def test_a_file_of_other_content_is_damaged(tmp_path: Path, events: Events, content: bytes) -> None:
    place = locate(str(tmp_path))
    path = write(place, EVENTS, events(10), 0).path
    Path(place.path(path)).write_bytes(content)
    with pytest.raises(DamagedFile):
        files.read(place, EVENTS, [path])


def test_a_file_that_is_not_there_is_not_a_damaged_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        files.read(locate(str(tmp_path)), EVENTS, ["bucket=00/part-0.parquet"])


def test_a_file_of_a_version_before_is_read_and_the_pages_it_has_checksums_of_are_compared(
    tmp_path: Path, events: Events
) -> None:
    place = locate(str(tmp_path))
    rows = conform(EVENTS, events(50))
    pq.write_table(rows, tmp_path / "part-00000000000000000000000000000000.parquet", **layout(EVENTS).options)
    (path,) = tmp_path.iterdir()
    assert files.read(place, EVENTS, [path.name]).num_rows == 50
    body = path.read_bytes().index(rows["event_id_hi"][3].as_py().to_bytes(8, "little", signed=True))
    with Flipped(path, body, 0), pytest.raises(DamagedFile):
        files.read(place, EVENTS, [path.name])


def test_other_programs_read_a_sealed_file(tmp_path: Path, events: Events) -> None:
    place = locate(str(tmp_path))
    rows = events(50)
    path = write(place, EVENTS, rows, 0).path
    assert chunks_of(place, path) is not None
    read = pq.read_table(place.path(path), partitioning=None, page_checksum_verification=True)
    assert read["event_id_hi"].to_pylist() == rows["event_id_hi"].to_pylist()


def test_files_are_on_the_disk_before_the_commit_and_the_commit_before_anybody_is_told(
    tmp_path: Path, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was asked of the disk, in order: seen at the calls of the operating system and of delta-rs."""
    done: list[str] = []
    opened: dict[int, str] = {}
    real_open, real_sync, real_commit = os.open, os.fsync, Handle._try

    def open_noted(path: str, *given: int) -> int:
        handle = real_open(path, *given)
        opened[handle] = re.sub("_commit_.*", "_commit_", str(path))
        return handle

    def commit_noted(*given: object) -> None:
        real_commit(*given)  # type: ignore[arg-type]
        done.append("commit")

    monkeypatch.setattr(os, "open", open_noted)
    monkeypatch.setattr(os, "fsync", lambda handle: (done.append(opened[handle]), real_sync(handle)))
    monkeypatch.setattr(Handle, "_try", commit_noted)
    lake = Lake.open(str(tmp_path / "lake"), buckets=1)
    table = f"{tmp_path}/lake/events"
    assert done[:2] == [f"{tmp_path}/lake", str(tmp_path)]  # in which the folders of the table and of the lake are new
    assert done[-3:] == [f"{table}/_delta_log/00000000000000000000.json", f"{table}/", f"{table}/_delta_log"]
    done.clear()
    lake.append(EVENTS, events(10))
    (file,) = lake.snapshot(EVENTS).files
    assert done == [
        f"{table}/{file.path}",
        f"{table}/",  # in which the folder of the bucket is new
        f"{table}/bucket=00",
        f"{table}/_delta_log/_commit_",  # what it says, before it has its number
        f"{table}/_delta_log",
        "commit",
    ]
    done.clear()
    lake.append(EVENTS, events(10, seed=1))
    (path,) = {one.path for one in lake.snapshot(EVENTS).files} - {file.path}
    assert done == [
        f"{table}/{path}",
        f"{table}/bucket=00",
        f"{table}/_delta_log/_commit_",
        f"{table}/_delta_log",
        "commit",
    ]
