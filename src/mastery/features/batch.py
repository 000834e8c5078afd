"""A batch: observations of many students, each student's in time order, on grouped arrays.

One order serves every scorer: those with state per student-topic look up `slot`, those with state per student
walk `student_ptr`. A slot is one student-topic; a cell is one student-topic on one day, a row of the ledger and
of history alike. Days are those of the schools: `mastery.school_days`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from propcache import cached_property

from mastery.arrays import Floats, Int8s, Int32s, Int64s
from mastery.events.murmur import murmur
from mastery.features.columns import FEEDBACK, EventColumns
from mastery.features.day_kernels import begin_of, day_at
from mastery.features.observations import observe_rows
from mastery.features.order import order_rows
from mastery.kernels import kernel
from mastery.school_days import UTC_DAYS, DayArrays, SchoolDays
from mastery.tables import UNASSIGNED

ON = "\x1f"
"""Between an item and a topic in the key of the item on that topic."""


NO_DAY = np.int64(-(2**62))
"""The day of what has not happened."""

NEVER_BEFORE = -1
"""Of an event that is the first one on its topic, there are no days since the last."""


class BySlot(NamedTuple):
    """The n rows of a batch ordered by slot, then time. Copies: gathering them in each kernel cost 8 %.

    Attributes:
        ptr: int64[P + 1]. Rows of slot p.
        use, at_us, kind, y, weight, opportunity, cell: As in `Batch`.
    """

    ptr: Int64s
    use: Int32s
    at_us: Int64s
    kind: Int8s
    y: Floats
    weight: Floats
    opportunity: Floats
    cell: Int32s


class BatchArrays(NamedTuple):
    """The arrays of a batch that kernels walk, as in `Batch`: kernels take them as one argument."""

    student_ptr: Int64s
    slot_ptr: Int64s
    slot_topic: Int32s
    slot: Int32s
    item: Int32s
    use: Int32s
    at_us: Int64s
    kind: Int8s
    y: Floats
    weight: Floats
    opportunity: Floats
    attempts: Int64s
    success_ppm: Int64s
    duration_ms: Int64s
    hints: Int64s
    row: Int64s
    days_away: Int32s
    day_end_us: Int64s
    day_ptr: Int64s
    cell_ptr: Int64s
    cell_slot: Int32s


BY_ROW = (
    "item",
    "use",
    "at_us",
    "kind",
    "y",
    "weight",
    "opportunity",
    "attempts",
    "success_ppm",
    "duration_ms",
    "hints",
    "rewinds",
    "row",
    "days_away",
)
"""Arrays of a `Batch` that hold one number for each row, but for `slot`."""


@dataclass(frozen=True)
class Batch:
    """S students, P slots, n rows, D student-days, H cells, T topics.

    Attributes:
        students: Pseudonyms, ascending.
        tenants: Tenant of each student.
        topics: (tenant, topic_id) by topic code.
        items: (tenant, item_id) by item code.
        student_ptr: int64[S + 1]. Rows of student s.
        slot_ptr: int64[S + 1]. Slots of student s, in the order they were first touched.
        slot_topic: int32[P]. Topic code.
        slot: int32[n]. Slot of each row.
        item: int32[n]. Item code, negative for none.
        use: int32[n]. Code of the item on the row's topic, negative for none: parameters of items are by use. Use k < I
            is item k on its first topic; those on further topics follow.
        use_item, use_topic: int32[U]. Item and topic of each use; the topic of an item without rows is negative.
        at_us, kind: int64[n], int8[n].
        y, weight, opportunity: float64[n]. See mastery.features.observations.
        attempts, success_ppm, duration_ms, hints, rewinds: int64[n]. As in EVENTS; negative for null.
        row: int64[n]. Row of the event table.
        days_away: int32[n]. Days since the student was last active on the topic: 0 on the same day, `NEVER_BEFORE` on
            the first event.
        days: Whose days they are.
        student_day_ptr: int64[S + 1]. Days of student s.
        day: int32[D]. School days since 1970.
        day_end_us: int64[D]. When each ends: the first moment after it.
        day_ptr: int64[D + 1]. Rows of a student-day.
        cell_ptr: int64[D + 1]. Cells of a student-day.
        cell_slot: int32[H].
        cell_day: int32[H]. School days since 1970.
        by_slot: The same rows slot by slot, for scorers that keep one slot in registers while they fold it.
        cell: int32[n]. Cell of each row; negative for a teacher's feedback, which is no activity.
    """

    students: Sequence[str]
    tenants: Sequence[str]
    topics: Sequence[tuple[str, str]]
    items: Sequence[tuple[str, str]]
    student_ptr: Int64s
    slot_ptr: Int64s
    slot_topic: Int32s
    slot: Int32s
    item: Int32s
    use: Int32s
    use_item: Int32s
    use_topic: Int32s
    at_us: Int64s
    kind: Int8s
    y: Floats
    weight: Floats
    opportunity: Floats
    attempts: Int64s
    success_ppm: Int64s
    duration_ms: Int64s
    hints: Int64s
    rewinds: Int64s
    row: Int64s
    days_away: Int32s
    days: SchoolDays
    student_day_ptr: Int64s
    day: Int32s
    day_end_us: Int64s
    day_ptr: Int64s
    cell_ptr: Int64s
    cell_slot: Int32s
    cell_day: Int32s
    cell: Int32s
    by_slot: BySlot

    @property
    def slot_student(self) -> Int32s:
        """int32[P]. Student of each slot."""
        return np.repeat(np.arange(len(self.students), dtype=np.int32), np.diff(self.slot_ptr))

    @property
    def cell_end_us(self) -> Int64s:
        """int64[H]. When the day of each cell ends."""
        return np.repeat(self.day_end_us, np.diff(self.cell_ptr))

    @property
    def arrays(self) -> BatchArrays:
        """What kernels walk."""
        return BatchArrays(*(getattr(self, name) for name in BatchArrays._fields))

    @cached_property
    def uses(self) -> Sequence[tuple[str, str]]:
        """(tenant, item and topic) of each use, as parameters of items are looked up; see `use_key`."""
        return [
            self.items[i] if t < 0 else use_key(self.items[i], self.topics[t][1])
            for i, t in zip(self.use_item.tolist(), self.use_topic.tolist(), strict=True)
        ]

    @cached_property
    def item_key(self) -> Floats:
        """float64[I]. A whole number below 2⁵³ by which a state remembers an item; codes differ between batches."""
        hi, _ = murmur(pa.array(["\x1f".join(item) for item in self.items], pa.string()))
        return (hi.view(np.uint64) >> np.uint64(11)).astype(np.float64)


def use_key(item: tuple[str, str], topic: str) -> tuple[str, str]:
    """Return the key of an item on a topic; no id holds a control character."""
    tenant, name = item
    return tenant, f"{name}{ON}{topic}"


class KnownSlots(NamedTuple):
    """Slots that S students have already.

    Attributes:
        ptr: int64[S + 1]. Slots of student s.
        topic: int32[K]. Topic code.
        last_day: int64[K]. The last day that was active; `NO_DAY` for none.
    """

    ptr: Int64s
    topic: Int32s
    last_day: Int64s


def make_batch(columns: EventColumns, known: KnownSlots | None = None, days: SchoolDays = UTC_DAYS) -> Batch:
    """Return the batch of these events, cut into these days.

    `known` slots keep their place and new ones follow, so that a fold can go on from a stored state.
    """
    student_ptr, order = order_rows(columns)
    students = len(columns.students)
    item = columns.item[order]
    if known is None:
        known = KnownSlots(np.zeros(students + 1, np.int64), np.zeros(0, np.int32), np.zeros(0, np.int64))
    topic, at_us, kind = columns.topic[order], columns.at_us[order], columns.kind[order]
    slot_ptr, slot_topic, slot, days_away, student_day_ptr, day, day_end_us, day_ptr, cell_ptr, cell_slot, cell = (
        _group(student_ptr, topic, at_us, kind, len(columns.topics), known, days.arrays)
    )
    scored_topics = np.array([name != UNASSIGNED for _, name in columns.topics], bool)
    use, use_item, use_topic = uses_of(item, topic, len(columns.items))
    y, weight, opportunity = observe_rows(
        order,
        columns.kind,
        columns.attempts,
        columns.success_ppm,
        columns.attempt_number,
        columns.hints,
        columns.topics_of_event,
        scored_topics[topic],
    )
    return Batch(
        students=columns.students,
        tenants=columns.tenants,
        topics=columns.topics,
        items=columns.items,
        student_ptr=student_ptr,
        slot_ptr=slot_ptr,
        slot_topic=slot_topic,
        slot=slot,
        item=item,
        use=use,
        use_item=use_item,
        use_topic=use_topic,
        at_us=at_us,
        kind=kind,
        y=y,
        weight=weight,
        opportunity=opportunity,
        attempts=columns.attempts[order],
        success_ppm=columns.success_ppm[order],
        duration_ms=columns.duration_ms[order],
        hints=columns.hints[order],
        rewinds=columns.rewinds[order],
        row=columns.row[order],
        days_away=days_away,
        days=days,
        student_day_ptr=student_day_ptr,
        day=day,
        day_end_us=day_end_us,
        day_ptr=day_ptr,
        cell_ptr=cell_ptr,
        cell_slot=cell_slot,
        cell_day=np.repeat(day, np.diff(cell_ptr)),
        cell=cell,
        by_slot=BySlot(*_by_slot(slot, slot_topic.size, use, at_us, kind, y, weight, opportunity, cell)),
    )


def rows_by_slot(slot: Int32s, slots: int, rows: Mapping[str, npt.NDArray[Any]], cell: Int32s) -> BySlot:
    """Return rows, [n] each by the name of the column, ordered by slot; `slots` is how many slots there are."""
    columns = (rows[name] for name in BySlot._fields if name not in ("ptr", "cell"))
    return BySlot(*_by_slot(slot, slots, *columns, cell))


def uses_of(item: Int32s, topic: Int32s, items: int) -> tuple[Int32s, Int32s, Int32s]:
    """Return use int32[n] of each row, and use_item, use_topic int32[U]; see `Batch`.

    They depend on which pairs of item and topic there are, not on the order of rows.
    """
    first, several = _first_topics(item, topic, items)
    own = np.arange(items, dtype=np.int32)
    if not several:
        return item, own, first
    further = np.flatnonzero((item >= 0) & (topic != first[np.maximum(item, 0)]))
    pair = (item[further].astype(np.int64) << 32) | topic[further]
    pairs, code = np.unique(pair, return_inverse=True)
    use = item.copy()
    use[further] = items + code
    of_item, of_topic = (pairs >> 32).astype(np.int32), (pairs & 0xFFFFFFFF).astype(np.int32)
    return use, np.concatenate([own, of_item]), np.concatenate([first, of_topic])


@kernel
def _first_topics(item: Int32s, topic: Int32s, items: int) -> tuple[Int32s, bool]:
    """Return int32[I], the lowest topic of each item's rows, and whether some item is on several."""
    first, several = np.full(items, -1, np.int32), False
    for i in range(item.size):
        k = item[i]
        if k >= 0 and first[k] != topic[i]:
            several |= first[k] >= 0
            if first[k] < 0 or topic[i] < first[k]:
                first[k] = topic[i]
    return first, several


@kernel
def _by_slot(
    slot: Int32s,
    slots: int,
    use: Int32s,
    at_us: Int64s,
    kind: Int8s,
    y: Floats,
    weight: Floats,
    opportunity: Floats,
    cell: Int32s,
) -> tuple[Int64s, Int32s, Int64s, Int8s, Floats, Floats, Floats, Int32s]:
    n = slot.size
    ptr = np.zeros(slots + 1, np.int64)
    for i in range(n):
        ptr[slot[i] + 1] += 1
    for p in range(slots):
        ptr[p + 1] += ptr[p]
    fill = ptr[:-1].copy()
    at_of, kind_of, cell_of = np.empty(n, np.int64), np.empty(n, np.int8), np.empty(n, np.int32)
    y_of, weight_of, opportunity_of = np.empty(n), np.empty(n), np.empty(n)
    use_of = np.empty(n, np.int32)
    for i in range(n):
        k = fill[slot[i]]
        fill[slot[i]] = k + 1
        at_of[k], kind_of[k], cell_of[k] = at_us[i], kind[i], cell[i]
        y_of[k], weight_of[k], opportunity_of[k] = y[i], weight[i], opportunity[i]
        use_of[k] = use[i]
    return ptr, use_of, at_of, kind_of, y_of, weight_of, opportunity_of, cell_of


@kernel
def _group(
    student_ptr: Int64s, topic: Int32s, at_us: Int64s, kind: Int8s, topics: int, known: KnownSlots, zone: DayArrays
) -> tuple[Int64s, Int32s, Int32s, Int32s, Int64s, Int32s, Int64s, Int64s, Int64s, Int32s, Int32s]:
    known_ptr, known_topic, known_day = known
    students, n = student_ptr.size - 1, topic.size
    slot_ptr = np.zeros(students + 1, np.int64)
    slot_topic = np.empty(n + known_topic.size, np.int32)
    slot, days_away = np.empty(n, np.int32), np.zeros(n, np.int32)
    student_day_ptr = np.zeros(students + 1, np.int64)
    day, day_ptr, cell_ptr = np.empty(n, np.int32), np.empty(n + 1, np.int64), np.empty(n + 1, np.int64)
    day_end_us = np.empty(n, np.int64)
    cell_slot, cell = np.empty(n, np.int32), np.empty(n, np.int32)
    owner = np.full(topics, -1, np.int64)  # the student whose slot `slot_of` holds
    slot_of = np.empty(topics, np.int64)
    cell_day_of = np.empty(n + known_topic.size, np.int64)  # the student-day whose cell `cell_of` holds, by slot
    cell_of = np.empty(n + known_topic.size, np.int64)
    last_day = np.empty(n + known_topic.size, np.int64)  # that was active, by slot
    slots, days, cells = 0, 0, 0
    for s in range(students):
        for k in range(known_ptr[s], known_ptr[s + 1]):
            t = known_topic[k]
            owner[t], slot_of[t], slot_topic[slots], cell_day_of[slots] = s, slots, t, -1
            last_day[slots] = known_day[k]
            slots += 1
        today, ends_us = int(NO_DAY), int(NO_DAY)
        for i in range(student_ptr[s], student_ptr[s + 1]):
            if at_us[i] >= ends_us:  # rows are in time order: most are on the day of the one before
                today = day_at(at_us[i], zone)
                ends_us = begin_of(today + 1, zone)
                day[days], day_end_us[days], day_ptr[days], cell_ptr[days] = today, ends_us, i, cells
                days += 1
            t = topic[i]
            if owner[t] != s:
                owner[t], slot_of[t], slot_topic[slots], cell_day_of[slots] = s, slots, t, -1
                last_day[slots] = NO_DAY
                slots += 1
            p = slot_of[t]
            slot[i] = p
            if kind[i] == FEEDBACK:  # an opinion, not an activity: it makes no day active
                cell[i] = -1
                continue
            if cell_day_of[p] != days:
                cell_day_of[p], cell_of[p], cell_slot[cells] = days, cells, p
                cells += 1
            days_away[i] = NEVER_BEFORE if last_day[p] == NO_DAY else today - last_day[p]
            last_day[p] = today
            cell[i] = cell_of[p]
        slot_ptr[s + 1], student_day_ptr[s + 1] = slots, days
    day_ptr[days], cell_ptr[days] = n, cells
    return (
        slot_ptr,
        slot_topic[:slots].copy(),
        slot,
        days_away,
        student_day_ptr,
        day[:days].copy(),
        day_end_us[:days].copy(),
        day_ptr[: days + 1].copy(),
        cell_ptr[: days + 1].copy(),
        cell_slot[:cells].copy(),
        cell,
    )
