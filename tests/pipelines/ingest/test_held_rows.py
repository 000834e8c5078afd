"""Events that wait to be written are what was read, however they are held."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa

from mastery.lake import Lake
from mastery.pipelines.ingest import held_rows
from mastery.pipelines.ingest.bucket_rows import BucketRows
from mastery.pipelines.ingest.held_rows import hold
from mastery.pipelines.ingest.ingest import ingest
from mastery.tables import EVENTS
from school import KEY

SAMPLE = Path(__file__).parents[3] / "data" / "sample"
KINDS = pa.array(["quiz", "video", None]).dictionary_encode()


def events(count: int, first: str) -> pa.Table:
    """Return rows with each sort of column: of one value, of several, with nulls, of nulls alone, lists and texts."""
    n = np.arange(count)
    return pa.table(
        {
            "number": pa.array(n * 7),
            "one": pa.array(np.full(count, 3, np.int32)),
            "at": pa.array(n * 1_000_000, pa.timestamp("us", "UTC")),
            "some": pa.array([None if k % 3 else k for k in n.tolist()], pa.int64()),
            "none": pa.nulls(count, pa.int64()),
            "word": pa.array([first, *(f"w{k % 5}" for k in range(1, count))]).dictionary_encode(),
            "same": pa.array([first] * count).dictionary_encode(),
            "kind": KINDS.take(pa.array(n % 3)),
            "list": pa.array([["a"] * (k % 3) for k in n.tolist()], pa.list_(pa.string())),
            "text": pa.array([f"t{k}" for k in n.tolist()]),
        }
    )


def test_rows_are_the_same_held_in_memory_of_their_own_or_not(monkeypatch) -> None:
    tables = [events(9, "x"), events(5, "y"), events(1, "x")]
    orders = [np.random.default_rng(1).permutation(table.num_rows) for table in tables]
    parts = [(0, 2, 7), (1, 0, 5), (2, 0, 1), (0, 8, 9)]
    ordered = [table.take(pa.array(order)) for table, order in zip(tables, orders, strict=True)]
    expected = [ordered[piece].slice(start, stop - start).to_pylist() for piece, start, stop in parts]
    for rows in (1, 6, held_rows.MOVED_ROWS):
        monkeypatch.setattr(held_rows, "MOVED_ROWS", rows)
        held = [hold(table, order) for table, order in zip(tables, orders, strict=True)]
        found = BucketRows(held).rows(parts)
        assert found.to_pylist() == [row for part in expected for row in part]
        assert found.schema.equals(tables[0].schema)
        assert [held[p].slice(a, b - a).to_pylist() for p, a, b in parts] == expected
        some = held[0].take(np.array([1, 4, 8]))
        assert some.slice(0, 3).to_pylist() == ordered[0].take([1, 4, 8]).to_pylist()
        assert held[1].numbers("one").tolist() == [3] * 5
        assert held[1].numbers("number").tolist() == ordered[1]["number"].to_pylist()
    assert not hold(tables[0], orders[0]).same
    monkeypatch.setattr(held_rows, "MOVED_ROWS", 1)
    assert set(hold(tables[0], orders[0]).same) == {"one", "none", "same"}


def test_every_kind_of_event_is_written_the_same_held_in_memory_of_its_own_or_not(tmp_path, monkeypatch) -> None:
    found = []
    for rows in (1, held_rows.MOVED_ROWS):
        monkeypatch.setattr(held_rows, "MOVED_ROWS", rows)
        lake = Lake.open(str(tmp_path / str(rows)), buckets=4)
        report = ingest([SAMPLE], lake=lake, pseudonyms=KEY, tenant="default", now=datetime(2030, 1, 1, tzinfo=UTC))
        events = lake.scan(EVENTS).sort_by([("event_id_hi", "ascending"), ("event_id_lo", "ascending")])
        found.append((events.drop_columns(["ingest"]), report))
    (one, first), (other, second) = found
    assert one.num_rows > 1_000
    assert one.equals(other)
    assert (first.accepted, first.revised, first.notes) == (second.accepted, second.revised, second.notes)
