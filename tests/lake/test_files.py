import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mastery.lake.columns import with_used_values
from mastery.lake.file_writer import write
from mastery.lake.files import read
from mastery.lake.layout import layout
from mastery.lake.location import TableLocation, locate
from mastery.tables import EVENTS, FEATURES, GOLD, LEDGER, TABLES, Table

Events = Callable[..., pa.Table]
MANY = [f"value-{k}" for k in range(200)]


@pytest.fixture
def place(tmp_path: Path) -> TableLocation:
    return locate(str(tmp_path))


@given(st.lists(st.none() | st.integers(0, 199), max_size=50))
def test_values_that_do_not_occur_are_dropped_and_nothing_else_changes(codes: list[int | None]) -> None:
    rows = pa.table({"topic_id": pa.DictionaryArray.from_arrays(pa.array(codes, pa.int16()), pa.array(MANY))})
    used = with_used_values(rows)
    assert used.schema == rows.schema
    assert used["topic_id"].to_pylist() == rows["topic_id"].to_pylist()
    values = used["topic_id"].chunk(0).dictionary.to_pylist()
    assert values == sorted({MANY[code] for code in codes if code is not None}, key=MANY.index)


def test_a_file_holds_only_the_students_that_occur_in_it(place: TableLocation, events: Events) -> None:
    rows = events(3000, students=2000)
    wide = rows.set_column(1, "student_id", rows["student_id"].combine_chunks().dictionary_encode())
    one = write(place, EVENTS, wide.slice(0, 3), 0)
    plain = write(place, EVENTS, rows.slice(0, 3), 0)
    assert one.size == pytest.approx(plain.size, rel=0.05)


def test_bounds_in_the_log_are_those_of_the_rows(place: TableLocation, events: Events) -> None:
    rows = events(100)
    stats = json.loads(write(place, EVENTS, rows, 0).stats)
    at = rows["occurred_at"].to_pylist()
    assert stats["numRecords"] == 100
    assert stats["minValues"]["student_id"] == min(rows["student_id"].to_pylist())
    assert stats["maxValues"]["occurred_at"] == max(at).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    assert stats["nullCount"]["topic_id"] == 0


def test_a_column_of_nulls_has_no_bounds_and_their_count(place: TableLocation, events: Events) -> None:
    rows = events(10)
    rows = rows.set_column(rows.column_names.index("topic_id"), "topic_id", pa.nulls(10, pa.string()))
    stats = json.loads(write(place, EVENTS, rows, 0).stats)
    assert "topic_id" not in stats["maxValues"]
    assert stats["nullCount"]["topic_id"] == 10


@pytest.mark.parametrize("table", TABLES.values(), ids=list(TABLES))
def test_the_layout_names_every_leaf_of_the_file(place: TableLocation, table: Table) -> None:
    plan = layout(table)
    action = write(place, table, plan.schema.empty_table(), 0 if table.partition_by else None)
    schema = pq.read_metadata(place.path(action.path)).schema
    leaves = {schema.column(i).path for i in range(len(schema))}
    assert set(plan.options["compression"]) == leaves
    assert set(plan.options["column_encoding"] or ()) | set(plan.options["use_dictionary"] or ()) <= leaves
    assert read(place, table, [action.path]).num_rows == 0


@pytest.mark.parametrize(
    ("table", "column", "encoding"),
    [
        (EVENTS, "event_id_hi", "PLAIN"),
        (EVENTS, "occurred_at", "DELTA_BINARY_PACKED"),
        (EVENTS, "student_id", "RLE_DICTIONARY"),
        (LEDGER, "time_ms", "DELTA_BINARY_PACKED"),
        (GOLD, "mastery_score", "PLAIN"),
        (GOLD, "explanation.start", "PLAIN"),
        (GOLD, "evidence_count", "RLE_DICTIONARY"),
        (FEATURES, "recency", "PLAIN"),
    ],
)
def test_columns_are_encoded_as_measured_best(place: TableLocation, table: Table, column: str, encoding: str) -> None:
    rows = layout(table).schema.empty_table()
    rows = pa.table({name: pa.nulls(3, rows.schema.field(name).type) for name in rows.column_names})
    metadata = pq.read_metadata(place.path(write(place, table, rows, 0).path))
    group = metadata.row_group(0)
    found = next(group.column(i) for i in range(group.num_columns) if group.column(i).path_in_schema == column)
    assert encoding in found.encodings
    assert found.compression == ("SNAPPY" if encoding != "PLAIN" else "UNCOMPRESSED")
