"""Students' records as far as they can be had. They are a cache: what cannot be read or written there is folded.

While events are in the lake that the state store has not been told of, a writer is about to tell it, as a rule. Until
then it is enough for a reader to know about one student: of the new files those of the student's bucket are looked
into. A record goes on with the student's new events, if there are any, as in a batch, and is not written: that is what
the writer does. Only where no writer does, one reader brings the store up to the lake for all.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from mastery.errors import MasteryError, Unwritable
from mastery.events.identity import buckets as bucket_of
from mastery.features.columns import READ
from mastery.lake import Lake, News, Snapshot, TableVersion
from mastery.lake.file_writer import holds_revisions
from mastery.pipelines.scoring.catch_up import View, catch_up
from mastery.pipelines.scoring.continue_record import Refold, continue_record
from mastery.pipelines.scoring.records import is_current
from mastery.scorers.model_set import ModelSet
from mastery.state import CorruptRecord, KnownLake, Overtaken, Position, Record, StateStore, StateUnusable
from mastery.tables import EVENTS

log = logging.getLogger(__name__)

COLUMNS = (*READ, "body_hash")

NOTED_AFTER_S = 2.0
"""For so long readers leave it to the writer of events to tell the store of them; a batch of 10,000 takes a second."""

MOST_COMMITS = 32
"""More commits than this, of which the store has not been told, no reader leaves to a writer: each costs all readers a
look into its files."""


@dataclass(frozen=True)
class Found:
    """What there was of a student.

    Attributes:
        record: None where there is none that is up to date, or none that can be read.
        events: The files of the lake to fold where there is no record.
        seen: What a record made of them has seen; None where it is not to be written: the store cannot be used, or has
            not been told of events of the student, which whoever brought them is doing.
        version: The record's version in the store, which a write must find there.
    """

    record: Record | None
    events: Snapshot
    seen: Position | None = None
    version: int = 0


@dataclass(frozen=True)
class _Untold:
    """What is in the lake and has not been told to the store.

    Attributes:
        known: Up to where it has been told.
        until: The newest version of events.
        news: What has come since; nothing was taken out.
    """

    known: KnownLake
    until: TableVersion
    news: News


class StudentRecords:
    """Reads and writes records. A store that is damaged, or that may not be written to while the lake may, is told of
    once, in the log. Safe for threads.
    """

    def __init__(self, lake: Lake, state: StateStore, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._lake = lake
        self._state = state
        self._monotonic_s = monotonic_s
        self._told: set[str] = set()
        self._untold: _Untold | None = None
        self._behind: tuple[KnownLake, float] | None = None  # where the store was when it was behind, and since when
        self._catching_up = threading.Lock()

    def find(self, student_id: str, model_set: ModelSet) -> Found:
        """Return the student's record under a model set, or what to fold instead."""
        try:
            known = self._state.known_lake()  # before the lake: its versions only grow
            events, until = self._lake.identified(EVENTS)
            if known is not None and _version_of(known) == until:
                return self._find_noted(View(events, known.position), student_id, model_set)
            untold = None if known is None else self._untold_since(known, until)
            if untold is None:
                return self._find_noted(catch_up(self._lake, self._state), student_id, model_set)
            return self._find_in(untold, events, student_id, model_set)
        except (StateUnusable, Unwritable) as error:
            self._tell(error)
            return Found(None, self._lake.snapshot(EVENTS))

    def keep(self, record: Record, found: Found) -> None:
        """Write a record that was made of what was found, unless somebody was faster or the store cannot be used."""
        if found.seen is None:
            return
        try:
            with suppress(Overtaken):  # with as much or more: theirs stands, this answer is of its moment
                self._state.put(record, found.version)
        except (StateUnusable, Unwritable) as error:
            self._tell(error)

    def _find_noted(self, view: View, student_id: str, model_set: ModelSet) -> Found:
        """Return what there is where the store has been told of all events."""
        record = self._record(student_id, model_set)
        version = self._state.version(student_id, model_set.version) if record is None else record.version
        return Found(record, view.events, view.seen, version)

    def _find_in(self, untold: _Untold, events: Snapshot, student_id: str, model_set: ModelSet) -> Found:
        """Return what there is where the store has not been told of some events."""
        known = untold.known
        bucket = int(bucket_of(pa.array([student_id]), self._lake.buckets)[0])
        paths = untold.news.added_to(bucket)
        try:
            rows = self._lake.read_student_in(EVENTS, paths, student_id, COLUMNS)
        except FileNotFoundError:  # compacted since, and vacuumed
            return Found(None, events)
        if not rows.num_rows:  # a record that has seen all that the store was told of has all of the student's events
            return self._find_noted(View(events, known.position), student_id, model_set)
        record = self._record(student_id, model_set)
        if record is None or record.seen.lineage != known.lineage:
            return Found(None, events)
        if record.seen.version >= untold.until.version:  # it was written meanwhile
            return Found(record, events)
        if any(holds_revisions(path) for path in paths):  # one may lie later than all that the record remembers
            return Found(None, events)
        on = continue_record(record, rows, model_set, history=False)
        return Found(None if isinstance(on, Refold) else on.record, events)

    def _untold_since(self, known: KnownLake, until: TableVersion) -> _Untold | None:
        """Return what the store has not been told of; None where it is to be brought up to the lake here and now.

        That is where it is another lake or rows were taken out, and where it has been behind for long: then one reader
        does it, and the others go on as before.
        """
        untold = self._untold
        if untold is None or (untold.known, untold.until) != (known, until):
            untold = self._look(known, until)
            if untold is None:
                return None
            self._untold = untold
        behind, now_s = self._behind, self._monotonic_s()
        if behind is None or behind[0] != known:
            self._behind = behind = known, now_s
        if now_s - behind[1] >= NOTED_AFTER_S and self._catching_up.acquire(blocking=False):
            try:
                catch_up(self._lake, self._state)
            finally:
                self._catching_up.release()
            return None
        return untold

    def _look(self, known: KnownLake, until: TableVersion) -> _Untold | None:
        """Ask the log what it is; None where readers cannot do with that."""
        if until.version - known.version > MOST_COMMITS or not self._lake.holds(EVENTS, _version_of(known)):
            return None
        news = self._lake.news(EVENTS, known.version, until.version)
        if news is None or news.removed:
            return None
        return _Untold(known, until, news)

    def _record(self, student_id: str, model_set: ModelSet) -> Record | None:
        try:
            record = self._state.get(student_id, model_set.version)
        except CorruptRecord as error:
            self._tell(error)
            return None
        return record if record is not None and is_current(record, model_set) else None

    def _tell(self, error: MasteryError) -> None:
        if str(error) not in self._told:
            self._told.add(str(error))
            level = logging.INFO if isinstance(error, Unwritable) and self._only_read() else logging.WARNING
            log.log(level, "%s. Until then scores are computed from the events in the lake", error)

    def _only_read(self) -> bool:
        """Tell whether the lake is a folder that this process may only read: then nobody expects it to keep records."""
        lake = Path(self._lake.root)
        return lake.is_dir() and not os.access(lake, os.W_OK)


def _version_of(known: KnownLake) -> TableVersion:
    return TableVersion(known.table_id, known.version, known.fingerprint)
