"""Students' records as far as they can be had. They are a cache: what cannot be read or written there is folded."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mastery.errors import MasteryError, Unwritable
from mastery.lake import Lake, Snapshot
from mastery.pipelines.scoring.catch_up import catch_up
from mastery.pipelines.scoring.records import is_current
from mastery.scorers.model_set import ModelSet
from mastery.state import CorruptRecord, Overtaken, Position, Record, StateStore, StateUnusable
from mastery.tables import EVENTS

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Found:
    """What there was of a student.

    Attributes:
        record: None where there is none that is up to date, or none that can be read.
        events: The files of the lake to fold where there is no record.
        seen: What a record made of them has seen; None where the store cannot be used.
        version: The record's version in the store, which a write must find there.
    """

    record: Record | None
    events: Snapshot
    seen: Position | None = None
    version: int = 0


class StudentRecords:
    """Reads and writes records. A store that is damaged, or that may not be written to while the lake may, is told of
    once, in the log.
    """

    def __init__(self, lake: Lake, state: StateStore) -> None:
        self._lake = lake
        self._state = state
        self._told: set[str] = set()

    def find(self, student_id: str, model_set: ModelSet) -> Found:
        """Return the student's record under a model set, or what to fold instead."""
        try:
            view = catch_up(self._lake, self._state)
            record = self._record(student_id, model_set)
            version = self._state.version(student_id, model_set.version) if record is None else record.version
        except (StateUnusable, Unwritable) as error:
            self._tell(error)
            return Found(None, self._lake.snapshot(EVENTS))
        return Found(record, view.events, view.seen, version)

    def keep(self, record: Record, found: Found) -> None:
        """Write a record that was made of what was found, unless somebody was faster or the store cannot be used."""
        if found.seen is None:
            return
        try:
            with suppress(Overtaken):  # with as much or more: theirs stands, this answer is of its moment
                self._state.put(record, found.version)
        except (StateUnusable, Unwritable) as error:
            self._tell(error)

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
