"""The loops that write and read records. What the bytes mean: `mastery.state.encoding` and `mastery.state.columns`."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mastery.arrays import Floats, Int64s
from mastery.kernels import kernel
from mastery.state.columns import (
    COLUMN_BYTES,
    WORD_BITS,
    Table,
    Words,
    make_table,
    put_columns,
    take_columns,
)
from mastery.state.rows import put_rows, take_rows
from mastery.state.varints import (
    put_bytes,
    put_number,
    put_signed,
    put_text,
    put_word,
    put_words,
    take_signed,
    take_word,
    take_words,
)

MOST_IN_ROWS = 2_000
"""Records of more floats than these are written as columns. Their rows would take more than 16 KB; as columns they take
two thirds of that, 75 µs to encode instead of 50, and 40 to store instead of 50. Where there are fewer, encoding costs
more than storing spares: of a record of 20 topics 20 µs for 3."""


@kernel
def in_columns(slots: int, floats: int) -> bool:
    """Tell whether a record of as many slots of as many floats each is written as columns."""
    return slots * floats > MOST_IN_ROWS


class Texts(NamedTuple):
    """Texts one behind the other: text k is data[ptr[k]:ptr[k + 1]], as utf-8."""

    data: npt.NDArray[np.uint8]
    ptr: Int64s


class BlockArrays(NamedTuple):
    """A `mastery.state.record.RecordBlock` as kernels take it.

    `preamble` is what the records of a block begin with alike. `slot_words` are the bits of the slot states, all of one
    scorer behind all of another; `widths` says how many a slot has of each. `student_words` lie side by side.
    """

    preamble: npt.NDArray[np.uint8]
    ids: Texts
    tenants: Texts
    topics: Texts
    slot_ptr: Int64s
    topic_codes: Int64s
    slot_words: Words
    widths: Int64s
    student_words: Words
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


class Sheets(NamedTuple):
    """The numbers of one record as columns, and the bits they are written as.

    Attributes:
        slots: Columns of P words: counters, counters as floats, slot states, overrides.
        student: One column of all student states.
        days: Columns of H words: the ledger, its days each less the day before.
        words: uint64, all zero between two records that are written; `octets`: the same as bytes, least first.
    """

    slots: Table
    student: Table
    days: Table
    words: Words
    octets: npt.NDArray[np.uint8]


@kernel
def column_bytes(columns: int, n: int) -> int:
    """Return bytes that the bits of as many columns of n words cannot exceed."""
    return columns * (COLUMN_BYTES + (WORD_BITS * n + 7) // 8)


@kernel
def make_sheets(
    slot_ptr: Int64s, ledger_ptr: Int64s, counters: int, slot_floats: int, student_floats: int, ledger: int
) -> Sheets:
    """Return sheets for the largest record of a block that is written as columns, with as many of each kind."""
    slots = days = 1
    for s in range(slot_ptr.size - 1):
        if in_columns(slot_ptr[s + 1] - slot_ptr[s], slot_floats):
            slots, days = max(slots, slot_ptr[s + 1] - slot_ptr[s]), max(days, ledger_ptr[s + 1] - ledger_ptr[s])
    columns, width = 2 * counters + slot_floats + 2, max(student_floats, 1)
    size = column_bytes(columns, slots) + column_bytes(1, width) + column_bytes(ledger, days)
    words = np.zeros(size // 8 + 2, np.uint64)
    return Sheets(
        make_table(columns, slots), make_table(1, width), make_table(ledger, days), words, words.view(np.uint8)
    )


@kernel
def _fill_sheets(sheets: Sheets, block: BlockArrays, s: int) -> None:
    counters, slot_words, override, ledger = block.counters, block.slot_words, block.override, block.ledger
    cells, floats = sheets.slots.cells, sheets.slots.floats
    first, n, width = block.slot_ptr[s], block.slot_ptr[s + 1] - block.slot_ptr[s], counters.shape[1]
    for k in range(width):
        for i in range(n):
            cells[k, i] = np.uint64(counters[first + i, k])
        for i in range(n):
            floats[width + k, i] = np.float64(np.int64(cells[k, i]))
    to, begin = 2 * width, 0
    for many in block.widths:
        at = begin + first * many
        for k in range(many):
            for i in range(n):
                cells[to + k, i] = slot_words[np.uint64(at + k + i * many)]
        to += many
        begin += override.shape[0] * many
    for k in range(override.shape[1]):
        for i in range(n):
            value = override[first + i, k]
            floats[to + k, i] = value if value == value else np.nan
    cells = sheets.student.cells
    for k in range(block.student_words.shape[1]):
        cells[0, k] = block.student_words[s, k]
    cells, first, n = sheets.days.cells, block.ledger_ptr[s], block.ledger_ptr[s + 1] - block.ledger_ptr[s]
    for k in range(ledger.shape[1]):
        for i in range(n):
            cells[k, i] = np.uint64(ledger[first + i, k])
    for i in range(n - 1, 0, -1):
        cells[1, i] -= cells[1, i - 1]


@kernel
def _put_sheets(out: Any, at: Any, sheets: Sheets, block: BlockArrays, s: int) -> Any:
    _fill_sheets(sheets, block, s)
    words, counters, ledger = sheets.words, block.counters.shape[1], block.ledger.shape[1]
    slots, days = block.slot_ptr[s + 1] - block.slot_ptr[s], block.ledger_ptr[s + 1] - block.ledger_ptr[s]
    bits = put_columns(words, 0, sheets.slots, slots, counters, 2 * counters)
    bits = put_columns(words, bits, sheets.student, block.student_words.shape[1], 0, 0)
    bits = put_columns(words, bits, sheets.days, days, ledger, ledger)
    size = (bits + 7) // 8
    out[at : at + size] = sheets.octets[:size]
    words[: (bits >> 6) + 1] = 0
    return at + size


@kernel
def encode_students(out: Any, ptr: Any, head_bytes: Any, block: BlockArrays) -> None:
    """Write each student's bytes behind the last one's into `out`, and the places into `ptr`.

    `head_bytes` are left free before each for magic and checksum. `out` must be large enough:
    `mastery.state.encoding.capacity`.
    """
    ids, tenants, topics, topic_ptr, codes = (
        block.ids,
        block.tenants,
        block.topics.data,
        block.topics.ptr,
        block.topic_codes,
    )
    slot_ptr, ledger_ptr, recent_ptr = block.slot_ptr, block.ledger_ptr, block.recent_ptr
    recent, newest, missing_ptr, missing = block.recent, block.newest, block.missing_ptr, block.missing
    slot_words, widths, student_words, counters = block.slot_words, block.widths, block.student_words, block.counters
    ledger, override = block.ledger, block.override
    sheets = make_sheets(
        slot_ptr,
        ledger_ptr,
        block.counters.shape[1],
        block.widths.sum(),
        block.student_words.shape[1],
        block.ledger.shape[1],
    )
    at = np.int64(0)
    for s in range(slot_ptr.size - 1):
        ptr[s] = at
        at += head_bytes
        at = put_bytes(out, at, block.preamble, 0, block.preamble.size)
        at = put_text(out, at, ids.data, ids.ptr[s], ids.ptr[s + 1])
        at = put_text(out, at, tenants.data, tenants.ptr[s], tenants.ptr[s + 1])
        at = put_number(out, at, np.uint64(slot_ptr[s + 1] - slot_ptr[s]))
        at = put_number(out, at, np.uint64(ledger_ptr[s + 1] - ledger_ptr[s]))
        at = put_number(out, at, np.uint64(recent_ptr[s + 1] - recent_ptr[s]))
        at = put_number(out, at, np.uint64(missing_ptr[s + 1] - missing_ptr[s]))
        for p in range(slot_ptr[s], slot_ptr[s + 1]):
            at = put_text(out, at, topics, topic_ptr[codes[p]], topic_ptr[codes[p] + 1])
        at = put_signed(out, at, block.last_event_us[s])
        at = put_signed(out, at, block.events_folded[s])
        columns = in_columns(slot_ptr[s + 1] - slot_ptr[s], widths.sum())
        if not columns:
            at = put_rows(
                out, at, s, slot_ptr, slot_words, widths, student_words, counters, ledger_ptr, ledger, override
            )
        at = put_words(out, at, recent, recent_ptr[s], recent_ptr[s + 1])
        at = put_signed(out, at, newest[s, 0] - block.last_event_us[s])
        at = put_signed(out, at, newest[s, 1])
        for k in range(2, newest.shape[1]):
            at = put_word(out, at, np.uint64(newest[s, k]))
        at = put_words(out, at, missing, missing_ptr[s], missing_ptr[s + 1])
        if columns:
            at = _put_sheets(out, at, sheets, block, s)
    ptr[slot_ptr.size - 1] = at


@kernel
def _take_sheets(
    sheets: Sheets, slot_words: Any, first: int, slots: int, widths: Any, student_words: Any, counters: Any,
    ledger: Any, override: Any,
) -> None:  # fmt: skip
    words, width, n, days = sheets.words, counters.shape[1], counters.shape[0], ledger.shape[0]
    bits = take_columns(words, 0, sheets.slots, n, width, 2 * width)
    bits = take_columns(words, bits, sheets.student, student_words.shape[1], 0, 0)
    take_columns(words, bits, sheets.days, days, ledger.shape[1], ledger.shape[1])
    cells = sheets.slots.cells
    for k in range(width):
        for i in range(n):
            counters[i, k] = np.int64(cells[k, i])
    of, begin = 2 * width, 0
    for many in widths:
        at = begin + first * many
        for k in range(many):
            for i in range(n):
                slot_words[np.uint64(at + k + i * many)] = cells[of + k, i]
        of += many
        begin += slots * many
    for k in range(override.shape[1]):
        for i in range(n):
            override[i, k] = cells[of + k, i]
    cells = sheets.student.cells
    for k in range(student_words.shape[1]):
        student_words[0, k] = cells[0, k]
    cells = sheets.days.cells
    for i in range(1, days):
        cells[1, i] += cells[1, i - 1]
    for k in range(ledger.shape[1]):
        for i in range(days):
            ledger[i, k] = np.int64(cells[k, i])


@kernel
def decode_student(
    data: Any,
    at: Any,
    end: Any,
    columns: Any,
    sheets: Sheets,
    slot_words: Any,
    first: Any,
    slots: Any,
    widths: Any,
    student_words: Any,
    counters: Any,
    ledger: Any,
    override: Any,
    recent: Any,
    newest: Any,
    missing: Any,
) -> Any:
    """Fill the arrays from the bytes behind the topics, which end at `end`; return (last_event_us, events_folded).

    The arrays hold zeros, overrides NaN. `slot_words` are those of the whole block, of `slots` slots, as in
    `BlockArrays`; the student's begin with slot `first`. The other arrays are the student's own.
    """
    last_event_us, at = take_signed(data, at)
    events_folded, at = take_signed(data, at)
    if not columns:
        at = take_rows(data, at, slot_words, first, slots, widths, student_words, counters, ledger, override)
    at = take_words(data, at, recent)
    step, at = take_signed(data, at)
    newest[0] = last_event_us + step
    newest[1], at = take_signed(data, at)
    for k in range(2, newest.size):
        newest[k] = np.int64(take_word(data, at))
        at += 8
    at = take_words(data, at, missing)
    if columns:
        words = sheets.words
        words[(end - at) // 8 : (end - at) // 8 + 2] = 0
        sheets.octets[: end - at] = data[at:end]
        _take_sheets(sheets, slot_words, first, slots, widths, student_words, counters, ledger, override)
    return last_event_us, events_folded
