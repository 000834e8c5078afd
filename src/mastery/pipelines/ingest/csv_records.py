"""Cut the bytes of a CSV file into records, by RFC 4180, so that a damaged record costs only itself.

Four rules go beyond the RFC. A quoted field must end before a delimiter or the end of a line, and within `LONGEST`
bytes; otherwise its quote was never closed, the line with the quote is refused, and reading continues with the next
line. A quote that does not begin a field is a character like any other. Blanks around a quoted field (`S1, "q1"`) do
not belong to it; where blanks come first and no delimiter follows the closing quote, all of it is plain text. A record
of more than `LONGEST` bytes is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mastery.arrays import Int64s
from mastery.kernels import kernel

LONGEST = 16 << 20
"""The longest record, in bytes: what is held of a file stays bounded, whatever is in it. A quote that is never closed
is noticed after this many."""

FINE, FIELDS, QUOTE, LETTERS, LONG = range(5)
"""State of a record: whole; another number of fields; an open quote; not UTF-8; too long."""

Bytes = npt.NDArray[np.uint8]


_NEWLINE, _RETURN, _QUOTE, _BLANK = 10, 13, 34, 32
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
def _has_quote_or_return(data: Any) -> Any:
    some = False
    for i in range(data.size):
        some |= data[i] == _QUOTE or data[i] == _RETURN
    return some


@kernel
def _after_end(data: Any, end: Any, last: Any) -> Any:
    """Return where the next line begins, \\r\\n being one end; _MORE when that cannot be told yet."""
    if data[end] == _NEWLINE:
        return end + 1
    if end + 1 < data.size:
        return end + 2 if data[end + 1] == _NEWLINE else end + 1
    return end + 1 if last else _MORE


@kernel
def _quoted(data: Any, opened: Any, start: Any) -> Any:
    """Return (where the quote opened there is closed, or _MORE; bytes looked at, newlines within, highest byte)."""
    newlines, highest = 0, 0
    i = opened + 1
    while i < data.size and i - start <= LONGEST:
        byte = data[i]
        if byte > highest:
            highest = byte
        if byte == _NEWLINE:
            newlines += 1
        elif byte == _QUOTE:
            if i + 1 >= data.size or data[i + 1] != _QUOTE:
                return i, i, newlines, highest
            i += 1
        i += 1
    return _MORE, i, newlines, highest


@kernel
def _after_blanks(data: Any, at: Any, stop: Any, delimiter: Any) -> Any:
    while at < stop and data[at] == _BLANK and delimiter != _BLANK:
        at += 1
    return at


@kernel
def _ends_field(data: Any, at: Any, delimiter: Any) -> Any:
    return at >= data.size or data[at] == delimiter or data[at] == _NEWLINE or data[at] == _RETURN


@kernel
def _record(data: Any, start: Any, delimiter: Any, last: Any) -> Any:
    """Return (stop, fields, newlines within, highest byte, open quote, blanks around a quoted field).

    `stop` is _MORE when the record goes on.
    """
    n = data.size
    fields, newlines, highest, padded = 1, 0, 0, False
    i, field = start, start
    begins = True
    while i < n:
        byte = data[i]
        if byte > highest:
            highest = byte
        if begins and byte == _QUOTE:
            closed, looked, within, high = _quoted(data, i, start)
            highest = max(highest, high)
            if closed == _MORE:
                return (_MORE if looked >= n and not last else start), fields, newlines, highest, True, padded
            begins = False
            after = _after_blanks(data, closed + 1, n, delimiter)
            if _ends_field(data, after, delimiter):
                padded = padded or i > field or after > closed + 1
                i, newlines = after, newlines + within
                continue
            if i == field:
                return start, fields, newlines, highest, True, padded
        elif byte == delimiter:
            fields += 1
            begins, field = True, i + 1
        elif byte == _NEWLINE or byte == _RETURN:
            return i, fields, newlines, highest, False, padded
        elif byte != _BLANK:
            begins = False
        i += 1
    return (n if last else _MORE), fields, newlines, highest, False, padded


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
    """Fill the arrays and return (records, bytes used up, next line, faulty records, some blanks around quotes)."""
    at, count, faulty, blanks = 0, 0, 0, False
    while at < data.size:
        if data[at] == _NEWLINE or data[at] == _RETURN:
            after = _after_end(data, at, last)
            if after == _MORE:
                break
            at = after
            line += 1
            continue
        stop, fields, newlines, highest, open_quote, padded = _record(data, at, delimiter, last)
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
        blanks = blanks or padded
        line += newlines + 1
        at = after
    return count, at, line, faulty, blanks


_ONES = np.uint64(0x0101010101010101)
_LOW_BITS, _HIGH_BITS = np.uint64(0x7F7F7F7F7F7F7F7F), np.uint64(0x8080808080808080)
_7, _56, _1 = np.uint64(7), np.uint64(56), np.uint64(1)


@kernel
def _zeros(word: Any) -> Any:
    """Return the highest bit of each of the eight bytes that is 0 (Warren, Hacker's Delight, 6-1)."""
    return ~(((word & _LOW_BITS) + _LOW_BITS) | word | _LOW_BITS)


@kernel
def _bits(highest: Any) -> Any:
    """Return how many of the eight bytes have their highest bit; others are 0."""
    return np.int64(((highest >> _7) * _ONES) >> _56)


@kernel
def _cut_plain(
    data: Any, words: Any, delimiter: Any, expected: Any, line: Any, last: Any, starts: Any, stops: Any, lines: Any,
    faults: Any,
) -> Any:  # fmt: skip
    """Like `_cut`, for bytes without a quote or a carriage return, eight at a time: `words` are those of `data`.

    A file without quoted fields is cut here, in a third of the time that looking at each byte takes.
    """
    newlines, delimiters = np.uint64(_NEWLINE) * _ONES, np.uint64(delimiter) * _ONES
    at, count, faulty, fields, seen = 0, 0, 0, 1, np.uint64(0)
    for w in range(words.size + 1):
        if w < words.size:
            word, first = words[w], 8 * w
        else:  # the last bytes, as a word that goes on with zeros
            word, first = np.uint64(0), 8 * words.size
            for i in range(data.size - 1, first - 1, -1):
                word = (word << np.uint64(8)) | np.uint64(data[i])
        ends, apart = _zeros(word ^ newlines), _zeros(word ^ delimiters)
        seen |= word
        while ends != 0:
            before = (ends & (~ends + _1)) - _1  # all bits below the lowest
            stop = first + _bits(before & _HIGH_BITS)
            fields += _bits(apart & before)
            if stop > at:
                fault = _fault(data, at, stop, fields == expected, seen)
                starts[count], stops[count], lines[count], faults[count] = at, stop, line, fault
                count += 1
                faulty += fault != FINE
            line += 1
            at, fields, seen = stop + 1, 1, word
            apart &= ~before
            ends &= ends - _1
        fields += _bits(apart)
    if last and at < data.size:
        fault = _fault(data, at, data.size, fields == expected, seen)
        starts[count], stops[count], lines[count], faults[count] = at, data.size, line, fault
        count += 1
        faulty += fault != FINE
        line += 1
        at = data.size
    return count, at, line, faulty, False


@kernel
def _fault(data: Any, start: Any, stop: Any, complete: Any, seen: Any) -> Any:
    """Return the state of a record without quotes, of whose bytes, and some before and behind, `seen` has all bits."""
    if stop - start > LONGEST:
        return LONG
    if seen & _HIGH_BITS != 0 and not _utf8(data, start, stop):
        return LETTERS
    return FINE if complete else FIELDS


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


@kernel
def _copy_without_blanks(data: Any, starts: Any, stops: Any, faults: Any, delimiter: Any, out: Any) -> Any:
    """Copy the whole records, quoted fields without the blanks around them."""
    size = 0
    for r in range(starts.size):
        if faults[r] != FINE:
            continue
        at, stop = starts[r], stops[r]
        while True:
            first = _after_blanks(data, at, stop, delimiter)
            end, rest = _MORE, _MORE
            if first < stop and data[first] == _QUOTE:
                end = _quoted(data, first, first)[0] + 1
                rest = _after_blanks(data, end, stop, delimiter)
            if end == _MORE or not (rest == stop or data[rest] == delimiter):  # not quoted
                first, end = at, at
                while end < stop and data[end] != delimiter:
                    end += 1
                rest = end
            for i in range(first, end):
                out[size] = data[i]
                size += 1
            if rest >= stop:
                break
            out[size] = delimiter
            size += 1
            at = rest + 1
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
        padded: Some quoted fields have blanks around them.
    """

    starts: Int64s
    stops: Int64s
    lines: Int64s
    faults: npt.NDArray[np.uint8]
    used: int
    next_line: int
    faulty: int
    padded: bool = False


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
    out = starts, stops, lines, faults
    if data.ctypes.data % 8 or _has_quote_or_return(data):
        n, used, next_line, faulty, padded = _cut(data, delimiter, fields, line, last, *out)
    else:
        words = data[: data.size // 8 * 8].view("<u8")
        n, used, next_line, faulty, padded = _cut_plain(data, words, delimiter, fields, line, last, *out)
    return Records(starts[:n], stops[:n], lines[:n], faults[:n], used, next_line, faulty, padded)


def first_record(data: Bytes, delimiter: int, *, last: bool) -> tuple[int, int]:
    """Return (end of the record that `data` begins with, number of its fields); the end is −1 where it goes on.

    With an open quote both are 0.
    """
    stop, fields, _, _, open_quote, _ = _record(data, 0, delimiter, last)
    return (stop, 0) if open_quote and stop == _MORE else (0, 0) if open_quote else (stop, fields)


def fine(data: Bytes, records: Records, delimiter: int) -> Bytes:
    """Return the bytes of the whole records, one per line, quoted fields without blanks around them."""
    if records.faulty == 0 and not records.padded:
        return data[: records.used]
    out = np.empty(records.used + len(records.starts), np.uint8)
    if records.padded:
        size = _copy_without_blanks(data, records.starts, records.stops, records.faults, delimiter, out)
        return out[:size]
    return out[: _copy_fine(data, records.starts, records.stops, records.faults, out)]
