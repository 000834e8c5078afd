"""Cut the bytes of a JSON array into its elements, so that a damaged element costs only itself.

Some things are damage wherever they stand: the end of a line within a string; an object or a list where a key or the
end of an object must come; a text or a number right after a text, which shows that a quote is lost. The element ends
there, and reading continues with the next object: whether a byte is within a string cannot be told then, but `},{`
hardly ever is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from mastery.arrays import Int64s
from mastery.kernels import kernel
from mastery.pipelines.ingest.csv_records import LONGEST, Bytes

WHOLE, CUT_SHORT, TOO_LONG_ELEMENT = range(3)
"""State of an element: balanced; not; longer than `LONGEST`."""

INSIDE, RECOVERING, ENDED, DEPTH, IN_STRING, ATTACHED = range(6)
"""What is known between two pieces: in the array; after damage; past the array; how deep and whether in a string of an
element that is too long and passed over; right after an element, where anything but a comma is damage."""

_NEWLINE, _RETURN, _BLANK, _TAB = 10, 13, 32, 9
_QUOTE, _BACKSLASH, _COMMA, _COLON = 34, 92, 44, 58
_OPEN_OBJECT, _CLOSE_OBJECT, _OPEN_LIST, _CLOSE_LIST = 123, 125, 91, 93
_MORE = -1
_DEEPEST = 60


@kernel
def value_end(data: Any, start: Any, row: Any) -> Any:
    """Return (where the object or list that begins at `start` ends, whether it is damaged).

    The end is _MORE where it is not in `data`; of damage it is where reading goes on. Where a `row` is expected, an
    object in a list is damage.
    """
    depth, objects, before = 0, 0, _COLON
    i = start
    while i < data.size:
        byte = data[i]
        if byte == _QUOTE:
            if before != _COLON and before != _COMMA and before != _OPEN_OBJECT and before != _OPEN_LIST:
                return i, True
            i += 1
            while i < data.size and data[i] != _QUOTE:
                if data[i] == _NEWLINE:
                    return i, True
                i += 2 if data[i] == _BACKSLASH else 1
            before = byte
        elif byte == _OPEN_OBJECT or byte == _OPEN_LIST:
            legal = before == _COLON or before == _OPEN_LIST or (before == _COMMA and not objects & 1)
            if row and byte == _OPEN_OBJECT and depth and not objects >> (depth - 1):
                legal = False  # the outermost is a list, which is no row; what is in it may be one
            if not legal or depth == _DEEPEST:
                return i, True
            depth += 1
            objects = (objects << 1) | (byte == _OPEN_OBJECT)
            before = byte
        elif byte == _CLOSE_OBJECT or byte == _CLOSE_LIST:
            if (byte == _CLOSE_OBJECT) != (objects & 1):
                return i + 1, True
            depth -= 1
            objects >>= 1
            before = byte
            if depth == 0:
                return i + 1, False
        elif byte != _BLANK and byte != _NEWLINE and byte != _RETURN and byte != _TAB:
            value = byte != _COMMA and byte != _COLON
            begun = before == _OPEN_OBJECT or (not value and (before == _OPEN_LIST or before == _COMMA))
            if begun or (value and before == _QUOTE):
                return i, True
            before = byte
        i += 1
    return _MORE, False


@kernel
def _before(data: Any, at: Any) -> Any:
    """Return the place of the last byte before `at` that is not blank, or −1."""
    at -= 1
    while at >= 0 and (data[at] == _BLANK or data[at] == _NEWLINE or data[at] == _RETURN or data[at] == _TAB):
        at -= 1
    return at


@kernel
def _follows_object(data: Any, at: Any) -> Any:
    """Return whether the byte at `at` begins an object, and another object and a comma are before it."""
    if data[at] != _OPEN_OBJECT:
        return False
    comma = _before(data, at)
    if comma < 0 or data[comma] != _COMMA:
        return False
    close = _before(data, comma)
    return close >= 0 and data[close] == _CLOSE_OBJECT


@kernel
def _after_blanks(data: Any, at: Any) -> Any:
    while at < data.size and (data[at] == _BLANK or data[at] == _NEWLINE or data[at] == _RETURN or data[at] == _TAB):
        at += 1
    return at


@kernel
def _ends_array(data: Any, at: Any, last: Any, only: Any) -> Any:
    """Return whether the bracket at `at` ends the array: 1, 0, or _MORE where that is not in `data`.

    In an array within an object the end of that, a comma and a key, or nothing must come next.
    """
    if not only:
        return 1
    after = _after_blanks(data, at + 1)
    comma = after < data.size and data[after] == _COMMA
    if comma:
        after = _after_blanks(data, after + 1)
    if after >= data.size:
        return 1 if last or data.size - at > LONGEST else _MORE
    if comma:
        return 1 if data[after] == _QUOTE else 0
    return 1 if data[after] == _CLOSE_OBJECT or data[after] == _CLOSE_LIST else 0


@kernel
def _opens_array(data: Any, at: Any, last: Any, outside: Any) -> Any:
    """Return whether the bracket at `at` opens the array: 1, 0, or _MORE where that is not in `data`.

    Within the array, one before an object does: it is one too many, or the array is one of arrays.
    """
    if outside or data[at] != _OPEN_LIST:
        return 1 if outside and data[at] == _OPEN_LIST else 0
    after = _after_blanks(data, at + 1)
    if after >= data.size:
        return 0 if last or data.size - at > LONGEST else _MORE
    return 1 if data[after] == _OPEN_OBJECT else 0


@kernel
def _begins_row(data: Any, at: Any) -> Any:
    """Return whether the object at `at` is a row for sure, whatever is before it: it begins a line, or follows one."""
    before = at - 1
    while before >= 0 and (data[before] == _BLANK or data[before] == _TAB):
        before -= 1
    return before < 0 or data[before] == _NEWLINE or _follows_object(data, at)


@kernel
def _after_junk(data: Any, begin: Any, recovering: Any) -> Any:
    """Return (where what begins there ends; whether it is damage, and not null, 5 or "text")."""
    i, quoted, damage = begin + 1, data[begin] == _QUOTE, data[begin] == _COLON
    while i < data.size and data[i] != _NEWLINE:
        byte = data[i]
        if not quoted and (byte == _COMMA or byte == _CLOSE_LIST or byte == _OPEN_OBJECT):
            break
        if (recovering or damage) and _follows_object(data, i):
            break
        attached = data[i - 1] == _QUOTE and byte != _BLANK and byte != _RETURN and byte != _TAB
        damage = damage or (not quoted and (byte == _COLON or attached))
        quoted = quoted != (byte == _QUOTE)
        i += 2 if byte == _BACKSLASH and i + 1 < data.size and data[i + 1] == _QUOTE else 1
    return i, damage


@kernel
def _pass_over(data: Any, start: Any, state: Any) -> Any:
    """Return where an element that is too long ends, or the size of `data`; its depth goes on in `state`."""
    i = start
    while i < data.size and state[DEPTH] > 0:
        byte = data[i]
        if state[IN_STRING]:
            if byte == _BACKSLASH:
                i += 1
            elif byte == _QUOTE:
                state[IN_STRING] = 0
        elif byte == _QUOTE:
            state[IN_STRING] = 1
        elif byte == _OPEN_OBJECT or byte == _OPEN_LIST:
            state[DEPTH] += 1
        elif byte == _CLOSE_OBJECT or byte == _CLOSE_LIST:
            state[DEPTH] -= 1
        i += 1
    return min(i, data.size)


@kernel
def _newlines(data: Any, start: Any, stop: Any) -> Any:
    count = 0
    for i in range(start, min(stop, data.size)):
        count += data[i] == _NEWLINE
    return count


@kernel
def _element(data: Any, start: Any, last: Any, state: Any) -> Any:
    """Return (where the object or list that begins at `start` ends, or _MORE; its state)."""
    stop, damaged = value_end(data, start, True)
    if stop != _MORE:
        return stop, CUT_SHORT if damaged else WHOLE
    if last:
        return data.size, CUT_SHORT
    if data.size - start <= LONGEST:
        return _MORE, WHOLE
    state[DEPTH], state[IN_STRING] = 1, 0
    return _pass_over(data, start + 1, state), TOO_LONG_ELEMENT


@kernel
def _elements(
    data: Any, line: Any, last: Any, only: Any, state: Any, starts: Any, stops: Any, lines: Any, faults: Any
) -> Any:
    """Fill the arrays and return (elements, bytes used up, next line)."""
    i = _pass_over(data, 0, state)
    line += _newlines(data, 0, i)
    count = 0
    while i < data.size and not state[ENDED]:
        byte = data[i]
        opens = 0 if state[RECOVERING] else _opens_array(data, i, last, not state[INSIDE] and not only)
        if opens == _MORE:
            return count, i, line
        if byte == _NEWLINE:
            line += 1
            i += 1
            state[ATTACHED] = 0
        elif opens == 1:
            state[INSIDE] = 1
            i += 1
        elif byte == _CLOSE_LIST and not state[RECOVERING]:
            ends = _ends_array(data, i, last, only)
            if ends == _MORE:
                return count, i, line
            i += 1
            if ends:
                state[INSIDE], state[ENDED] = 0, only
            state[ATTACHED] = not ends
        elif byte == _OPEN_OBJECT or (byte == _OPEN_LIST and not state[RECOVERING]):
            state[RECOVERING] &= not _begins_row(data, i)
            stop, fault = _element(data, i, last, state)
            if stop == _MORE:
                return count, i, line
            starts[count], stops[count], lines[count], faults[count] = i, min(stop, data.size), line, fault
            count += 1
            state[RECOVERING], state[ATTACHED] = state[RECOVERING] or fault == CUT_SHORT, 1
            line += _newlines(data, i, stop)
            i = stop
        elif byte != _COMMA and byte != _BLANK and byte != _RETURN and byte != _TAB:
            state[RECOVERING] |= state[ATTACHED]
            begin = i
            i, damage = _after_junk(data, begin, state[RECOVERING])
            if i >= data.size and not last and i - begin <= LONGEST:
                return count, begin, line
            if not state[RECOVERING] and byte != _CLOSE_OBJECT:
                starts[count], stops[count], lines[count], faults[count] = begin, i, line, CUT_SHORT
                count += 1
            state[RECOVERING] |= damage
        else:
            state[ATTACHED] &= byte != _COMMA
            i += 1
    return count, (data.size if state[ENDED] else i), line


@dataclass
class Elements:
    """Cuts the pieces of one file in turn.

    Attributes:
        only: What follows the end of the array belongs to something else.
    """

    only: bool
    state: Int64s = field(default_factory=lambda: np.zeros(6, np.int64))

    def cut(
        self, data: Bytes, line: int, *, last: bool
    ) -> tuple[Int64s, Int64s, Int64s, npt.NDArray[np.uint8], int, int]:
        """Return (starts, stops, lines, faults, bytes used, next line) of the elements that end in `data`."""
        most = (
            int(np.count_nonzero((data == _OPEN_OBJECT) | (data == _COMMA) | (data == _OPEN_LIST) | (data == _NEWLINE)))
            + 2
        )
        starts, stops, lines = (np.empty(most, np.int64) for _ in range(3))
        faults = np.empty(most, np.uint8)
        n, used, next_line = _elements(data, line, last, self.only, self.state, starts, stops, lines, faults)
        return starts[:n], stops[:n], lines[:n], faults[:n], int(used), int(next_line)
