"""Publish the students of whom something has come in since: between two recomputes, every few minutes.

Whoever does it looks at the log of the lake: the students of all events that came, or went, after those that are
published are folded, by the function of a recompute, and their rows take the place of those that they had. Who is to be
published is nowhere else kept, so any worker may do it, one that was killed included, and it does not matter by which
door events came.

    fold       the changed students of a bucket; write its files again in which they lie
    commit     one commit a table, which takes away the files that were written again
    publish    the row of PUBLICATIONS that names these versions, and up to which events changes are published

Law: the rows of a student are those that a recompute at the same moment makes, bit for bit.

**Which files.** Of each bucket there are two files of a table, after this has met it: a small one of those students who
have worked within `HOT_DAYS`, and a large one of the others. Who works today mostly did yesterday, so as a rule only
the small one is written again. A student of the large one, who comes back after days, costs its bucket the large one.

**With others.** Tables are committed under the lock of publishers, and only upon what was looked at. A recompute that
publishes meanwhile wins: its tables take the place of all files, its row says up to which events it has read, and
students of later ones are changed ones again. What a kill leaves between two commits is shown by no row; the next one
that publishes takes it away, and writes again what was lost with it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from deltalake.transaction import AddAction

from mastery.errors import Conflict, Stopped
from mastery.events.identity import buckets as bucket_of
from mastery.features.columns import READ
from mastery.instants import DAY_US, instant
from mastery.lake import Lake, Snapshot
from mastery.lake.compaction import order
from mastery.lake.file_writer import is_fresh
from mastery.lake.files import Only
from mastery.lake.publication import CHANGES, EPOCH, Publication
from mastery.lake.snapshot import File
from mastery.pipelines.models.compare import published_version
from mastery.pipelines.scoring import class_numbers, class_weakest
from mastery.pipelines.scoring.catch_up import students_of
from mastery.pipelines.scoring.class_numbers import ClassNumbers
from mastery.pipelines.scoring.class_weakest import ClassWeakest
from mastery.pipelines.scoring.fold_bucket import BucketOptions, fold_bucket
from mastery.pipelines.scoring.pace import paced
from mastery.pipelines.scoring.recompute import PART_ROWS, parts
from mastery.school_days import UTC_DAYS
from mastery.scorers.model_set import ModelSet
from mastery.tables import (
    CLASS_STUDENTS,
    CLASS_TOPICS,
    CLASS_WEAKEST,
    EVENTS,
    FEATURES,
    GOLD,
    HISTORY,
    LEDGER,
    SHADOW,
    Table,
)

STUDENT = "student_id"

HOT_DAYS = 2
"""Who has worked within this many days lies in the file that is written again as a rule."""

FEW_STUDENTS = 4
"""Up to this many students of a bucket are read one by one; for more the bucket is read once."""

KEPT_S = 3_600.0
"""For so long files that were written again are kept for who still reads them. A day, as after a recompute, would be
some hundred times what changes in five minutes."""

OF_CLASS = tuple(dict.fromkeys([*class_numbers.COLUMNS, *class_weakest.COLUMNS, "score_source"]))
"""Columns of GOLD that the class tables are made of."""

ORDER = {GOLD.name: ("score_source", STUDENT, "topic_id"), SHADOW.name: ("score_source", STUDENT, "topic_id")}
"""Order of rows in a file, as a recompute writes them; the table's key where none is named."""


@dataclass(frozen=True)
class PublishedChanges:
    """What was published.

    Attributes:
        students: Of whom something had come in, or was taken back.
        rows: That they have now in ledger, features, gold, history and shadow.
        written: Rows of all files that were written.
        generation: Number of the publication; None where there was nothing to publish.
        left: Why nothing could be published, though there was something; None where it was.
    """

    students: int = 0
    rows: int = 0
    written: int = 0
    generation: int | None = None
    left: str | None = None


@dataclass
class _Work:
    """One publication while it is made: what is added to each table, which of its files stay, and the counts."""

    added: dict[str, list[AddAction]] = field(default_factory=dict)
    kept: dict[str, set[str]] = field(default_factory=dict)
    rows: int = 0
    written: int = 0
    later: bool = False  # some events come after `as_of`


class ChangesPublisher:
    """Publishes what has changed in one lake, whenever it is asked to. Used by one thread.

    It remembers what the class tables take from each file of gold, which costs some 70 bytes a student and scorer.
    """

    def __init__(
        self,
        lake: Lake,
        *,
        min_evidence: int,
        derived_history: bool = True,
        stop: threading.Event | None = None,
        share: float = 1.0,
    ) -> None:
        """Take the lake, and what a recompute is told too.

        Args:
            stop: Ends a publication that is being made.
            share: Of the time that a publication takes, how much is worked: between buckets it rests; see `Pace`.
        """
        self._lake, self._min_evidence, self._derived_history = lake, min_evidence, derived_history
        self._stop = threading.Event() if stop is None else stop
        self._pace = paced(share, self._stop)
        self._of_files: dict[tuple[str, ...], tuple[ClassNumbers, ClassWeakest]] = {}
        self._superseded: list[tuple[float, Table, list[str]]] = []

    def publish(
        self, model_set: ModelSet, *, as_of_us: int, now_us: int, shadow: ModelSet | None = None
    ) -> PublishedChanges:
        """Publish the students of whom something has come in since the last publication, as of a moment.

        Args:
            model_set: The active one.
            as_of_us: Moment of their scores.
            now_us: When they are computed.
            shadow: The set that runs beside it.

        Raises:
            Conflict: Somebody else has published meanwhile; nothing of this is shown.
            Unwritable: The disk is full, or may not be written to.
            Stopped: It is to end.
        """
        self._clear_away()
        self._pace.begin()
        began = self._lake.begin_publishing()
        events = self._lake.snapshot(EVENTS)
        since = began.changes_until
        if events.version <= since:
            return PublishedChanges()
        news = self._lake.news(EVENTS, since, events.version)
        changed = None if news is None else students_of(self._lake, news, events.version)
        self._rest()
        if changed is None:
            return PublishedChanges(left="the log of the lake no longer says what has come in since")
        hindered = _hindered(began, model_set)
        if hindered is not None:
            return PublishedChanges(left=hindered)
        if shadow is not None and published_version(self._lake, SHADOW, began) != shadow.version:
            shadow = None  # the next recompute publishes all of it
        tables = (GOLD, LEDGER, FEATURES, HISTORY, *(() if shadow is None else (SHADOW,)))
        options = BucketOptions(
            as_of_us, now_us, self._min_evidence, shadow=shadow, derived_history=self._derived_history
        )
        if shadow is not None:
            options = replace(options, shadow=replace(shadow, days=model_set.days))
        shown = {table.name: self._lake.shown(table, began) for table in tables}
        live = {table.name: frozenset(file.path for file in self._lake.snapshot(table)) for table in tables}
        work = _Work({table.name: [] for table in (*tables, *OF_ALL)}, {table.name: set() for table in tables})
        by_bucket = _by_bucket([*changed], self._lake.buckets)
        made: list[tuple[str, ...]] = []
        with ExitStack() as until:
            for table in (*tables, *OF_ALL):
                until.enter_context(self._lake.discarding(table, work.added[table.name]))
            for new in self._folded(by_bucket, events, model_set, options, work):
                for bucket, rows in new.items():
                    self._write_bucket(bucket, by_bucket[bucket], rows, tables, shown, live, as_of_us, work)
                    self._rest()
            for bucket in {one for files in shown.values() for one in files.buckets} - by_bucket.keys():
                self._write_bucket(bucket, frozenset(), {}, tables, shown, live, as_of_us, work)
            made = self._write_class(shown[GOLD.name], work)
            until_events = since if work.later else events.version
            generation = self._commit(began, model_set, as_of_us, until_events, tables, work)
        self._of_files = {paths: found for paths, found in self._of_files.items() if paths in made}
        return PublishedChanges(len(changed), work.rows, work.written, generation)

    def _write_bucket(
        self,
        bucket: int,
        students: frozenset[str],
        new: Mapping[str, Sequence[pa.Table]],
        tables: Sequence[Table],
        shown: Mapping[str, Snapshot],
        live: Mapping[str, frozenset[str]],
        as_of_us: int,
        work: _Work,
    ) -> None:
        """Write the files of a bucket again that changed students are in, or that the newest version lacks."""
        if self._stop.is_set():
            raise Stopped
        hot = set(students)
        for table in tables:
            files = shown[table.name].bucket(bucket)
            again = [file for file in files if file.path not in live[table.name] or self._holds(table, file, students)]
            largest = max(files, key=lambda file: file.rows, default=None)
            whole = largest in again
            again = list(files) if whole else again
            work.kept[table.name].update(file.path for file in files if file not in again)
            rows = new.get(table.name, [])
            work.rows += sum(part.num_rows for part in rows)
            if not again and not rows:
                continue
            rest = self._lake.read_files(table, [file.path for file in again])
            rest = rest.filter(pc.invert(pc.is_in(rest[STUDENT].cast(pa.string()), value_set=_array(students))))
            if whole and table is GOLD:
                hot |= _worked_since(rest, as_of_us - HOT_DAYS * DAY_US)
            cold = rest.slice(0, 0)
            if whole:
                is_hot = pc.is_in(rest[STUDENT].cast(pa.string()), value_set=_array(hot))
                rest, cold = rest.filter(is_hot), rest.filter(pc.invert(is_hot))
            for part in (_together([rest, *rows], rest.schema), cold):
                if part.num_rows:
                    part = part.take(pa.array(order(part, ORDER.get(table.name, table.key))))
                    add = self._lake.write_file(table, part, bucket)
                    work.added[table.name].append(add)
                    work.written += part.num_rows
                    if table is GOLD:
                        self._of_files[add.path,] = self._class_of(part)

    def _folded(
        self,
        by_bucket: Mapping[int, frozenset[str]],
        events: Snapshot,
        model_set: ModelSet,
        options: BucketOptions,
        work: _Work,
    ) -> Iterator[dict[int, dict[str, list[pa.Table]]]]:
        """Yield the rows of changed students by bucket and table, none for those without an event; those of as many
        buckets together as are worth a fold.
        """
        waiting: dict[int, pa.Table] = {}
        for bucket, students in by_bucket.items():
            waiting[bucket] = self._events_of(bucket, students, events)
            self._rest()
            if sum(rows.num_rows for rows in waiting.values()) >= PART_ROWS:
                yield self._fold(waiting, model_set, options, work)
                waiting = {}
        if waiting:
            yield self._fold(waiting, model_set, options, work)

    def _events_of(self, bucket: int, students: frozenset[str], events: Snapshot) -> pa.Table:
        if len(students) <= FEW_STUDENTS:
            each = [self._lake.read_student(EVENTS, student, READ, at=events) for student in sorted(students)]
            return pa.concat_tables(each)
        return self._lake.read_bucket(
            EVENTS, bucket, READ, events, Only(column=STUDENT, values=tuple(sorted(students)))
        )

    def _fold(
        self, waiting: Mapping[int, pa.Table], model_set: ModelSet, options: BucketOptions, work: _Work
    ) -> dict[int, dict[str, list[pa.Table]]]:
        if self._stop.is_set():
            raise Stopped
        found: dict[int, dict[str, list[pa.Table]]] = {bucket: {} for bucket in waiting}
        rows = pa.concat_tables(waiting.values()).unify_dictionaries().combine_chunks()
        for part in parts(rows) if rows.num_rows else ():
            tables, _, counts = fold_bucket(part, model_set, options)
            work.later = work.later or counts.events_later > 0
            for table, made in tables:
                for bucket, mine in _cut(made, self._lake.buckets):
                    found[bucket].setdefault(table.name, []).append(mine)
            self._rest()
        return found

    def _rest(self) -> None:
        """Rest after a piece of work.

        Raises:
            Stopped: It is to end.
        """
        self._pace.rest()
        if self._stop.is_set():
            raise Stopped

    def _holds(self, table: Table, file: File, students: Collection[str]) -> bool:
        if not students:
            return False
        there = pc.unique(self._lake.read_files(table, [file.path], [STUDENT])[STUDENT])
        return bool(pc.any(pc.is_in(there.cast(pa.string()), value_set=_array(students))).as_py())

    def _write_class(self, gold: Snapshot, work: _Work) -> list[tuple[str, ...]]:
        """Write the class tables, of all files of gold that are to be shown; return what they were made of."""
        numbers, weakest = ClassNumbers(), ClassWeakest(self._min_evidence)
        groups = _groups([file for file in gold if file.path in work.kept[GOLD.name]])
        groups += [(add.path,) for add in work.added[GOLD.name]]
        for paths in groups:
            if paths not in self._of_files:
                self._of_files[paths] = self._class_of(self._lake.read_files(GOLD, paths, OF_CLASS))
            numbers.merge(self._of_files[paths][0])
            weakest.merge(self._of_files[paths][1])
        for table, rows in (
            (CLASS_STUDENTS, numbers.student_rows(self._lake.buckets)),
            (CLASS_TOPICS, numbers.topic_rows()),
            (CLASS_WEAKEST, weakest.rows()),
        ):
            if rows.num_rows:
                work.added[table.name].append(self._lake.write_file(table, rows, None))
                work.written += rows.num_rows
        return groups

    def _class_of(self, gold: pa.Table) -> tuple[ClassNumbers, ClassWeakest]:
        numbers, weakest = ClassNumbers(), ClassWeakest(self._min_evidence)
        gold = gold.select(list(OF_CLASS)).combine_chunks()  # all rows of a student and scorer at once
        numbers.add(gold)
        weakest.add(gold)
        return numbers, weakest

    def _commit(
        self,
        began: Publication,
        model_set: ModelSet,
        as_of_us: int,
        until_events: int,
        tables: Sequence[Table],
        work: _Work,
    ) -> int:
        """Commit the tables and show them; return the number of the publication."""
        gone: list[tuple[Table, list[str]]] = []
        versions = dict(began.versions)
        with self._lake.one_publisher():
            now = self._lake.publication()
            if now.number != began.number:
                raise Conflict("somebody else has published meanwhile; nothing of this is shown: it is done again")
            for table in (*tables, *OF_ALL):
                before = self._lake.snapshot(table)
                left = [file.path for file in before if file.path not in work.kept.get(table.name, ())]
                if len(before.files) - len(left) != len(work.kept.get(table.name, ())):
                    raise Conflict(f"table {table.name!r}: another writer has rewritten it; this is done again")
                versions[table.name] = self._lake.commit(table, work.added[table.name], remove_files=left)
                if versions[table.name] > before.version + 1:
                    raise Conflict(f"table {table.name!r}: somebody else has written to it; this is done again")
                gone.append((table, left))
            at = EPOCH if now.at is None else now.at  # it shows nothing of everybody that was begun later
            self._lake.publish(
                now.after(
                    CHANGES,
                    at,
                    versions=versions,
                    changed_events=until_events,
                    model_version=model_set.version,
                    timezone=model_set.days.timezone,
                    as_of=instant(as_of_us) if now.as_of is None else now.as_of,
                )
            )
        self._superseded += [(time.monotonic(), table, paths) for table, paths in gone if paths]
        return now.number + 1

    def _clear_away(self) -> None:
        """Delete files that were written again long ago; those that a restart forgets the next recompute deletes."""
        until = time.monotonic() - KEPT_S
        for at, table, paths in self._superseded:
            if at <= until:
                self._lake.delete_files(table, paths)
        self._superseded = [one for one in self._superseded if one[0] > until]


OF_ALL: tuple[Table, ...] = (CLASS_STUDENTS, CLASS_TOPICS, CLASS_WEAKEST)
"""Tables that are made again as a whole."""


def _hindered(began: Publication, model_set: ModelSet) -> str | None:
    """Return why changed students cannot be put beside what is shown; None where they can."""
    if began.model_version is not None and began.model_version != model_set.version:
        return f"what is shown is of model set {began.model_version}, and {model_set.version} is active"
    if began.model_version is not None and (began.timezone or UTC_DAYS.timezone) != model_set.days.timezone:
        return f"what is shown is by the days of {began.timezone}, and the schools are in {model_set.days.timezone}"
    return None


def _by_bucket(students: Sequence[str], n_buckets: int) -> dict[int, frozenset[str]]:
    names = np.array(students, dtype=object)
    bucket = np.asarray(bucket_of(pa.array(students, pa.string()), n_buckets))
    return {int(one): frozenset(names[bucket == one].tolist()) for one in np.unique(bucket)}


def _cut(rows: pa.Table, n_buckets: int) -> Iterator[tuple[int, pa.Table]]:
    """Yield each bucket with its rows."""
    bucket = np.asarray(bucket_of(rows[STUDENT].combine_chunks(), n_buckets))
    by_bucket = np.argsort(bucket, kind="stable")
    rows, bucket = rows.take(pa.array(by_bucket)), bucket[by_bucket]
    starts = np.flatnonzero(np.diff(bucket, prepend=-1))
    for first, end in zip(starts, np.append(starts[1:], bucket.size), strict=True):
        yield int(bucket[first]), rows.slice(first, end - first)


def _worked_since(gold: pa.Table, at_us: int) -> set[str]:
    late = pc.greater(gold["last_activity_at"].cast(pa.int64()), at_us)
    return set(pc.unique(gold.filter(late.fill_null(False))[STUDENT]).to_pylist())


def _together(tables: Sequence[pa.Table], schema: pa.Schema) -> pa.Table:
    same = [table.select(schema.names).cast(schema) for table in tables]
    return pa.concat_tables(same).unify_dictionaries().combine_chunks()


def _groups(files: Sequence[File]) -> list[tuple[str, ...]]:
    """Return paths of files whose rows are added up together: in compacted ones of a large bucket a student may lie in
    two.
    """
    compacted: dict[int | None, list[str]] = {}
    for file in files:
        if not is_fresh(file.path):
            compacted.setdefault(file.bucket, []).append(file.path)
    return [(file.path,) for file in files if is_fresh(file.path)] + [tuple(paths) for paths in compacted.values()]


def _array(students: Collection[str]) -> pa.Array:
    return pa.array(sorted(students), pa.string())
