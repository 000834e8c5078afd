"""What a lake holds and shows, and how it is read: tables, buckets, students; of events what counts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from heapq import heapify, heappop, heappush

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mastery.arrays import Int64s
from mastery.events.identity import buckets as bucket_of
from mastery.lake import compaction, files, log, publication, revisions
from mastery.lake.arrived_rows import ArrivedRows
from mastery.lake.columns import STUDENT, contiguous
from mastery.lake.files import Only
from mastery.lake.handle import Handle
from mastery.lake.known_ids import Known, KnownIds
from mastery.lake.layout import layout
from mastery.lake.location import TableLocation
from mastery.lake.publication import Publication
from mastery.lake.ranges import student_ranges
from mastery.lake.snapshot import NOTHING, File, Snapshot, TableVersion
from mastery.lake.student import StudentReader
from mastery.tables import EVENTS, PUBLICATIONS, SUPERSEDED, Table

BUCKET = "bucket"


class LakeReader:
    """The tables of one deployment, as they are read. Rows come out as Arrow. Safe for threads and processes.

    Attributes:
        root: As it was given to `Lake.open`.
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
        self._arrived = ArrivedRows(buckets)
        self._publication = (NOTHING, publication.NOTHING)  # the table as it was read, and its last row
        self._newest: tuple[Snapshot, str, int | None] = (NOTHING, "", None)  # of events with revisions

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
        if not revisions.has_revisions(table, snapshot.files):
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

    def news(self, table: Table, after: int, until: int) -> log.News | None:
        """Return what changed after version `after`, rows that were taken out included; see `mastery.lake.log`."""
        return log.news(self._handle(table).place, after, until)

    # Reading

    def scan(self, table: Table, columns: Sequence[str] | None = None) -> pa.Table:
        """Return everything that people see, in the table's own types and, unless columns are named, in its order of
        columns; of events what counts.
        """
        return self._rows_of(table, self.shown(table), columns)

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

        def read(names: Sequence[str] | None) -> pa.Table:
            return self.read_revisions(table, bucket, live, names, only)

        return self._named(bucket, columns, _counting(table, live, columns, read))

    def read_revisions(
        self,
        table: Table,
        bucket: int,
        live: Sequence[File],
        columns: Sequence[str] | None = None,
        only: Only | None = None,
    ) -> pa.Table:
        """Return the rows of a bucket out of some files, as `read_bucket` does without `bucket`; of events all
        revisions.
        """
        place, plan = self._handle(table).place, layout(table)
        own = [file.path for file in live if file.bucket == bucket]
        rows = files.read(place, table, own, columns, only=only)
        parts = [
            self._arrived.read(place, table, file.path, bucket, rows.column_names, only)
            for file in live
            if file.bucket != bucket
        ]
        return contiguous(pa.concat_tables([rows, *parts]), plan, rows.column_names) if parts else rows

    def student_ranges(self, table: Table, bucket: int, most: int, at: Snapshot) -> list[tuple[str, str] | None]:
        """Return first and last pseudonym of ranges of students with about `most` rows each, which together are all of
        a bucket; a range of None is everybody.
        """
        found = at.bucket(bucket)
        if sum(file.rows for file in found) <= most:
            return [None]
        own = [file.path for file in found if file.bucket == bucket]
        arrived = self.read_revisions(table, bucket, [file for file in found if file.bucket != bucket], [STUDENT])
        return [*student_ranges(self._handle(table).place, table, own, arrived, most)]

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
                rows = self.read_revisions(EVENTS, bucket, live, [name for name in read if name != BUCKET])
                rows = rows.filter(pa.array(revisions.superseded(rows)))
                found.append(self._named(bucket, wanted, rows.select([name for name in wanted if name != BUCKET])))
        rows = pa.concat_tables([self.scan(SUPERSEDED, wanted), *(part.cast(schema) for part in found)])
        return rows.take(pa.array(compaction.distinct(rows, SUPERSEDED.key))).select(list(columns))

    def known(self, table: Table, bucket: int | Int64s, hi: Int64s, lo: Int64s, at: Snapshot | None = None) -> Known:
        """Return the rows whose event id is one of those asked for, revisions that do not count included.

        Args:
            table: EVENTS or SUPERSEDED.
            bucket: In which they are; int64[n] where they are in several.
            hi, lo: int64[n]. The ids.
            at: Of which moment; None for now.
        """
        snapshot, place = self.snapshot(table) if at is None else at, self._handle(table).place
        found = self._known_ids.find_arrived(place, table, snapshot.arrivals, hi, lo)
        for one in [bucket] if isinstance(bucket, int) else np.unique(bucket).tolist():
            live, here = snapshot.own.get(one, ()), np.broadcast_to(bucket == one, hi.shape)
            found += self._known_ids.find(place, table, live, hi[here], lo[here])
        return found

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

    def read_student_in(
        self, table: Table, paths: Sequence[str], student_id: str, columns: Sequence[str] | None = None
    ) -> pa.Table:
        """Return one student's rows of some files, as `read_files` returns those of everybody."""
        return self._reader.read(self._handle(table).place, table, paths, student_id, columns)

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

    # Within

    def _handle(self, table: Table) -> Handle:
        with self._lock:
            if table.name not in self._handles:
                self._handles[table.name] = Handle(self._place.child(table.name), table, self.buckets, self._options)
            return self._handles[table.name]

    def _rows_of(self, table: Table, at: Snapshot, columns: Sequence[str] | None = None) -> pa.Table:
        wanted = table.schema.names if columns is None else list(columns)
        schema = pa.schema([table.schema.field(name) for name in wanted])
        live = at.files
        if revisions.has_revisions(table, live) or (at.arrivals and BUCKET in wanted):
            parts = [self.read_bucket(table, bucket, wanted, at) for bucket in at.buckets]
            return pa.concat_tables([part.cast(schema) for part in parts]).combine_chunks()
        rows = files.read(self._handle(table).place, table, [file.path for file in live], wanted, threads=True)
        if BUCKET in wanted and table.partition_by:
            bucket = np.repeat([file.bucket for file in live], [file.rows for file in live]).astype(np.int32)
            rows = rows.add_column(wanted.index(BUCKET), BUCKET, pa.array(bucket))
        return rows.cast(schema)

    def _newest_that_counts(self, table: Table, column: str, snapshot: Snapshot) -> int | None:
        """Return the latest instant of the events that count. A bucket is read only where its latest row may win, and a
        file of several buckets where its own may: whether that counts is up to the bucket that has it.
        """
        if self._newest[0] is snapshot and self._newest[1] == column:
            return self._newest[2]
        handle = self._handle(table)
        by_file = handle.newest_by_file(column, snapshot)
        waiting = [(-at_us, -1 if file.bucket is None else file.bucket, file.path) for at_us, file in by_file]
        buckets_of = {file.path: file.buckets for _, file in by_file}
        heapify(waiting)
        found: int | None = None
        while waiting and (found is None or -waiting[0][0] > found):
            before_us, bucket, path = heappop(waiting)
            if bucket < 0:
                for one in buckets_of[path]:
                    own = _latest(self._arrived.read(handle.place, table, path, one, [column]), column)
                    if own is not None:
                        heappush(waiting, (-own, one, path))
                continue
            latest: int | None = -before_us
            if revisions.has_revisions(table, snapshot.bucket(bucket)):
                latest = _latest(self.read_bucket(table, bucket, [column], snapshot), column)
                waiting = [one for one in waiting if one[1] != bucket]
                heapify(waiting)
            if latest is not None:
                found = latest if found is None else max(found, latest)
        self._newest = (snapshot, column, found)
        return found

    def _named(self, bucket: int, columns: Sequence[str] | None, rows: pa.Table) -> pa.Table:
        """Return the rows with the bucket's own column where it was asked for."""
        if columns is None or BUCKET not in columns:
            return rows
        constant = pa.array(np.full(rows.num_rows, bucket, dtype=np.int32))
        return rows.add_column(list(columns).index(BUCKET), BUCKET, constant)


def _latest(rows: pa.Table, column: str) -> int | None:
    """Return the latest instant of a time column in microseconds; None for no rows."""
    found: int | None = pc.max(rows[column]).cast(pa.int64()).as_py()
    return found


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
