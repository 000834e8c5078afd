"""The numbers of a record, column by column, in as few bits as they need. All of them come back, bit for bit.

A table is columns of n words; integers and floats alike are words of 64 bits. Of each column there are:

    3 bits      whether words are 0 (+0.0), whether words are the same as their reference, whether others are left
    n bits      which words are 0; not where all of them are, or none
    10 bits     the reference, where words are the same: 0 and 1 for NEVER of integers, for 1.0 and NaN of floats;
                from 2 on a column before this one
    n bits      which words are the same; not where no others are left
    the others, by one of the ways below

    integers    2 bits: how often all of them could be divided by 1,000 (whole seconds, whole successes), then of those
                7 bits and as many as they say: the least, zig-zag; 7 bits: how many each takes, less the least
    floats      1 bit: whether as on a curve; 7 bits: how many each takes
      plainly   6 bits: how many zeros all of them end with; 16 bits: what the least begins with;
                each less those, its sign put last
      on a      each less what the three columns before say is next, (a / b)³ · c, in units of the last place, zig-zag
      curve

The reference spares what scorers hold alike, as the moment of the last answer. The curve spares the exponents of irt's
nodes and some six bits more of each: neighbours lie on a smooth curve.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mastery.arrays import Int64s
from mastery.kernels import kernel
from mastery.state.bits import length, put_bits, put_many, take_bits, take_many, unzigzag, zeros_below, zigzag

Words = npt.NDArray[np.uint64]

ZERO = np.uint64(0)
NEVER = np.int64(-(2**62)).view(np.uint64)
"""What a moment that has not been is among the counters."""
ONE = np.float64(1.0).view(np.uint64)
NAN = np.float64(np.nan).view(np.uint64)
CONSTANTS = np.array([ZERO, NEVER, ONE, NAN])
OF_INTEGERS, OF_FLOATS = 1, 2
"""From where on references are among them."""

FIRST_COLUMN = 2
"""References before this one are NEVER among integers, 1.0 and NaN among floats."""

REFERENCE_BITS = 10
MOST_COLUMNS = 2**REFERENCE_BITS - FIRST_COLUMN
"""Columns from here on are no reference."""

UNIT_BITS, WIDTH_BITS, SHIFT_BITS, LEADING_BITS = 2, 7, 6, 16
UNIT, MOST_UNITS = 1_000, 2

SAMPLES = 3
"""Rows in which a column that is like another is looked for: the first, the middle and the last."""

CURVE_SAMPLE, CURVE_GAIN = 6, 3
"""A column is tried as a curve where that spares the second number of bits in each of the first words."""

SAVED_BY_INTEGER, SAVED_BY_FLOAT = 5, 48
"""Bits that a word that is the same as its reference spares, about; the mask takes one of every word."""

COLUMN_BYTES = 24
"""More than what stands before the words of a column."""

WORD_BITS = 66
"""The most that a word takes, with its place in both masks."""


class Table(NamedTuple):
    """Columns, and what is written over with each of them.

    Attributes:
        cells: uint64[C + 4, n]. The words of all columns, then rows of `CONSTANTS`. `floats`: the same as float64.
        like: int64[C, SAMPLES]. For each column one before it that has the same word in a sampled row; −1: none.
        places: int64. Columns by a hash of their word.
        which: int64[n]. Rows of the words that are left.
        rest, off: uint64[n]. Those words; how far they are off a curve, or flags.
        other: uint64[n]. What is expected of a curve. `expected`: the same as float64.
    """

    cells: Words
    floats: npt.NDArray[np.float64]
    like: Int64s
    places: Int64s
    which: Int64s
    rest: Words
    off: Words
    other: Words
    expected: npt.NDArray[np.float64]


@kernel
def make_table(columns: int, n: int) -> Table:
    """Return a table of as many columns of at most n words."""
    size = 16
    while size < 4 * columns:
        size *= 2
    cells, other = np.empty((columns + CONSTANTS.size, n), np.uint64), np.empty(n, np.uint64)
    for k in range(CONSTANTS.size):
        for i in range(n):
            cells[columns + k, i] = CONSTANTS[k]
    return Table(
        cells,
        cells.view(np.float64),
        np.empty((columns, SAMPLES), np.int64),
        np.empty(size, np.int64),
        np.empty(n, np.int64),
        np.empty(n, np.uint64),
        np.empty(n, np.uint64),
        other,
        other.view(np.float64),
    )


@kernel
def _find_like(cells: Any, n: int, like: Any, places: Any) -> None:
    mask = places.size - 1
    like[:] = -1
    for sample in range(SAMPLES):
        row = (n - 1) * sample // (SAMPLES - 1)
        places[:] = -1
        for k in range(min(like.shape[0], MOST_COLUMNS)):
            word = cells[k, row]
            if word != ZERO:
                place = np.int64((word * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(33)) & mask
                while places[place] >= 0 and cells[places[place], row] != word:
                    place = (place + 1) & mask
                if places[place] >= 0:
                    like[k, sample] = places[place]
                else:
                    places[place] = k


@kernel
def _count(cells: Any, k: int, n: int, constants: int) -> Any:
    """Return how many words are not 0, and how many are one constant and the next."""
    filled: Any = 0
    ones: Any = 0
    twos: Any = 0
    one, two = cells[constants, 0], cells[constants + 1, 0]
    for i in range(n):
        filled += np.int64(cells[k, i] != ZERO)
        ones += np.int64(cells[k, i] == one)
        twos += np.int64(cells[k, i] == two)
    return filled, ones, twos


@kernel
def _count_same(cells: Any, k: int, n: int, theirs: int) -> Any:
    same: Any = 0
    for i in range(n):
        same += np.int64((cells[k, i] == cells[theirs, i]) & (cells[k, i] != ZERO))
    return same


@kernel
def _put_mask(words: Any, at: int, cells: Any, k: int, n: int, theirs: int) -> int:
    """Write which words are the same as theirs."""
    for start in range(0, n, 64):
        mask, count = ZERO, min(64, n - start)
        for i in range(count):
            mask |= np.uint64(cells[k, start + i] == cells[theirs, start + i]) << np.uint64(i)
        at = put_bits(words, at, mask, count)
    return at


@kernel
def _put_integers(words: Any, at: int, rest: Any, m: int) -> int:
    """Write the m words that are left."""
    least, most, units = np.int64(rest[0]), np.int64(rest[0]), 0
    for i in range(m):
        least, most = min(least, np.int64(rest[i])), max(most, np.int64(rest[i]))
    while units < MOST_UNITS and (most >= UNIT or least <= -UNIT):
        left_over = np.int64(0)
        for i in range(m):
            left_over |= np.int64(rest[i]) % UNIT
        if left_over != 0:
            break
        for i in range(m):
            rest[i] = np.uint64(np.int64(rest[i]) // UNIT)
        least, most = least // UNIT, most // UNIT
        units += 1
    base = zigzag(least)
    bits, width = length(base), length(np.uint64(most) - np.uint64(least))
    at = put_bits(words, at, np.uint64(units) | np.uint64(bits) << np.uint64(UNIT_BITS), UNIT_BITS + WIDTH_BITS)
    at = put_bits(words, at, base, bits)
    at = put_bits(words, at, np.uint64(width), WIDTH_BITS)
    return put_many(words, at, rest, m, width, np.uint64(least), ZERO)


@kernel
def _expect(floats: Any, k: int, n: int, expected: Any) -> None:
    """Write what the three columns before say is next; 0 for NaN, whose bits differ from machine to machine."""
    for i in range(n):
        ratio = floats[k - 1, i] / floats[k - 2, i]
        following = ratio * ratio * ratio * floats[k - 3, i]
        expected[i] = following if following == following else 0.0


@kernel
def _off_curve(cells: Any, k: int, which: Any, m: int, other: Any, off: Any) -> int:
    """Write how far the words that are left are off what is expected; return how many bits the largest has."""
    any_bit = ZERO
    for j in range(m):
        off[j] = zigzag(np.int64(cells[k, which[j]] - other[which[j]]))
        any_bit |= off[j]
    return length(any_bit)


@kernel
def _keep_all(cells: Any, k: int, n: int, which: Any, rest: Any) -> None:
    """Write all words and rows, at a third of what it costs to choose."""
    for i in range(n):
        rest[i], which[i] = cells[k, i], i


@kernel
def _keep(cells: Any, k: int, n: int, theirs: int, which: Any, rest: Any) -> None:
    """Write the words that are not 0 and not theirs, and their rows. Without a branch, which could not be guessed."""
    m = ZERO
    for i in range(n):
        word = cells[k, i]
        rest[m], which[m] = word, i
        m += np.uint64((word != ZERO) & (word != cells[theirs, i]))


@kernel
def _put_floats(
    words: Any, at: int, cells: Any, floats: Any, k: int, m: int, may_curve: bool,
    which: Any, rest: Any, other: Any, expected: Any, off: Any,
) -> int:  # fmt: skip
    """Write the m words that are left."""
    low, high, any_bit = ~ZERO, ZERO, ZERO
    for i in range(m):
        word = (rest[i] << np.uint64(1)) | (rest[i] >> np.uint64(63))
        rest[i] = word
        any_bit |= word
        high, low = max(high, word), min(low, word)
    shift = zeros_below(any_bit)
    leading = low >> np.uint64(64 - LEADING_BITS)
    base = leading << np.uint64(64 - LEADING_BITS)
    width = length((high - base) >> np.uint64(shift))
    if may_curve:
        sample = min(m, CURVE_SAMPLE)
        _expect(floats, k, which[sample - 1] + 1, expected)
        if _off_curve(cells, k, which, sample, other, off) + CURVE_GAIN <= width:
            _expect(floats, k, which[m - 1] + 1, expected)
            narrow = _off_curve(cells, k, which, m, other, off)
            if narrow < width:
                at = put_bits(words, at, np.uint64(1) | np.uint64(narrow) << np.uint64(1), 1 + WIDTH_BITS)
                return put_many(words, at, off, m, narrow, ZERO, ZERO)
    head = np.uint64(width) << np.uint64(1) | np.uint64(shift) << np.uint64(1 + WIDTH_BITS)
    head |= leading << np.uint64(1 + WIDTH_BITS + SHIFT_BITS)
    at = put_bits(words, at, head, 1 + WIDTH_BITS + SHIFT_BITS + LEADING_BITS)
    return put_many(words, at, rest, m, width, base, np.uint64(shift))


@kernel
def _reference(cells: Any, k: int, n: int, constants: int, like: Any, is_integer: bool) -> tuple[int, int, int]:
    """Return (how many words are not 0, the best reference, how many are the same as that)."""
    filled, same, twos = _count(cells, k, n, constants)
    reference = 0
    if twos > same:
        reference, same = 1, twos
    for sample in range(SAMPLES):
        alike = like[k, sample]
        if is_integer and alike != like[k, (sample + 1) % SAMPLES]:
            continue  # small numbers are the same by chance
        if alike >= 0 and same < filled and reference != FIRST_COLUMN + alike:
            count = _count_same(cells, k, n, alike)
            if count > same:
                reference, same = FIRST_COLUMN + alike, count
    return filled, reference, same


@kernel
def put_columns(words: Any, at: int, table: Table, n: int, integers: int, floats: int) -> int:
    """Write columns of n words each, at a bit of words that are zero from there on; return the bit after them.

    Columns up to `integers` are int64, those from `floats` on float64. Those between are not written: who reads makes
    them of the integers, and they are there to be referred to.
    """
    if n == 0:
        return at
    cells, as_floats, like, which, rest = table.cells, table.floats, table.like, table.which, table.rest
    other, expected, off, columns = table.other, table.expected, table.off, like.shape[0]
    _find_like(cells, n, like, table.places)
    for k in range(columns):
        if integers <= k < floats:
            continue
        is_integer, constants = k < integers, columns + (OF_INTEGERS if k < integers else OF_FLOATS)
        filled, reference, same = _reference(cells, k, n, constants, like, is_integer)
        if same * (SAVED_BY_INTEGER if is_integer else SAVED_BY_FLOAT) < filled:
            same = 0
        kinds = (1 if filled < n else 0) | (2 if same > 0 else 0) | (4 if same < filled else 0)
        at = put_bits(words, at, np.uint64(kinds), 3)
        if 0 < filled < n:
            at = _put_mask(words, at, cells, k, n, columns)
        theirs = columns
        if same > 0:
            theirs = constants + reference if reference < FIRST_COLUMN else reference - FIRST_COLUMN
            at = put_bits(words, at, np.uint64(reference), REFERENCE_BITS)
        if same < filled:
            if same > 0:
                at = _put_mask(words, at, cells, k, n, theirs)
            m = filled - same
            if m == n:
                _keep_all(cells, k, n, which, rest)
            else:
                _keep(cells, k, n, theirs, which, rest)
            if is_integer:
                at = _put_integers(words, at, rest, m)
            else:
                may_curve = k >= floats + 3
                at = _put_floats(words, at, cells, as_floats, k, m, may_curve, which, rest, other, expected, off)
    return at


@kernel
def _take_integers(words: Any, at: int, rest: Any, m: int) -> int:
    """Read the m words that are left."""
    units, bits = np.int64(take_bits(words, at, UNIT_BITS)), np.int64(take_bits(words, at + UNIT_BITS, WIDTH_BITS))
    at += UNIT_BITS + WIDTH_BITS
    base = np.uint64(unzigzag(take_bits(words, at, bits)))
    width = np.int64(take_bits(words, at + bits, WIDTH_BITS))
    scale = np.uint64(1)
    for _unit in range(units):
        scale *= np.uint64(UNIT)
    at = take_many(words, at + bits + WIDTH_BITS, rest, m, width)
    for i in range(m):
        rest[i] = (base + rest[i]) * scale
    return at


@kernel
def _take_floats(
    words: Any, at: int, floats: Any, k: int, m: int, which: Any, rest: Any, other: Any, expected: Any
) -> int:
    """Read the m words that are left."""
    on_curve, width = take_bits(words, at, 1) != ZERO, np.int64(take_bits(words, at + 1, WIDTH_BITS))
    at += 1 + WIDTH_BITS
    if on_curve:
        at = take_many(words, at, rest, m, width)
        _expect(floats, k, which[m - 1] + 1, expected)
        for j in range(m):
            rest[j] = other[which[j]] + np.uint64(unzigzag(rest[j]))
        return at
    shift = take_bits(words, at, SHIFT_BITS)
    base = take_bits(words, at + SHIFT_BITS, LEADING_BITS) << np.uint64(64 - LEADING_BITS)
    at = take_many(words, at + SHIFT_BITS + LEADING_BITS, rest, m, width)
    for i in range(m):
        word = base + (rest[i] << shift)
        rest[i] = (word >> np.uint64(1)) | (word << np.uint64(63))
    return at


@kernel
def _take_mask(words: Any, at: int, flags: Any, n: int) -> int:
    for start in range(0, n, 64):
        count = min(64, n - start)
        mask = take_bits(words, at, count)
        for i in range(count):
            flags[start + i] = (mask >> np.uint64(i)) & np.uint64(1)
        at += count
    return at


@kernel
def _take_others(
    words: Any,
    at: int,
    cells: Any,
    k: int,
    n: int,
    kinds: int,
    constants: int,
    columns: int,
    which: Any,
    flags: Any,
    same: Any,
) -> Any:
    """Fill the words that are 0 or the same as their reference, and write the rows of those that are left.

    Return (the bit after the masks, how many are left).
    """
    if kinds & 1:
        at = _take_mask(words, at, flags, n)
    else:
        for i in range(n):
            flags[i] = ZERO
    theirs = columns
    if kinds & 2:
        reference: Any = np.int64(take_bits(words, at, REFERENCE_BITS))
        at += REFERENCE_BITS
        theirs = constants + reference if reference < FIRST_COLUMN else reference - FIRST_COLUMN
    for i in range(n):
        cells[k, i] = cells[theirs, i] & (flags[i] - np.uint64(1))
    if not kinds & 4:
        return at, 0
    if kinds & 2:
        at = _take_mask(words, at, same, n)
        for i in range(n):
            flags[i] |= same[i]
    m = ZERO
    for i in range(n):
        which[m] = i
        m += np.uint64(1) - flags[i]
    return at, np.int64(m)


@kernel
def take_columns(words: Any, at: int, table: Table, n: int, integers: int, floats: int) -> int:
    """Fill columns of n words from what `put_columns` wrote; return the bit after it.

    The columns between are the integers as floats.
    """
    if n == 0:
        return at
    cells, as_floats, which, rest = table.cells, table.floats, table.which, table.rest
    off, other, expected, columns = table.off, table.other, table.expected, table.like.shape[0]
    for k in range(columns):
        if integers <= k < floats:
            for i in range(n):
                as_floats[k, i] = np.float64(np.int64(cells[k - integers, i]))
            continue
        kinds, m = np.int64(take_bits(words, at, 3)), n
        at += 3
        if kinds & 6 == 0:
            for i in range(n):
                cells[k, i] = ZERO
        elif kinds == 4:
            for i in range(n):
                which[i] = i
        else:
            constants = columns + (OF_INTEGERS if k < integers else OF_FLOATS)
            at, m = _take_others(words, at, cells, k, n, kinds, constants, columns, which, off, rest)
        if kinds & 4:
            if k < integers:
                at = _take_integers(words, at, rest, m)
            else:
                at = _take_floats(words, at, as_floats, k, m, which, rest, other, expected)
            if m == n:
                for i in range(n):
                    cells[k, i] = rest[i]
            else:
                for j in range(m):
                    cells[k, which[j]] = rest[j]
    return at
