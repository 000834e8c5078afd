"""Single values: texts, numbers and truths as sources write them. Whole columns at a time.

Each reader returns the values, null where there is none or it cannot be used, and why it cannot.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Mask = npt.NDArray[np.bool_]

LONG = 1024
"""Texts longer than this many bytes are looked at twice."""

MISSING_WORDS = (
    *("na", "n/a", "#n/a", "<na>", "nan", "nat", "null", "none", "nil", "\\n", "#null!", ".", "-", "--"),
    *("#ref!", "#value!", "#name?", "#num!", "#div/0!"),
    *("\u2013", "\u2014"),
)
"""What R, spreadsheets, pandas, SQL, SAS and people write where there is no value, in small letters."""

EXACT = 2.0**53
"""Whole numbers are read as doubles, which represent every whole number up to this one."""

TRUE, FALSE = (
    ("true", "t", "yes", "y", "right", "correct", "1", "1.0"),
    ("false", "f", "no", "n", "wrong", "incorrect", "0", "0.0"),
)

NOT_A_TRUTH = "is not one of true, false, yes, no, right, wrong, correct, incorrect, 1, 0"

NOT_A_VALUE, SINGLE_VALUE = "not_a_value", "is a list or an object; expected a single value"
"""Code and reason of lists and objects where a single value should be."""

CODES = pa.dictionary(pa.int32(), pa.string())


@dataclass(frozen=True)
class Problem:
    """Rows that one check refuses: which, a code for machines, and a reason for people.

    Attributes:
        wrong_type: The values are of another type than the column, and not just out of bounds.
    """

    where: Mask
    code: str
    reason: str
    wrong_type: bool = False


@dataclass(frozen=True)
class Remark:
    """Rows whose values are read, and about which a person should know something: which, and a code."""

    where: Mask
    code: str


@dataclass(frozen=True)
class Read:
    """One column as read. `values` is null where there is a problem."""

    values: pa.Array
    problems: tuple[Problem, ...] = ()
    remarks: tuple[Remark, ...] = ()


def mask(values: pa.Array) -> Mask:
    """Return bool[n] of an Arrow boolean array; null is false."""
    if values.null_count:
        values = values.fill_null(False)
    return np.asarray(values.to_numpy(zero_copy_only=False), np.bool_)


MANY = 1 << 19
"""Nulls that are kept in memory for reuse."""


@cache
def _many_nulls(kind: pa.DataType) -> pa.Array:
    return pa.nulls(MANY, kind)


def nulls(n: int, kind: pa.DataType) -> pa.Array:
    """Return n nulls. They share memory: often a third of an event's columns are null throughout."""
    return _many_nulls(kind).slice(0, n) if n <= MANY else pa.nulls(n, kind)


def is_text(kind: pa.DataType) -> bool:
    """Return whether values of this Arrow type are texts, plain or dictionary-encoded."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def per_value(column: pa.Array, read: Callable[[pa.Array], Read]) -> Read:
    """Return `read(column)`; each value of a dictionary is read once."""
    if not pa.types.is_dictionary(column.type):
        return read(column)
    found = read(column.dictionary)
    if found.values is column.dictionary and not found.remarks:
        return Read(column)
    places = column.indices
    problems: tuple[Problem, ...] = ()
    remarks: tuple[Remark, ...] = ()
    if found.problems or found.remarks:
        at = np.asarray(pc.fill_null(places, 0).to_numpy(zero_copy_only=False))
        there = mask(places.is_valid())
        problems = tuple(Problem(p.where[at] & there, p.code, p.reason, p.wrong_type) for p in found.problems)
        remarks = tuple(Remark(remark.where[at] & there, remark.code) for remark in found.remarks)
    if is_text(found.values.type):
        once = found.values.dictionary_encode()
        again = pa.DictionaryArray.from_arrays(once.indices.take(places), once.dictionary)
        return Read(again, problems, remarks)
    return Read(found.values.take(places), problems, remarks)


def as_text(column: pa.Array) -> pa.Array:
    """Return a column of single values as texts, as a person would type them: 12.0 is "12", NaN is null."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        if kind.index_type != pa.int32():
            column = pa.DictionaryArray.from_arrays(column.indices.cast(pa.int32()), column.dictionary)
        if kind.value_type == pa.string():
            return column
        return pa.DictionaryArray.from_arrays(column.indices, as_text(column.dictionary))
    if pa.types.is_floating(kind):
        column = column.cast(pa.float64())
        near = pc.and_(pc.equal(column, pc.round(column)), pc.less(pc.abs(column), EXACT))
        whole = pc.if_else(near, column, pa.scalar(None, pa.float64())).cast(pa.int64()).cast(pa.string())
        other = pc.if_else(pc.is_nan(column), pa.scalar(None, pa.string()), column.cast(pa.string()))
        return pc.coalesce(whole, other)
    return column if kind == pa.string() else column.cast(pa.string())


def read_text(column: pa.Array) -> Read:
    """Return texts without white space at their ends; empty ones are null."""
    return per_value(as_text(column), lambda values: Read(trimmed(values)))


def needs_care(values: pa.Array, longest: int) -> bool:
    """Return whether any text is empty, longer than this, or has a byte that is not plain printable ASCII."""
    if len(values) == 0 or pa.types.is_null(values.type):
        return False
    _, offsets, data = values.buffers()
    starts = np.frombuffer(offsets, np.int32)[values.offset : values.offset + len(values) + 1]
    sizes = np.diff(starts)
    if int(sizes.min()) == 0 or int(sizes.max()) > longest:
        return True
    letters = np.frombuffer(data, np.uint8)[starts[0] : starts[-1]]
    # one pass: bytes below "!" or above "~" wrap around to 94 and more
    return bool(((letters - np.uint8(33)) > 93).any())


def trimmed(values: pa.Array) -> pa.Array:
    """Return texts without white space at their ends; empty ones are null."""
    if not needs_care(values, LONG):
        return values
    values = pc.utf8_trim_whitespace(values)
    return pc.if_else(pc.equal(values, ""), pa.scalar(None, values.type), values)


def looks_missing(column: pa.Array) -> Mask:
    """Return which values are texts that some program writes where there is no value, such as NA, or NaN."""
    if not is_text(column.type):
        return mask(pc.is_nan(column)) if pa.types.is_floating(column.type) else np.zeros(len(column), np.bool_)
    texts = pc.utf8_lower(pc.utf8_trim_whitespace(as_text(column).cast(pa.string())))
    return mask(pc.is_in(texts, pa.array(MISSING_WORDS)))


def is_numeric(kind: pa.DataType) -> bool:
    """Return whether values of this Arrow type are numbers or can stand for them."""
    numeric = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    return bool(numeric or pa.types.is_boolean(kind) or pa.types.is_null(kind))


def _unusable(column: pa.Array, kind: pa.DataType, reason: str, code: str) -> Read:
    return Read(pa.nulls(len(column), kind), (Problem(mask(column.is_valid()), code, reason, wrong_type=True),))


_IN_FIGURES = r"^(?:([01])[.,]0+|(1)00(?:[.,]0+)?\s*%|(0)(?:[.,]0+)?\s*%)$"
"""1.00, 1,00, 100 % and 0 %."""


def read_truth(column: pa.Array) -> Read:
    """Return booleans: the words of `TRUE` and `FALSE` in any case; 1 and 0, also as 1.00 and 1,00; 100% and 0%."""
    return per_value(column, _read_truths)


def _read_truths(column: pa.Array) -> Read:
    if pa.types.is_boolean(column.type):
        return Read(column)
    if is_text(column.type):
        known: pa.Array = column.cast(pa.string())
        place = pc.index_in(known, pa.array(TRUE + FALSE))
        if place.null_count > known.null_count:
            known = trimmed(known)
            words = pc.replace_substring_regex(pc.utf8_lower(known), _IN_FIGURES, r"\1\2\3")
            place = pc.index_in(words, pa.array(TRUE + FALSE))
        truth = pc.less(place, len(TRUE))
    elif is_numeric(column.type):
        known = column.cast(pa.float64(), safe=False)
        truth = pc.equal(pc.index_in(known, pa.array([0.0, 1.0])), 1)
    else:
        return _unusable(column, pa.bool_(), NOT_A_TRUTH, "not_a_boolean")
    bad = mask(pc.and_(truth.is_null(), known.is_valid()))
    if not bad.any():
        return Read(truth)
    return Read(truth, (Problem(bad, "not_a_boolean", NOT_A_TRUTH, wrong_type=True),))
