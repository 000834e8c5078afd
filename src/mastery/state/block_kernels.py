"""The loops that decode many records into one block. What the bytes mean: `mastery.state.encoding`."""

from __future__ import annotations

from typing import Any

import numpy as np

from mastery.arrays import Int64s
from mastery.kernels import kernel
from mastery.state.kernels import decode_student, make_sheets
from mastery.state.varints import take_number, take_signed

(
    NAMES,  # end of model version and time zone, which begin behind the head
    LINEAGE,
    VERSION,  # what the record has seen
    WIDTHS,
    COLUMNS,  # begin and end of the scorers, their widths, and the counts of other columns
    ID,
    ID_END,
    TENANT,
    TENANT_END,
    SLOTS,
    DAYS,
    RECENT,
    MISSING,
    TOPICS,  # begin of the topic ids
    END,  # of the record
) = range(15)
"""Columns of what `find_places` finds of a record: places among the bytes, and counts."""

PLACES = END + 1


@kernel
def _after_text(data: Any, at: Any) -> Any:
    size, at = take_number(data, at)
    return at + np.int64(size)


@kernel
def find_places(data: Any, ptr: Int64s, head_bytes: int, found: Int64s) -> None:
    """Fill int64[S, PLACES] for the records data[ptr[s]:ptr[s + 1]]."""
    for s in range(ptr.size - 1):
        at = _after_text(data, _after_text(data, ptr[s] + head_bytes))
        found[s, NAMES] = at
        found[s, LINEAGE], at = take_signed(data, at)
        found[s, VERSION], at = take_signed(data, at)
        found[s, WIDTHS] = at
        for _states in range(2):
            scorers, at = take_number(data, at)
            for _scorer in range(np.int64(scorers)):
                _width, at = take_number(data, _after_text(data, at))
        for _columns in range(2):
            _count, at = take_number(data, at)
        found[s, COLUMNS] = at
        for k in (ID, TENANT):
            size, at = take_number(data, at)
            found[s, k] = at
            at += np.int64(size)
            found[s, k + 1] = at
        for k in range(SLOTS, MISSING + 1):
            count, at = take_number(data, at)
            found[s, k] = np.int64(count)
        found[s, TOPICS], found[s, END] = at, ptr[s + 1]


@kernel
def _hash(data: Any, start: Any, end: Any) -> Any:
    h = np.uint64(14695981039346656037)
    for i in range(start, end):
        h = (h ^ np.uint64(data[i])) * np.uint64(1099511628211)
    return h ^ (h >> np.uint64(29))


@kernel
def _equal(data: Any, a: Any, b: Any, size: Any) -> Any:
    i = 0
    while i < size and data[a + i] == data[b + i]:
        i += 1
    return i == size


@kernel
def code_topics(data: Any, places: Int64s, slot_ptr: Int64s, codes: Any, begins: Int64s, ends: Int64s) -> Any:
    """Fill the codes of the topics of all slots and, by code, where the bytes of one of them lie.

    Return how many topics there are. `places[s, TOPICS]` becomes the place behind the topics.
    """
    size = 16
    while size < 2 * codes.size:
        size *= 2
    table = np.full(size, -1, np.int64)
    topics = 0
    for s in range(places.shape[0]):
        at = places[s, TOPICS]
        for p in range(slot_ptr[s], slot_ptr[s + 1]):
            length, at = take_number(data, at)
            end = at + np.int64(length)
            k = np.int64(_hash(data, at, end) & np.uint64(size - 1))
            while table[k] >= 0 and not (
                ends[table[k]] - begins[table[k]] == end - at and _equal(data, begins[table[k]], at, end - at)
            ):
                k = (k + 1) & (size - 1)
            if table[k] < 0:
                table[k], begins[topics], ends[topics] = topics, at, end
                topics += 1
            codes[p] = table[k]
            at = end
        places[s, TOPICS] = at
    return topics


@kernel
def decode_students(
    data: Any,
    places: Int64s,
    columns: Any,
    slot_ptr: Int64s,
    ledger_ptr: Int64s,
    recent_ptr: Int64s,
    missing_ptr: Int64s,
    slot_words: Any,
    widths: Int64s,
    student_words: Any,
    counters: Any,
    ledger: Any,
    override: Any,
    recent: Any,
    newest: Any,
    missing: Any,
    last_event_us: Any,
    events_folded: Any,
) -> None:
    """Fill the arrays of a block, which hold zeros (overrides NaN), from the place behind the topics of each record.

    All of them are written as columns, or all as rows.
    """
    sheets = make_sheets(slot_ptr, ledger_ptr, counters.shape[1], widths.sum(), student_words.shape[1], ledger.shape[1])
    for s in range(places.shape[0]):
        slots, days = slice(slot_ptr[s], slot_ptr[s + 1]), slice(ledger_ptr[s], ledger_ptr[s + 1])
        last_event_us[s], events_folded[s] = decode_student(
            data,
            places[s, TOPICS],
            places[s, END],
            columns,
            sheets,
            slot_words,
            slot_ptr[s],
            counters.shape[0],
            widths,
            student_words[s : s + 1],
            counters[slots],
            ledger[days],
            override[slots],
            recent[recent_ptr[s] : recent_ptr[s + 1]],
            newest[s],
            missing[missing_ptr[s] : missing_ptr[s + 1]],
        )
