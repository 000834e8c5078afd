"""The lake: Delta tables under one root. Parquet by pyarrow, commits by delta-rs, one per table and change.

Order of a write: files first, then the commit that names them; a file that no commit names does not
exist for readers, and `vacuum` clears it away.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager

import numpy as np
import pyarrow as pa
from deltalake.transaction import AddAction

from mastery.errors import BadInput, Conflict, NotFound
from mastery.events.identity import buckets as bucket_of
from mastery.lake import compaction, files, log, publication
from mastery.lake.compaction import Compaction
from mastery.lake.handle import BUCKETS, Change, Handle, Mode
from mastery.lake.location import TableLocation, locate
from mastery.lake.snapshot import Snapshot, TableVersion
from mastery.lake.student import STUDENT, StudentReader
from mastery.tables import ACTIVATIONS, EVENTS, Table

BUCKET = "bucket"

ONE_WRITER, ONE_PUBLISHER = "_one_writer.lock", "_one_publisher.lock"

WRITERS = 2
"""Threads that encode the files of one append; encoding runs outside Python's lock."""


class Lake:
    """The tables of one deployment. Rows go in and out as Arrow. Safe for threads and processes.

    After a fork use only what does not ask Delta's log: `write_file`, `read_files`, and `read_bucket` with `at`.

    Attributes:
        root: As it was given to `open`.
        buckets: Into how many buckets tables of students are cut; fixed when the lake is made.
    """

    def __init__(self, root: str, place: TableLocation, buckets: int, options: Mapping[str, str] | None) -> None:
        self.root = root
        self.buckets = buckets
        self._place = place
        self._options = options
        self._width = max(2, len(str(buckets - 1)))
        self._handles: dict[str, Handle] = {}
        self._lock = threading.Lock()
        self._reader = StudentReader()

    @staticmethod
    def open(
        root: str, *, buckets: int = 64, storage_options: Mapping[str, str] | None = None, create: bool = True
    ) -> Lake:
        """Return the lake under `root`, made with `buckets` buckets if there is none and `create`.

        Raises:
            NotFound: There is no lake and `create` is false.
            BadInput: The root is a file, or `buckets` is not positive.
            Conflict: What lies there is not a lake of this version.
        """
        if buckets < 1:
            raise BadInput(f"a lake of {buckets} buckets; give a number of at least 1")
        place = locate(root, storage_options)
        lake = Lake(root, place, buckets, storage_options)
        handle = lake._handle(EVENTS)
        if create:
            handle.create()
        elif handle.snapshot().version < 0:
            raise NotFound(f"no lake at {root!r}; ingest something first, or name the folder of another one")
        kept = handle.buckets()
        if kept is None:
            raise Conflict(f"the events table in {root!r} does not say {BUCKETS}; another program made it: use another")
        return lake if kept == buckets else Lake(root, place, kept, storage_options)

    def renew(self, table: Table) -> None:
        """Make a published table of another version again, empty; nothing where it has this version's columns."""
        self._handle(table).renew()

    # What there is

    def snapshot(self, table: Table) -> Snapshot:
        """Return the files of the newest version. Pass it as `at` to read many buckets of one moment."""
        return self._handle(table).snapshot()

    def version(self, table: Table) -> int:
        """Return the number of the newest commit; -1 when the table has none."""
        return self.snapshot(table).version

    def identified(self, table: Table) -> tuple[Snapshot, TableVersion]:
        """Return the files of the newest version, and what tells this version from the same number of another table."""
        return self._handle(table).identified()

    def holds(self, table: Table, version: TableVersion) -> bool:
        """Tell whether this is a version of the table that lies here, and not of one that was here before."""
        return self._handle(table).holds(version)

    def count(self, table: Table) -> int:
        """Return how many rows the table has, from the log alone."""
        return self.snapshot(table).rows

    def newest(self, table: Table, column: str, at: Snapshot | None = None) -> int | None:
        """Return the latest instant of a time column, microseconds since 1970, from the log alone; None for no rows."""
        return self._handle(table).newest(column, self.snapshot(table) if at is None else at)

    def shown(self, table: Table) -> Snapshot:
        """Return the files of a published table that people see: the newest version, or the last one before it where
        the switch to another model set that the newest was published for has not been made. See
        `mastery.lake.publication`.
        """
        return publication.shown(self._handle(table), self._handle(ACTIVATIONS))

    def files_added(self, table: Table, after: int, until: int) -> list[str] | None:
        """Return the files that brought new rows after version `after`; see `mastery.lake.log`."""
        return log.files_added(self._handle(table).place, after, until)

    # Reading

    def scan(self, table: Table, columns: Sequence[str] | None = None) -> pa.Table:
        """Return everything, in the table's own types and, unless columns are named, in its order of columns."""
        wanted = table.schema.names if columns is None else list(columns)
        live = self.snapshot(table).files
        rows = files.read(self._handle(table).place, table, [file.path for file in live], wanted, threads=True)
        if BUCKET in wanted and table.partition_by:
            bucket = np.repeat([file.bucket for file in live], [file.rows for file in live]).astype(np.int32)
            rows = rows.add_column(wanted.index(BUCKET), BUCKET, pa.array(bucket))
        return rows.cast(pa.schema([table.schema.field(name) for name in wanted]))

    def read_bucket(
        self, table: Table, bucket: int, columns: Sequence[str] | None = None, at: Snapshot | None = None
    ) -> pa.Table:
        """Return one bucket: one array per column, strings dictionary-encoded, `bucket` only when named."""
        snapshot = self.snapshot(table) if at is None else at
        return self._named(bucket, columns, self.read_files(table, [f.path for f in snapshot.bucket(bucket)], columns))

    def read_files(self, table: Table, paths: Sequence[str], columns: Sequence[str] | None = None) -> pa.Table:
        """Return the rows of some files, as `read_bucket` returns those of a bucket."""
        return files.read(self._handle(table).place, table, paths, columns)

    def read_student(
        self, table: Table, student_id: str, columns: Sequence[str] | None = None, at: Snapshot | None = None
    ) -> pa.Table:
        """Return one student's rows in no promised order, as `read_bucket` does; none for a stranger."""
        bucket = int(bucket_of(pa.array([student_id]), self.buckets)[0])
        handle = self._handle(table)
        paths = [file.path for file in (handle.snapshot() if at is None else at).bucket(bucket)]
        return self._named(bucket, columns, self._reader.read(handle.place, table, paths, student_id, columns))

    # Writing

    def one_writer(self) -> AbstractContextManager[None]:
        """Return a context in which no other process is in the same one: for reading, judging and then writing.

        Two ingests at once would each find an event new. A folder has a lock; on an object store run one at a time.
        """
        return self._place.alone(ONE_WRITER)

    def one_publisher(self) -> AbstractContextManager[None]:
        """Return a context in which no other process is in the same one: for committing what belongs together.

        Held while tables are committed and the choice of a model set is made, not while scores are computed.
        """
        return self._place.alone(ONE_PUBLISHER)

    def write_file(self, table: Table, rows: pa.Table, bucket: int | None) -> AddAction:
        """Write one file and return what `commit` needs to add it. Any thread or process may call this."""
        if (bucket is None) == bool(table.partition_by):
            raise BadInput(f"table {table.name!r} is {'' if table.partition_by else 'not '}cut by bucket; got {bucket}")
        return files.write(self._handle(table).place, table, rows, bucket, width=self._width)

    def commit(
        self,
        table: Table,
        adds: Sequence[AddAction],
        *,
        mode: Mode = "append",
        remove_files: Sequence[str] = (),
        switch: int | None = None,
    ) -> int:
        """Make one Delta commit of files already written and return its version.

        Args:
            table: The table.
            adds: What `write_file` returned.
            mode: `append`, or `overwrite`: everything that is there now goes.
            remove_files: With append, take away exactly these, by path.
            switch: Of a published table: people see it from the switch with this number on; see
                `mastery.lake.publication`. Of ACTIVATIONS: this commit is that switch. None: from now on.

        Raises:
            Conflict: One of `remove_files` is gone: another writer rewrote it. Read again and repeat.
            Unwritable: The disk is full, or may not be written to. Nothing was committed.
        """
        numbers = publication.numbers(self._handle(table), self._handle(ACTIVATIONS), switch)

        def plan(now: Snapshot) -> Change:
            live = {file.path: file for file in now.files}
            gone = [path for path in remove_files if path not in live]
            if gone:
                raise Conflict(f"table {table.name!r}: another writer has rewritten {gone[0]}; read it again")
            return Change(adds, [live[path] for path in remove_files], numbers=numbers)

        return self._handle(table).commit(mode, plan)

    def append(self, table: Table, rows: pa.Table, *, switch: int | None = None) -> int:
        """Add rows in one commit, cut by the bucket of their student, and return its version."""
        adds = self._write_cut(table, rows)
        with self.discarding(table, adds):
            return self.commit(table, adds, switch=switch)

    def replace(self, table: Table, rows: pa.Table) -> int:
        """Make the table hold exactly these rows, in one commit, and return its version."""
        adds = self._write_cut(table, rows)
        with self.discarding(table, adds):
            return self.commit(table, adds, mode="overwrite")

    def append_unless(self, table: Table, there: Callable[[], bool], rows: pa.Table, name: str) -> bool:
        """Add rows unless they are there; see `commit_unless`."""
        return self.commit_unless(table, there, self._write_cut(table, rows), name)

    def commit_unless(self, table: Table, there: Callable[[], bool], adds: Sequence[AddAction], name: str) -> bool:
        """Commit files already written unless their rows are there; tell whether they were added now.

        Of two who do it at once under one `name` the later is refused by Delta and looks again, so the rows come in
        once. Files that are not needed are deleted.
        """
        added = False

        def plan(_now: Snapshot) -> Change:
            nonlocal added
            added = not there()
            return Change(adds, numbers={name: 1}) if added else Change(())

        with self.discarding(table, adds):
            self._handle(table).commit("append", plan)
        if not added:
            self.discard(table, adds)
        return added

    def discard(self, table: Table, adds: Sequence[AddAction]) -> None:
        """Delete files that were written and that no commit names."""
        handle = self._handle(table)
        live = {file.path for file in handle.snapshot().files}
        for add in adds:
            if add.path not in live:
                handle.place.discard(add.path)

    @contextmanager
    def discarding(self, table: Table, adds: Sequence[AddAction]) -> Iterator[None]:
        """Delete files that were written when the body fails, but for those that a commit names by then."""
        try:
            yield
        except BaseException:
            self.discard(table, adds)
            raise

    def compact(
        self, table: Table = EVENTS, *, min_fresh_files: int = 1, progress: Callable[[int, int], None] | None = None
    ) -> Compaction:
        """Merge each bucket's files into one sorted file, in one commit that changes no data.

        Args:
            table: The table.
            min_fresh_files: Leave buckets alone that have fewer files in order of arrival.
            progress: Called with (buckets done, buckets to do).
        """
        handle = self._handle(table)
        before = handle.snapshot()
        work = {bucket: old for bucket, old in before.by_bucket.items() if compaction.needed(old, min_fresh_files)}
        written: list[AddAction] = []

        def merge(bucket: int | None) -> AddAction:
            add = compaction.merge(handle.place, table, bucket, work[bucket], self._width)
            written.append(add)  # not read back from here: other threads append too
            return add

        merged: dict[int | None, AddAction] = {}
        with self.discarding(table, written):
            with ThreadPoolExecutor(WRITERS) as pool:
                for bucket, add in zip(work, pool.map(merge, work), strict=True):
                    merged[bucket] = add
                    if progress is not None:
                        progress(len(merged), len(work))
            return compaction.publish(handle, work, merged)

    def vacuum(self, table: Table, *, retain_hours: int = 168) -> list[str]:
        """Delete files that no version of the last `retain_hours` names and return their paths.

        A file is written before its commit, so `retain_hours` must be longer than any job runs.
        """
        if retain_hours < 1:
            raise BadInput(f"vacuum after {retain_hours} hours would delete what others are writing; give 1 or more")
        return self._handle(table).vacuum(retain_hours)

    # Within

    def _handle(self, table: Table) -> Handle:
        with self._lock:
            if table.name not in self._handles:
                self._handles[table.name] = Handle(self._place.child(table.name), table, self.buckets, self._options)
            return self._handles[table.name]

    def _write_cut(self, table: Table, rows: pa.Table) -> list[AddAction]:
        """Write the rows, one file for each bucket that has some."""
        if not rows.num_rows:
            return []
        if not table.partition_by:
            return [self.write_file(table, rows, None)]
        body = files.conform(table, rows).combine_chunks()
        bucket = bucket_of(body.column(STUDENT), self.buckets)
        body = body.take(pa.array(np.argsort(bucket.astype(np.uint16), kind="stable")))
        counts = np.bincount(bucket, minlength=self.buckets)
        ends = np.cumsum(counts)
        with ThreadPoolExecutor(WRITERS) as pool:
            jobs = [
                pool.submit(self.write_file, table, body.slice(ends[b] - counts[b], counts[b]), int(b))
                for b in np.flatnonzero(counts)
            ]
        with self.discarding(table, [job.result() for job in jobs if job.exception() is None]):
            return [job.result() for job in jobs]

    def _named(self, bucket: int, columns: Sequence[str] | None, rows: pa.Table) -> pa.Table:
        """Return the rows with the bucket's own column where it was asked for."""
        if columns is None or BUCKET not in columns:
            return rows
        constant = pa.array(np.full(rows.num_rows, bucket, dtype=np.int32))
        return rows.add_column(list(columns).index(BUCKET), BUCKET, constant)
