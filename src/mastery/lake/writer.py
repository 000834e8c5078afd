"""How rows come into the tables of a lake, and go: files first, then the one commit of a table that names them.

A file that no commit names does not exist for readers, and `vacuum` clears it away.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from deltalake.transaction import AddAction

from mastery.errors import BadInput, Conflict
from mastery.events.identity import IDENTITY_VERSION
from mastery.events.identity import buckets as bucket_of
from mastery.lake import compaction, distribution, log
from mastery.lake.columns import STUDENT, conform
from mastery.lake.file_writer import FileWriter
from mastery.lake.handle import KEY, Change, Mode
from mastery.lake.object_store import Unreachable
from mastery.lake.reader import LakeReader
from mastery.lake.snapshot import Snapshot
from mastery.tables import EVENTS, Table

ONE_WRITER = "_one_writer.lock"

BUCKET_WRITES = "mastery.bucket"
"""Application transaction, with the bucket's number behind it, of every commit that brings events into a bucket."""

MISSING, UPDATE = "mastery.missing", "mastery.update"
"""Application transactions of commits that depend on which rows the table had."""

WRITERS = 2
"""Threads that encode the files of one append; encoding runs outside Python's lock."""


RowsReader = Callable[[Sequence[str] | None], pa.Table]
"""Reads some columns, or all, of the rows of a table as they were at one moment."""


class TakenBack(Conflict):
    """Events of an ingest that somebody has taken back while it was running."""

    title = "What was coming in was taken back"
    problem = "taken-back"

    @property
    def public(self) -> str:
        return (
            "the ingest that these rows came in by was taken back while they came in, so none of them was kept; send "
            "the request again, and they come in by a new one"
        )

    def __init__(self) -> None:
        super().__init__("what this ingest brings was taken back while it was running; run it again")


class LakeWriter(LakeReader):
    """The tables of one deployment, as they are written; each method makes one commit of one table, or none."""

    # Files and commits

    def one_committer(self, waiting: Callable[[], None] | None = None) -> AbstractContextManager[None]:
        """Return a context in which no other process commits events: for the commit of what was judged before.

        It spares writers that meet the refusals; that none of them doubles an event is up to `commit_judged`. A folder
        has a lock, an object store none. `waiting` is called once when it takes seconds to get it.
        """
        return self._place.alone(ONE_WRITER, waiting)

    def check_store(self) -> None:
        """Raise what would keep every commit from being made, where the lake lies in an object store: see
        `mastery.lake.conditional_put`. Commits look for themselves; who writes for long looks at the start.
        """
        self._handle(EVENTS).require_one_winner()

    def key_check(self) -> int | None:
        """Return the check value of the key that named the lake's students; None where nobody has said it."""
        return self._handle(EVENTS).number(KEY)

    def check_identity(self) -> None:
        """Raise Conflict where rows read now would get other ids than the lake has, and so be in it twice."""
        kept = self._handle(EVENTS).identity() or 1  # the first version did not say it
        if kept != IDENTITY_VERSION:
            raise Conflict(
                f"the events in {self.root!r} were identified by another version of the engine (rules {kept}, now "
                f"{IDENTITY_VERSION}): answers read again would be in it twice. What is there can be read; read the "
                "files into another home (--home, MASTERY_HOME) to go on"
            )

    def commit_key(self, check: int) -> None:
        """Commit events from now on under the key with this check value; where the lake has none, it gets this one.

        Raises:
            WrongKey: Its students were named with another key.
        """
        self._handle(EVENTS).commit_key(check)

    def keep_key(self, check: int) -> None:
        """Commit the check value of the key that named the lake's students, to a lake that has none."""
        handle = self._handle(EVENTS)
        handle.commit_key(check)
        handle.commit("append", lambda _: Change(()))

    def new_file(self, table: Table, bucket: int | Sequence[int] | None, *, revisions: bool = False) -> FileWriter:
        """Return a file that is written in parts; see `write_file`. Any thread may call this, and once the table is
        open any process. The table is made where there is none.
        """
        if (bucket is None) == bool(table.partition_by):
            raise BadInput(f"table {table.name!r} is {'' if table.partition_by else 'not '}cut by bucket; got {bucket}")
        handle = self._handle(table)
        handle.begin()
        return FileWriter(handle.place, table, bucket, width=self._width, revisions=revisions)

    def write_file(
        self, table: Table, rows: pa.Table, bucket: int | Sequence[int] | None, *, revisions: bool = False
    ) -> AddAction:
        """Write one file and return what `commit` needs to add it. For who may call this see `new_file`.

        Several buckets: the rows have still to be distributed to them; see `mastery.lake.arrivals`.
        `revisions` says that the rows are other revisions of events that the bucket has, or gets with the same commit.
        """
        with self.new_file(table, bucket, revisions=revisions) as file:
            file.add(rows)
            return file.finish()

    def write_out(self, table: Table, adds: Iterable[AddAction]) -> None:
        """Wait until the content of files is on the disk. The commit waits for that in any case: in a thread that has
        nothing else to do, while other files are made, this makes that wait short.
        """
        handle = self._handle(table)
        for add in adds:
            handle.write_out(add.path)

    def commit(
        self,
        table: Table,
        adds: Sequence[AddAction],
        *,
        mode: Mode = "append",
        remove_files: Sequence[str] = (),
    ) -> int:
        """Make one Delta commit of files already written and return its version. Of a published table people see it
        once `publish` has named that version.

        Args:
            table: The table.
            adds: What `write_file` returned.
            mode: `append`, or `overwrite`: everything that is there now goes.
            remove_files: With append, take away exactly these, by path.

        Raises:
            Conflict: One of `remove_files` is gone: another writer rewrote it. Read again and repeat.
            Unwritable: The disk is full, or may not be written to. Nothing was committed.
        """

        def plan(now: Snapshot) -> Change:
            live = {file.path: file for file in now.files}
            gone = [path for path in remove_files if path not in live]
            if gone:
                raise Conflict(f"table {table.name!r}: another writer has rewritten {gone[0]}; read it again")
            return Change(adds, [live[path] for path in remove_files])

        return self._handle(table).commit(mode, plan)

    def commit_judged(
        self, adds: Mapping[tuple[int, ...], Sequence[AddAction]], judged_on: Snapshot, ingest: int | None = None
    ) -> frozenset[int]:
        """Commit events by bucket, unless others came into one of these buckets after they were judged.

        Each bucket has an application transaction, so of two writers to one bucket Delta refuses one, on an object
        store too; what compaction moves meanwhile does not count.

        Args:
            adds: Buckets → files with events that they did not have as of `judged_on`.
            judged_on: The events that they were compared with.
            ingest: Number of the ingest that brings them.

        Returns:
            The buckets to be judged again, for nothing was committed; empty when everything was.

        Raises:
            TakenBack: Somebody has taken back what this ingest brought.
            Unwritable: The disk is full, or may not be written to. Nothing was committed.
        """
        handle = self._handle(EVENTS)
        moved: frozenset[int] = frozenset()
        into = frozenset[int]().union(*adds)

        def plan(now: Snapshot) -> Change:
            nonlocal moved
            if ingest is not None and handle.number_here(f"{log.UNDO}.{ingest}") is not None:
                raise TakenBack
            news = log.news(handle.place, judged_on.version, now.version)
            moved = into if news is None else news.buckets & into
            if moved:
                return Change(())
            numbers = {f"{BUCKET_WRITES}.{bucket}": now.version + 1 for bucket in sorted(into)}
            return Change([add for some in adds.values() for add in some], numbers=numbers)

        handle.commit("append", plan)
        return moved

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

    def distribute(self, workers: int = WRITERS) -> None:
        """Distribute events that lie in files of several buckets to their buckets; see `mastery.lake.distribution`."""
        arrived = self.snapshot(EVENTS).arrivals
        if arrived:
            distribution.distribute(self._handle(EVENTS), arrived, self.buckets, self._width, workers)

    def discard(self, table: Table, adds: Sequence[AddAction]) -> None:
        """Delete files that were written and that no commit names."""
        handle = self._handle(table)
        live = {file.path for file in handle.snapshot().files}
        for add in adds:
            if add.path not in live:
                handle.place.discard(add.path)

    def delete_files(self, table: Table, paths: Sequence[str]) -> None:
        """Delete files that a commit took away and that nobody reads any more; those of the newest version stay."""
        handle = self._handle(table)
        live = {file.path for file in handle.snapshot().files}
        for path in paths:
            if path not in live and handle.place.exists(path):
                handle.place.discard(path)

    @contextmanager
    def discarding(self, table: Table, adds: Sequence[AddAction]) -> Iterator[None]:
        """Delete files that were written when the body fails, but for those that a commit names by then.

        Where an object store does not answer, a commit that was sent may reach it later: its files stay, and if it does
        not, `vacuum` clears them away.
        """
        try:
            yield
        except BaseException as error:
            if not isinstance(error, Unreachable):
                self.discard(table, adds)
            raise

    # Rows

    def append(self, table: Table, rows: pa.Table) -> int:
        """Add rows in one commit, cut by the bucket of their student, and return its version."""
        adds = self._write_cut(table, rows)
        with self.discarding(table, adds):
            return self.commit(table, adds)

    def replace(self, table: Table, rows: pa.Table) -> int:
        """Make the table hold exactly these rows, in one commit, and return its version."""
        adds = self._write_cut(table, rows)
        with self.discarding(table, adds):
            return self.commit(table, adds, mode="overwrite")

    def append_unless(self, table: Table, there: Callable[[], bool], rows: pa.Table, name: str) -> bool:
        """Add rows unless they are there; see `commit_unless`."""
        return self.commit_unless(table, there, self._write_cut(table, rows), name)

    def append_missing(self, table: Table, rows: pa.Table | Callable[[], pa.Table]) -> int:
        """Add the rows whose key the table does not have; return its version.

        They come in once, however many processes add them and wherever one was killed. Where another table says which
        rows they are, `rows` is called after each look at this one.
        """
        written: list[AddAction] = []

        def plan(now: Snapshot) -> Change:
            self._take_back(table, written)  # of a commit that was refused; what is missing may be less now
            written.extend(self._write_cut(table, self._missing(table, rows() if callable(rows) else rows, now)))
            return Change(list(written), numbers={MISSING: now.version + 1} if written else {})

        with self.discarding(table, written):
            return self._handle(table).commit("append", plan)

    def extend(self, table: Table, more: Callable[[RowsReader], pa.Table | None]) -> int:
        """Append what `more` makes of the rows that are there (None: nothing); return the version.

        `more` is called again, with what is there then, each time another writer was faster. It reads the rows with the
        function that it is given: by the columns that it names.
        """
        written: list[AddAction] = []

        def plan(now: Snapshot) -> Change:
            self._take_back(table, written)
            rows = more(partial(self._rows_of, table, now))
            if rows is None:
                return Change(())
            written.extend(self._write_cut(table, rows))
            return Change(list(written), numbers={MISSING: now.version + 1})

        with self.discarding(table, written):
            return self._handle(table).commit("append", plan)

    def update(self, table: Table, change: Callable[[pa.Table], pa.Table | None]) -> int:
        """Make the table hold what `change` makes of its rows (None: nothing new); return its version.

        `change` is called again, with what is there then, each time another writer was faster.
        """
        written: list[AddAction] = []

        def plan(now: Snapshot) -> Change:
            self._take_back(table, written)
            rows = change(self._rows_of(table, now))
            if rows is None:
                return Change(())
            written.extend(self._write_cut(table, rows))
            return Change(list(written), now.files, numbers={UPDATE: now.version + 1})

        with self.discarding(table, written):
            return self._handle(table).commit("append", plan)

    def remove_rows(self, table: Table, column: str, values: Collection[str]) -> int:
        """Take away the rows of a table without buckets that have one of these values; return how many, in one commit.

        A file that holds others too is written again without them.

        Raises:
            Conflict: Another writer has rewritten one of the files meanwhile; nothing was removed.
        """
        wanted, removed = pa.array(sorted(values), pa.string()), 0
        gone: list[str] = []
        adds: list[AddAction] = []
        with self.discarding(table, adds):
            for file in self.snapshot(table).files if values else ():
                mine = pc.is_in(self.read_files(table, [file.path], [column])[column], value_set=wanted)
                count = pc.sum(mine).as_py() or 0
                if not count:
                    continue
                gone.append(file.path)
                removed += count
                if count < file.rows:
                    rows = self.read_files(table, [file.path]).filter(pc.invert(mine))
                    adds.append(self.write_file(table, rows, None))
            if gone:
                self.commit(table, adds, remove_files=gone)
        return removed

    # Within

    def _take_back(self, table: Table, written: list[AddAction]) -> None:
        """Delete files whose commit was refused."""
        for add in written:
            self._handle(table).place.discard(add.path)
        written.clear()

    def _missing(self, table: Table, rows: pa.Table, at: Snapshot) -> pa.Table:
        """Return the rows whose key the table does not have, each key once."""
        key = list(table.key)
        there = self._rows_of(table, at, key)
        both = pa.concat_tables([there, rows.select(key).cast(there.schema)])
        first = compaction.distinct(both, key)
        return rows.take(pa.array(first[first >= there.num_rows] - there.num_rows))

    def _write_cut(self, table: Table, rows: pa.Table) -> list[AddAction]:
        """Write the rows, one file for each bucket that has some."""
        if not rows.num_rows:
            return []
        if not table.partition_by:
            return [self.write_file(table, rows, None)]
        body = conform(table, rows).combine_chunks()
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
