"""Columns of events as numpy arrays: what the kernels read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mastery.arrays import Bools, Int32s, Int64s
from mastery.errors import Conflict
from mastery.features.about import about_of
from mastery.kernels import kernel
from mastery.tables import UNASSIGNED

KINDS = ("quiz", "practice", "assignment", "video", "tutor", "feedback")
QUIZ, PRACTICE, ASSIGNMENT, VIDEO, TUTOR, FEEDBACK = range(len(KINDS))

ABSENT = -1
"""Null, in integer columns that are never negative."""

READ = (
    "tenant",
    "student_id",
    "event_id_hi",
    "event_id_lo",
    "kind",
    "topic_id",
    "other_topic_ids",
    "item_id",
    "occurred_at",
    "sequence",
    "attempts",
    "success_ppm",
    "duration_ms",
    "attempt_number",
    "hints",
    "rewinds",
    "replaces_hi",
    "replaces_lo",
)
"""The columns of EVENTS that a fold reads."""


@dataclass(frozen=True)
class EventColumns:
    """n rows of S students in order of arrival, one for each event and topic: an assignment over k topics is k rows.

    Students, topics and items are those that some row has, ascending: a code depends on what is there, and neither on
    the order of rows nor on the files they lie in. What is fitted by codes rests on it.

    Attributes:
        students: Pseudonyms; codes in `student`.
        tenants: Tenant of each student, aligned with `students`.
        topics: (tenant, topic_id) of each topic code. The topics of one event are folded in this order, so it must not
            depend on the other students of the batch.
        items: (tenant, item_id) of each item code.
        row: int64[n]. Row of the event table.
        topics_of_event: int32[n]. Number of topics of the event.
        at_us: int64[n]. Microseconds since 1970 UTC.
        about: int64[n]. What orders events of one moment and sequence (`mastery.features.about`).
        success_ppm: int64[n]. Successes in millionths, of attempts × 1,000,000.
        duration_ms, attempt_number, hints, rewinds: `ABSENT` where the source has none.
        item: int32[n]. `ABSENT` where the event names none.
    """

    students: Sequence[str]
    tenants: Sequence[str]
    topics: Sequence[tuple[str, str]]
    items: Sequence[tuple[str, str]]
    row: Int64s
    student: Int32s
    topic: Int32s
    item: Int32s
    kind: npt.NDArray[np.int8]
    topics_of_event: Int32s
    at_us: Int64s
    sequence: Int64s
    about: Int64s
    id_hi: Int64s
    id_lo: Int64s
    attempts: Int64s
    success_ppm: Int64s
    duration_ms: Int64s
    attempt_number: Int64s
    hints: Int64s
    rewinds: Int64s


def event_columns(events: pa.Table, as_of_us: int | None = None) -> EventColumns:
    """Return the events that count at `as_of_us`, a row for each topic.

    Events after `as_of_us` are left out, and so are events that another one replaced by then, and withdrawals.
    The table may lack `item_id` where no event has one, for items order events of one moment, and `other_topic_ids`.

    Raises:
        Conflict: an event of a kind this version does not know.
    """
    events, original = _effective(events, as_of_us)
    tenant_names, tenant = _coded(events, "tenant")
    students, student = _coded(events, "student_id")
    tenant_of = np.zeros(len(students), np.int32)
    tenant_of[student] = tenant

    row, topic_names, topic, topics_of_event = _split_topics(events)
    topics, topic = _scoped(tenant_names, tenant[row], topic_names, topic)
    items: Sequence[tuple[str, str]] = ()
    item = np.full(row.size, ABSENT, np.int32)
    if "item_id" in events.column_names:
        item_names, item_codes = _coded(events, "item_id")
        if item_names:
            items, item = _scoped(tenant_names, tenant[row], item_names, item_codes[row])

    def column(name: str, absent: int = ABSENT) -> Int64s:
        values = integers(events.column(name), absent)
        return values if topics_of_event is None else values[row]

    about_event = about_of(events)
    return EventColumns(
        students=students,
        tenants=[tenant_names[i] for i in tenant_of],
        topics=topics,
        items=items,
        row=row if original is None else original[row],
        student=student if topics_of_event is None else student[row],
        topic=topic,
        item=item,
        kind=_kinds(events)[row],
        topics_of_event=np.ones(row.size, np.int32) if topics_of_event is None else topics_of_event,
        at_us=column("occurred_at"),
        sequence=column("sequence", 0),
        about=about_event if topics_of_event is None else about_event[row],
        id_hi=column("event_id_hi"),
        id_lo=column("event_id_lo"),
        attempts=column("attempts", 1),
        success_ppm=column("success_ppm"),
        duration_ms=column("duration_ms"),
        attempt_number=column("attempt_number"),
        hints=column("hints"),
        rewinds=column("rewinds"),
    )


def _effective(events: pa.Table, as_of_us: int | None) -> tuple[pa.Table, Int64s | None]:
    """Return the events that count, and which rows of the table they are (None: all of them)."""
    keep = np.ones(events.num_rows, bool)
    if as_of_us is not None and events.num_rows:
        keep &= integers(events.column("occurred_at")) <= as_of_us
    replacing = events.column("replaces_hi").is_valid().to_numpy() & keep
    if replacing.any():
        by = events.filter(pa.array(replacing))
        gone_hi, gone_lo = integers(by.column("replaces_hi")), integers(by.column("replaces_lo"))
        hi, lo = integers(events.column("event_id_hi")), integers(events.column("event_id_lo"))
        pairs = set(zip(gone_hi.tolist(), gone_lo.tolist(), strict=True))
        for i in np.flatnonzero(np.isin(hi, gone_hi)):
            keep[i] &= (int(hi[i]), int(lo[i])) not in pairs
    success = events.column("success_ppm")
    if success.null_count:
        keep &= success.is_valid().to_numpy()
    if keep.all():
        return events, None
    return events.filter(pa.array(keep)), np.flatnonzero(keep)


def _split_topics(events: pa.Table) -> tuple[Int64s, list[str], Int32s, Int32s | None]:
    """Return rows, topic names, topic codes, and the number of topics of each row's event (None: all have one)."""
    names, first = _coded(events, "topic_id", null=UNASSIGNED)
    rows = np.arange(events.num_rows, dtype=np.int64)
    if "other_topic_ids" not in events.column_names:
        return rows, names, first, None
    others = events.column("other_topic_ids")
    if others.null_count == len(others):
        return rows, names, first, None
    others = _one(others)
    parents = pc.list_parent_indices(others).to_numpy(zero_copy_only=False).astype(np.int64)
    further_names, further = _codes(others.flatten())
    every = sorted({*names, *further_names})
    code = {name: i for i, name in enumerate(every)}
    of_first, of_further = (np.array([code[name] for name in some], np.int32) for some in (names, further_names))
    split = 1 + np.bincount(parents, minlength=rows.size).astype(np.int32)
    row = np.concatenate([rows, parents])
    return row, every, np.concatenate([of_first[first], of_further[further]]), split[row]


def _scoped(tenants: list[str], tenant: Int32s, names: list[str], code: Int32s) -> tuple[list[tuple[str, str]], Int32s]:
    """Return (tenant, name) pairs and codes into them, for names that are unique within their tenant only."""
    if len(tenants) <= 1:
        return [(tenants[0], name) for name in names] if tenants else [], code
    both = np.where(code < 0, np.int64(ABSENT), tenant.astype(np.int64) * len(names) + code)
    seen, inverse = np.unique(both, return_inverse=True)
    shift = 1 if seen.size and seen[0] < 0 else 0
    pairs = [(tenants[int(v) // len(names)], names[int(v) % len(names)]) for v in seen[shift:]]
    return pairs, (inverse - shift).astype(np.int32)


def _kinds(events: pa.Table) -> npt.NDArray[np.int8]:
    names, code = _coded(events, "kind")
    unknown = sorted(set(names) - set(KINDS))
    if unknown:
        raise Conflict(
            f"the lake has events of kind {unknown[0]!r}; this version knows {', '.join(KINDS)}. "
            "They were written by a newer version: upgrade this one"
        )
    lookup = np.array([KINDS.index(name) for name in names], np.int8)
    return lookup[code] if names else np.zeros(0, np.int8)


def _one(column: pa.ChunkedArray) -> Any:
    if column.num_chunks == 1:
        return column.chunk(0)
    return column.combine_chunks() if column.num_chunks else pa.array([], column.type)


def _coded(events: pa.Table, name: str, null: str | None = None) -> tuple[list[str], Int32s]:
    """Return the distinct strings of a column, ascending, and int32 codes; null is `ABSENT`, or the string given."""
    column = events.column(name)
    if pa.types.is_dictionary(column.type):
        column = column.unify_dictionaries()
    return _codes(_one(column), null)


def _codes(array: pa.Array, null: str | None = None) -> tuple[list[str], Int32s]:
    """Return the strings that an array holds, ascending and each once, and int32 codes; null is as in `_coded`."""
    if not pa.types.is_dictionary(array.type):
        array = array.dictionary_encode()
    known = array.dictionary
    codes: Int32s = array.indices.fill_null(ABSENT).to_numpy(zero_copy_only=False).astype(np.int32, copy=False)
    if null is not None and array.null_count:
        known = pa.concat_arrays([known, pa.array([null], known.type)])
        codes = np.where(codes < 0, np.int32(len(known) - 1), codes)
    met = np.zeros(len(known) + 1, np.bool_)  # the last is for null
    _mark(codes, met)
    there = np.flatnonzero(met[:-1])
    found = known.take(pa.array(there))
    names = found.unique()
    names = names.take(pc.sort_indices(names))
    rank = np.full(len(known) + 1, ABSENT, np.int32)
    rank[there] = pc.index_in(found, names).to_numpy()
    in_order = there.size == len(known) and bool(np.all(rank[:-1] == np.arange(len(known))))
    return names.to_pylist(), codes if in_order else _ranked(codes, rank)


@kernel
def _mark(codes: Int32s, met: Bools) -> None:
    """Mark the codes that occur; −1 is the last. With numpy this and the next took a tenth of making a batch."""
    for code in codes:
        met[code] = True


@kernel
def _ranked(codes: Int32s, rank: Int32s) -> Int32s:
    found = np.empty(codes.size, np.int32)
    for i in range(codes.size):
        found[i] = rank[codes[i]]
    return found


def integers(column: pa.ChunkedArray, absent: int = ABSENT) -> Int64s:
    """Return int64[n] of integers or moments (microseconds), with `absent` for null."""
    array = _one(column)
    if pa.types.is_timestamp(array.type):
        array = array.cast(pa.timestamp("us", tz=array.type.tz)).cast(pa.int64())
    if array.null_count:
        array = array.fill_null(absent)
    values: Int64s = array.to_numpy(zero_copy_only=False).astype(np.int64, copy=False)
    return values
