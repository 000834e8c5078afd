"""Records go on with new events of their students, without a look at the lake.

All that have new events go on in one pass: their events are one batch, folded once. One alone is a batch of one.

What changes the past cannot be continued: an event that comes before the last one, replaces another, was replaced
before it came, or has another body than before. Its student is folded again from the lake.

Law: the record of a fold of a + b equals the record of a fold of a, continued with b, bit for bit, wherever the events
are cut, also in the middle of a day, and whoever goes on beside; and so does history (tests/laws/test_records.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mastery.arrays import Floats, Int8s, Int64s
from mastery.errors import BadInput
from mastery.features.batch import NO_DAY, KnownSlots
from mastery.features.columns import EventColumns, event_columns, integers
from mastery.features.counters import EVIDENCE, LAST_AT_US, NEVER
from mastery.features.recent import KEPT, OrderKeys, order_keys
from mastery.features.resume import resume_slots
from mastery.pipelines.scoring import continue_kernels as kernels
from mastery.pipelines.scoring.fold import Begun, Folded, begin, fold_batch
from mastery.pipelines.scoring.records import (
    DAY,
    FIRST_COUNT,
    GAP,
    SLOT,
    holds_all_scorers,
    records_of,
    snapshot_from,
)
from mastery.pipelines.scoring.snapshot import LEDGER_DAYS
from mastery.scorers.model_set import ModelSet
from mastery.state import RECENT, RECORD_LEDGER, Position, Record, RecordBlock, block_of, taken_records

END_OF_TIME = 2**62
"""Microseconds: every day has ended by then."""


class Refold(StrEnum):
    """Why a student has to be folded again from the lake."""

    LATE = "an event comes before the last one"
    REPLACES = "an event replaces another"
    REPLACED = "an event was replaced before it came"
    REVISED = "an event has another body than before"
    OTHER_COLUMNS = "the record lacks a scorer, or has its state in other columns"
    OTHER_DAYS = "the record was folded by the days of another time zone"


VERDICTS = (Refold.LATE, Refold.REPLACES, Refold.REPLACED, Refold.REVISED)
"""In the order of `continue_kernels.LATE` and on."""


@dataclass(frozen=True, eq=False)
class HistoryPoints:
    """Scores at the end of H student-topic-days, as of which they were read last.

    Attributes:
        slot: int64[H]. The topic's place in the record.
        day: int64[H]. School days since 1970, ascending.
        evidence: int64[H]. The evidence count at the end of the day.
        scores: Scorer → float64[3, H]: score, lower, upper. Those of scorers that fold nothing are what they say at
            the end of that day; a recompute has points of the days on which one was made, and no others.
    """

    slot: Int64s
    day: Int64s
    evidence: Int64s
    scores: Mapping[str, Floats]


@dataclass(frozen=True, eq=False)
class Continued:
    """A record that has seen the new events.

    Attributes:
        record: As a fold of all events would have made it; `version`, offsets and outbox are those it had.
        history: The points of the last active day that the record had, and of all days since. They take the place of
            what was published of these days.
    """

    record: Record
    history: HistoryPoints


@dataclass(frozen=True, eq=False)
class ContinuedRecords:
    """What became of the records of a block.

    Attributes:
        blocks: Records that have seen the new events, as a fold of all events would have made them.
        refold: Student → why they have to be folded again, of all others.
    """

    blocks: Sequence[RecordBlock]
    refold: Mapping[str, Refold]


@dataclass(frozen=True, eq=False)
class _NewEvents:
    """The new events of the students of a block.

    Attributes:
        verdicts: int8[S], `continue_kernels.GOES_ON` and so on.
        rows: Those of the event table that a student who goes on has not seen, in their order, student by student.
        student: int64[n]: their places in the block.
        keys: By row of the event table.
    """

    verdicts: Int8s
    rows: Int64s
    student: Int64s
    keys: OrderKeys


def continue_record(
    record: Record,
    events: pa.Table,
    model_set: ModelSet,
    *,
    seen: Position | None = None,
    as_of_us: int = END_OF_TIME,
    history: bool = True,
) -> Continued | Refold:
    """Return the record continued with events, or why that cannot be.

    Args:
        record: A record under this model set.
        events: Events of the student in any order, columns `features.columns.READ` and `body_hash`. Those that are
            among the record's recent ones, with the same body, are left out.
        model_set: The set of the record.
        seen: What the new record has seen; None: the same as before.
        as_of_us: When the points of the last day are read, if it has not ended by then. Not before any event.
        history: Whether points are wanted; they cost more than the rest.

    Raises:
        BadInput: The record is of another model set, an event is another student's, or one comes after `as_of_us`.
    """
    block = block_of([record])
    why_not = _why_not(block, model_set)
    new = _new_events(block, events)
    if why_not is not None:
        return why_not
    if new.verdicts[0] != kernels.GOES_ON:
        return VERDICTS[new.verdicts[0] - 1]
    block = replace(_remember(block, events, new, as_of_us), seen=record.seen if seen is None else seen)
    points = []
    if not history:
        block = _fold_on(block, event_columns(events.take(pa.array(new.rows))), model_set, as_of_us)
    else:
        of_day = model_set.days.days_of(new.keys.at_us[new.rows])
        for day in np.union1d(record.ledger[-1:, DAY], of_day).tolist():  # at the end of each its points are read
            block = _fold_on(block, event_columns(events.take(pa.array(new.rows[of_day == day]))), model_set, as_of_us)
            points.append(_points_of_day(records_of(block)[0], day, model_set, as_of_us))
    on = replace(records_of(block)[0], offsets=record.offsets, outbox=record.outbox, version=record.version)
    return Continued(on, _together(points))


def continue_records(
    block: RecordBlock,
    events: pa.Table,
    model_set: ModelSet,
    *,
    seen: Position,
    as_of_us: int = END_OF_TIME,
) -> ContinuedRecords:
    """Return the records of a block continued with the events of their students: each as `continue_record` does it.

    Args:
        block: Records under this model set.
        events: All that came since of these students, in any order; see `continue_record`.
        model_set: The set of the records.
        seen: What the new records have seen.
        as_of_us: Not before any event.

    Raises:
        BadInput: The records are of another model set, an event is another student's, or one comes after `as_of_us`.
    """
    why_not = _why_not(block, model_set)
    new = _new_events(block, events)
    ids = block.student_ids.to_pylist()
    if why_not is not None:
        return ContinuedRecords((), dict.fromkeys(ids, why_not))
    refold = {ids[s]: VERDICTS[new.verdicts[s] - 1] for s in np.flatnonzero(new.verdicts).tolist()}
    going = np.flatnonzero(new.verdicts == kernels.GOES_ON)
    block = replace(_remember(block, events, new, as_of_us), seen=seen)
    columns = event_columns(events.take(pa.array(new.rows)))
    counted = pc.index_in(pa.array(columns.students, pa.string()), value_set=block.student_ids).to_numpy()
    still = np.setdiff1d(going, counted)  # nothing of theirs counts, or nothing is new
    blocks = [_fold_on(taken_records(block, counted.astype(np.int64)), columns, model_set, as_of_us)]
    return ContinuedRecords([one for one in (*blocks, taken_records(block, still)) if len(one.student_ids)], refold)


def _why_not(block: RecordBlock, model_set: ModelSet) -> Refold | None:
    """Return why none of the records can go on under a model set; None where they can.

    Raises:
        BadInput: They are of another.
    """
    if block.model_version != model_set.version:
        raise BadInput(
            f"a record under model set {block.model_version!r} cannot go on under {model_set.version!r}; "
            "fold the student from the lake"
        )
    if block.timezone != model_set.days.timezone:
        return Refold.OTHER_DAYS
    return None if holds_all_scorers(block, model_set) else Refold.OTHER_COLUMNS


def _new_events(block: RecordBlock, events: pa.Table) -> _NewEvents:
    """Return the events that the records have not seen, and of which students they change the past."""
    student, keys = _students_of(block, events), order_keys(events)
    order = np.lexsort((*reversed(keys), student))
    ptr = np.searchsorted(student[order], np.arange(len(block.student_ids) + 1)).astype(np.int64)
    verdicts, fresh = np.zeros(len(block.student_ids), np.int8), np.zeros(order.size, bool)
    kernels.judge(
        ptr,
        order,
        _first_of_same(student[order], keys.id_hi[order], keys.id_lo[order]),
        keys,
        integers(events.column("body_hash")),
        events.column("replaces_hi").is_valid().to_numpy(),
        block.recent_ptr,
        block.recent,
        block.newest,
        block.missing_ptr,
        block.missing,
        verdicts,
        fresh,
    )
    rows = order[fresh]
    rows = rows[verdicts[student[rows]] == kernels.GOES_ON]
    return _NewEvents(verdicts, rows, student[rows], keys)


def _students_of(block: RecordBlock, events: pa.Table) -> Int64s:
    """Return int64[n]: the place in the block of each event's student.

    Raises:
        BadInput: It is of a student or tenant that no record is of.
    """
    found = pc.index_in(events.column("student_id").cast(pa.string()), value_set=block.student_ids)
    places = pc.fill_null(found, -1).to_numpy().astype(np.int64)
    if places.size and places.min() < 0:
        stranger = events.column("student_id")[int(np.argmin(places))].as_py()
        raise _of_another("student_id", stranger, block.student_ids[0].as_py())
    tenants = block.tenants if isinstance(block.tenants, pa.Array) else pa.repeat(block.tenants, len(block.student_ids))
    own = tenants.take(pa.array(places))
    other = pc.not_equal(events.column("tenant").cast(pa.string()), own)
    if pc.any(other).as_py():
        k = other.index(True).as_py()
        raise _of_another("tenant", events.column("tenant")[k].as_py(), own[k].as_py())
    return places


def _of_another(column: str, found: str, expected: str) -> BadInput:
    return BadInput(
        f"{column} of an event is {found!r} and of the record {expected!r}; "
        "give each record the events of its own student"
    )


def _first_of_same(student: Int64s, hi: Int64s, lo: Int64s) -> Int64s:
    """Return int64[n]: the place of the first of a student's rows that are the same event as each."""
    place = np.arange(student.size)
    by_id = np.lexsort((place, lo, hi, student))
    same = np.zeros(student.size, bool)
    same[1:] = np.logical_and.reduce([column[by_id][1:] == column[by_id][:-1] for column in (student, hi, lo)])
    run = np.maximum.accumulate(np.where(same, 0, place))
    first = np.empty(student.size, np.int64)
    first[by_id] = by_id[run]
    return first


def _remember(block: RecordBlock, events: pa.Table, new: _NewEvents, as_of_us: int) -> RecordBlock:
    """Return the records with the new events themselves remembered, counted or not."""
    ptr = np.searchsorted(new.student, np.arange(len(block.student_ids) + 1)).astype(np.int64)
    ids = np.column_stack([integers(events.column(name))[new.rows] for name in RECENT])
    recent_ptr, recent = kernels.remember(KEPT, block.recent_ptr, block.recent, ptr, ids)
    newest, some = block.newest.copy(), np.flatnonzero(np.diff(ptr))
    newest[some] = np.column_stack([column[new.rows[ptr[some + 1] - 1]] for column in new.keys])
    last_us = newest[new.verdicts == kernels.GOES_ON, 0].max(initial=NEVER)
    if last_us > as_of_us:
        raise BadInput(f"an event at {last_us} us comes after as_of, {as_of_us} us; give a later one")
    return replace(block, recent_ptr=recent_ptr, recent=recent, newest=newest)


def _fold_on(block: RecordBlock, columns: EventColumns, model_set: ModelSet, as_of_us: int) -> RecordBlock:
    """Return the records after these events, which are of all students of the block in their order, or of nobody."""
    if not columns.students:  # none of them counts
        return block
    days, last_at = model_set.days, block.counters[:, LAST_AT_US]
    last_day = np.where(last_at == NEVER, NO_DAY, days.days_of(last_at))
    batch = resume_slots(columns, block.topics, KnownSlots(block.slot_ptr, block.topic_codes, last_day), days)
    models = model_set.models(batch.topics, batch.uses)
    begun = begin(batch, models)
    _take_over(block, batch.slot_ptr, begun)
    folded = fold_batch(batch, model_set, as_of_us, history=False, begun=begun, models=models)
    last_event_us = batch.at_us[batch.student_ptr[1:] - 1]
    ledger_ptr, ledger = _ledgers(block, folded, last_event_us)
    return replace(
        block,
        slot_ptr=batch.slot_ptr,
        topic_codes=batch.slot_topic,
        topics=[topic for _, topic in batch.topics],
        slot_states={name: states.slot for name, states in folded.states.items()},
        student_states={name: states.student for name, states in folded.states.items()},
        counters=folded.counters,
        override=folded.feedback,
        ledger_ptr=ledger_ptr,
        ledger=ledger,
        last_event_us=last_event_us,
        events_folded=block.events_folded + np.diff(batch.student_ptr),
    )


def _take_over(block: RecordBlock, slot_ptr: Int64s, begun: Begun) -> None:
    """Write where the records stand into the first slots of each student, which `resume_slots` keeps for them."""
    before = block.slot_ptr
    into = np.arange(before[-1]) + np.repeat(slot_ptr[:-1] - before[:-1], np.diff(before))
    begun.counters[into], begun.feedback[into] = block.counters, block.override
    for name, states in begun.states.items():
        states.slot[into], states.student[:] = block.slot_states[name], block.student_states[name]


def _ledgers(block: RecordBlock, folded: Folded, last_event_us: Int64s) -> tuple[Int64s, Int64s]:
    """Return (ptr, rows): the records' ledgers with the new cells; those of a day that had begun are added up."""
    batch = folded.batch
    new_ptr = batch.cell_ptr[batch.student_day_ptr]
    new = np.empty((batch.cell_slot.size, len(RECORD_LEDGER)), np.int64)
    new[:, SLOT] = batch.cell_slot - np.repeat(batch.slot_ptr[:-1], np.diff(new_ptr))
    new[:, DAY] = batch.cell_day
    new[:, FIRST_COUNT:GAP], new[:, GAP] = folded.ledger.T, folded.gap_days
    since = batch.days.days_of(last_event_us) - LEDGER_DAYS
    return kernels.merge_ledgers(block.ledger_ptr, block.ledger, new_ptr, new, since, FIRST_COUNT)


def _points_of_day(record: Record, day: int, model_set: ModelSet, as_of_us: int) -> HistoryPoints:
    """Return the points of the record's topics that were active on a day, which is its last one.

    What a fold notes at the end of a day is what is read then: the states are those at the end of this one.
    """
    slot = record.ledger[record.ledger[:, DAY] == day, SLOT]
    snapshot = snapshot_from(record, model_set, explain=False)
    ends_us = int(model_set.days.ends_us(day))
    scores = {
        name: np.stack([read.score[slot], read.lower[slot], read.upper[slot]])
        for name, read in (snapshot.scores(min(ends_us, as_of_us)) if slot.size else {}).items()
    }
    return HistoryPoints(slot, np.full(slot.size, day), record.counters[slot, EVIDENCE], scores)


def _together(points: Sequence[HistoryPoints]) -> HistoryPoints:
    some = [one for one in points if one.slot.size]
    none = np.zeros(0, np.int64)
    return HistoryPoints(
        np.concatenate([none, *(one.slot for one in some)]),
        np.concatenate([none, *(one.day for one in some)]),
        np.concatenate([none, *(one.evidence for one in some)]),
        {name: np.concatenate([one.scores[name] for one in some], axis=1) for name in (some[0].scores if some else ())},
    )
