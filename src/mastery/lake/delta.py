"""The lake: Delta tables under one root. Parquet by pyarrow, commits by delta-rs, one per table and change.

What takes more than one commit is here: what people are shown of several tables, and keeping them tidy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager

import pyarrow as pa
from deltalake.transaction import AddAction

from mastery.errors import BadInput, Conflict, NotFound
from mastery.lake import compaction, publication
from mastery.lake.compaction import Compaction
from mastery.lake.handle import BUCKETS, Change
from mastery.lake.location import locate
from mastery.lake.object_store import is_s3, options_of
from mastery.lake.publication import EPOCH, Publication
from mastery.lake.snapshot import NOTHING, Snapshot
from mastery.lake.undo_writer import UndoWriter
from mastery.lake.writer import WRITERS
from mastery.tables import EVENTS, INGESTS, PUBLICATIONS, REJECTED, SUPERSEDED, Table

ONE_PUBLISHER = "_one_publisher.lock"
ONE_PUBLISHES_CHANGES = "_one_publishes_changes.lock"

TIDY_ARRIVALS, TIDY_ARRIVED_ROWS = 48, 32_768
"""Files of several buckets, or rows in them, that are distributed by `tidy`; fewer stay for the next time, for each
bucket gets a file of its own then."""

TIDY_FILES, TIDY_BUCKETS = 8, 8
"""After an ingest, buckets with this many new files or more are compacted, and this many of them at most: of 64 buckets
that get a file each with each batch, as many files are merged with each batch as come in."""


class Lake(UndoWriter):
    """The tables of one deployment. Rows go in and out as Arrow. Safe for threads and processes.

    After a fork use only what does not ask Delta's log: `write_file` into a table that was open before, `read_files`,
    and `read_bucket` with `at`.
    """

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
        if is_s3(place.uri):
            storage_options = options_of(storage_options)
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

    # Publishing

    def one_publisher(self) -> AbstractContextManager[None]:
        """Return a context in which no other process is in the same one: for committing what belongs together.

        Held while tables are committed and the choice of a model set is made, not while scores are computed.
        """
        return self._place.alone(ONE_PUBLISHER)

    def publishing_changes(self) -> AbstractContextManager[bool]:
        """Return a context that gives True, and False where another process is in the same one.

        It spares those who publish what has changed the work of each other; that nothing is shown that is not whole is
        up to `one_publisher`, and on an object store to that alone.
        """
        return self._place.alone_if_free(ONE_PUBLISHES_CHANGES)

    def begin_publishing(self) -> Publication:
        """Return what is published, and make every published table ready for this version's columns.

        A lake without publications gets one of what is there, so that nothing is shown before it is whole. A table of
        another version gets this one's columns; people are shown the version before on. One that is not there any more
        is shown as empty, until it is published again.
        """
        with self.one_publisher():
            now = self.publication()
            there = {table.name: self.version(table) for table in publication.TABLES}
            gone = [name for name, version in there.items() if version < now.versions.get(name, version)]
            if now is publication.NOTHING:
                self.publish(now.after(publication.FOUND, EPOCH, versions=there))
            elif gone:
                at = EPOCH if now.at is None else now.at  # it shows nothing that was begun later
                versions = {**now.versions, **dict.fromkeys(gone, NOTHING.version)}
                self.publish(now.after(publication.FOUND, at, versions=versions))
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
            rows = pa.concat_tables([publication.worth_keeping(self._rows_of(PUBLICATIONS, before)), rows])
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

    # Keeping it tidy

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

        Rows of events that lie in files of several buckets are distributed before, in a commit of its own.

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
        if table is EVENTS:
            self.distribute()
        return self._compact(table, min_fresh_files, most_buckets, compaction.WHOLE_ROWS, progress)

    def tidy(self) -> None:
        """Merge some of the files that many small batches leave; called after each. Each call rewrites the newest files
        of a few buckets, and seldom older ones, so that a batch costs the same however many there were before, and
        however large the lake is. They are merged one after the other: two of an ingest of gigabytes would take more
        memory than it did.
        """
        arrived = self.snapshot(EVENTS).arrivals
        if len(arrived) >= TIDY_ARRIVALS or sum(file.rows for file in arrived) >= TIDY_ARRIVED_ROWS:
            self.distribute(workers=1)
        for table in (EVENTS, REJECTED, SUPERSEDED, INGESTS):
            self._compact(table, TIDY_FILES, TIDY_BUCKETS, compaction.LITTLE_ROWS, None, workers=1)
        self.tidy_logs()

    def tidy_logs(self) -> None:
        """Give the logs of tables that have been committed to a checkpoint now and then: whenever nobody waits. Costs
        nothing where the last one is not old.
        """
        with self._lock:
            handles = list(self._handles.values())
        for handle in handles:
            handle.tidy_log()

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
        done = self._compact(table, min_fresh_files, most_buckets, compaction.WHOLE_ROWS, progress)
        if done.version != newest and now is not publication.NOTHING:
            at = EPOCH if now.at is None else now.at  # it shows nothing that was begun later
            self.publish(now.after(publication.COMPACT, at, versions={**now.versions, table.name: done.version}))
        return done

    def _compact(
        self,
        table: Table,
        min_fresh_files: int,
        most_buckets: int | None,
        whole_rows: int,
        progress: Callable[[int, int], None] | None,
        workers: int = WRITERS,
    ) -> Compaction:
        handle = self._handle(table)
        before = handle.snapshot()
        work = {bucket: compaction.chosen(own, min_fresh_files, whole_rows) for bucket, own in before.own.items()}
        fullest = sorted((bucket for bucket, old in work.items() if old), key=lambda bucket: -len(work[bucket]))
        work = {bucket: work[bucket] for bucket in fullest[:most_buckets]}
        written: list[AddAction] = []

        def merge(bucket: int | None) -> compaction.Merged:
            whole = len(work[bucket]) == len(before.bucket(bucket))
            done = compaction.merge(handle.place, table, bucket, work[bucket], whole, self._width)
            written.extend(done.adds)  # not read back from here: other threads append too
            return done

        merged: dict[int | None, compaction.Merged] = {}
        with self.discarding(table, written):
            with ThreadPoolExecutor(workers) as pool:
                for bucket, done in zip(work, pool.map(merge, work), strict=True):
                    merged[bucket] = done
                    if progress is not None:
                        progress(len(merged), len(work))
            replaced = [(one.old, one.gone) for one in merged.values() if one.gone is not None and one.gone.num_rows]
            if not replaced:
                return compaction.publish(handle, merged)

            def still_replaced() -> pa.Table:
                # not those of files that an undo has rewritten: it clears SUPERSEDED once, and may have done so
                live = set(handle.snapshot().files)
                rows = [rows for old, rows in replaced if live.issuperset(old)]
                return pa.concat_tables([replaced[0][1].slice(0, 0), *rows]).unify_dictionaries()

            with self.one_committer():
                self.append_missing(SUPERSEDED, still_replaced)
                return compaction.publish(handle, merged)
