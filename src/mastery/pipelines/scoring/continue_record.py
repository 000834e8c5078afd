"""A record goes on with new events of its student, without a look at the lake.

What changes the past cannot be continued: an event that comes before the last one, replaces another, was replaced
before it came, or has another body than before. Its student is folded again from the lake.

Law: the record of a fold of a + b equals the record of a fold of a, continued with b, bit for bit, wherever the events
are cut, also in the middle of a day; and so does history (tests/laws/test_records.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import pyarrow as pa

from mastery.arrays import Floats, Int64s
from mastery.errors import BadInput
from mastery.features.batch import NO_DAY
from mastery.features.columns import event_columns, integers
from mastery.features.counters import EVIDENCE, LAST_AT_US, NEVER
from mastery.features.recent import KEPT, OrderKeys, order_keys
from mastery.features.resume import resume
from mastery.pipelines.scoring.fold import Begun, Folded, begin, fold_batch
from mastery.pipelines.scoring.records import DAY, FIRST_COUNT, GAP, SLOT, is_current, snapshot_from
from mastery.pipelines.scoring.snapshot import LEDGER_DAYS
from mastery.scorers.model_set import ModelSet
from mastery.state import RECENT, RECORD_LEDGER, Position, Record

EventId = tuple[int, int]

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
    if record.model_version != model_set.version:
        raise BadInput(
            f"a record under model set {record.model_version!r} cannot go on under {model_set.version!r}; "
            "fold the student from the lake"
        )
    _check_student(record, events)
    if record.timezone != model_set.days.timezone:
        return Refold.OTHER_DAYS
    if not is_current(record, model_set):
        return Refold.OTHER_COLUMNS
    keys = order_keys(events)
    rows = _new_rows(record, events, keys)
    if isinstance(rows, Refold):
        return rows
    record = replace(_remember(record, events, keys, rows), seen=record.seen if seen is None else seen)
    if record.newest_event_us > as_of_us:
        raise BadInput(f"an event at {record.newest_event_us} us comes after as_of, {as_of_us} us; give a later one")
    fresh = events.take(pa.array(rows))
    if not history:
        return Continued(_fold_on(record, fresh, model_set, as_of_us), _together(()))
    of_day, open_day = model_set.days.days_of(keys.at_us[rows]), record.ledger[-1:, DAY]
    points = []
    for day in np.union1d(open_day, of_day).tolist():  # one after the other: at the end of each its points are read
        record = _fold_on(record, fresh.filter(pa.array(of_day == day)), model_set, as_of_us)
        points.append(_points_of_day(record, day, model_set, as_of_us))
    return Continued(record, _together(points))


def _check_student(record: Record, events: pa.Table) -> None:
    for column, mine in (("student_id", record.student_id), ("tenant", record.tenant)):
        others = set(events.column(column).unique().to_pylist()) - {mine}
        if others:
            raise BadInput(
                f"{column} of an event is {min(others)!r} and of the record {mine!r}; "
                "give each record the events of its own student"
            )


def _new_rows(record: Record, events: pa.Table, keys: OrderKeys) -> Int64s | Refold:
    """Return the rows that the record has not seen, in their order, or why it cannot go on with them."""
    bodies = {(hi, lo): body for hi, lo, body in record.recent.tolist()}
    missing = {(hi, lo) for hi, lo in record.missing.tolist()}
    newest = tuple(record.newest.tolist())
    replaces = events.column("replaces_hi").is_valid().to_pylist()
    own = integers(events.column("body_hash")).tolist()
    found = []
    for row, key in sorted(enumerate(zip(*(column.tolist() for column in keys), strict=True)), key=lambda one: one[1]):
        event: EventId = key[-2:]
        if event in bodies:
            if bodies[event] != own[row]:
                return Refold.REVISED
            continue
        if replaces[row]:
            return Refold.REPLACES
        if event in missing:
            return Refold.REPLACED
        if key <= newest:
            return Refold.LATE
        bodies[event] = own[row]
        found.append(row)
    return np.array(found, np.int64)


def _remember(record: Record, events: pa.Table, keys: OrderKeys, rows: Int64s) -> Record:
    """Return the record with the events themselves remembered, counted or not."""
    if not rows.size:
        return record
    ids = np.column_stack([integers(events.column(name))[rows] for name in RECENT])
    return replace(
        record,
        recent=np.concatenate([record.recent, ids])[-KEPT:],
        newest=np.array([column[rows[-1]] for column in keys], np.int64),
    )


def _fold_on(record: Record, events: pa.Table, model_set: ModelSet, as_of_us: int) -> Record:
    """Return the record after these events."""
    columns = event_columns(events)
    if not columns.students:  # none of them counts
        return record
    days, last_at = model_set.days, record.counters[:, LAST_AT_US]
    last_day = np.where(last_at == NEVER, NO_DAY, days.days_of(last_at)).tolist()
    batch = resume(columns, {record.student_id: [*zip(record.topics, last_day, strict=True)]}, days)
    begun = begin(batch, model_set.models(batch.topics, batch.uses))
    _take_over(record, begun)
    folded = fold_batch(batch, model_set, as_of_us, begun=begun)
    last_event_us = int(batch.at_us[-1])
    return replace(
        record,
        topics=tuple(batch.topics[code][1] for code in batch.slot_topic),
        slot_states={name: states.slot for name, states in folded.states.items()},
        student_states={name: states.student[0] for name, states in folded.states.items()},
        counters=folded.counters,
        override=folded.feedback,
        ledger=_ledger(record.ledger, folded, last_event_us),
        last_event_us=last_event_us,
        events_folded=record.events_folded + batch.row.size,
    )


def _take_over(record: Record, begun: Begun) -> None:
    """Write where the record stands into the first slots, which `resume` keeps for its topics."""
    known = len(record.topics)
    begun.counters[:known], begun.feedback[:known] = record.counters, record.override
    for name, states in begun.states.items():
        states.slot[:known], states.student[0] = record.slot_states[name], record.student_states[name]


def _ledger(before: Int64s, folded: Folded, last_event_us: int) -> Int64s:
    """Return the record's ledger with the new cells; those of a day that had begun are added up."""
    batch = folded.batch
    new = np.empty((batch.cell_slot.size, len(RECORD_LEDGER)), np.int64)
    new[:, SLOT], new[:, DAY] = batch.cell_slot, batch.cell_day
    new[:, FIRST_COUNT:GAP], new[:, GAP] = folded.ledger.T, folded.gap_days
    ledger = before.copy()
    place = {(int(slot), int(day)): row for row, (slot, day) in enumerate(before[:, [SLOT, DAY]])}
    begun = [place.get((int(slot), int(day)), -1) for slot, day in new[:, [SLOT, DAY]]]
    for row, into in enumerate(begun):
        if into >= 0:
            ledger[into, FIRST_COUNT:GAP] += new[row, FIRST_COUNT:GAP]
    ledger = np.concatenate([ledger, new[np.array(begun, np.int64) < 0]])
    return ledger[ledger[:, DAY] > batch.days.day_of(last_event_us) - LEDGER_DAYS]


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
