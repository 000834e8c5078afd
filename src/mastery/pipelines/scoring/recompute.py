"""The daily recompute: every student folded from the lake, a bucket at a time; ledger, features, gold and history
committed, one commit a table, and shown together by one more; the states of active students brought up to date.

Two at once do not wait for each other while they fold. The one that comes to publish after another looks at what that
one has read: had it later events, or the same and began later, then what is shown is newer than what this one has, and
it publishes nothing and says so in its report. That is no error: whoever asked for a recompute finds tables as new as
that. For an activation later events are one, for nothing was switched; over scores of the same events it publishes in
any case, for they are of the set that it replaces, and recomputes of that one must not keep it from becoming active.

Workers pull buckets from one counter. They are threads: kernels and Parquet run outside Python's lock, and forked
processes were no faster.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from deltalake.transaction import AddAction

from mastery.errors import Conflict
from mastery.features.columns import READ
from mastery.instants import instant
from mastery.lake import Lake
from mastery.lake.file_writer import FileWriter
from mastery.lake.files import Only
from mastery.lake.publication import READERS_HOURS, RECOMPUTE, Publication
from mastery.pipelines.models.activations import DEFAULT, Switch, active_choice
from mastery.pipelines.models.store import store_model_set
from mastery.pipelines.scoring.catch_up import catch_up
from mastery.pipelines.scoring.class_numbers import ClassNumbers
from mastery.pipelines.scoring.class_weakest import ClassWeakest
from mastery.pipelines.scoring.fold_bucket import BucketCounts, BucketOptions, fold_bucket
from mastery.school_days import UTC_DAYS, SchoolDays
from mastery.scorers.model_set import ModelSet
from mastery.state import NOWHERE, EncodedBlock, StateStore
from mastery.tables import (
    CLASS_STUDENTS,
    CLASS_TOPICS,
    CLASS_WEAKEST,
    EVENTS,
    FEATURES,
    GOLD,
    HISTORY,
    LEDGER,
    MODEL_ARRAYS,
    MODEL_PARAMS,
    PUBLICATIONS,
    SHADOW,
    TOPICS,
    UNASSIGNED,
    Table,
)

log = logging.getLogger(__name__)


@dataclass
class RecomputeReport:
    """What a recompute went through.

    Attributes:
        events: Events read that count at `as_of_us` or before.
        events_later: Events after it, left out.
        student_topics, days: Rows of features, and of the ledger.
        shadow: Version that was folded beside it; None for none.
        generation: Number of the publication that shows what was folded; None where nothing was published, because
            another recompute, of later events or begun later, had published already.
        newest_event_us: Time of the newest event in the lake; None when it is empty.
    """

    model_version: str
    as_of_us: int
    events: int = 0
    events_later: int = 0
    students: int = 0
    student_topics: int = 0
    days: int = 0
    newest_event_us: int | None = None
    shadow: str | None = None
    generation: int | None = None
    topics_without_metadata: set[str] = field(default_factory=set)


def recompute(
    lake: Lake,
    model_set: ModelSet,
    *,
    as_of_us: int,
    now_us: int,
    min_evidence: int,
    workers: int,
    state: StateStore | None = None,
    active_days: int = 30,
    shadow: ModelSet | None = None,
    switch: Switch | None = None,
    derived_history: bool = True,
    days: SchoolDays = UTC_DAYS,
    progress: Callable[[int], None] | None = None,
) -> RecomputeReport:
    """Fold every student of the lake and publish what comes out, as of `as_of_us`.

    Readers see all tables as they were, and from one commit on all as they are now. With a `state`, students with an
    event within `active_days` before `as_of_us` get their record at once, the others when they are first asked for;
    unless there are events after `as_of_us`: a record holds all of a student's events. A `shadow` is folded too; its
    scores go into SHADOW and nowhere else. A `switch` is made with the same commit. Without `derived_history` scorers
    that fold nothing have none. Time is cut into these `days`. `progress` is called with the events of each
    finished bucket.

    Raises:
        Conflict: Another set became active meanwhile, or with a `switch` another recompute has published later
            events; nothing was published.
        Unwritable: The disk is full, or may not be written to; what was written and not committed is gone again.
    """
    if shadow is not None and shadow.version == model_set.version:
        shadow = None  # it has become active
    model_set, shadow = replace(model_set, days=days), None if shadow is None else replace(shadow, days=days)
    began = lake.begin_publishing()  # before the snapshot: what is published from here on may have read more
    run = _Run(
        lake, began, model_set, shadow, state, as_of_us, now_us, min_evidence, active_days, switch, derived_history
    )
    buckets = iter(run.snapshot.buckets)
    stop = threading.Event()  # so that an error, or Ctrl-C, does not wait for all the other buckets

    def work() -> None:
        while not stop.is_set():
            with run.lock:
                bucket = next(buckets, None)
            if bucket is None:
                return
            run.fold_bucket(bucket, progress)

    with run.discarding():
        with ThreadPoolExecutor(workers) as pool:
            try:
                for job in as_completed([pool.submit(work) for _ in range(workers)]):
                    job.result()
            finally:
                stop.set()
        run.publish(switch)
    run.clear_away()
    return run.report


class _Run:
    """One recompute: what its workers share."""

    def __init__(
        self,
        lake: Lake,
        began: Publication,
        model_set: ModelSet,
        shadow: ModelSet | None,
        state: StateStore | None,
        as_of_us: int,
        now_us: int,
        min_evidence: int,
        active_days: int,
        switch: Switch | None,
        derived_history: bool,
    ) -> None:
        self._lake, self._state, self._began = lake, state, began
        self._model_set = model_set
        self._counts = BucketCounts()
        self.lock = threading.Lock()
        # Not everybody gets a new record below, so news are noted of what is folded here before it is.
        view = None if state is None else catch_up(lake, state)
        self.snapshot, seen = (lake.snapshot(EVENTS), NOWHERE) if view is None else (view.events, view.seen)
        self._options = BucketOptions(
            as_of_us, now_us, min_evidence, None if state is None else active_days, shadow, seen, derived_history
        )
        self._check_active(switch)
        # Those of an activation that folds meanwhile are not among them, unless it began before this.
        self._sets_there = [] if state is None else state.model_versions()
        self._generation: int | None = None
        known = lake.scan(TOPICS, ["tenant", "topic_id"])
        self._known_topics = set(zip(*(known.column(c).to_pylist() for c in ("tenant", "topic_id")), strict=True))
        # Items also where no set knows any: events of one moment are in the order of what they are about.
        self._wanted = READ if state is None else (*READ, "body_hash")
        # One that has been ended is cleared away.
        shadowed = shadow is not None or lake.shown(SHADOW, began).rows > 0 or lake.snapshot(SHADOW).rows > 0
        self._tables = (*PUBLISHED, SHADOW) if shadowed else PUBLISHED
        self._added: dict[str, list[AddAction]] = {table.name: [] for table in self._tables}
        self._class, self._weakest = ClassNumbers(), ClassWeakest(min_evidence)

    def fold_bucket(self, bucket: int, progress: Callable[[int], None] | None) -> None:
        """Fold a bucket, put the records of its active students, and write its files, one for each table."""
        with ExitStack() as stack:
            files: dict[str, FileWriter] = {}
            for students in self._lake.student_ranges(EVENTS, bucket, READ_ROWS, self.snapshot):
                only = None if students is None else Only(students)
                found = self._lake.read_bucket(EVENTS, bucket, self._wanted, self.snapshot, only)
                for events in parts(found):
                    tables, records, counts = fold_bucket(events, self._model_set, self._options)
                    self._put(records)
                    del records
                    for table, rows in tables:
                        if table.name not in files:
                            files[table.name] = stack.enter_context(self._lake.new_file(table, bucket))
                        files[table.name].add(rows)
                        if table is GOLD:
                            self._add_to_class(rows)
                        del rows
                    with self.lock:
                        self._counts += counts
                    if progress is not None:
                        progress(events.num_rows)
            for name, file in files.items():
                self._written(name, file.finish())

    def _add_to_class(self, gold: pa.Table) -> None:
        numbers, weakest = ClassNumbers(), ClassWeakest(self._options.min_evidence)
        numbers.add(gold)
        weakest.add(gold)
        with self.lock:
            self._class.merge(numbers)
            self._weakest.merge(weakest)

    def _put(self, records: EncodedBlock | None) -> None:
        if records is not None and self._state is not None:
            self._state.put_many(records)

    @property
    def report(self) -> RecomputeReport:
        """What it went through."""
        counts, shadow = self._counts, self._options.shadow
        return RecomputeReport(
            model_version=self._model_set.version,
            as_of_us=self._options.as_of_us,
            events=counts.events,
            events_later=counts.events_later,
            students=counts.students,
            student_topics=counts.student_topics,
            days=counts.days,
            newest_event_us=counts.newest_event_us,
            shadow=None if shadow is None else shadow.version,
            generation=self._generation,
            topics_without_metadata={
                topic
                for tenant, topic in counts.topics
                if topic != UNASSIGNED and (tenant, topic) not in self._known_topics
            },
        )

    def publish(self, switch: Switch | None) -> None:
        """Commit what was written, and show it together with the switch that it is for; see the top of this file."""
        for table, rows in (
            (CLASS_STUDENTS, self._class.student_rows(self._lake.buckets)),
            (CLASS_TOPICS, self._class.topic_rows()),
            (CLASS_WEAKEST, self._weakest.rows()),
        ):
            if rows.num_rows:
                self._added[table.name].append(self._lake.write_file(table, rows, None))
        began_at = instant(self._options.now_us)
        with self._lake.one_publisher():
            self._check_active(switch)
            now = self._lake.publication()
            if now.number != self._began.number:
                later = self._holds_later_events(now)
                if switch is not None and later:
                    raise Conflict(
                        "events came in meanwhile, and another recompute has published them; nothing was switched: "
                        "run it again"
                    )
                if switch is None and (later or now.began_after(began_at)):
                    for table in self._tables:
                        self._lake.discard(table, self._added[table.name])
                    return
            # Before the scores that name it, and here, where nobody removes sets that are not active.
            store_model_set(self._lake, self._model_set, self._options.now_us)
            versions = {
                table.name: self._lake.commit(table, self._added[table.name], mode="overwrite")
                for table in self._tables
            }
            published = {
                "model_version": self._model_set.version,
                "timezone": self._model_set.days.timezone,
                "as_of": instant(self._options.as_of_us),
                "events": max(self.snapshot.version, -1 if now.events is None else now.events),
                "changed_events": None,  # students with later events are changed ones again
                "versions": {**now.versions, **versions},
            }
            if switch is not None:
                switch.make(now, **published)
            else:
                self._lake.publish(now.after(RECOMPUTE, began_at, **published))
            self._generation = now.number + 1

    def _holds_later_events(self, now: Publication) -> bool:
        """Tell whether it was made of events that this one has not read; a compaction moves rows and brings none."""
        mine = self.snapshot.version
        if now.events is None or now.events <= mine:
            return False
        news = self._lake.news(EVENTS, mine, now.events)
        return news is None or bool(news)

    def _check_active(self, switch: Switch | None) -> None:
        """Raise Conflict unless the set is the active one, or about to be; it was read before anything else."""
        if switch is not None:
            switch.check()
            return
        active, mine = active_choice(self._lake).active, self._model_set.version
        if active != mine and (active is not None or not mine.startswith(f"{DEFAULT}-")):
            raise Conflict(
                f"{active or DEFAULT} is the active model set, and this recompute is of {mine}: another became active "
                "meanwhile; nothing was published: run it again"
            )

    @contextmanager
    def discarding(self) -> Iterator[None]:
        """Delete the files that were written and not committed when the body fails."""
        with ExitStack() as stack:
            for table in self._tables:
                stack.enter_context(self._lake.discarding(table, self._added[table.name]))
            yield

    def clear_away(self) -> None:
        """Delete the files of earlier publications that nobody reads any more, and the records of model sets that were
        there when this began, and are neither active nor what a rollback goes back to.

        Records of an activation that has been folding since before are among them: it costs work alone, for their
        students are folded when they are next shown.
        """
        for table in self._tables:
            self._lake.vacuum(table, retain_hours=READERS_HOURS)
        for table in (PUBLICATIONS, MODEL_PARAMS, MODEL_ARRAYS):
            self._lake.vacuum(table, retain_hours=READERS_HOURS)
        if self._state is not None:
            now = active_choice(self._lake)
            wanted = {self._model_set.version, now.active, now.shadow, *now.before[:1]}
            back_to_default = now.before[:1] == (None,)  # which has another version each time metadata change
            self._state.drop_model_versions(
                version
                for version in self._sets_there
                if version not in wanted and not (back_to_default and version.startswith(f"{DEFAULT}-"))
            )

    def _written(self, table: str, action: AddAction) -> None:
        with self.lock:
            self._added[table].append(action)


READ_ROWS = 600_000
"""Of a bucket with more events only this number is read at a time, of whole students: with the fold of a part and the
rows of its tables they are most of what a worker holds."""

PART_ROWS = 200_000
"""A bucket of more events is folded in parts of whole students: what a worker holds stays bounded however large the
lake, and its arrays stay in the processor's caches (buckets of 625,000 rows cost 12 % more CPU an event)."""


def parts(events: pa.Table, most: int = PART_ROWS) -> Iterator[pa.Table]:
    """Yield the events of a bucket in parts of about `most` rows, all of a student's events in one of them, and the
    parts in the order of students: each is a row group or more of the bucket's files, and is found by its bounds.
    """
    count = -(-events.num_rows // most)
    if count <= 1:
        yield events
        return
    student = events.column("student_id").combine_chunks()
    if isinstance(student, pa.ChunkedArray):
        student = student.chunk(0)
    if not pa.types.is_dictionary(student.type):
        student = student.dictionary_encode()
    rank = np.empty(len(student.dictionary), np.int64)
    rank[pc.sort_indices(student.dictionary).to_numpy()] = np.arange(rank.size)
    part = rank[student.indices.to_numpy(zero_copy_only=False)] * count // max(1, rank.size)
    for number in range(count):
        yield events.filter(pa.array(part == number))


PUBLISHED: tuple[Table, ...] = (LEDGER, FEATURES, GOLD, CLASS_STUDENTS, CLASS_TOPICS, CLASS_WEAKEST, HISTORY)
