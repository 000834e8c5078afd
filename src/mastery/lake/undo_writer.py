"""Taking ingests out of a lake: a commit of events, then one of what was superseded. See `mastery.lake.undo`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
from deltalake.transaction import AddAction

from mastery.errors import Conflict
from mastery.lake import log, revisions
from mastery.lake.handle import Change
from mastery.lake.snapshot import File, Snapshot
from mastery.lake.undo import NEEDED, ROW, Brought, Places, Without, brought_by, cleared, remaining, rewrite
from mastery.lake.writer import BUCKET_WRITES, MISSING, WRITERS, LakeWriter
from mastery.tables import EVENTS, SUPERSEDED, Table

ATTEMPTS = 20
"""How often rows are taken out again because others wrote into the same files meanwhile."""


class UndoWriter(LakeWriter):
    """The tables of one deployment, with what takes out of them again what ingests brought."""

    def brought(self, what: Sequence[Brought]) -> int:
        """Return how many rows of events and superseded these ingests brought."""
        files = [(table, file) for table in (EVENTS, SUPERSEDED) for file in self.snapshot(table).files]
        return sum(self._brought(table, [file], what) for table, file in files)

    def undo(self, what: Sequence[Brought], waiting: Callable[[], None] | None = None) -> int:
        """Take out what ingests brought, in one commit of events; return how many rows of both tables they had brought.

        Revisions that their rows replaced are there again. Of rows in SUPERSEDED those of the ingests go too, and those
        that count again. Killed in between and run again it does the rest; run again after that, nothing.

        Args:
            what: The ingests. One that is taken back whole and still runs can commit nothing more.
            waiting: Called when an ingest has been committing for seconds.

        Raises:
            Conflict: Others wrote into the same buckets every time.
        """
        with self.one_committer(waiting):
            return self._take_out(what) + self._clear_superseded(what)

    def _take_out(self, what: Sequence[Brought]) -> int:
        handle = self._handle(EVENTS)
        names = [f"{log.UNDO}{'' if one.sources is None else '.of'}.{one.ingest}" for one in what]
        for _ in range(ATTEMPTS):
            self.distribute()
            at, before = handle.numbered(*names)
            if at.arrivals:
                continue
            written: list[AddAction] = []
            with self.discarding(EVENTS, written):
                with ThreadPoolExecutor(WRITERS) as pool:
                    jobs = [pool.submit(rewrite, self.undo_places(b, at), what, written) for b in at.buckets]
                found = {bucket: job.result() for bucket, job in zip(at.buckets, jobs, strict=True)}
                found = {bucket: one for bucket, one in found.items() if one.removes}
                if not found and None not in before:
                    return 0
                if self._commit_without(found, at, {name: 1 + (n or 0) for name, n in zip(names, before, strict=True)}):
                    return sum(self._brought(EVENTS, one.removes, what) for one in found.values())
                self._take_back(EVENTS, written)
        raise Conflict(f"others wrote to the lake {ATTEMPTS} times in a row while rows were taken out; run it again")

    def _commit_without(self, found: Mapping[int, Without], at: Snapshot, numbers: Mapping[str, int]) -> bool:
        """Commit buckets without some rows, unless others have moved them, or brought rows, since; tell whether."""
        handle, done = self._handle(EVENTS), False

        def plan(now: Snapshot) -> Change:
            nonlocal done
            removes = [file for one in found.values() for file in one.removes]
            news = log.news(handle.place, at.version, now.version)
            done = news is not None and not news and set(now.files).issuperset(removes)
            if not done:
                return Change(())
            own = {f"{BUCKET_WRITES}.{bucket}": now.version + 1 for bucket in found}
            return Change([add for one in found.values() for add in one.adds], removes, numbers={**numbers, **own})

        handle.commit("append", plan)
        return done

    def _brought(self, table: Table, files: Sequence[File], what: Sequence[Brought]) -> int:
        return int(brought_by(what, self.read_files(table, [file.path for file in files], NEEDED)).sum())

    def _clear_superseded(self, what: Sequence[Brought]) -> int:
        for _ in range(ATTEMPTS):
            brought = 0
            at, events = self.snapshot(SUPERSEDED), self.snapshot(EVENTS)
            adds: list[AddAction] = []
            gone: list[File] = []
            with self.discarding(SUPERSEDED, adds):
                for bucket in at.buckets:
                    there = at.bucket(bucket)
                    rows = self.read_files(SUPERSEDED, [file.path for file in there])
                    kept = cleared(rows, self.read_bucket(EVENTS, bucket, ROW, events), what)
                    brought += int(brought_by(what, rows).sum())
                    if kept.num_rows == rows.num_rows:
                        continue
                    gone += there
                    if kept.num_rows:
                        adds.append(self.write_file(SUPERSEDED, kept, bucket))
                if self._commit_cleared(at, adds, gone):
                    return brought
                self._take_back(SUPERSEDED, adds)
        raise Conflict(f"others wrote to the lake {ATTEMPTS} times in a row while rows were taken out; run it again")

    def _commit_cleared(self, at: Snapshot, adds: Sequence[AddAction], gone: Sequence[File]) -> bool:
        """Commit what is left of SUPERSEDED unless others have written there since `at`; tell whether.

        It is committed also where nothing was to be taken out, under the name under which compaction brings rows. A
        compaction that found the files of events as they were before the undo, and no lock to wait for, is then
        refused: it looks again, and finds that they are gone.
        """
        done = False

        def plan(now: Snapshot) -> Change:
            nonlocal done
            done = now.version == at.version
            return Change(adds, gone, numbers={MISSING: now.version + 1}) if done else Change(())

        self._handle(SUPERSEDED).commit("append", plan)
        return done

    def undo_places(self, bucket: int, at: Snapshot) -> Places:
        """Return where a bucket lies, for what reads it without some ingests' rows; events as of `at`."""
        gone = self.snapshot(SUPERSEDED).bucket(bucket)
        events, superseded = (self._handle(table).place for table in (EVENTS, SUPERSEDED))
        return Places(events, superseded, bucket, at.own.get(bucket, ()), gone, self._width)

    def with_and_without(
        self, bucket: int, what: Sequence[Brought], columns: Sequence[str], at: Snapshot
    ) -> tuple[pa.Table, pa.Table]:
        """Return the events of a bucket that count, and those that would count without what some ingests brought."""
        wanted = list(dict.fromkeys([*columns, *revisions.NEEDED, *ROW, *NEEDED]))
        rows = self.read_revisions(EVENTS, bucket, at.bucket(bucket), wanted)
        after = remaining(rows, self.undo_places(bucket, at), what)
        after = after.filter(pa.array(~revisions.superseded(after))).select(list(columns))
        return self.read_bucket(EVENTS, bucket, columns, at), after
