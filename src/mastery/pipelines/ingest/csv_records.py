"""Cut the bytes of a CSV file into records, by RFC 4180, so that a damaged record costs only itself.

Three rules go beyond the RFC. A quoted field must end before a delimiter or the end of a line, and within `LONGEST`
bytes; otherwise its quote was never closed, the line with the quote is refused, and reading continues with the next
line. A quote that does not begin a field is a character like any other. A record of more than
`LONGEST` bytes is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mastery.arrays import Int64s
from mastery.kernels import kernel

LONGEST = 1 << 20
"""The longest record, in bytes: what is held of a file stays bounded, whatever is in it. A quote that is never closed
is noticed after this many."""

FINE, FIELDS, QUOTE, LETTERS, LONG = range(5)
"""State of a record: whole; another number of fields; an open quote; not UTF-8; too long."""

Bytes = npt.NDArray[np.uint8]


_NEWLINE, _RETURN, _QUOTE = 10, 13, 34
_MORE = -1


@kernel
def _line_end(data: Any, at: Any) -> Any:
    """Return where the line ends that `at` is on, or _MORE."""
    for i in range(at, data.size):
        if data[i] == _NEWLINE or data[i] == _RETURN:
            return i
    return _MORE


@kernel
def _line_ends(data: Any) -> Any:
    count = 0
    for i in range(data.size):
        count += data[i] == _NEWLINE or data[i] == _RETURN
    return count


@kernel
def _after_end(data: Any, end: Any, last: Any) -> Any:
    """Return where the next line begins, \\r\\n being one end; _MORE when that cannot be told yet."""
    if data[end] == _NEWLINE:
        return end + 1
    if end + 1 < data.size:
        return end + 2 if data[end + 1] == _NEWLINE else end + 1
    return end + 1 if last else _MORE


@kernel
def _record(data: Any, start: Any, delimiter: Any, last: Any) -> Any:
    """Return (stop, fields, newlines within, highest byte, open quote); stop is _MORE when it goes on."""
    n = data.size
    fields, newlines, highest = 1, 0, 0
    i, begins = start, True
    while i < n:
        byte = data[i]
        if byte > highest:
            highest = byte
        if begins and byte == _QUOTE:
            i += 1
            closed = False
            while i < n and i - start <= LONGEST:
                byte = data[i]
                if byte > highest:
                    highest = byte
                if byte == _NEWLINE:
                    newlines += 1
                elif byte == _QUOTE:
                    if i + 1 < n and data[i + 1] == _QUOTE:
                        i += 1
                    else:
                        closed = True
                        break
                i += 1
            if not closed:
                return (_MORE if i >= n and not last else start), fields, newlines, highest, True
            i += 1
            if i < n and data[i] != delimiter and data[i] != _NEWLINE and data[i] != _RETURN:
                return start, fields, newlines, highest, True
            begins = False
            continue
        if byte == delimiter:
            fields += 1
            begins = True
        elif byte == _NEWLINE or byte == _RETURN:
            return i, fields, newlines, highest, False
        else:
            begins = False
        i += 1
    return (n if last else _MORE), fields, newlines, highest, False


@kernel
def _utf8(data: Any, start: Any, stop: Any) -> Any:
    """Return whether the bytes are utf-8 (RFC 3629): no overlong forms, no surrogates."""
    i = start
    while i < stop:
        a = data[i]
        if a < 0x80:
            i += 1
            continue
        more = 1 if 0xC2 <= a <= 0xDF else 2 if 0xE0 <= a <= 0xEF else 3 if 0xF0 <= a <= 0xF4 else 0
        if more == 0 or i + more >= stop:
            return False
        b = data[i + 1]
        low, high = 0x80, 0xBF
        if a == 0xE0:
            low = 0xA0
        elif a == 0xED:
            high = 0x9F
        elif a == 0xF0:
            low = 0x90
        elif a == 0xF4:
            high = 0x8F
        if b < low or b > high:
            return False
        for j in range(2, more + 1):
            if data[i + j] < 0x80 or data[i + j] > 0xBF:
                return False
        i += more + 1
    return True


@kernel
def _cut(
    data: Any, delimiter: Any, expected: Any, line: Any, last: Any, starts: Any, stops: Any, lines: Any, faults: Any
) -> Any:
    """Fill the arrays and return (records, bytes used up, next line, faulty records)."""
    at, count, faulty = 0, 0, 0
    while at < data.size:
        if data[at] == _NEWLINE or data[at] == _RETURN:
            after = _after_end(data, at, last)
            if after == _MORE:
                break
            at = after
            line += 1
            continue
        stop, fields, newlines, highest, open_quote = _record(data, at, delimiter, last)
        if stop == _MORE:
            break
        fault = FINE
        if open_quote:
            fault, newlines = QUOTE, 0
            stop = _line_end(data, at)
            if stop == _MORE:
                if not last:
                    break
                stop = data.size
        elif stop - at > LONGEST:
            fault = LONG
        elif highest >= 0x80 and not _utf8(data, at, stop):
            fault = LETTERS
        elif fields != expected:
            fault = FIELDS
        after = stop
        if stop < data.size:
            after = _after_end(data, stop, last)
            if after == _MORE:
                break
        starts[count], stops[count], lines[count], faults[count] = at, stop, line, fault
        count += 1
        faulty += fault != FINE
        line += newlines + 1
        at = after
    return count, at, line, faulty


@kernel
def _copy_fine(data: Any, starts: Any, stops: Any, faults: Any, out: Any) -> Any:
    size = 0
    for r in range(starts.size):
        if faults[r] == FINE:
            for i in range(starts[r], stops[r]):
                out[size] = data[i]
                size += 1
            out[size] = _NEWLINE
            size += 1
    return size


@dataclass(frozen=True)
class Records:
    """The records of one piece of a file.

    Attributes:
        starts, stops: int64[n]. Where each record is in the bytes, without its line end.
        lines: int64[n]. The physical line each begins on.
        faults: uint8[n]. `FINE`, `FIELDS`, `QUOTE`, `LETTERS` or `LONG`.
        used: Number of bytes cut; the rest belongs to the next piece.
        next_line: The line the rest begins on.
        faulty: Number of records that are not fine.
    """

    starts: Int64s
    stops: Int64s
    lines: Int64s
    faults: npt.NDArray[np.uint8]
    used: int
    next_line: int
    faulty: int


def cut(data: Bytes, delimiter: int, fields: int, line: int, *, last: bool) -> Records:
    """Return the records that end within `data`. Empty lines are not records.

    Args:
        data: Bytes from the beginning of a record on.
        delimiter: Byte between fields.
        fields: Number of fields that each record should have.
        line: Physical line that `data` begins on.
        last: `data` ends the file; the last record may lack its line end.
    """
    most = _line_ends(data) + 1
    starts, stops, lines = (np.empty(most, np.int64) for _ in range(3))
    faults = np.empty(most, np.uint8)
    n, used, next_line, faulty = _cut(data, delimiter, fields, line, last, starts, stops, lines, faults)
    return Records(starts[:n], stops[:n], lines[:n], faults[:n], used, next_line, faulty)


def fine(data: Bytes, records: Records) -> Bytes:
    """Return the bytes of the whole records, one per line."""
    if records.faulty == 0:
        return data[: records.used]
    out = np.empty(records.used + len(records.starts), np.uint8)
    return out[: _copy_fine(data, records.starts, records.stops, records.faults, out)]
