"""An undo and a compaction at once where neither can wait for the other, as on an object store."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread

import pyarrow as pa

from lake.conftest import Events
from mastery.lake import Brought, Lake
from mastery.lake.location import locate
from mastery.lake.snapshot import Snapshot
from mastery.tables import EVENTS, SUPERSEDED, Table

NOW = datetime(2025, 1, 1, tzinfo=UTC)


class Unlocked(Lake):
    """A lake whose writers have no lock, and do something else once, just before they commit to SUPERSEDED."""

    meanwhile: Callable[[], None] | None = None

    def one_committer(self, waiting: Callable[[], None] | None = None) -> AbstractContextManager[None]:
        return nullcontext()

    def _between(self) -> None:
        todo, self.meanwhile = self.meanwhile, None
        if todo is not None:
            todo()

    def _missing(self, table: Table, rows: pa.Table, at: Snapshot) -> pa.Table:
        found = super()._missing(table, rows, at)
        if table is SUPERSEDED:
            self._between()
        return found

    def read_bucket(self, table: Table, *arguments: object, **more: object) -> pa.Table:
        found = super().read_bucket(table, *arguments, **more)
        self._between()
        return found


def revised(folder: Path, events: Events) -> tuple[Unlocked, Unlocked]:
    """Return two handles of a lake with an event of ingest 1, revised by 2 and 3, and an older one replaced before."""
    root = str(folder / "lake")
    Lake.open(root, buckets=1)
    lake, other = (Unlocked(root, locate(root, None), 1, None) for _ in range(2))
    one = events(2)

    def write(rows: pa.Table, ingest: int) -> None:
        changed = {
            "ingest": pa.array([ingest] * rows.num_rows, pa.int64()),
            "received_at": pa.array([NOW + timedelta(days=ingest)] * rows.num_rows, pa.timestamp("us", "UTC")),
            "body_hash": pa.array([10 * ingest + row for row in range(rows.num_rows)], pa.int64()),
        }
        whole = pa.table({name: changed.get(name, rows[name]) for name in rows.column_names})
        lake.commit(EVENTS, [lake.write_file(EVENTS, whole, 0, revisions=ingest > 1)])

    write(one.slice(1), 1)
    write(one.slice(1), 4)
    lake.compact()
    for ingest in (1, 2, 3):
        write(one.slice(0, 1), ingest)
    return lake, other


def bodies(lake: Lake, table: Table) -> list[int]:
    return sorted(lake.scan(table, ["body_hash"])["body_hash"].to_pylist())


def test_a_compaction_that_began_before_an_undo_brings_nothing_of_it_to_the_superseded(
    tmp_path: Path, events: Events
) -> None:
    lake, other = revised(tmp_path, events)
    lake.meanwhile = lambda: other.undo([Brought(3)])
    lake.compact()
    assert bodies(lake, EVENTS) == [20, 40]
    lake.compact()
    assert bodies(lake, SUPERSEDED) == [10, 10]
    assert [bodies(lake, EVENTS), sorted(lake.superseded(["body_hash"])["body_hash"].to_pylist())] == [
        [20, 40],
        [10, 10],
    ]


def test_an_undo_takes_out_what_a_compaction_brings_to_the_superseded_while_it_looks_there(
    tmp_path: Path, events: Events
) -> None:
    lake, other = revised(tmp_path, events)
    looked, brought = Event(), Event()

    def undo() -> None:
        other.meanwhile = lambda: (looked.set(), brought.wait(60))  # type: ignore[func-returns-value]
        other.undo([Brought(3)])

    undoing = Thread(target=undo)

    def until_it_looks() -> None:
        undoing.start()
        looked.wait(60)

    lake.meanwhile = until_it_looks
    lake.compact()
    brought.set()
    undoing.join()
    assert bodies(lake, EVENTS) == [20, 40]
    lake.compact()
    assert bodies(lake, SUPERSEDED) == [10, 10]
