"""The daily recompute: every student folded from the lake, a bucket at a time; ledger, features, gold and history
published, one commit a table; then the states of active students brought up to date.

Workers pull buckets from one counter. They are threads: kernels and Parquet run outside Python's lock, and forked
processes were no faster.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from deltalake.transaction import AddAction

from mastery.errors import Conflict
from mastery.features.columns import READ
from mastery.lake import Lake
from mastery.pipelines.models.activations import DEFAULT, Switch, active_choice, choices
from mastery.pipelines.models.store import store_model_set
from mastery.pipelines.scoring.catch_up import catch_up
from mastery.pipelines.scoring.fold import Folded, fold_events
from mastery.pipelines.scoring.publish import derived_history_rows, feature_rows, gold_rows, history_rows, ledger_rows
from mastery.pipelines.scoring.records import active_students, record_block
from mastery.scorers import DERIVED
from mastery.scorers.model_set import ModelSet
from mastery.state import StateStore, encode_block
from mastery.tables import (
    EVENTS,
    FEATURES,
    GOLD,
    HISTORY,
    LEDGER,
    SHADOW,
    TOPICS,
    UNASSIGNED,
    Table,
)


@dataclass
class RecomputeReport:
    """What a recompute went through.

    Attributes:
        events: Events read that count at `as_of_us` or before.
        events_later: Events after it, left out.
        student_topics, days: Rows of features, and of the ledger.
        shadow: Version that was folded beside it; None for none.
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
    progress: Callable[[int], None] | None = None,
) -> RecomputeReport:
    """Fold every student of the lake and publish what comes out, as of `as_of_us`.

    Readers see the tables as they were until each one's commit. With a `state`, students with an event within
    `active_days` before `as_of_us` get their record at once, the others when they are first asked for; unless there
    are events after `as_of_us`: a record holds all of a student's events. A `shadow` is folded too; its scores go into
    SHADOW and nowhere else. With a `switch` people see nothing of it before the switch is made, which is as soon as
    everything is published. `progress` is called with the events of each finished bucket.

    Raises:
        Conflict: Another set became active meanwhile; nothing was published.
        Unwritable: The disk is full, or may not be written to; what was written and not committed is gone again.
    """
    if shadow is not None and shadow.version == model_set.version:
        shadow = None  # it has become active
    for table in (*PUBLISHED, SHADOW):
        lake.renew(table)
    if state is not None:
        # Before the snapshot: not everybody gets a new record below, so whoever has new events is marked first.
        catch_up(lake, state)
    run = _Run(lake, model_set, shadow, state, as_of_us, now_us, min_evidence, active_days)
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
        model_set: ModelSet,
        shadow: ModelSet | None,
        state: StateStore | None,
        as_of_us: int,
        now_us: int,
        min_evidence: int,
        active_days: int,
    ) -> None:
        self._lake, self._state = lake, state
        self._model_set, self._shadow = model_set, shadow
        self._as_of_us, self._now_us = as_of_us, now_us
        self._min_evidence, self._active_days = min_evidence, active_days
        self.lock = threading.Lock()
        self.snapshot = lake.snapshot(EVENTS)
        # Scorers that fold nothing have the history that was published: none without them, and before any activation.
        derived = any(name in DERIVED for name in model_set.scorers) or bool(choices(lake))
        self._history = lake.shown(HISTORY) if derived else None
        self._active = active_choice(lake).active
        self.report = RecomputeReport(model_set.version, as_of_us, shadow=None if shadow is None else shadow.version)
        known = lake.scan(TOPICS, ["tenant", "topic_id"])
        self._known_topics = set(zip(*(known.column(c).to_pylist() for c in ("tenant", "topic_id")), strict=True))
        knows_items = model_set.knows_items or (shadow is not None and shadow.knows_items)
        self._wanted = [name for name in READ if name != "item_id" or knows_items]
        if state is not None:
            self._wanted.append("body_hash")
        shadowed = shadow is not None or lake.count(SHADOW) > 0  # one that has been ended is cleared away
        self._tables = (*PUBLISHED, SHADOW) if shadowed else PUBLISHED
        self._added: dict[str, list[AddAction]] = {table.name: [] for table in self._tables}

    def fold_bucket(self, bucket: int, progress: Callable[[int], None] | None) -> None:
        """Fold a bucket, put the records of its active students, and write its files."""
        earlier = None if self._history is None else self._lake.read_bucket(HISTORY, bucket, at=self._history)
        for events in parts(self._lake.read_bucket(EVENTS, bucket, self._wanted, at=self.snapshot)):
            self._fold(bucket, events, earlier)
            if progress is not None:
                progress(events.num_rows)

    def publish(self, switch: Switch | None) -> None:
        """Commit what was written, and make the switch that it is for."""
        store_model_set(self._lake, self._model_set, self._now_us)  # before the scores that name it
        number = None if switch is None else secrets.randbelow(1 << 62) + 1  # of this one and of no other
        with self._lake.one_publisher():
            if switch is not None:
                switch.check()
            elif active_choice(self._lake).active != self._active:
                raise Conflict(
                    "another model set became active while this recompute ran; nothing was published: run it again"
                )
            for table in self._tables:  # one right after the other: readers may come in between
                self._lake.commit(table, self._added[table.name], mode="overwrite", switch=number)
            if switch is not None:
                switch.make(number)

    @contextmanager
    def discarding(self) -> Iterator[None]:
        """Delete the files that were written and not committed when the body fails."""
        with ExitStack() as stack:
            for table in self._tables:
                stack.enter_context(self._lake.discarding(table, self._added[table.name]))
            yield

    def clear_away(self) -> None:
        """Delete the files of earlier publications that nobody reads any more, and the records of model sets that are
        neither active nor what a rollback goes back to.
        """
        for table in self._tables:
            self._lake.vacuum(table, retain_hours=RETAIN_HOURS)
        if self._state is not None:
            now = active_choice(self._lake)
            wanted = {self._model_set.version, now.active, now.shadow, *now.before[:1]}
            back_to_default = now.before[:1] == (None,)  # which has another version each time metadata change
            self._state.drop_model_versions(
                version
                for version in self._state.model_versions()
                if version not in wanted and not (back_to_default and version.startswith(f"{DEFAULT}-"))
            )

    def _fold(self, bucket: int, events: pa.Table, earlier: pa.Table | None) -> None:
        folded = fold_events(events, self._model_set, self._as_of_us)
        later = _later(events, self._as_of_us)
        if self._state is not None and not later:
            active = active_students(folded, self._active_days)
            if active.size:
                block = encode_block(record_block(events, folded, active))
                self._state.put_many(block, folded_at=self.snapshot.version)
                del block
        with self.lock:
            _count(self.report, events, later, folded, self._known_topics)
        for table, rows in _published(folded, self._min_evidence, self._now_us):
            self._write(table, rows, bucket)
            del rows
        if earlier is not None:
            rows = derived_history_rows(folded, earlier)
            if rows.num_rows:
                self._write(HISTORY, rows, bucket)
        if self._shadow is not None:
            del folded
            beside = fold_events(events, self._shadow, self._as_of_us, history=False)
            self._write(SHADOW, gold_rows(beside, self._min_evidence, self._now_us), bucket)

    def _write(self, table: Table, rows: pa.Table, bucket: int) -> None:
        action = self._lake.write_file(table, rows, bucket)
        with self.lock:
            self._added[table.name].append(action)


RETAIN_HOURS = 24
"""Files of earlier recomputes, and of some that were broken off, are kept so long: a day for who still reads them.
Without an end to it a daily recompute of 20 million events would add 2 GB every day."""

PART_ROWS = 200_000
"""A bucket of more events is folded in parts of whole students: what a worker holds stays bounded however large the
lake, and its arrays stay in the processor's caches (buckets of 625,000 rows cost 12 % more CPU an event)."""


def parts(events: pa.Table, most: int = PART_ROWS) -> Iterator[pa.Table]:
    """Yield the events of a bucket in parts of about `most` rows, all of a student's events in one of them."""
    count = -(-events.num_rows // most)
    if count <= 1:
        yield events
        return
    student = events.column("student_id").combine_chunks()
    if isinstance(student, pa.ChunkedArray):
        student = student.chunk(0)
    if not pa.types.is_dictionary(student.type):
        student = student.dictionary_encode()
    codes = student.indices.to_numpy(zero_copy_only=False)
    part = codes.astype(np.int64) * count // max(1, len(student.dictionary))
    for number in range(count):
        yield events.filter(pa.array(part == number))


PUBLISHED: tuple[Table, ...] = (LEDGER, FEATURES, GOLD, HISTORY)


def _published(folded: Folded, min_evidence: int, now_us: int) -> Iterator[tuple[Table, pa.Table]]:
    """Yield each table with its rows, one at a time: together they are most of a worker's memory."""
    yield LEDGER, ledger_rows(folded)
    yield FEATURES, feature_rows(folded)
    yield GOLD, gold_rows(folded, min_evidence, now_us)
    yield HISTORY, history_rows(folded)


def _later(events: pa.Table, as_of_us: int) -> int:
    """Return how many events happened after `as_of_us`."""
    return int((events.column("occurred_at").cast(pa.int64()).to_numpy() > as_of_us).sum())


def _count(
    report: RecomputeReport, events: pa.Table, later: int, folded: Folded, known_topics: set[tuple[str, str]]
) -> None:
    batch = folded.batch
    newest = pc.max(events.column("occurred_at")).cast(pa.int64()).as_py()
    if newest is not None:
        report.newest_event_us = max(newest, report.newest_event_us or newest)
    report.events += events.num_rows - later
    report.events_later += later
    report.students += len(batch.students)
    assigned = np.array([topic != UNASSIGNED for _, topic in batch.topics], bool)
    report.student_topics += int(assigned[batch.slot_topic].sum())
    report.days += batch.cell_slot.size
    report.topics_without_metadata |= {
        topic for tenant, topic in batch.topics if topic != UNASSIGNED and (tenant, topic) not in known_topics
    }
