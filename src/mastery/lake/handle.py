"""One Delta table, kept open: what it holds now, and commits to it.

What is known moves forward commit by commit: by the table's own, and by those of others, which are read from the log.
Of a local table commits, but for those that replace all of it, are written by `mastery.lake.commit`; who finds the next
number taken reads that commit and plans again, so that none is ever missed. delta-rs opens the table and makes all
other commits, and what it has read of the log may lag behind; it is brought up when it is asked for something.

Commits that take files away (overwrite, replace, compact) carry one application
transaction, `REWRITE`, so that of two at once one is refused and tried again on what the other left:
delta-rs does not compare the removals of two appending commits, and without it two compactions of
one bucket doubled its rows (tests/lake/test_processes.py).

A log without a commit is what a kill or a full disk leaves while a table is being made. It counts as no table, and
the next writer makes it: Delta's first commit is put only where there is none, so of two at once one makes it. That is
done before the first file is written, so that files without a commit are known for a table whose log was deleted; see
`mastery.lake.leftovers`.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Literal, NoReturn

from deltalake import DeltaTable, PostCommitHookProperties
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.transaction import AddAction, CommitProperties, RemoveAction, Transaction

from mastery import disk
from mastery.errors import Conflict, MasteryError, unwritable
from mastery.events.identity import IDENTITY_VERSION
from mastery.lake import commit, conditional_put, log
from mastery.lake.commit import Overtaken
from mastery.lake.file_writer import holds_revisions
from mastery.lake.location import TableLocation
from mastery.lake.object_store import unreachable
from mastery.lake.opened import first_line, instants, latest, open_table, other_columns
from mastery.lake.snapshot import NOTHING, File, Snapshot, TableVersion, take
from mastery.tables import Table

logger = logging.getLogger(__name__)

Mode = Literal["append", "overwrite"]

BUCKETS = "mastery.buckets"
"""Key of a table's configuration that says into how many buckets the lake is cut."""

IDENTITY = "mastery.identity"
"""Key of a table's configuration: the version of the rules by which its events were identified."""

REWRITE = "mastery.rewrite"
"""Application transaction of every commit that takes files away."""

KEY = "mastery.key"
"""Application transaction of the first events: its number is the check value of the key that named their students."""

NOT_LOOKED_AT = ()
"""In place of the mark of a commit, and no such mark: the table was opened, and its files are not known yet."""

CHECKPOINT_EVERY = 100
"""Commits after which the log gets a checkpoint, and loses commits that may go (a month old, and before a checkpoint),
as soon as nobody waits for it; after twice as many it is made with a commit. Looking for those that may go lists the
whole log: after each commit that cost 6 ms with 800 of them there, and 6 more with each 800 more."""

PLAIN_WRITERS = 2
"""The version of Delta's rules for writers of all our tables; with a later one, commits are left to delta-rs."""

ATTEMPTS = 20
"""How often a refused commit is tried again, and a look that others overtake. Each refusal means that another writer
got on."""

APPENDS = 200
"""The same where all that was taken is the number of a commit: each time costs a millisecond."""

ANY_TIME = 2**63 - 1
"""Microseconds since 1970 that no event comes after."""

PAUSE_AFTER, LONGEST_PAUSE_S = 5, 0.02
"""After this many refusals a writer pauses, for a random time up to this, so that of many each gets on."""


@dataclass(frozen=True)
class Change:
    """What one commit adds and takes away.

    Attributes:
        adds: Files already written.
        removes: Live files. With mode `overwrite` the table finds them itself.
        data_change: False where rows only move.
        numbers: Application transaction → number that the table has under it from this commit on.
    """

    adds: Sequence[AddAction]
    removes: Sequence[File] = ()
    data_change: bool = True
    numbers: Mapping[str, int] = field(default_factory=dict)


class WrongKey(Conflict):
    """The students of a lake were named with another key than is to be used now."""

    def __init__(self) -> None:
        super().__init__(
            "the pseudonym key is not the one that the students in this lake were named with: every student would get "
            "a second, unconnected record; put the key file back from your backup, or name its place "
            "(MASTERY_PSEUDONYM_KEY_FILE). To start again with this key, use another home"
        )


class LogGone(Conflict):
    """The log of the version looked at last went away before all of it was read."""


class Handle:
    """Opening a table costs 17 ms at 64 commits, asking an open one for news 0.5 ms, so it stays open."""

    def __init__(self, place: TableLocation, table: Table, buckets: int, options: Mapping[str, str] | None) -> None:
        self.place = place
        self.table = table
        self._buckets = buckets
        self._options = dict(options) if options else None
        self._delta: DeltaTable | None = None
        self._snapshot = NOTHING
        self._numbers: dict[str, int | None] = {}  # of application transactions, as of `_snapshot`, as far as known
        self._mark: tuple[int, ...] | None = None  # of the commit of `_snapshot`
        self._fingerprint: str | None = None  # the same, when somebody has asked
        self._newest: dict[str, int | None] = {}  # of `_snapshot`; asked for with every page shown
        self._lake: tuple[int, int] | None = None  # the one the table was opened in; see `log.lake`
        self._earlier: DeltaTable | None = None
        self._checkpoint = -1  # version of the last one that is known
        self._on_disk: set[str] = set()  # files whose content is there, before their commit
        self._folders: set[str] = set()  # of buckets whose names are there
        self._key: int | None = None
        self._kept: int | None = None  # the key's check value in the table, which never changes once it is there
        self._lock = threading.RLock()
        self._checkpointing = threading.Lock()

    def buckets(self) -> int | None:
        """Return the number of buckets that the table says, None where it says none or is not there."""
        with self._lock:
            self.snapshot()
            return self._configured(BUCKETS)

    def identity(self) -> int | None:
        """Return the version of the rules by which its events were identified; None where the table says none."""
        with self._lock:
            self.snapshot()
            return self._configured(IDENTITY)

    def snapshot(self) -> Snapshot:
        """Return the files of the newest version; none, at version -1, when there is no table yet.

        Commits are numbered without gaps, so no next one means no news; three looks at a folder, 0.01 ms against 0.8
        for asking delta-rs. Where the commit of our version is gone (the log was cleaned up) or another one (the table
        was restored from a backup, or made again), the table is opened again. An object store is always asked.

        Raises:
            Conflict: Something else lies in the table's folder, or the table was there and is gone.
            LogDeleted: Its files are there, and its log is not.
        """
        with self._lock:
            for _ in range(ATTEMPTS):
                folder = log.folder(self.place)
                moved = self._look()
                if self._delta is not None and self._delta.version() > self._snapshot.version:
                    found = take(self.table, self._delta, self._buckets)
                    self._mark = log.mark(self.place, found.version)
                    self._snapshot, self._fingerprint = found, None
                    self._newest.clear()
                    self._numbers.clear()
                    moved = True
                if not moved or log.folder(self.place) == folder:
                    return self._snapshot
                self._open_again()  # or the files of one log would be taken for those of the other, for good
            raise self._gone("another log was put in its place each time it was looked at")

    def identified(self) -> tuple[Snapshot, TableVersion]:
        """Return the files of the newest version, and what tells this version from the same number of another table."""
        with self._lock:
            for _ in range(ATTEMPTS):
                snapshot = self.snapshot()
                if self._delta is None:
                    return snapshot, TableVersion("", snapshot.version, "")
                if self._fingerprint is None:
                    found = log.fingerprint(self.place, snapshot.version)
                    if log.mark(self.place, snapshot.version) != self._mark:
                        continue  # it is that of another table, put in the place of this one just now
                    self._fingerprint = found or ""
                return snapshot, TableVersion(str(self._delta.metadata().id), snapshot.version, self._fingerprint)
            raise self._gone("another log was put in its place each time it was looked at")

    def holds(self, one: TableVersion) -> bool:
        """Tell whether this version is in the table's past, or is its newest."""
        with self._lock:
            newest = self.identified()[1]
            if one.table_id != newest.table_id or one.version > newest.version:
                return False
            if one.version == newest.version:
                return one == newest
            return log.fingerprint(self.place, one.version) == one.fingerprint

    def number(self, transaction: str) -> int | None:
        """Return the number that the newest version has under an application transaction; None for none."""
        return self.numbered(transaction)[1][0]

    def numbered(self, *transactions: str) -> tuple[Snapshot, tuple[int | None, ...]]:
        """Return the files of the newest version, and the numbers that this version has; see `number`."""
        with self._lock:
            snapshot = self.snapshot()
            try:
                return snapshot, tuple(self.number_here(name) for name in transactions)
            except LogGone:  # between the two another table was put in its place
                self._open_again()
                return self.snapshot(), tuple(self.number_here(name) for name in transactions)

    def number_here(self, transaction: str) -> int | None:
        """Return the number that the version looked at last has under a transaction. Does not look again: what a plan
        of `commit` is made on must not move before the commit.

        Raises:
            LogGone: The log of that version is not there any more, and delta-rs had not read this number from it.
        """
        with self._lock, self._reading_log():
            if transaction == KEY and self._kept is not None:
                return self._kept
            if transaction not in self._numbers:  # delta-rs may lag behind, but not behind a commit that says it
                found = None if self._delta is None else self._delta.transaction_version(transaction)
                self._numbers[transaction] = found
            if transaction == KEY:  # said by one of the first commits: delta-rs reads back to the checkpoint
                self._kept = self._numbers[transaction]
            return self._numbers[transaction]

    def at(self, version: int) -> Snapshot:
        """Return the files of an earlier version; none for -1. The last one that was asked for stays in memory.

        Raises:
            Conflict: The log no longer goes back that far.
        """
        with self._lock:
            if version < 0:
                return NOTHING
            if version == self.snapshot().version:
                return self._snapshot
            return take(self.table, self._opened_at(version), self._buckets)

    def newest(self, column: str, at: Snapshot) -> int | None:
        """Return the latest instant of a time column in microseconds, from the log alone; None for no rows."""
        with self._lock:
            if not at.rows:
                return None
            if at.version != self._snapshot.version:
                return latest(self._opened_at(at.version), column)
            if column not in self._newest:
                self._newest[column] = latest(self._opened_at(at.version), column)
            return self._newest[column]

    def newest_by_file(self, column: str, at: Snapshot) -> list[tuple[int, File]]:
        """Return the latest instant of a time column, in microseconds, of each file that has one, with the file; of one
        that another program has merged, where the log may not say it, a time that it may have at most.
        """
        with self._lock:
            actions = instants(self._opened_at(at.version), column)
        at_us_of = dict(zip(actions["path"].to_pylist(), actions["at"].to_pylist(), strict=True))
        found = [(at_us_of[file.path], file) for file in at.files]
        at_most = [(ANY_TIME if at_us is None and holds_revisions(file.path) else at_us, file) for at_us, file in found]
        return [(at_us, file) for at_us, file in at_most if at_us is not None]

    def begin(self) -> None:
        """Make the table unless it is there: called before a file is written, by any thread.

        Once it is open nobody waits here: a plan of `commit`, which has made the table and holds the lock, writes its
        files in threads of its own.

        Raises:
            LogGone: The table went away while it was being committed to.
        """
        opened = self._delta is not None
        if opened and (not self.place.is_local or self.place.exists(log.FOLDER)):
            return
        if not self._lock.acquire(blocking=not opened):
            raise self._gone("it went away while it was being written")
        try:
            self.create()
        finally:
            self._lock.release()

    def create(self) -> None:
        """Make the table unless it is there; of two processes at once one makes it."""
        with self._lock:
            if self.snapshot().version >= 0:
                return
            self.require_one_winner()
            try:
                self._make("error")
            except (DeltaError, OSError) as error:
                if self.snapshot().version < 0:
                    self._refuse(error)
            self._settle_log(-1)

    def require_one_winner(self) -> None:
        """Try, once in a process, whether of several writers to one place in an object store exactly one wins.

        Raises:
            NoConditionalPut: It is otherwise: commits would be lost, without a word.
            Unreachable: It does not answer, or nothing may be written there.
        """
        if not self.place.is_local:
            conditional_put.require(self.place.beside(conditional_put.FOLDER), self._options)

    def renew(self) -> None:
        """Give a published table of another version the columns of this one. Its newest version is empty then."""
        with self._lock:
            if not self.other_columns():
                return
            self.require_one_winner()
            try:
                self._make("overwrite")
            except (DeltaError, OSError) as error:
                self._refuse(error)
            self._settle_log(-1)

    def other_columns(self) -> list[str]:
        """Return the columns that the table or this version of the program has alone, or in another type."""
        with self._lock:
            self.snapshot()
            return [] if self._delta is None else other_columns(self.table, self._delta)

    def commit_key(self, check: int) -> None:
        """Make commits under a key from now on: one that finds no check value in the table carries it.

        Raises:
            WrongKey: The table has the check value of another key; so do commits, where another process was faster.
        """
        with self._lock:
            self._key = check
            self.snapshot()
            self._missing_key()

    def commit(self, mode: Mode, plan: Callable[[Snapshot], Change]) -> int:
        """Commit what `plan` says about the newest version and return the version made.

        `plan` is called again, with what is there then, each time another writer was faster. It must not look at the
        table itself: a commit is compared with what came after the last look.
        A change of nothing makes no commit, unless it is to carry the key's check value. Before a commit its files are
        on the disk, names included; after it, the commit is.

        Raises:
            Conflict: Others were faster every time.
            WrongKey: See `commit_key`.
            Unwritable: The disk is full, or may not be written to. Nothing was committed.
        """
        self.create()
        self.require_one_winner()
        settled: set[str] = set()
        refused = overtaken = 0
        with self._lock:
            while refused < ATTEMPTS and overtaken < APPENDS:
                before = self.snapshot()
                if self._delta is None:
                    raise self._gone("the lake was put back as it was before the table was made")
                change = plan(before)
                missing = self._missing_key()
                nothing = not change.adds and not change.removes and (mode == "append" or not before.files)
                if nothing and not missing and not change.numbers:
                    return before.version
                self.settle({add.path for add in change.adds} - settled)
                settled.update(add.path for add in change.adds)
                by_delta = True
                try:
                    self._try(mode, replace(change, numbers={**change.numbers, **missing}), before)
                    by_delta = self._snapshot is before
                except Overtaken:
                    overtaken += 1
                    if overtaken > PAUSE_AFTER:
                        time.sleep(random.uniform(0.0, LONGEST_PAUSE_S))
                    continue
                except CommitFailedError as error:
                    if unwritable(error, "", "") is not None:
                        self._refuse(error)
                    refused += 1
                    continue
                except (DeltaError, OSError) as error:
                    if not self._landed(change, before):  # what follows a commit, a checkpoint, may fail alone
                        self._refuse(error)
                if not by_delta:  # it is on the disk, and known
                    if self._snapshot.version - self._checkpoint >= 2 * CHECKPOINT_EVERY:
                        self._tidy_log_after_commit()
                    return before.version + 1
                after = self.snapshot()
                self._settle_log(before.version)
                if after.version == before.version + 1:
                    return after.version
                # By what it adds, which nobody else does: what it takes away another one may have added meanwhile.
                names = {add.path for add in change.adds} or {file.path for file in change.removes or before.files}
                return log.commit_naming(self.place, names, before.version, after.version)
        raise Conflict(
            f"table {self.table.name!r}: {refused + overtaken} commits in a row were refused because others wrote at "
            "the same time; try again, or let fewer jobs rewrite this table at once"
        )

    def tidy_log(self) -> None:
        """Give the log a checkpoint, so that it is opened as fast as before, where the last one is some commits old.

        Unless the caller is committing, nobody waits for it: the table is opened apart, for that takes 140 ms.
        """
        if not self._checkpointing.acquire(blocking=False):
            return
        try:
            with self._lock:
                if not self.place.is_local or self._snapshot.version - self._checkpoint < CHECKPOINT_EVERY:
                    return
                self._checkpoint = before = log.last_checkpoint(self.place)  # another process may have made one
                if self._snapshot.version - before < CHECKPOINT_EVERY:
                    return
            with self._reading_log():
                delta = DeltaTable(self.place.uri, storage_options=self._options)
                delta.create_checkpoint()
                delta.cleanup_metadata()
            self._settle_log(before)
            with self._lock:
                self._checkpoint = delta.version()
        finally:
            self._checkpointing.release()

    def _tidy_log_after_commit(self) -> None:
        """Give the log a checkpoint while the caller waits. What keeps it from being made is no matter of what was
        committed: that stands, and whoever was told otherwise would bring it again.
        """
        try:
            self.tidy_log()
        except MasteryError as error:
            logger.warning(
                "the log of table %r could get no checkpoint, which is tried again: %s", self.table.name, error
            )
            self._checkpoint = self._snapshot.version - CHECKPOINT_EVERY  # not with each commit: that takes 140 ms

    def write_out(self, path: str) -> None:
        """Wait until the content of a file is on the disk."""
        with self.place.writing(f"table {self.table.name!r}"):
            self.place.write_out(path)
        self._on_disk.add(path)

    def settle(self, paths: Collection[str]) -> None:
        """Wait until files of the table's folder, and their names, outlast a power cut."""
        if not paths:
            return
        folders = {path.rpartition("/")[0] for path in paths}
        new = folders - self._folders
        with self.place.writing(f"table {self.table.name!r}"):
            self.place.settle(set(paths) - self._on_disk, folders | {""} if new else folders)
        self._on_disk.difference_update(paths)
        self._folders |= new

    def vacuum(self, retain_hours: int, keep: Sequence[int] = ()) -> list[str]:
        """Delete files that no version of the last hours names, nor any of those to keep; return their paths."""
        with self._lock:
            if self.snapshot().version < 0 or self._delta is None:
                return []
            delta = self._brought_up() or self._delta
            with self._reading_log():
                return delta.vacuum(
                    retain_hours,
                    dry_run=False,
                    enforce_retention_duration=False,
                    full=True,
                    keep_versions=[version for version in keep if version < self._snapshot.version] or None,
                )

    def _try(self, mode: Mode, change: Change, before: Snapshot) -> None:
        """Make the commit after `before`: here, or of a whole table and of an object store by delta-rs.

        Raises:
            Overtaken, CommitFailedError: Another writer was faster.
        """
        rewrites = bool(change.removes) or mode == "overwrite"
        if rewrites:
            change = replace(change, numbers={REWRITE: before.version + 1, **change.numbers})
        if self.place.is_local and mode == "append" and self._is_plain():
            self._put(change, before)
            return
        delta, now_ms = self._brought_up(), int(time.time() * 1000)
        if delta is None or delta.version() != before.version:
            raise Overtaken  # delta-rs compares with what came after its own last look, which is later than the plan's
        removes = [
            RemoveAction(
                file.path,
                change.data_change,
                now_ms,
                file.size,
                commit.partition_of(file, self.table.partition_by),
            )
            for file in change.removes
        ]
        transactions = [Transaction(name, number) for name, number in change.numbers.items()]
        delta.create_write_transaction(
            [*change.adds, *removes],
            mode,
            delta.schema(),
            list(self.table.partition_by),
            commit_properties=CommitProperties(app_transactions=transactions or None),
            post_commithook_properties=PostCommitHookProperties(
                create_checkpoint=True,
                cleanup_expired_logs=None if (before.version + 1) % CHECKPOINT_EVERY == 0 else False,
            ),
        )

    def _put(self, change: Change, before: Snapshot) -> None:
        """Write the commit after `before`."""
        body = commit.content(
            change.adds,
            change.numbers,
            removes=change.removes,
            data_change=change.data_change,
            partition_by=self.table.partition_by,
            now_ms=int(time.time() * 1000),
        )
        with self.place.writing(f"table {self.table.name!r}"):
            mark = commit.put(self.place, before.version + 1, body, after=self._mark)
        said = log.read(body)
        assert said is not None
        self._move(said, before.version + 1, mark)
        self._fingerprint = log.digest(body)

    def _is_plain(self) -> bool:
        return self._delta is not None and self._delta.protocol().min_writer_version <= PLAIN_WRITERS

    def _look(self) -> bool:
        """Open the table, or read what is new in its log; tell whether the files are not those known before."""
        if self._delta is None:
            self._lake, self._delta = log.lake(self.place), self._open()
            self._checkpoint = log.last_checkpoint(self.place) if self.place.is_local else -1
            return False
        mark = log.mark(self.place, self._snapshot.version)
        if mark != self._mark:
            self._open_again()
            return False
        if mark is None or not self.place.is_local:
            self._update()
            return False
        return self._read_on()

    def _read_on(self) -> bool:
        """Move forward by the commits of a local log that came since the last look."""
        moved = False
        while log.has_commit(self.place, version := self._snapshot.version + 1):
            mark, content = log.mark(self.place, version), self.place.read_bytes(log.name_of(version))
            said = None if content is None else log.read(content)
            if said is None or mark is None or mark != log.mark(self.place, version):
                self._update()
                return moved
            self._move(said, version, mark)
            moved = True
        return moved

    def _move(self, said: log.Commit, version: int, mark: tuple[int, ...]) -> None:
        """Take what a commit says for what the table is now."""
        self._snapshot = self._snapshot.after(version, said.adds, said.removes)
        self._mark, self._fingerprint = mark, None
        self._numbers |= said.numbers
        if said.removes:
            self._newest.clear()
        for column in self._newest:
            self._newest[column] = said.newest(column, self._newest[column])

    def _brought_up(self) -> DeltaTable | None:
        """Return the table as delta-rs has it, at the newest version, which may be later than that of the last look."""
        if self._delta is not None and self._delta.version() < self._snapshot.version:
            self._update()
        return self._delta

    def _opened_at(self, version: int) -> DeltaTable:
        """Return the table as delta-rs has it at one version."""
        delta = self._brought_up() if version == self._snapshot.version else self._delta
        if delta is not None and delta.version() == version:
            return delta
        if self._earlier is None or self._earlier.version() != version:
            try:
                self._earlier = DeltaTable(self.place.uri, version=version, storage_options=self._options)
            except (DeltaError, OSError) as error:
                raise self._known(error) or Conflict(
                    f"table {self.table.name!r} in {self.place.uri}: version {version} cannot be read any more "
                    f"({first_line(error)}); run 'mastery recompute', which makes the table again"
                ) from error
        return self._earlier

    def _open(self) -> DeltaTable | None:
        return open_table(self.place, self.table, self._options)

    @contextmanager
    def _reading_log(self) -> Iterator[None]:
        """Turn what delta-rs says where it reads the log again, and that is another one by now, into `LogGone`."""
        try:
            yield
        except (DeltaError, OSError) as error:
            known = self._known(error)
            raise (self._gone(first_line(error)) if known is None else known) from error

    def _known(self, error: Exception) -> MasteryError | None:
        """Return the error of a full or forbidden disk, or of an object store, in one sentence; None for another."""
        found = unwritable(error, f"table {self.table.name!r}", self.place.uri)
        return found if found is not None or self.place.is_local else unreachable(error, self.place.uri)

    def _gone(self, found: str) -> LogGone:
        return LogGone(
            f"table {self.table.name!r} in {self.place.uri}: its log of version {self._snapshot.version} "
            f"cannot be read any more ({found}); try again: another copy of the table was put in its place, or its log "
            "was cleaned up"
        )

    def _configured(self, key: str) -> int | None:
        said = None if self._delta is None else self._delta.metadata().configuration.get(key)
        return None if said is None else int(said)

    def _make(self, mode: Literal["error", "overwrite"]) -> None:
        self.place.make()
        DeltaTable.create(
            self.place.uri,
            self.table.schema,
            mode=mode,
            partition_by=list(self.table.partition_by),
            description=self.table.doc,
            configuration={BUCKETS: str(self._buckets), IDENTITY: str(IDENTITY_VERSION)},
            storage_options=self._options,
            raise_if_key_not_exists=False,
        )

    def _update(self) -> None:
        try:
            assert self._delta is not None
            self._delta.update_incremental()
        except (DeltaError, OSError) as error:
            if log.mark(self.place, self._snapshot.version) == self._mark:
                raise self._known(error) or Conflict(
                    f"{self.place.uri} cannot be read as a Delta table: {first_line(error)}"
                ) from error
            self._open_again()  # another table was put in its place just now

    def _open_again(self) -> None:
        """Take the table for a new one, of which nothing is known; for none in a lake that was put back as it was
        before the table was made.
        """
        lake, opened = log.lake(self.place), self._open()
        if opened is None and lake in (None, self._lake):
            raise Conflict(
                f"table {self.table.name!r} in {self.place.uri} was at version {self._snapshot.version} and its log is "
                "gone; restore it from your backup; if you removed it on purpose, restart to begin with an empty table"
            )
        self._lake, self._delta, self._earlier = lake, opened, None
        self._snapshot, self._mark, self._kept = NOTHING, NOT_LOOKED_AT, None
        self._checkpoint = log.last_checkpoint(self.place) if self.place.is_local else -1
        self._fingerprint = None
        self._numbers.clear()
        self._newest.clear()
        self._folders.clear()

    def _missing_key(self) -> Mapping[str, int]:
        """Return the number under which the next commit is to say the key's check value; none where it is there."""
        kept = None if self._key is None else self.number_here(KEY)
        if kept is not None and kept != self._key:
            raise WrongKey
        return {} if self._key is None or kept is not None else {KEY: self._key}

    def _settle_log(self, after: int) -> None:
        """Wait until the commits after a version, and what delta-rs has put beside them, outlast a power cut.

        delta-rs itself waits for nothing. Nobody is told of a commit before this; who has read it all the same holds
        an answer that was right.
        """
        names = [f"{log.FOLDER}/{name}" for name in log.names_after(self.place, after)]
        with self.place.writing(f"table {self.table.name!r}"):
            self.place.settle(names, {"", log.FOLDER})

    def _landed(self, change: Change, before: Snapshot) -> bool:
        """Tell whether a commit that came back with an error is in the log all the same."""
        after = self.snapshot()
        live = {file.path for file in after.files}
        gone = live.isdisjoint(file.path for file in change.removes)
        return after.version > before.version and gone and live.issuperset(add.path for add in change.adds)

    def _refuse(self, error: Exception) -> NoReturn:
        """Raise what a failed commit comes to in one sentence."""
        if not self.place.links():
            raise disk.no_links(self.place.root) from error
        known = self._known(error)
        if known is not None:
            raise known from error
        raise Conflict(
            f"table {self.table.name!r} in {self.place.uri} could not be committed to ({first_line(error)}); nothing "
            "was committed: run it again; if that does not help, its log is damaged: restore it from your backup"
        ) from error
