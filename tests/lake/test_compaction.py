import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mastery.lake import Lake, compaction, delta, file_writer
from mastery.lake.compaction import order
from mastery.lake.file_writer import is_fresh
from mastery.lake.layout import SORTED_ROW_GROUP_ROWS, sort_columns
from mastery.tables import EVENTS, TOPICS

Events = Callable[..., pa.Table]
IDS = ["event_id_hi", "event_id_lo"]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(str(tmp_path / "lake"), buckets=2)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["b", "a", "é", None]), st.integers(0, 2), st.integers(0, 1) | st.none(), st.integers(-1, 1)
        ),
        max_size=30,
    )
)
def test_rows_are_ordered_as_python_orders_them_with_null_first(
    rows: list[tuple[str | None, int, int | None, int]],
) -> None:
    table = pa.table(
        {
            "name": pa.array([r[0] for r in rows], pa.string()).dictionary_encode(),
            "at": pa.array([r[1] for r in rows], pa.timestamp("us", "UTC")),
            "sequence": pa.array([r[2] for r in rows], pa.int64()),
            "id": pa.array([r[3] for r in rows], pa.int32()),
        }
    )

    def key(i: int) -> tuple[object, ...]:
        name, at, sequence, number = rows[i]
        return (name is not None, name or "", at, sequence is not None, sequence or 0, number)

    assert order(table, table.column_names).tolist() == sorted(range(len(rows)), key=key)


def test_compaction_loses_and_doubles_nothing(lake: Lake, events: Events) -> None:
    for seed in range(3):
        lake.append(EVENTS, events(400, seed=seed))
    before = lake.scan(EVENTS, IDS).sort_by("event_id_hi")
    done = lake.compact()
    assert (done.buckets, done.files_before, done.rows, done.skipped) == (2, 6, 1200, 0)
    assert [len(lake.snapshot(EVENTS).bucket(bucket)) for bucket in range(2)] == [1, 1]
    assert lake.scan(EVENTS, IDS).sort_by("event_id_hi").equals(before)
    assert lake.count(EVENTS) == 1200


def test_a_compacted_file_is_sorted_in_small_row_groups_with_bounds(lake: Lake, events: Events) -> None:
    lake.append(EVENTS, events(2 * SORTED_ROW_GROUP_ROWS, students=1))
    lake.compact()
    (path,) = (file.path for file in lake.snapshot(EVENTS).files)
    file = pq.ParquetFile(f"{lake.root}/events/{path}")
    assert [file.metadata.row_group(g).num_rows for g in range(file.num_row_groups)] == [SORTED_ROW_GROUP_ROWS] * 2
    rows = file.read()
    np.testing.assert_array_equal(order(rows, sort_columns(EVENTS)), np.arange(rows.num_rows))
    column = file.schema_arrow.names.index("student_id")
    assert file.metadata.row_group(0).column(column).statistics.has_min_max


def test_a_compacted_bucket_is_left_alone_until_enough_comes_in(lake: Lake, events: Events) -> None:
    lake.append(EVENTS, events(50))
    version = lake.compact().version
    assert lake.compact().version == version
    lake.append(EVENTS, events(50, seed=1))
    assert lake.compact(min_fresh_files=2).buckets == 0
    assert lake.compact(min_fresh_files=1).buckets == 2


def test_compaction_brings_no_new_rows_in_the_eyes_of_the_log(lake: Lake, events: Events) -> None:
    first = lake.append(EVENTS, events(50))
    last = lake.compact().version
    assert lake.files_added(EVENTS, first, last) == []
    added = lake.files_added(EVENTS, 0, last)
    assert added is not None
    assert len(added) == 2
    assert lake.files_added(EVENTS, 0, last + 1) is None


def test_a_reader_with_an_older_snapshot_reads_on_after_compaction(lake: Lake, events: Events) -> None:
    lake.append(EVENTS, events(50))
    at = lake.snapshot(EVENTS)
    lake.compact()
    assert sum(lake.read_bucket(EVENTS, bucket, at=at).num_rows for bucket in range(2)) == 50


def test_vacuum_deletes_only_what_has_been_dead_for_long(lake: Lake, events: Events) -> None:
    lake.append(EVENTS, events(50))
    lake.compact()
    assert lake.vacuum(EVENTS, retain_hours=1) == []
    assert lake.count(EVENTS) == lake.scan(EVENTS).num_rows == 50


@pytest.mark.slow
def test_buckets_that_are_merged_at_the_same_moment_keep_each_its_own_rows(tmp_path: Path, events: Events) -> None:
    lake = Lake.open(str(tmp_path / "lake"), buckets=16)
    for seed in range(2):
        lake.append(EVENTS, events(400, students=200, seed=seed))
    expected = [sorted(lake.read_bucket(EVENTS, bucket)["event_id_hi"].to_pylist()) for bucket in range(16)]
    for _ in range(12):
        with threads_that_alternate():
            lake.compact()
        found = [sorted(lake.read_bucket(EVENTS, bucket)["event_id_hi"].to_pylist()) for bucket in range(16)]
        assert found == expected
        for bucket in range(16):
            split(lake, bucket)


@contextmanager
def threads_that_alternate() -> Iterator[None]:
    """Let threads take turns as often as can be, so that what they share is touched in every order."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-9)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def split(lake: Lake, bucket: int) -> None:
    """Write a bucket's rows as two fresh files."""
    rows, read = lake.read_bucket(EVENTS, bucket), [file.path for file in lake.snapshot(EVENTS).bucket(bucket)]
    half = rows.num_rows // 2
    adds = [lake.write_file(EVENTS, part, bucket) for part in (rows.slice(0, half), rows.slice(half))]
    lake.commit(EVENTS, adds, remove_files=read)


@pytest.mark.slow
def test_a_large_bucket_is_not_rewritten_for_a_few_new_rows(
    lake: Lake, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compaction, "WHOLE_ROWS", 500)
    monkeypatch.setattr(compaction, "LITTLE_ROWS", 100)
    monkeypatch.setattr(compaction, "MOST_ROWS", 4_000)
    lake.append(EVENTS, events(3_000))
    lake.compact()
    large = {file.path for file in lake.snapshot(EVENTS).files}
    rewritten, expected = 0, 3_000
    for seed in range(1, 60):
        lake.append(EVENTS, events(40, seed=seed))
        expected += 40
        rewritten += lake.compact().rows
        assert lake.count(EVENTS) == expected
        assert max(len(files) for files in lake.snapshot(EVENTS).own.values()) <= 6
    assert rewritten < 10 * 59 * 40, "each row some eight times, and not 3,000 for each 40"
    live = {file.path for file in lake.snapshot(EVENTS).files}
    assert live & large or max(file.rows for file in lake.snapshot(EVENTS).files) > 1_500
    ids = lake.scan(EVENTS, IDS)
    assert len(ids.group_by(IDS).aggregate([])) == ids.num_rows == expected


def test_no_file_gets_more_rows_than_one_merge_may_hold(
    lake: Lake, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compaction, "WHOLE_ROWS", 100)
    monkeypatch.setattr(compaction, "MOST_ROWS", 300)
    monkeypatch.setattr(file_writer, "ROW_GROUP_ROWS", 200)  # of a file as it is first written
    lake.append(EVENTS, events(3_000))
    before = lake.scan(EVENTS, IDS).sort_by("event_id_hi")
    assert lake.compact().buckets == 2
    found = lake.snapshot(EVENTS).files
    assert max(file.rows for file in found) <= 300
    assert len(found) >= 10
    assert not any(is_fresh(file.path) for file in found)
    assert lake.scan(EVENTS, IDS).sort_by("event_id_hi").equals(before)
    assert lake.compact().buckets == 0


@pytest.mark.slow
def test_a_batch_tidies_up_as_many_files_as_it_brings(
    lake: Lake, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delta, "TIDY_BUCKETS", 1)
    for seed in range(60):
        lake.append(EVENTS, events(30, seed=seed))
        lake.tidy()
        assert max(len(there) for there in lake.snapshot(EVENTS).own.values()) <= delta.TIDY_FILES + 4
    assert lake.count(EVENTS) == lake.scan(EVENTS).num_rows == 60 * 30


@pytest.mark.slow
def test_a_batch_rewrites_little_also_of_a_bucket_that_a_compaction_would_make_one_file(
    lake: Lake, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compaction, "LITTLE_ROWS", 200)
    lake.append(EVENTS, events(20_000))
    lake.compact()
    large = {file.path for file in lake.snapshot(EVENTS).files}
    for seed in range(1, 41):
        lake.append(EVENTS, events(40, seed=seed))
        lake.tidy()
        assert max(len(there) for there in lake.snapshot(EVENTS).own.values()) <= delta.TIDY_FILES + 3
    assert large <= {file.path for file in lake.snapshot(EVENTS).files}
    written = [path for path in Path(lake.root, "events").glob("*/sorted-*.parquet") if path.name not in str(large)]
    assert 0 < sum(pq.read_metadata(path).num_rows for path in written) < 20_000, "and not all for 40"
    assert lake.count(EVENTS) == lake.scan(EVENTS).num_rows == 20_000 + 40 * 40
    lake.compact()
    assert [len(lake.snapshot(EVENTS).bucket(bucket)) for bucket in range(2)] == [1, 1]


def test_a_table_that_is_not_cut_by_bucket_is_compacted_too(lake: Lake) -> None:
    for number in range(3):
        row = {"tenant": "t", "topic_id": f"t{number}"}
        lake.append(TOPICS, pa.Table.from_pylist([row], schema=TOPICS.schema))
    assert lake.compact(TOPICS, min_fresh_files=2).files_before == 3
    assert lake.scan(TOPICS)["topic_id"].to_pylist() == ["t0", "t1", "t2"]
    assert lake.compact(TOPICS, min_fresh_files=2).files_before == 0
