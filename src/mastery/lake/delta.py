"""The lake: Delta tables under one root. Parquet by pyarrow, commits by delta-rs, one per table and change.

Order of a write: files first, then the commit that names them; a file that no commit names does not
exist for readers, and `vacuum` clears it away.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from deltalake.transaction import AddAction

from mastery.arrays import Int64s
from mastery.errors import BadInput, Conflict, NotFound
from mastery.events.identity import buckets as bucket_of
from mastery.instants import instant
from mastery.lake import compaction, files, log, publication, revisions
from mastery.lake.compaction import Compaction
from mastery.lake.files import STUDENT, FileWriter, Only
from mastery.lake.handle import BUCKETS, KEY, Change, Handle, Mode
from mastery.lake.known_ids import Known, KnownIds
from mastery.lake.location import TableLocation, locate
from mastery.lake.publication import Publication
from mastery.lake.ranges import student_ranges
from mastery.lake.snapshot import NOTHING, File, Snapshot, TableVersion
from mastery.lake.student import StudentReader
from mastery.tables import EVENTS, PUBLICATIONS, REJECTED, SUPERSEDED, Table

BUCKET = "bucket"

EPOCH = instant(0)

ONE_WRITER, ONE_PUBLISHER = "_one_writer.lock", "_one_publisher.lock"

BUCKET_WRITES = "mastery.bucket"
"""Application transaction, with the bucket's number behind it, of every commit that brings events into a bucket."""

MISSING, UPDATE = "mastery.missing", "mastery.update"
"""Application transactions of commits that depend on which rows the table had."""

TIDY_FILES, TIDY_BUCKETS = 8, 8
"""After an ingest, buckets with this many new files or more are compacted, and this many of them at most: of 64 buckets
that get a file each with each batch, as many files are merged with each batch as come in."""

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
        self._known_ids = KnownIds()
        self._publication = (NOTHING, publication.NOTHING)  # the table as it was read, and its last row
        self._newest: tuple[Snapshot, str, int | None] = (NOTHING, "", None)  # of events with revisions

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

    # What there is

    def snapshot(self, table: Table) -> Snapshot:
        """Return the files of the newest version. Pass it as `at` to read many buckets of one moment.

        What people see of a published table is `shown`.
        """
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
        """Return how many rows the table has, of a published one as people see it, from the log alone.

        Of events, revisions that do not count are counted too.
        """
        return self.shown(table).rows

    def newest(self, table: Table, column: str, at: Snapshot | None = None) -> int | None:
        """Return the latest instant of a time column, microseconds since 1970; None for no rows.

        From the log alone, but for buckets of events with revisions: their newest row may not count.
        """
        snapshot = self.snapshot(table) if at is None else at
        if not any(revisions.has_revisions(table, live) for live in snapshot.by_bucket.values()):
            return self._handle(table).newest(column, snapshot)
        return self._newest_that_counts(table, column, snapshot)

    def publication(self) -> Publication:
        """Return what is published now. Ask once for each answer, and read every table by it; see `shown`."""
        handle = self._handle(PUBLICATIONS)
        now = handle.snapshot()
        read, known = self._publication
        if read is not now:  # not by its number: a lake that was restored may have another of the same
            known = publication.last(self._rows_of(PUBLICATIONS, now))
            self._publication = (now, known)
        return known

    def shown(self, table: Table, by: Publication | None = None) -> Snapshot:
        """Return the files that people see: of a published table those of the version that the publication names (the
        one of now where none is given), of any other the newest. See `mastery.lake.publication`.
        """
        handle = self._handle(table)
        if not table.published:
            return handle.snapshot()
        version = (self.publication() if by is None else by).versions.get(table.name)
        return handle.snapshot() if version is None else handle.at(version)

    def files_added(self, table: Table, after: int, until: int) -> list[str] | None:
        """Return the files that brought new rows after version `after`; see `mastery.lake.log`."""
        return log.files_added(self._handle(table).place, after, until)

    # Reading

    def scan(self, table: Table, columns: Sequence[str] | None = None) -> pa.Table:
        """Return everything that people see, in the table's own types and, unless columns are named, in its order of
        columns; of events what counts.
        """
        return self._rows_of(table, self.shown(table), columns)

    def _rows_of(self, table: Table, at: Snapshot, columns: Sequence[str] | None = None) -> pa.Table:
        wanted = table.schema.names if columns is None else list(columns)
        schema = pa.schema([table.schema.field(name) for name in wanted])
        live = at.files
        if revisions.has_revisions(table, live):
            parts = [self.read_bucket(table, bucket, wanted, at) for bucket in at.buckets]
            return pa.concat_tables([part.cast(schema) for part in parts]).combine_chunks()
        rows = files.read(self._handle(table).place, table, [file.path for file in live], wanted, threads=True)
        if BUCKET in wanted and table.partition_by:
            bucket = np.repeat([file.bucket for file in live], [file.rows for file in live]).astype(np.int32)
            rows = rows.add_column(wanted.index(BUCKET), BUCKET, pa.array(bucket))
        return rows.cast(schema)

    def read_bucket(
        self,
        table: Table,
        bucket: int,
        columns: Sequence[str] | None = None,
        at: Snapshot | None = None,
        only: Only | None = None,
    ) -> pa.Table:
        """Return one bucket, or `only` some of its rows: one array per column, strings dictionary-encoded, `bucket`
        only when named.

        What people see of it where no snapshot is given; see `shown`. Of the revisions of an event the one that counts;
        see `mastery.lake.revisions`.
        """
        live = (self.shown(table) if at is None else at).bucket(bucket)
        place, paths = self._handle(table).place, [file.path for file in live]

        def read(names: Sequence[str] | None) -> pa.Table:
            return files.read(place, table, paths, names, only=only)

        return self._named(bucket, columns, _counting(table, live, columns, read))

    def student_ranges(self, table: Table, bucket: int, most: int, at: Snapshot) -> list[tuple[str, str] | None]:
        """Return first and last pseudonym of ranges of students with about `most` rows each, which together are all of
        a bucket; a range of None is everybody.
        """
        found = at.bucket(bucket)
        if sum(file.rows for file in found) <= most:
            return [None]
        return [*student_ranges(self._handle(table).place, table, [file.path for file in found], most)]

    def read_files(self, table: Table, paths: Sequence[str], columns: Sequence[str] | None = None) -> pa.Table:
        """Return the rows of some files, as `read_bucket` returns those of a bucket; of events all revisions."""
        return files.read(self._handle(table).place, table, paths, columns)

    def superseded(self, columns: Sequence[str]) -> pa.Table:
        """Return the revisions of events that do not count any more, compacted or not, each once; in the table's types.

        Events are looked at first: a row that compaction moves meanwhile is in one of the two at least.
        """
        wanted = list(dict.fromkeys([*columns, *SUPERSEDED.key]))
        schema = pa.schema([EVENTS.schema.field(name) for name in wanted])
        snapshot, found = self.snapshot(EVENTS), []
        for bucket in snapshot.buckets:
            live = snapshot.bucket(bucket)
            if revisions.has_revisions(EVENTS, live):
                read = list(dict.fromkeys([*wanted, *revisions.NEEDED]))
                rows = self.read_files(EVENTS, [file.path for file in live], read)
                rows = rows.filter(pa.array(revisions.superseded(rows)))
                found.append(self._named(bucket, wanted, rows.select([name for name in wanted if name != BUCKET])))
        rows = pa.concat_tables([self.scan(SUPERSEDED, wanted), *(part.cast(schema) for part in found)])
        return rows.take(pa.array(compaction.distinct(rows, SUPERSEDED.key))).select(list(columns))

    def known(self, table: Table, bucket: int, hi: Int64s, lo: Int64s, at: Snapshot | None = None) -> Known:
        """Return the rows of a bucket whose event id is one of those asked for, revisions that do not count included.

        Args:
            table: EVENTS or SUPERSEDED.
            bucket: Which.
            hi, lo: int64[n]. The ids.
            at: Of which moment; None for now.
        """
        live = (self.snapshot(table) if at is None else at).bucket(bucket)
        return self._known_ids.find(self._handle(table).place, table, live, hi, lo)

    def read_a_little(self, table: Table, at: Snapshot, column: str) -> pa.Table:
        """Return one column of one row group of the last file; no rows where there is no file."""
        for last in at.files[-1:]:
            with files.opened(self._handle(table).place, table, last.path) as file:
                return file.read([column], 0)
        return self.read_files(table, [], [column])

    def read_student(
        self, table: Table, student_id: str, columns: Sequence[str] | None = None, at: Snapshot | None = None
    ) -> pa.Table:
        """Return one student's rows in no promised order, as `read_bucket` does; none for a stranger."""
        bucket = int(bucket_of(pa.array([student_id]), self.buckets)[0])
        handle = self._handle(table)
        live = (self.shown(table) if at is None else at).bucket(bucket)
        paths = [file.path for file in live]
        read = partial(self._reader.read, handle.place, table, paths, student_id)
        return self._named(bucket, columns, _counting(table, live, columns, read))

    def read_students(
        self, table: Table, students: pa.Array, columns: Sequence[str], at: Snapshot, source: str, few: int
    ) -> Iterator[pa.Table]:
        """Yield the rows of some students by one scorer, a bucket at a time. Up to `few` of them are found one by one
        through bounds of row groups; for more the whole of their buckets is read.
        """
        handle, bucket = self._handle(table), np.asarray(bucket_of(students, self.buckets))
        for one in np.unique(bucket):
            theirs, paths = students.filter(pa.array(bucket == one)), [file.path for file in at.bucket(int(one))]
            if len(students) <= few:
                yield self._reader.read_some(handle.place, table, paths, theirs, columns, source)
            else:
                rows = files.read(handle.place, table, paths, columns)
                mine = pc.is_in(rows[STUDENT], value_set=theirs)
                yield rows.filter(pc.and_(mine, pc.equal(rows["score_source"], source)))

    # Writing

    def one_committer(self, waiting: Callable[[], None] | None = None) -> AbstractContextManager[None]:
        """Return a context in which no other process commits events: for the commit of what was judged before.

        It spares writers that meet the refusals; that none of them doubles an event is up to `commit_judged`. A folder
        has a lock, an object store none. `waiting` is called once when it takes seconds to get it.
        """
        return self._place.alone(ONE_WRITER, waiting)

    def one_publisher(self) -> AbstractContextManager[None]:
        """Return a context in which no other process is in the same one: for committing what belongs together.

        Held while tables are committed and the choice of a model set is made, not while scores are computed.
        """
        return self._place.alone(ONE_PUBLISHER)

    def key_check(self) -> int | None:
        """Return the check value of the key that named the lake's students; None where nobody has said it."""
        return self._handle(EVENTS).number(KEY)

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

    def write_file(self, table: Table, rows: pa.Table, bucket: int | None, *, revisions: bool = False) -> AddAction:
        """Write one file and return what `commit` needs to add it. Any thread or process may call this.

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

    def new_file(self, table: Table, bucket: int | None, *, revisions: bool = False) -> FileWriter:
        """Return a file that is written in parts; see `write_file`. Any thread or process may call this."""
        if (bucket is None) == bool(table.partition_by):
            raise BadInput(f"table {table.name!r} is {'' if table.partition_by else 'not '}cut by bucket; got {bucket}")
        return FileWriter(self._handle(table).place, table, bucket, width=self._width, revisions=revisions)

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

    def commit_judged(self, adds: Mapping[int, Sequence[AddAction]], judged_on: Snapshot) -> frozenset[int]:
        """Commit events by bucket, unless others came into one of these buckets after they were judged.

        Each bucket has an application transaction, so of two writers to one bucket Delta refuses one, on an object
        store too; what compaction moves meanwhile does not count.

        Args:
            adds: Bucket → files with events that it did not have as of `judged_on`.
            judged_on: The events that they were compared with.

        Returns:
            The buckets to be judged again, for nothing was committed; empty when everything was.

        Raises:
            Unwritable: The disk is full, or may not be written to. Nothing was committed.
        """
        handle = self._handle(EVENTS)
        moved: frozenset[int] = frozenset()

        def plan(now: Snapshot) -> Change:
            nonlocal moved
            came = log.buckets_added(handle.place, judged_on.version, now.version)
            moved = frozenset(adds) if came is None else came & frozenset(adds)
            if moved:
                return Change(())
            numbers = {f"{BUCKET_WRITES}.{bucket}": now.version + 1 for bucket in adds}
            return Change([add for some in adds.values() for add in some], numbers=numbers)

        handle.commit("append", plan)
        return moved

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

    def begin_publishing(self) -> Publication:
        """Return what is published, and make every published table ready for this version's columns.

        A lake without publications gets one of what is there, so that nothing is shown before it is whole. A table of
        another version gets this one's columns; people are shown the version before on.
        """
        with self.one_publisher():
            if self.publication() is publication.NOTHING:
                versions = {table.name: self.version(table) for table in publication.TABLES}
                self.publish(publication.NOTHING.after(publication.FOUND, EPOCH, versions=versions))
            for table in publication.TABLES:
                self._handle(table).renew()
            return self.publication()

    def publish(self, new: Publication) -> None:
        """Show what a publication names, from this commit on.

        Raises:
            Conflict: Somebody else has published since the one before it was read.
        """
        handle = self._handle(PUBLICATIONS)
        before = handle.snapshot()
        merge = len(before.files) >= publication.MOST_FILES
        rows = publication.row_of(new)
        if merge:
            rows = pa.concat_tables([self._rows_of(PUBLICATIONS, before), rows])
        adds = self._write_cut(PUBLICATIONS, rows)

        def plan(now: Snapshot) -> Change:
            if self.publication().number != new.number - 1 or (merge and now.version != before.version):
                raise Conflict(
                    f"somebody else has published since (generation {self.publication().number}); nothing of this is "
                    "shown: run it again"
                )
            return Change(adds, before.files if merge else (), numbers={publication.NUMBER: new.number})

        with self.discarding(PUBLICATIONS, adds):
            handle.commit("append", plan)

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

    def append_unless(self, table: Table, there: Callable[[], bool], rows: pa.Table, name: str) -> bool:
        """Add rows unless they are there; see `commit_unless`."""
        return self.commit_unless(table, there, self._write_cut(table, rows), name)

    def append_missing(self, table: Table, rows: pa.Table) -> int:
        """Add the rows whose key the table does not have; return its version.

        They come in once, however many processes add them and wherever one was killed.
        """
        written: list[AddAction] = []

        def plan(now: Snapshot) -> Change:
            self._take_back(table, written)  # of a commit that was refused; what is missing may be less now
            written.extend(self._write_cut(table, self._missing(table, rows, now)))
            return Change(list(written), numbers={MISSING: now.version + 1} if written else {})

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
        self,
        table: Table = EVENTS,
        *,
        min_fresh_files: int = 1,
        most_buckets: int | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Compaction:
        """Merge each bucket's files into few sorted ones, in one commit that changes nothing that counts; see
        `mastery.lake.compaction`.

        Revisions of events that do not count go to SUPERSEDED. They are committed there first: after a kill between the
        two commits they are in both, and are left out there the next time.

        Args:
            table: The table.
            min_fresh_files: Leave buckets alone that have fewer files in order of arrival.
            most_buckets: How many buckets at most, those with most files first; None for all.
            progress: Called with (buckets done, buckets to do).

        A published table is compacted as people see it, and shown compacted; one whose newest version is not shown, or
        is of another version of the engine, is left to the next recompute.
        """
        if table.published:
            with self.one_publisher():
                return self._compact_published(table, min_fresh_files, most_buckets, progress)
        return self._compact(table, min_fresh_files, most_buckets, progress)

    def tidy(self) -> None:
        """Merge some of the files that many small batches leave; called after each. Each call rewrites the newest files
        of a few buckets, so that a batch costs the same however many there were before.
        """
        self.compact(EVENTS, min_fresh_files=TIDY_FILES, most_buckets=TIDY_BUCKETS)
        for table in (REJECTED, SUPERSEDED):
            self.compact(table, min_fresh_files=TIDY_FILES, most_buckets=TIDY_BUCKETS)

    def _compact_published(
        self,
        table: Table,
        min_fresh_files: int,
        most_buckets: int | None,
        progress: Callable[[int, int], None] | None,
    ) -> Compaction:
        now, newest = self.publication(), self.version(table)
        if now.versions.get(table.name, newest) != newest or self._handle(table).other_columns():
            return Compaction(version=newest, buckets=0, files_before=0, rows=0, skipped=0)
        done = self._compact(table, min_fresh_files, most_buckets, progress)
        if done.version != newest and now is not publication.NOTHING:
            at = EPOCH if now.at is None else now.at  # it shows nothing that was begun later
            self.publish(now.after(publication.COMPACT, at, versions={**now.versions, table.name: done.version}))
        return done

    def _compact(
        self,
        table: Table,
        min_fresh_files: int,
        most_buckets: int | None,
        progress: Callable[[int, int], None] | None,
    ) -> Compaction:
        handle = self._handle(table)
        before = handle.snapshot().by_bucket
        work = {bucket: compaction.chosen(there, min_fresh_files) for bucket, there in before.items()}
        fullest = sorted((bucket for bucket, old in work.items() if old), key=lambda bucket: -len(work[bucket]))
        work = {bucket: work[bucket] for bucket in fullest[:most_buckets]}
        written: list[AddAction] = []

        def merge(bucket: int | None) -> compaction.Merged:
            whole = len(work[bucket]) == len(before[bucket])
            done = compaction.merge(handle.place, table, bucket, work[bucket], whole, self._width)
            written.extend(done.adds)  # not read back from here: other threads append too
            return done

        merged: dict[int | None, compaction.Merged] = {}
        with self.discarding(table, written):
            with ThreadPoolExecutor(WRITERS) as pool:
                for bucket, done in zip(work, pool.map(merge, work), strict=True):
                    merged[bucket] = done
                    if progress is not None:
                        progress(len(merged), len(work))
            gone = [done.gone for done in merged.values() if done.gone is not None and done.gone.num_rows]
            if gone:
                self.append_missing(SUPERSEDED, pa.concat_tables(gone).unify_dictionaries())
            return compaction.publish(handle, merged)

    def vacuum(self, table: Table, *, retain_hours: int = 168) -> list[str]:
        """Delete files that no version of the last `retain_hours` names and return their paths.

        A file is written before its commit, so `retain_hours` must be longer than any job runs. Of a published table
        whatever people have been shown within a day stays, however long ago it was taken out of the table.
        """
        if retain_hours < 1:
            raise BadInput(f"vacuum after {retain_hours} hours would delete what others are writing; give 1 or more")
        keep: Sequence[int] = ()
        if table.published:
            retain_hours = max(retain_hours, publication.READERS_HOURS)
            keep = publication.versions_in_use(self.scan(PUBLICATIONS), table.name, retain_hours)
        return self._handle(table).vacuum(retain_hours, keep)

    # Within

    def _handle(self, table: Table) -> Handle:
        with self._lock:
            if table.name not in self._handles:
                self._handles[table.name] = Handle(self._place.child(table.name), table, self.buckets, self._options)
            return self._handles[table.name]

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

    def _newest_that_counts(self, table: Table, column: str, snapshot: Snapshot) -> int | None:
        """Return the latest instant of the events that count. A bucket is read only where its latest row may win."""
        if self._newest[0] is snapshot and self._newest[1] == column:
            return self._newest[2]
        found: int | None = None
        for latest, bucket in self._handle(table).newest_by_bucket(column, snapshot):
            if found is not None and latest <= found:
                break
            if revisions.has_revisions(table, snapshot.bucket(bucket)):
                own = pc.max(self.read_bucket(table, bucket, [column], snapshot)[column]).cast(pa.int64()).as_py()
                latest = latest if own is None else own
            found = latest if found is None else max(found, latest)
        self._newest = (snapshot, column, found)
        return found

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


def _counting(
    table: Table,
    live: Sequence[File],
    columns: Sequence[str] | None,
    read: Callable[[Sequence[str] | None], pa.Table],
) -> pa.Table:
    """Return what counts of the rows that `read` reads from files of a bucket: of whole events, in any order."""
    if not revisions.has_revisions(table, live):
        return read(columns)
    names = [name for name in (table.schema.names if columns is None else columns) if name != BUCKET]
    rows = read(list(dict.fromkeys([*names, *revisions.NEEDED])))
    gone = revisions.superseded(rows)
    return (rows.filter(pa.array(~gone)) if gone.any() else rows).select(names)
