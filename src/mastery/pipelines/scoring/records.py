"""Between a fold and the stored records: many at once after a recompute, one when a student is touched."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from mastery.arrays import Int64s
from mastery.features.recent import recent_events
from mastery.instants import DAY_US
from mastery.pipelines.scoring.fold import Folded, derived_of
from mastery.pipelines.scoring.snapshot import LEDGER_DAYS, OneStudentsDays, StudentSnapshot
from mastery.scorers import SCORERS
from mastery.scorers.base import States
from mastery.scorers.model_set import ModelSet
from mastery.state import NOWHERE, RECENT, RECORD_LEDGER, Position, Record, RecordBlock, taken_rows
from mastery.tables import LEDGER_COUNTS

SLOT, DAY, FIRST_COUNT = 0, 1, 2
GAP = FIRST_COUNT + len(LEDGER_COUNTS)


def active_students(folded: Folded, active_days: int) -> Int64s:
    """Return which students of the fold have an event within that many days before its as_of."""
    batch = folded.batch
    last = batch.at_us[batch.student_ptr[1:] - 1]
    return np.flatnonzero(last > folded.as_of_us - active_days * DAY_US)


def record_block(events: pa.Table, folded: Folded, students: Int64s, seen: Position = NOWHERE) -> RecordBlock:
    """Return the records of some students of a fold, as grouped arrays.

    `events` is the table the fold read, with `body_hash`: all events of these students that there are as of `seen`.
    """
    batch = folded.batch
    slot_ptr, slots = taken_rows(batch.slot_ptr, students)
    cell_of_student = batch.cell_ptr[batch.student_day_ptr]
    _, cells = taken_rows(cell_of_student, students)
    owner = np.repeat(np.arange(students.size), np.diff(cell_of_student)[students])
    last_event_us = batch.at_us[batch.student_ptr[students + 1] - 1]
    day = batch.cell_day[cells]
    kept = day > batch.days.days_of(last_event_us)[owner] - LEDGER_DAYS
    cells, owner = cells[kept], owner[kept]
    ledger = np.empty((cells.size, len(RECORD_LEDGER)), np.int64)
    ledger[:, SLOT] = batch.cell_slot[cells] - batch.slot_ptr[students][owner]
    ledger[:, DAY] = day[kept]
    ledger[:, FIRST_COUNT:GAP] = folded.ledger[:, cells].T
    ledger[:, GAP] = folded.gap_days[cells]
    recent = recent_events(events, batch)
    recent_ptr, places = taken_rows(recent.ptr, students)
    rows = recent.rows[places]
    missing_ptr, missing = taken_rows(recent.missing_ptr, students)
    return RecordBlock(
        model_version=folded.model_version,
        timezone=batch.days.timezone,
        student_ids=pa.array([batch.students[s] for s in students], pa.string()),
        tenants=pa.array([batch.tenants[s] for s in students], pa.string()),
        slot_ptr=slot_ptr,
        topic_codes=batch.slot_topic[slots],
        topics=[topic for _, topic in batch.topics],
        slot_states={name: states.slot[slots] for name, states in folded.states.items()},
        student_states={name: states.student[students] for name, states in folded.states.items()},
        counters=folded.counters[slots],
        ledger_ptr=np.searchsorted(owner, np.arange(students.size + 1)).astype(np.int64),
        ledger=ledger,
        override=folded.feedback[slots],
        recent_ptr=recent_ptr,
        recent=np.column_stack([events.column(name).to_numpy()[rows] for name in RECENT]).astype(np.int64),
        newest=recent.newest[students],
        missing_ptr=missing_ptr,
        missing=recent.missing[missing],
        last_event_us=last_event_us,
        events_folded=np.diff(batch.student_ptr)[students],
        seen=seen,
    )


def record_of(events: pa.Table, folded: Folded, student: int = 0, seen: Position = NOWHERE) -> Record:
    """Return the record of one student of a fold; see `record_block`."""
    return records_of(record_block(events, folded, np.array([student], np.int64), seen))[0]


def records_of(block: RecordBlock) -> list[Record]:
    """Return the records of a block one by one; `version`, offsets and outbox are those of a new one."""
    tenants = block.tenants
    return [
        Record(
            student_id=student_id,
            tenant=tenants if isinstance(tenants, str) else tenants[s].as_py(),
            model_version=block.model_version,
            timezone=block.timezone,
            topics=tuple(block.topics[code] for code in block.topic_codes[slots]),
            slot_states={name: states[slots] for name, states in block.slot_states.items()},
            student_states={name: states[s] for name, states in block.student_states.items()},
            counters=block.counters[slots],
            ledger=block.ledger[_of(block.ledger_ptr, s)],
            override=block.override[slots],
            recent=block.recent[_of(block.recent_ptr, s)],
            newest=block.newest[s],
            missing=block.missing[_of(block.missing_ptr, s)],
            last_event_us=int(block.last_event_us[s]),
            events_folded=int(block.events_folded[s]),
            seen=block.seen,
        )
        for s, student_id in enumerate(block.student_ids.to_pylist())
        for slots in [_of(block.slot_ptr, s)]
    ]


def _of(ptr: Int64s, group: int) -> slice:
    """Return which rows of a grouped array are a group's."""
    return slice(int(ptr[group]), int(ptr[group + 1]))


def is_current(record: Record, model_set: ModelSet) -> bool:
    """Tell whether the record was folded by the days of the set, and holds the state of every scorer of it, in the
    columns this version keeps.
    """
    return record.timezone == model_set.days.timezone and holds_all_scorers(record, model_set)


def holds_all_scorers(kept: Record | RecordBlock, model_set: ModelSet) -> bool:
    """Tell whether a record, or a block of them, holds the state of every scorer of the set, in the columns that this
    version keeps.
    """
    for name, scorer in SCORERS.items():
        if name not in model_set.scorers:
            continue
        slot, student = kept.slot_states.get(name), kept.student_states.get(name)
        if slot is None or student is None:
            return False
        if slot.shape[-1] != len(scorer.slot_state) or student.shape[-1] != len(scorer.student_state):
            return False
    return True


def snapshot_from(record: Record, model_set: ModelSet, *, explain: bool = True) -> StudentSnapshot:
    """Return where the student of a current record stands; `explain`: see `StudentSnapshot`."""
    slots = len(record.topics)
    models = model_set.models([(record.tenant, topic) for topic in record.topics], ())
    return StudentSnapshot(
        student_id=record.student_id,
        tenant=record.tenant,
        model_version=record.model_version,
        topics=record.topics,
        models=models,
        slot_topic=np.arange(slots, dtype=np.int32),
        states={name: States(record.slot_states[name], record.student_states[name].reshape(1, -1)) for name in models},
        counters=record.counters,
        feedback=record.override,
        school_days=model_set.days,
        days=OneStudentsDays.of(slots, record.ledger[:, DAY].astype(np.int32), record.ledger[:, SLOT].astype(np.int32)),
        ledger=np.ascontiguousarray(record.ledger[:, FIRST_COUNT:GAP].T),
        gap_days=np.ascontiguousarray(record.ledger[:, GAP]),
        last_event_us=record.last_event_us,
        derived=derived_of(model_set),
        explain=explain,
    )
