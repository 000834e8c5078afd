"""What is kept of one student under one model set, alone (`Record`) and by the bucket (`RecordBlock`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mastery.arrays import Floats, Int64s
from mastery.errors import BadInput, Conflict
from mastery.state.position import NOWHERE, Position
from mastery.tables import COUNTERS, LEDGER_COUNTS

LEDGER_DAYS = 90
"""A record's ledger covers the school days (last − 90, last], where last is the day of the last event."""

RECORD_LEDGER = ("slot", "day", *LEDGER_COUNTS, "gap_days")
"""Columns of a record's ledger: index of the topic, days since 1970, the counts, days since the day before."""

OVERRIDE = ("score", "at_us")
"""Columns of a record's overrides: the last teacher feedback on a topic and its moment; NaN when none."""

RECENT = ("event_id_hi", "event_id_lo", "body_hash")
"""Columns of a record's recent events, by which a duplicate is known without a look at the lake."""

ORDER = ("at_us", "sequence", "about", "event_id_hi", "event_id_lo")
"""What events are ordered by; `about`: `mastery.features.about`."""

MISSING = ("event_id_hi", "event_id_lo")
"""Columns of the ids that an event replaces and that have not come yet."""


@dataclass(frozen=True, eq=False)
class Record:
    """All that is kept of one student under one model set, for P topics (slots).

    Attributes:
        student_id: Pseudonym.
        tenant: The institution.
        model_version: The model set.
        timezone: Of the school days by which it was folded.
        topics: P topic ids; a slot is a place in this tuple.
        slot_states: Scorer → float64[P, K], its state of each slot.
        student_states: Scorer → float64[K], its state of the student.
        counters: int64[P, len(COUNTERS)].
        ledger: int64[H, len(RECORD_LEDGER)], the days of the last `LEDGER_DAYS`.
        override: float64[P, 2], columns `OVERRIDE`.
        recent: int64[R, 3], columns `RECENT`: the last events, withdrawn and replaced ones too, newest last.
        newest: int64[5], columns `ORDER`: the last of all events, withdrawn and replaced ones too.
        missing: int64[Q, 2], columns `MISSING`, ascending.
        last_event_us: Moment of the last event that counts.
        events_folded: How many events the states have seen, one for each topic of an event.
        seen: The version of the lake's events that this record is a fold of.
        offsets: Source partition → offset of the next message to read.
        outbox: JSON documents still to be told to others, oldest first. A fold knows neither: see `StateStore.put`.
        version: What the store counts up with each write; not part of the bytes.
    """

    student_id: str
    tenant: str
    model_version: str
    timezone: str
    topics: tuple[str, ...]
    slot_states: Mapping[str, Floats]
    student_states: Mapping[str, Floats]
    counters: Int64s
    ledger: Int64s
    override: Floats
    recent: Int64s
    newest: Int64s
    missing: Int64s
    last_event_us: int
    events_folded: int
    seen: Position = NOWHERE
    offsets: Mapping[str, int] = field(default_factory=dict)
    outbox: tuple[str, ...] = ()
    version: int = 0

    @property
    def newest_event_us(self) -> int:
        """Moment of the last of all events. A question about an earlier one is answered from the lake."""
        return int(self.newest[0])


@dataclass(frozen=True, eq=False)
class RecordBlock:
    """Records of S students under one model set as grouped arrays: P slots, H ledger rows, R and Q ids in all.

    Attributes:
        model_version: The model set.
        timezone: As in `Record`.
        student_ids: Arrow strings, S rows.
        tenants: Arrow strings, S rows; or one name for all of them.
        slot_ptr: int64[S + 1]. Student s owns slots slot_ptr[s]:slot_ptr[s + 1].
        topic_codes: int32[P], places in `topics`.
        topics: The topic ids that occur, in any order.
        slot_states: Scorer → float64[P, K].
        student_states: Scorer → float64[S, K].
        counters: int64[P, len(COUNTERS)].
        ledger_ptr: int64[S + 1], rows of `ledger` by student.
        ledger: int64[H, len(RECORD_LEDGER)]; `slot` counts from each student's own first slot.
        override: float64[P, 2].
        recent_ptr: int64[S + 1], rows of `recent` by student.
        recent: int64[R, 3].
        newest: int64[S, 5].
        missing_ptr: int64[S + 1], rows of `missing` by student.
        missing: int64[Q, 2].
        last_event_us: int64[S].
        events_folded: int64[S].
        seen: The version of the lake's events that all of them are folds of.
    """

    model_version: str
    timezone: str
    student_ids: pa.Array
    tenants: pa.Array | str
    slot_ptr: Int64s
    topic_codes: npt.NDArray[np.int32]
    topics: Sequence[str]
    slot_states: Mapping[str, Floats]
    student_states: Mapping[str, Floats]
    counters: Int64s
    ledger_ptr: Int64s
    ledger: Int64s
    override: Floats
    recent_ptr: Int64s
    recent: Int64s
    newest: Int64s
    missing_ptr: Int64s
    missing: Int64s
    last_event_us: Int64s
    events_folded: Int64s
    seen: Position = NOWHERE

    def __post_init__(self) -> None:
        """Check every shape: the encoder's kernel trusts them."""
        n_students, n_slots = len(self.student_ids), len(self.topic_codes)
        shapes = {
            "counters": (self.counters, (n_slots, len(COUNTERS))),
            "ledger": (self.ledger, (len(self.ledger), len(RECORD_LEDGER))),
            "override": (self.override, (n_slots, len(OVERRIDE))),
            "recent": (self.recent, (len(self.recent), len(RECENT))),
            "newest": (self.newest, (n_students, len(ORDER))),
            "missing": (self.missing, (len(self.missing), len(MISSING))),
            "last_event_us": (self.last_event_us, (n_students,)),
            "events_folded": (self.events_folded, (n_students,)),
        }
        for name, states, rows in (("slot", self.slot_states, n_slots), ("student", self.student_states, n_students)):
            for scorer, state in states.items():
                shapes[f"{name} state of {scorer}"] = (state, (rows, state.shape[-1] if state.ndim else 0))
        for name, (array, shape) in shapes.items():
            if array.shape != shape:
                raise BadInput(f"records of {n_students} students: {name} has shape {array.shape}, expected {shape}")
        for name, ptr, end in (
            ("slot_ptr", self.slot_ptr, n_slots),
            ("ledger_ptr", self.ledger_ptr, len(self.ledger)),
            ("recent_ptr", self.recent_ptr, len(self.recent)),
            ("missing_ptr", self.missing_ptr, len(self.missing)),
        ):
            if len(ptr) != n_students + 1 or ptr[0] != 0 or ptr[-1] != end or (np.diff(ptr) < 0).any():
                raise BadInput(f"records: {name} must rise from 0 to {end} in {n_students + 1} steps")
        if n_slots and not 0 <= int(self.topic_codes.min()) <= int(self.topic_codes.max()) < len(self.topics):
            raise BadInput(f"records: a topic code lies outside of the {len(self.topics)} topics")
        if not isinstance(self.tenants, str) and len(self.tenants) != n_students:
            raise BadInput(f"records: {len(self.tenants)} tenants for {n_students} students; give one for each")


def taken_rows(ptr: Int64s, groups: Int64s) -> tuple[Int64s, Int64s]:
    """Return (ptr of the taken groups, rows they own) of a grouped array."""
    counts = np.diff(ptr)[groups]
    taken = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return taken, np.repeat(ptr[:-1][groups] - taken[:-1], counts) + np.arange(taken[-1])


def taken_records(block: RecordBlock, students: Int64s) -> RecordBlock:
    """Return the records of some students of a block, by their places in it and in that order."""
    if np.array_equal(students, np.arange(len(block.student_ids))):
        return block
    slot_ptr, slots = taken_rows(block.slot_ptr, students)
    ledger_ptr, days = taken_rows(block.ledger_ptr, students)
    recent_ptr, recent = taken_rows(block.recent_ptr, students)
    missing_ptr, missing = taken_rows(block.missing_ptr, students)
    which = pa.array(students)
    return replace(
        block,
        student_ids=block.student_ids.take(which),
        tenants=block.tenants if isinstance(block.tenants, str) else block.tenants.take(which),
        slot_ptr=slot_ptr,
        topic_codes=block.topic_codes[slots],
        slot_states={name: state[slots] for name, state in block.slot_states.items()},
        student_states={name: state[students] for name, state in block.student_states.items()},
        counters=block.counters[slots],
        ledger_ptr=ledger_ptr,
        ledger=block.ledger[days],
        override=block.override[slots],
        recent_ptr=recent_ptr,
        recent=block.recent[recent],
        newest=block.newest[students],
        missing_ptr=missing_ptr,
        missing=block.missing[missing],
        last_event_us=block.last_event_us[students],
        events_folded=block.events_folded[students],
    )


class CorruptRecord(Conflict):
    """Bytes in the store that are not a record of ours, or not any more."""

    title = "A student's record cannot be read"

    def __init__(self, what: str) -> None:
        self.what = what
        super().__init__(f"a student's record cannot be read: {what}; it is made again when the student is next shown")


class WrongPosition(CorruptRecord):
    """A record that says it is a fold of another version of the lake than it can be, or says two of them."""


class OtherFormat(CorruptRecord):
    """A record that another version of the engine wrote, and that this one cannot read."""
