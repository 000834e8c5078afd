"""Which ids a bucket has: exact, and of a few ids without reading whole files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from lake.conftest import Events
from mastery.lake import Lake, known_ids
from mastery.lake.bloom import may_hold
from mastery.lake.files import OpenFile, opened
from mastery.lake.layout import FILTERED_ROWS, SORTED_ROW_GROUP_ROWS
from mastery.lake.location import locate
from mastery.tables import EVENTS

IDS = ["event_id_hi", "event_id_lo", "body_hash"]
ROWS = 3 * SORTED_ROW_GROUP_ROWS


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    from lake.conftest import make_events

    made = Lake.open(str(tmp_path_factory.mktemp("known") / "lake"), buckets=1)
    made.append(EVENTS, make_events(ROWS, students=500))
    made.compact()
    for seed in range(1, 4):
        made.append(EVENTS, make_events(50, students=500, seed=seed))
    made.append(EVENTS, make_events(FILTERED_ROWS, students=500, seed=4))
    return made


def rows(lake: Lake) -> set[tuple[int, ...]]:
    return {tuple(row.values()) for row in lake.scan(EVENTS, IDS).to_pylist()}


@pytest.mark.parametrize("asked", [1, 8, known_ids.FEW, known_ids.FEW + 1, 5_000])
def test_what_is_found_is_what_is_there(lake: Lake, asked: int) -> None:
    there, draw = sorted(rows(lake)), np.random.default_rng(asked)
    known = [there[i] for i in draw.choice(len(there), asked // 2, replace=False)]
    strange = draw.integers(-(2**62), 2**62, (asked - len(known), 2)).tolist()
    half = [(hi, lo + 1) for hi, lo, _ in known[:3]]  # one word of an id is not the id
    ids = np.array([[hi, lo] for hi, lo, _ in known] + strange + half, np.int64).reshape(-1, 2)
    for _ in range(2):  # and again, with what is remembered
        found = lake.known(EVENTS, 0, ids[:, 0].copy(), ids[:, 1].copy())
        got = sorted(zip(found.hi.tolist(), found.lo.tolist(), found.body.tolist(), strict=True))
        assert got == sorted(known)


def test_a_few_new_ids_are_told_without_reading_ids(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh, read = Lake.open(lake.root), []
    real = OpenFile.read

    def counted(self: OpenFile, columns: list[str], group: int | None = None, *, threads: bool = False) -> pa.Table:
        found = real(self, columns, group, threads=threads)
        read.append(found.num_rows)
        return found

    monkeypatch.setattr(OpenFile, "read", counted)
    ids = np.random.default_rng(1).integers(-(2**62), 2**62, (8, 2))
    for times in range(3):
        assert fresh.known(EVENTS, 0, ids[:, 0].copy(), ids[:, 1].copy()).hi.size == 0
        # Of the small files all ids, once; of the others what a filter lets pass, which is at most one group in this.
        assert sum(read) <= (150 if times == 0 else 0) + SORTED_ROW_GROUP_ROWS
        read.clear()


def test_a_filter_passes_all_that_is_there_and_hardly_anything_else(lake: Lake) -> None:
    place = locate(lake.root).child("events")
    (path,) = (file.path for file in lake.snapshot(EVENTS).files if "sorted" in file.path)
    strange = np.random.default_rng(2).integers(-(2**62), 2**62, 20_000)
    with opened(place, EVENTS, path) as file:
        for group in range(file.parquet.num_row_groups):
            words = file.filter("event_id_lo", group)
            assert words is not None
            assert may_hold(words, file.read(["event_id_lo"], group)["event_id_lo"].to_numpy()).all()
            assert may_hold(words, strange).mean() < 0.02


def test_what_is_remembered_is_bounded(lake: Lake) -> None:
    finder = known_ids.KnownIds(kept_bytes=2_000)
    place, live = locate(lake.root).child("events"), lake.snapshot(EVENTS).files
    one = np.ones(1, np.int64)
    assert finder.find(place, EVENTS, live, one, one).hi.size == 0
    assert len(finder._summaries) == 1
    assert finder.find(place, EVENTS, live, one, one).hi.size == 0


def test_a_flipped_bit_in_a_filter_is_noticed(tmp_path: Path, events: Events) -> None:
    from mastery.lake.seal import DamagedFile

    lake = Lake.open(str(tmp_path / "lake"), buckets=1)
    lake.append(EVENTS, events(FILTERED_ROWS))
    (path,) = (Path(lake.root) / "events" / file.path for file in lake.snapshot(EVENTS).files)
    with opened(locate(lake.root).child("events"), EVENTS, str(path.relative_to(path.parents[1]))) as file:
        chunk = file.parquet.metadata.row_group(0).column(file.leaves.index("event_id_lo"))
    torn = bytearray(path.read_bytes())
    torn[chunk.bloom_filter_offset + chunk.bloom_filter_length // 2] ^= 8
    path.write_bytes(torn)
    one = np.ones(1, np.int64)
    with pytest.raises(DamagedFile):
        Lake.open(lake.root).known(EVENTS, 0, one, one)
