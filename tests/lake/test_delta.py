from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from mastery.errors import BadInput, Conflict, NotFound
from mastery.events.identity import buckets
from mastery.lake import Lake
from mastery.tables import CONTRIBUTIONS, EVENTS, GOLD, LEDGER, SUPERSEDED, TABLES, TOPICS, Table

Events = Callable[..., pa.Table]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(str(tmp_path / "lake"), buckets=4)


def sorted_rows(rows: pa.Table) -> list[dict[str, object]]:
    return rows.select(sorted(set(rows.column_names) - {"bucket"})).sort_by("event_id_hi").to_pylist()


def topics(*names: str) -> pa.Table:
    return pa.table(
        {
            field.name: pa.array(
                [list(names)[i] for i in range(len(names))] if field.name == "topic_id" else [None] * len(names),
                field.type,
            )
            for field in TOPICS.schema
        }
    )


def test_what_is_appended_is_scanned_back_in_the_tables_types(lake: Lake, events: Events) -> None:
    rows = events(200)
    lake.append(EVENTS, rows)
    assert lake.scan(EVENTS).schema.equals(EVENTS.schema)
    assert sorted_rows(lake.scan(EVENTS)) == sorted_rows(rows)
    assert lake.count(EVENTS) == 200


def test_every_row_lies_in_the_bucket_of_its_student(lake: Lake, events: Events) -> None:
    lake.append(EVENTS, events(200, students=40))
    scanned = lake.scan(EVENTS, ["student_id", "bucket"])
    np.testing.assert_array_equal(scanned["bucket"].to_numpy(), buckets(scanned["student_id"], 4))
    for bucket in range(4):
        rows = lake.read_bucket(EVENTS, bucket, ["student_id", "bucket", "kind"])
        assert rows.column_names == ["student_id", "bucket", "kind"]
        assert set(rows["bucket"].to_pylist()) <= {bucket}
        assert (buckets(rows["student_id"], 4) == bucket).all()


def test_a_bucket_of_many_files_comes_back_in_one_chunk_with_one_dictionary(lake: Lake, events: Events) -> None:
    for seed in range(5):
        lake.append(EVENTS, events(50, seed=seed, students=3 + seed))
    rows = pa.concat_tables([lake.read_bucket(EVENTS, bucket) for bucket in range(4)])
    assert sorted_rows(rows) == sorted_rows(pa.concat_tables([events(50, seed=s, students=3 + s) for s in range(5)]))
    one = lake.read_bucket(EVENTS, 0)
    assert all(column.num_chunks == 1 for column in one.columns)
    assert one["student_id"].type == pa.dictionary(pa.int32(), pa.string())
    assert one["occurred_at"].type == EVENTS.schema.field("occurred_at").type
    assert "bucket" not in one.column_names


def test_dictionary_arrays_are_stored_as_strings_that_every_reader_understands(lake: Lake, events: Events) -> None:
    rows = events(100)
    plain = sorted_rows(rows)
    for name in ("student_id", "topic_id", "kind", "teacher_id"):
        rows = rows.set_column(rows.column_names.index(name), name, rows[name].dictionary_encode())
    lake.append(EVENTS, rows)
    assert sorted_rows(lake.scan(EVENTS)) == plain
    folder = Path(lake.root) / EVENTS.name
    found = duckdb.sql(f"select typeof(student_id), typeof(occurred_at) from '{folder}/*/*.parquet' limit 1").fetchone()
    assert found == ("VARCHAR", "TIMESTAMP WITH TIME ZONE")
    assert sorted_rows(pa.table(DeltaTable(str(folder)).to_pyarrow_table())) == plain


@pytest.mark.parametrize("table", TABLES.values(), ids=list(TABLES))
def test_every_table_takes_a_row_of_nulls_and_gives_it_back(lake: Lake, table: Table) -> None:
    row = pa.table(
        {
            f.name: pa.array(["s_1"]) if f.name == "student_id" else pa.nulls(1, f.type)
            for f in table.schema
            if f.name != "bucket"
        }
    )
    lake.replace(table, row)
    back = lake.scan(table)
    assert back.schema.equals(table.schema)
    assert back.select(row.column_names).to_pylist() == row.to_pylist()


def test_a_struct_of_parts_survives(lake: Lake) -> None:
    parts = pa.StructArray.from_arrays([pa.array([0.5, None])] * len(CONTRIBUTIONS), list(CONTRIBUTIONS))
    columns = {field.name: pa.nulls(2, field.type) for field in GOLD.schema if field.name != "bucket"}
    rows = pa.table({**columns, "student_id": pa.array(["s_1", "s_1"]), "explanation": parts})
    lake.append(GOLD, rows)
    assert lake.scan(GOLD, ["explanation"])["explanation"].to_pylist() == parts.to_pylist()


def test_one_student_is_read_from_fresh_and_compacted_files_alike(lake: Lake, events: Events) -> None:
    lake.append(EVENTS, events(300, seed=1))
    lake.compact()
    lake.append(EVENTS, events(300, seed=2))
    everything = lake.scan(EVENTS)
    for student in set(everything["student_id"].to_pylist()):
        rows = lake.read_student(EVENTS, student)
        mine = everything.filter(pa.compute.equal(everything["student_id"], student))
        assert sorted_rows(rows) == sorted_rows(mine)
    assert lake.read_student(EVENTS, "s_nobody").num_rows == 0
    assert lake.read_student(EVENTS, student, ["bucket", "kind"]).column_names == ["bucket", "kind"]


def test_rows_appended_after_a_bucket_was_read_survive_the_swap_of_its_files(lake: Lake, events: Events) -> None:
    lake.append(EVENTS, events(100, seed=1, students=1))
    bucket = int(buckets(lake.scan(EVENTS, ["student_id"])["student_id"], 4)[0])
    read = [file.path for file in lake.snapshot(EVENTS).bucket(bucket)]
    rows = lake.read_files(EVENTS, read)
    lake.append(EVENTS, events(7, seed=2, students=1))
    lake.commit(EVENTS, [lake.write_file(EVENTS, rows.slice(0, 60), bucket)], remove_files=read)
    assert lake.count(EVENTS) == 67
    with pytest.raises(Conflict, match="another writer has rewritten"):
        lake.commit(EVENTS, [], remove_files=read)


def test_rows_that_two_add_at_once_unless_they_are_there_come_in_once_and_the_second_file_is_gone(
    tmp_path: Path, events: Events
) -> None:
    one, two = (Lake.open(str(tmp_path / "lake"), buckets=1) for _ in range(2))
    looked = []

    def there() -> bool:
        looked.append(two.count(EVENTS))
        if len(looked) == 1:  # the other one comes in between the look and the commit
            assert one.append_unless(EVENTS, lambda: one.count(EVENTS) > 0, events(5), "five")
        return looked[-1] > 0

    assert not two.append_unless(EVENTS, there, events(5), "five")
    assert looked == [0, 5]
    assert one.count(EVENTS) == two.count(EVENTS) == 5
    assert len(list((tmp_path / "lake" / "events").glob("bucket=*/*.parquet"))) == 1


@pytest.mark.parametrize("left", [[], ["00000000000000000000.json#1"]])
def test_a_log_without_a_commit_is_no_table_and_two_at_once_make_one(
    tmp_path: Path, events: Events, left: list[str]
) -> None:
    for name in ("events", "gold"):
        folder = tmp_path / "lake" / name / "_delta_log"
        folder.mkdir(parents=True)
        for file in left:
            (folder / file).write_text("{")
    with pytest.raises(NotFound):
        Lake.open(str(tmp_path / "lake"), create=False)
    with ThreadPoolExecutor(2) as pool:
        one, two = pool.map(lambda _: Lake.open(str(tmp_path / "lake"), buckets=2), range(2))
        list(pool.map(lambda lake: lake.append(EVENTS, events(5)), (one, two)))
    assert one.count(EVENTS) == two.count(EVENTS) == 10
    assert one.scan(GOLD).num_rows == 0


def test_a_table_is_made_before_its_first_file_is_written(lake: Lake, events: Events) -> None:
    """So that files without a log can only be those of a log that was deleted, wherever a writer was killed."""
    lake.write_file(SUPERSEDED, events(5), 0)
    assert Lake.open(lake.root).version(SUPERSEDED) == 0


def test_many_who_make_a_table_at_once_by_writing_to_it_all_get_on(tmp_path: Path, events: Events) -> None:
    """In threads of one lake too, some of them those of a commit that holds the table's lock while it writes."""
    lakes = [Lake.open(str(tmp_path / "lake"), buckets=4) for _ in range(3)]
    rows = events(40)
    with ThreadPoolExecutor(9) as pool:
        list(pool.map(lambda k: lakes[k % 3].append_missing(SUPERSEDED, rows), range(9)))
    assert all(lake.count(SUPERSEDED) == 40 for lake in lakes)


def test_a_log_that_lost_its_first_commits_is_not_taken_for_an_empty_one(tmp_path: Path, events: Events) -> None:
    lake = Lake.open(str(tmp_path / "lake"), buckets=2)
    for seed in range(3):
        lake.append(EVENTS, events(5, seed=seed))
    (tmp_path / "lake" / "events" / "_delta_log" / f"{0:020d}.json").unlink()
    with pytest.raises(Conflict):
        Lake.open(str(tmp_path / "lake"), buckets=2)


def test_a_small_table_is_replaced_whole(lake: Lake) -> None:
    assert lake.version(TOPICS) == -1
    assert lake.scan(TOPICS).num_rows == 0
    lake.replace(TOPICS, topics("a", "b"))
    lake.replace(TOPICS, topics("c"))
    assert lake.scan(TOPICS, ["topic_id"])["topic_id"].to_pylist() == ["c"]
    lake.replace(TOPICS, topics())
    assert lake.count(TOPICS) == 0


def test_each_write_is_one_commit_whose_version_is_returned(lake: Lake, events: Events) -> None:
    assert lake.version(EVENTS) == 0
    assert lake.append(EVENTS, events(10)) == 1
    assert lake.append(EVENTS, events(0)) == 1
    assert lake.append(EVENTS, events(10, seed=1)) == 2
    other = Lake.open(lake.root)
    assert other.append(EVENTS, events(10, seed=2)) == 3
    assert lake.version(EVENTS) == 3


def test_a_lake_keeps_the_bucket_count_it_was_made_with(lake: Lake) -> None:
    assert Lake.open(lake.root, buckets=64).buckets == 4


def test_the_log_holds_rows_and_bounds_of_each_file(lake: Lake, events: Events) -> None:
    rows = events(50)
    lake.append(EVENTS, rows)
    actions = pa.table(DeltaTable(f"{lake.root}/events").get_add_actions(flatten=True))
    assert sum(actions["num_records"].to_pylist()) == 50
    assert min(actions["min.occurred_at"].to_pylist()) == min(rows["occurred_at"].to_pylist())
    assert max(actions["max.student_id"].to_pylist()) == max(rows["student_id"].to_pylist())


def test_rows_that_do_not_fit_the_table_are_refused_with_the_column_named(lake: Lake, events: Events) -> None:
    rows = events(3)
    with pytest.raises(BadInput, match=r"missing columns \['kind'\], unknown columns \[\]"):
        lake.append(EVENTS, rows.drop_columns("kind"))
    too_big = rows.set_column(rows.column_names.index("attempts"), "attempts", pa.array([2**40] * 3))
    with pytest.raises(BadInput, match="'attempts': int64 does not fit int32"):
        lake.append(EVENTS, too_big)
    with pytest.raises(BadInput, match="cut by bucket"):
        lake.write_file(EVENTS, rows, None)
    assert lake.version(EVENTS) == 0


def test_a_folder_that_is_not_a_lake_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no lake at"):
        Lake.open(str(tmp_path / "none"), create=False)
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match="is a file"):
        Lake.open(str(tmp_path / "file"))
    (tmp_path / "mine" / "events").mkdir(parents=True)
    (tmp_path / "mine" / "events" / "diary.txt").touch()
    with pytest.raises(Conflict, match=r"holds 'diary.txt'"):
        Lake.open(str(tmp_path / "mine"))
    with pytest.raises(BadInput, match="at least 1"):
        Lake.open(str(tmp_path / "zero"), buckets=0)


def test_a_table_of_another_schema_is_refused_with_its_columns_named(lake: Lake) -> None:
    DeltaTable.create(f"{lake.root}/ledger", pa.schema([("student_id", pa.string()), ("score", pa.float64())]))
    with pytest.raises(Conflict, match=r"is cut by \[\]"):
        lake.scan(LEDGER)
    DeltaTable.create(f"{lake.root}/topics", pa.schema([("topic_id", pa.string()), ("score", pa.float64())]))
    with pytest.raises(
        Conflict, match=r"differs from this version's in .*score.*ingest the files again into a new home"
    ):
        lake.scan(TOPICS)
    DeltaTable.create(f"{lake.root}/gold", GOLD.schema)
    with pytest.raises(Conflict, match=r"is cut by \[\]"):
        lake.scan(GOLD)


def test_a_published_table_of_another_version_is_read_by_name_until_it_is_made_again(lake: Lake) -> None:
    """One that lacks a contribution and a column, and has a column that this version does not know."""
    fewer = pa.struct([field for field in GOLD.schema.field("explanation").type if field.name != "calibration"])
    older = GOLD.schema.set(GOLD.schema.get_field_index("explanation"), pa.field("explanation", fewer))
    older = older.remove(older.get_field_index("upper")).append(pa.field("mood", pa.string()))
    contributions = {field.name: 0.25 for field in fewer}
    row = {"bucket": 0, "student_id": "s_1", "explanation": contributions, "mood": "good"}
    rows = pa.Table.from_pylist([dict.fromkeys(older.names) | row], schema=older)
    write_deltalake(f"{lake.root}/gold", rows, partition_by=["bucket"])
    expected = dict.fromkeys(GOLD.schema.names) | row | {"explanation": contributions | {"calibration": None}}
    del expected["mood"]

    def told() -> object:
        return lake.scan(GOLD).to_pylist(), lake.read_student(GOLD, "s_1").num_rows, lake.count(GOLD)

    before = told()
    assert before[0] == [expected]
    assert lake.scan(GOLD).schema == GOLD.schema
    assert lake.compact(GOLD).buckets == 0, "it is left to the next recompute"
    lake.begin_publishing()
    assert lake.snapshot(GOLD).rows == 0
    assert told() == before, "people see what they saw"
    version = lake.version(GOLD)
    lake.begin_publishing()
    assert lake.version(GOLD) == version
    (Path(lake.root) / "history").mkdir()
    (Path(lake.root) / "history" / "diary.txt").touch()
    with pytest.raises(Conflict, match="holds 'diary.txt'"):
        lake.begin_publishing()


def test_a_published_column_of_a_type_that_does_not_fit_says_what_makes_it_again(lake: Lake) -> None:
    rows = pa.table({"bucket": pa.array([0], pa.int32()), "evidence_count": ["many"]})
    write_deltalake(f"{lake.root}/gold", rows, partition_by=["bucket"])
    with pytest.raises(Conflict, match=r"'evidence_count': .* does not fit int32; run 'mastery recompute'"):
        lake.scan(GOLD)


def test_a_broken_log_is_reported_and_not_taken_for_an_empty_lake(lake: Lake) -> None:
    (Path(lake.root) / "events" / "_delta_log" / f"{0:020d}.json").write_text("{")
    with pytest.raises(Conflict, match="cannot be read as a Delta table"):
        Lake.open(lake.root)
