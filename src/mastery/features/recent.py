"""What is remembered of a student's last events themselves, withdrawn and replaced ones too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mastery.arrays import Int64s
from mastery.features.about import about_of
from mastery.features.batch import Batch
from mastery.features.columns import integers
from mastery.features.order import place_at_once
from mastery.kernels import kernel

KEPT = 32
"""Number of a student's last events whose ids are kept, so that the lake need not be read for them."""


class OrderKeys(NamedTuple):
    """What events are ordered by, int64[n] each, by row of the event table."""

    at_us: Int64s
    sequence: Int64s
    about: Int64s
    id_hi: Int64s
    id_lo: Int64s


@dataclass(frozen=True)
class RecentEvents:
    """Of each of S students of a batch:

    Attributes:
        ptr: int64[S + 1].
        rows: The rows of the event table of the student's last `KEPT` events, newest last.
        newest: int64[S, 5]. The order key of the last one.
        missing_ptr: int64[S + 1].
        missing: int64[Q, 2]. Ids (hi, lo), ascending, that an event replaces and that are not in the event table.
    """

    ptr: Int64s
    rows: Int64s
    newest: Int64s
    missing_ptr: Int64s
    missing: Int64s


def order_keys(events: pa.Table) -> OrderKeys:
    """Return the order keys of all rows of an event table."""
    return OrderKeys(
        integers(events.column("occurred_at")),
        integers(events.column("sequence"), 0),
        about_of(events),
        integers(events.column("event_id_hi")),
        integers(events.column("event_id_lo")),
    )


def recent_events(events: pa.Table, batch: Batch) -> RecentEvents:
    """Return each student's last events in the table that the batch was made of.

    An event counts once, on however many topics; those that do not count are there too.
    """
    keys = order_keys(events)
    counted = np.zeros(events.num_rows, bool)
    counted[batch.row] = True
    others_ptr, others = _of_students(events, batch, np.flatnonzero(~counted), keys)
    ptr, rows = _recent(batch.student_ptr, batch.row, others_ptr, others, keys)
    last = rows[ptr[1:] - 1]
    newest = np.column_stack([column[last] for column in keys])
    missing_ptr, missing = _missing(events, batch, keys)
    return RecentEvents(ptr, rows, newest, missing_ptr, missing)


def _of_students(events: pa.Table, batch: Batch, rows: Int64s, keys: OrderKeys) -> tuple[Int64s, Int64s]:
    """Return (ptr int64[S + 1], rows): the rows of the batch's students in their order."""
    if not rows.size:
        return np.zeros(len(batch.students) + 1, np.int64), rows
    student = _students(events, batch, rows)
    rows, student = rows[student >= 0], student[student >= 0]
    order = np.lexsort((*(column[rows] for column in reversed(keys)), student))
    return _ptr(student[order], batch), rows[order]


def _missing(events: pa.Table, batch: Batch, keys: OrderKeys) -> tuple[Int64s, Int64s]:
    if events.column("replaces_hi").null_count == events.num_rows:
        return np.zeros(len(batch.students) + 1, np.int64), np.zeros((0, 2), np.int64)
    by = np.flatnonzero(events.column("replaces_hi").is_valid().to_numpy())
    hi, lo = (integers(events.column(name))[by] for name in ("replaces_hi", "replaces_lo"))
    there = np.flatnonzero(np.isin(keys.id_hi, hi))
    known = set(zip(keys.id_hi[there].tolist(), keys.id_lo[there].tolist(), strict=True))
    found = zip(_students(events, batch, by).tolist(), hi.tolist(), lo.tolist(), strict=True)
    missing = np.array(sorted({one for one in found if one[0] >= 0 and one[1:] not in known}), np.int64).reshape(-1, 3)
    return _ptr(missing[:, 0], batch), np.ascontiguousarray(missing[:, 1:])


def _students(events: pa.Table, batch: Batch, rows: Int64s) -> Int64s:
    """Return the student of some rows, negative for one whose events do not count at all."""
    names = events.column("student_id").take(pa.array(rows)).cast(pa.string())
    found = pc.index_in(names, value_set=pa.array(batch.students, pa.string())).fill_null(-1)
    return found.to_numpy().astype(np.int64)


def _ptr(student: Int64s, batch: Batch) -> Int64s:
    return np.searchsorted(student, np.arange(len(batch.students) + 1)).astype(np.int64)


@kernel
def _recent(
    student_ptr: Int64s, row: Int64s, others_ptr: Int64s, others: Int64s, keys: OrderKeys
) -> tuple[Int64s, Int64s]:
    """Merge each student's rows that count with the others, from the newest on."""
    students = student_ptr.size - 1
    ptr = np.zeros(students + 1, np.int64)
    rows = np.empty(min(row.size + others.size, students * KEPT), np.int64)
    found = np.empty(KEPT, np.int64)
    total = 0
    for s in range(students):
        kept = 0
        i, j = student_ptr[s + 1] - 1, others_ptr[s + 1] - 1
        while kept < KEPT and (i >= student_ptr[s] or j >= others_ptr[s]):
            if j < others_ptr[s] or (i >= student_ptr[s] and not _before(row[i], others[j], keys)):
                newest = row[i]
                i -= 1
            else:
                newest = others[j]
                j -= 1
            if kept and found[kept - 1] == newest:  # an event on several topics
                continue
            if kept and others.size and _same(found[kept - 1], newest, keys):  # one read twice
                continue
            found[kept] = newest
            kept += 1
        for k in range(kept):
            rows[total + k] = found[kept - 1 - k]
        total += kept
        ptr[s + 1] = total
    return ptr, rows[:total].copy()


@kernel
def _before(a: int, b: int, keys: OrderKeys) -> bool:
    """Whether row a comes before row b."""
    if keys.at_us[a] != keys.at_us[b]:
        return keys.at_us[a] < keys.at_us[b]
    return place_at_once(a, b, keys.sequence, keys.about, keys.id_hi, keys.id_lo) < 0


@kernel
def _same(a: int, b: int, keys: OrderKeys) -> bool:
    return keys.id_hi[a] == keys.id_hi[b] and keys.id_lo[a] == keys.id_lo[b]
