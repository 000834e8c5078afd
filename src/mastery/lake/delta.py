"""The lake: Delta tables under one root. Parquet by pyarrow, commits by delta-rs, one per table and change.

Order of a write: files first, then the commit that names them; a file that no commit names does not
exist for readers, and `vacuum` clears it away.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager

import numpy as np
import pyarrow as pa
from deltalake.transaction import AddAction

from mastery.errors import BadInput, Conflict, NotFound
from mastery.events.identity import buckets as bucket_of
from mastery.lake import compaction, files, log
from mastery.lake.compaction import Compaction
from mastery.lake.handle import BUCKETS, Change, Handle, Mode
from mastery.lake.location import TableLocation, locate
from mastery.lake.snapshot import Snapshot
from mastery.lake.student import STUDENT, StudentReader
from mastery.tables import EVENTS, Table

BUCKET = "bucket"

LOCK = "_one_writer.lock"

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

    def count(self, table: Table) -> int:
        """Return how many rows the table has, from the log alone."""
        return self.snapshot(table).rows

    def newest(self, table: Table, column: str) -> int | None:
        """Return the latest instant of a time column, microseconds since 1970, from the log alone; None for no rows."""
        return self._handle(table).newest(column)

    def bucket_files(self, table: Table, bucket: int) -> list[str]:
        """Return the paths of one bucket's files, relative to the table's folder."""
        return [file.path for file in self.snapshot(table).bucket(bucket)]

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

    def read_student(self, table: Table, student_id: str, columns: Sequence[str] | None = None) -> pa.Table:
        """Return one student's rows in no promised order, as `read_bucket` does; none for a stranger."""
        bucket = int(bucket_of(pa.array([student_id]), self.buckets)[0])
        handle = self._handle(table)
        paths = [file.path for file in handle.snapshot().bucket(bucket)]
        return self._named(bucket, columns, self._reader.read(handle.place, table, paths, student_id, columns))

    # Writing

    def one_writer(self) -> AbstractContextManager[None]:
        """Return a context in which no other process is in the same one: for reading, judging and then writing.

        Two ingests at once would each find an event new. A folder has a lock; on an object store run one at a time.
        """
        return self._place.alone(LOCK)

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
        remove_bucket: int | None = None,
        remove_files: Sequence[str] = (),
    ) -> int:
        """Make one Delta commit of files already written and return its version.

        Args:
            table: The table.
            adds: What `write_file` returned.
            mode: `append`, or `overwrite`: everything that is there now goes.
            remove_bucket: With append, take away all files that this bucket has now.
            remove_files: With append, take away exactly these, by path.

        Raises:
            Conflict: One of `remove_files` is gone: another writer rewrote it. Read again and repeat.
        """

        def plan(now: Snapshot) -> Change:
            live = {file.path: file for file in now.files}
            gone = [path for path in remove_files if path not in live]
            if gone:
                raise Conflict(f"table {table.name!r}: another writer has rewritten {gone[0]}; read it again")
            swapped = () if remove_bucket is None else now.bucket(remove_bucket)
            return Change(adds, [*swapped, *(live[path] for path in remove_files)])

        return self._handle(table).commit(mode, plan)

    def append(self, table: Table, rows: pa.Table) -> int:
        """Add rows in one commit, cut by the bucket of their student, and return its version."""
        return self.commit(table, self._write_cut(table, rows))

    def replace(self, table: Table, rows: pa.Table) -> int:
        """Make the table hold exactly these rows, in one commit, and return its version."""
        return self.commit(table, self._write_cut(table, rows), mode="overwrite")

    def replace_bucket(self, table: Table, bucket: int, rows: pa.Table, read: Sequence[str] | None = None) -> int:
        """Swap a bucket's files for one with these rows, in one commit, and return its version.

        Args:
            table: A table cut by bucket.
            bucket: The bucket.
            rows: What it holds from now on.
            read: The files that the rows were made from (`bucket_files`, `read_files`). What others have
                appended since then stays. Without it everything the bucket has when we commit goes.
        """
        adds = [self.write_file(table, rows, bucket)] if rows.num_rows else []
        if read is None:
            return self.commit(table, adds, remove_bucket=bucket)
        return self.commit(table, adds, remove_files=read)

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
        merged: dict[int | None, AddAction] = {}
        with ThreadPoolExecutor(WRITERS) as pool:
            jobs = {
                bucket: pool.submit(compaction.merge, handle.place, table, bucket, old, self._width)
                for bucket, old in work.items()
            }
            for bucket, job in jobs.items():
                merged[bucket] = job.result()
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
            return [job.result() for job in jobs]

    def _named(self, bucket: int, columns: Sequence[str] | None, rows: pa.Table) -> pa.Table:
        """Return the rows with the bucket's own column where it was asked for."""
        if columns is None or BUCKET not in columns:
            return rows
        constant = pa.array(np.full(rows.num_rows, bucket, dtype=np.int32))
        return rows.add_column(list(columns).index(BUCKET), BUCKET, constant)
