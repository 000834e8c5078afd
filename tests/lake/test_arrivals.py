"""Rows in files of several buckets are read as those of their buckets, until they are distributed and after."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars
import pyarrow as pa
import pytest
from deltalake import DeltaTable

from lake.conftest import make_events
from mastery.events.identity import buckets as bucket_of
from mastery.lake import Lake, distribution
from mastery.lake.arrivals import FOLDER, MOST_BUCKETS, buckets_in, word
from mastery.lake.columns import STUDENT
from mastery.lake.files import Only
from mastery.tables import EVENTS

BUCKETS = 5
STUDENTS = 30
READ = ("event_id_hi", "student_id", "topic_id", "duration_ms")


def batches() -> list[tuple[pa.Table, bool]]:
    """Return rows, and whether they are revisions of some of those before them."""
    first, second, third = (make_events(40, students=STUDENTS, seed=seed) for seed in (1, 2, 3))
    later = second.slice(10, 15)
    at = pa.array(np.arange(15) + 1_800_000_000_000_000, pa.timestamp("us", "UTC"))
    later = later.set_column(later.column_names.index("received_at"), "received_at", at)
    later = later.set_column(later.column_names.index("body_hash"), "body_hash", pa.array(np.arange(15)))
    return [(first, False), (second, False), (later, True), (third, False)]


def by_bucket(rows: pa.Table, descending: bool = False) -> tuple[list[int], pa.Table]:
    bucket = bucket_of(rows[STUDENT], BUCKETS)
    order = np.argsort(-bucket if descending else bucket, kind="stable")
    return np.unique(bucket).tolist(), rows.take(pa.array(order))


def apart(folder: Path) -> Lake:
    """Return a lake with a file for each bucket and batch."""
    lake = Lake.open(str(folder / "apart"), buckets=BUCKETS)
    for rows, revisions in batches():
        bucket = bucket_of(rows[STUDENT], BUCKETS)
        lake.commit(
            EVENTS,
            [
                lake.write_file(EVENTS, rows.filter(pa.array(bucket == one)), one, revisions=revisions)
                for one in np.unique(bucket).tolist()
            ],
        )
    return lake


def arrived(folder: Path, of: Sequence[int] = (0, 1, 2, 3)) -> Lake:
    """Return a lake with the same rows, those of some batches in one file each."""
    lake = Lake.open(str(folder / f"arrived-{len(of)}"), buckets=BUCKETS)
    for number, (rows, revisions) in enumerate(batches()):
        buckets, ordered = by_bucket(rows, descending=number == 3)
        if number in of:
            lake.commit(EVENTS, [lake.write_file(EVENTS, ordered, buckets, revisions=revisions)])
        else:
            bucket = bucket_of(rows[STUDENT], BUCKETS)
            some = [(one, rows.filter(pa.array(bucket == one))) for one in buckets]
            lake.commit(EVENTS, [lake.write_file(EVENTS, mine, one, revisions=revisions) for one, mine in some])
    return lake


def plain(rows: pa.Table) -> list[dict[str, object]]:
    names = [name for name in ("event_id_hi", "body_hash") if name in rows.column_names]
    return rows.sort_by([(name, "ascending") for name in names]).to_pylist()


def all_that_is_read(lake: Lake) -> dict[str, object]:
    """Return what each way of reading events gives."""
    at, students = lake.snapshot(EVENTS), [f"s_{k:032x}" for k in range(STUDENTS + 2)]
    few = Only(column=STUDENT, values=tuple(students[3:9]))
    ranged = Only(students=(students[5], students[20]))
    whole = lake.scan(EVENTS, ["event_id_hi", "event_id_lo"])
    known = []
    bucket = np.arange(BUCKETS).repeat(whole.num_rows)
    for hi, lo, which in (
        (whole["event_id_hi"].to_numpy(), whole["event_id_lo"].to_numpy(), bucket),
        (whole["event_id_hi"].to_numpy() + 1, whole["event_id_lo"].to_numpy(), bucket),
    ):
        found = lake.known(EVENTS, which, np.tile(hi, BUCKETS), np.tile(lo, BUCKETS), at)
        known.append(sorted(set(zip(found.hi.tolist(), found.lo.tolist(), found.body.tolist(), strict=True))))
    return {
        "buckets": at.buckets,
        "count": lake.count(EVENTS),
        "rows": sum(at.rows_of(one) for one in at.buckets),
        "of bucket": [plain(lake.read_bucket(EVENTS, one, at=at)) for one in range(BUCKETS)],
        "columns": [plain(lake.read_bucket(EVENTS, one, READ, at)) for one in range(BUCKETS)],
        "few": [plain(lake.read_bucket(EVENTS, one, READ, at, few)) for one in range(BUCKETS)],
        "ranged": [plain(lake.read_bucket(EVENTS, one, READ, at, ranged)) for one in range(BUCKETS)],
        "of student": [plain(lake.read_student(EVENTS, one, READ)) for one in students],
        "scan": plain(lake.scan(EVENTS)),
        "in ranges": [
            sorted(
                row["event_id_hi"]
                for students in lake.student_ranges(EVENTS, one, 4, at)
                for row in lake.read_bucket(EVENTS, one, READ, at, Only(students=students)).to_pylist()
            )
            for one in range(BUCKETS)
        ],
        "newest": lake.newest(EVENTS, "occurred_at"),
        "superseded": plain(lake.superseded(["event_id_hi", "body_hash", "bucket"])),
        "known": known,
    }


@pytest.mark.parametrize("of", [(0, 1, 2, 3), (1, 3), (2,)])
def test_whatever_is_read_is_the_same_as_of_files_of_one_bucket(tmp_path: Path, of: Sequence[int]) -> None:
    expected = all_that_is_read(apart(tmp_path))
    lake = arrived(tmp_path, of)
    assert len(lake.snapshot(EVENTS).arrivals) == len(of)
    assert len(expected["superseded"]) == 15  # type: ignore[arg-type]
    for _ in range(2):  # and again, with what is remembered
        assert all_that_is_read(lake) == expected
    assert all_that_is_read(Lake.open(lake.root)) == expected


def test_distributing_changes_nothing_that_is_read_and_counts_as_no_news(tmp_path: Path) -> None:
    expected = all_that_is_read(apart(tmp_path))
    lake = arrived(tmp_path)
    before = lake.version(EVENTS)
    lake.distribute()
    assert not lake.snapshot(EVENTS).arrivals
    assert not lake.news(EVENTS, before, lake.version(EVENTS))
    assert all_that_is_read(lake) == expected
    for reader in (lake, Lake.open(lake.root)):
        assert all_that_is_read(reader) == expected
    lake.distribute()
    assert lake.version(EVENTS) == before + 1


def test_compaction_distributes_and_leaves_what_counts(tmp_path: Path) -> None:
    one, other = apart(tmp_path), arrived(tmp_path)
    for lake in (one, other):
        lake.compact(EVENTS)
    assert not other.snapshot(EVENTS).arrivals
    assert all_that_is_read(other) == all_that_is_read(one)
    assert other.count(EVENTS) == 120


def test_compaction_beside_a_file_of_several_buckets_keeps_what_it_may_revise(tmp_path: Path) -> None:
    lake = arrived(tmp_path, of=(2,))
    counts = plain(lake.scan(EVENTS))
    lake._compact(EVENTS, 1, None, 1_000_000, None)  # as beside a batch that came after the distribution
    assert len(lake.snapshot(EVENTS).arrivals) == 1
    assert plain(lake.scan(EVENTS)) == counts
    lake.compact(EVENTS)
    assert plain(lake.scan(EVENTS)) == counts


def test_two_who_distribute_at_once_double_nothing(tmp_path: Path) -> None:
    lake, other = arrived(tmp_path), Lake.open(str(tmp_path / "arrived-4"))
    there = other.snapshot(EVENTS).arrivals
    expected = plain(lake.scan(EVENTS))
    lake.distribute()
    done = distribution.distribute(other._handle(EVENTS), there, BUCKETS, 2, 1)
    assert not done
    assert plain(other.scan(EVENTS)) == expected
    live = {file.path for file in other.snapshot(EVENTS).files}
    folder = tmp_path / "arrived-4" / "events"
    on_disk = {str(path.relative_to(folder)) for path in folder.glob("bucket=*/*.parquet")}
    assert on_disk - live == {file.path for file in there}, "files of the one who was late are gone"


def test_other_readers_have_every_row_once_and_their_bucket_from_the_student(tmp_path: Path) -> None:
    lake = arrived(tmp_path, of=(0, 3))
    expected = sorted(row["event_id_hi"] for rows, _ in batches() for row in rows.to_pylist())
    folder = str(tmp_path / "arrived-2" / "events")
    delta = DeltaTable(folder)
    found = polars.scan_delta(folder).select("event_id_hi", "bucket").collect()
    assert sorted(found["event_id_hi"].to_list()) == expected
    assert found["bucket"].null_count() == 80
    assert sorted(delta.to_pyarrow_table(columns=["event_id_hi"])["event_id_hi"].to_pylist()) == expected
    lake.distribute()
    found = polars.scan_delta(folder).select("event_id_hi", "bucket").collect()
    assert sorted(found["event_id_hi"].to_list()) == expected
    assert found["bucket"].null_count() == 0


def test_a_checkpoint_and_a_vacuum_keep_files_of_several_buckets(tmp_path: Path) -> None:
    lake = arrived(tmp_path)
    expected = plain(lake.scan(EVENTS))
    DeltaTable(f"{lake.root}/events").create_checkpoint()
    assert lake.vacuum(EVENTS, retain_hours=1) == []
    again = Lake.open(lake.root)
    assert len(again.snapshot(EVENTS).arrivals) == 4
    assert plain(again.scan(EVENTS)) == expected


def test_the_newest_event_is_one_that_counts_whichever_bucket_of_a_file_has_it(tmp_path: Path) -> None:
    """As of a clock that was years ahead: the source has said since when it was."""
    lake = Lake.open(str(tmp_path / "lake"), buckets=BUCKETS)
    rows = make_events(40, students=STUDENTS)
    at_us = rows["occurred_at"].cast(pa.int64()).to_pylist()
    for wrong in range(0, 40, 7):
        ahead = [*at_us[:wrong], at_us[wrong] + 10**15, *at_us[wrong + 1 :]]
        buckets, ordered = by_bucket(with_times(rows, "occurred_at", ahead))
        lake.commit(EVENTS, [lake.write_file(EVENTS, ordered, buckets)], mode="overwrite")
        assert lake.newest(EVENTS, "occurred_at") == at_us[wrong] + 10**15
        revised = with_times(rows.slice(wrong, 1), "received_at", [1_900_000_000_000_000])
        (bucket,), _ = by_bucket(revised)
        lake.commit(EVENTS, [lake.write_file(EVENTS, revised, bucket, revisions=True)])
        assert lake.newest(EVENTS, "occurred_at") == max(at_us)
        lake.distribute()
        assert Lake.open(lake.root).newest(EVENTS, "occurred_at") == max(at_us)


def with_times(rows: pa.Table, column: str, at_us: Sequence[int]) -> pa.Table:
    return rows.set_column(rows.column_names.index(column), column, pa.array(at_us, pa.timestamp("us", "UTC")))


def test_a_commit_of_several_buckets_is_news_to_each_of_them_alone(tmp_path: Path) -> None:
    lake = Lake.open(str(tmp_path / "lake"), buckets=BUCKETS)
    rows = make_events(40, students=STUDENTS)
    lake.append(EVENTS, rows)
    at = lake.snapshot(EVENTS)
    bucket = bucket_of(rows[STUDENT], BUCKETS)
    some = rows.filter(pa.array(np.isin(bucket, [1, 3])))
    adds = {(1, 3): [lake.write_file(EVENTS, by_bucket(some)[1], (1, 3))]}
    assert not lake.commit_judged(adds, at)
    news = lake.news(EVENTS, at.version, lake.version(EVENTS))
    assert news is not None and news.buckets == {1, 3}
    for group, moved in (((0, 1, 2), {1}), ((2, 4), set()), ((3,), {3})):
        mine = rows.filter(pa.array(np.isin(bucket, group)))
        add = lake.write_file(EVENTS, by_bucket(mine)[1], group if len(group) > 1 else group[0])
        assert lake.commit_judged({group: [add]}, at) == moved
        if moved:
            lake.discard(EVENTS, [add])


def test_a_name_says_the_buckets_of_any_lake_that_has_such_files() -> None:
    every = tuple(range(MOST_BUCKETS))
    for some in (every, (0, MOST_BUCKETS - 1), (7, 9)):
        name = f"{FOLDER}/revisions-{word(some)}-{'0' * 32}-01234567.parquet"
        assert buckets_in(name) == some
        assert len(name.rpartition("/")[2]) <= 255
    for path in ("bucket=07/part-0f.parquet", f"part-{'a' * 32}.parquet", "sorted-1f.parquet"):
        assert buckets_in(path) == ()


@pytest.mark.parametrize("open_before", [True, False], ids=["open", "opened"])
@pytest.mark.parametrize("of", [(0, 1, 2, 3), ()], ids=["of several buckets", "of one bucket each"])
def test_files_that_another_program_has_merged_are_read_as_before_and_distributed(
    tmp_path: Path, of: Sequence[int], open_before: bool
) -> None:
    lake = arrived(tmp_path, of) if of else apart(tmp_path)
    (tmp_path / "never merged by others").mkdir()
    before, version = all_that_is_read(lake), lake.version(EVENTS)
    merged = DeltaTable(f"{lake.root}/events").optimize.compact()
    assert merged["numFilesRemoved"] > merged["numFilesAdded"] > 0
    there = lake if open_before else Lake.open(lake.root)
    assert there.version(EVENTS) == version + 1
    assert all_that_is_read(there) == before
    there.compact()
    never = apart(tmp_path / "never merged by others")
    never.compact()
    assert all_that_is_read(there) == all_that_is_read(never)
    news = there.news(EVENTS, version, there.version(EVENTS))
    assert news is not None and not news and not there.snapshot(EVENTS).arrivals
