"""Numbers as sources write them, with a decimal point or comma. Whole columns at a time."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mastery.errors import BadInput
from mastery.events.values import EXACT, Mask, Problem, Read, Remark, is_numeric, is_text, mask, per_value, trimmed

NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
NOT_FINITE = r"(?i)^[+-]?(nan|inf|infinity)$"

NOISE = 1e-9
"""How far a sum of decimal fractions is from the number that it should be, at most: 100.00000000000001 is 100."""

OTHER_DECIMAL = "other_decimal"
"""Remark on numbers whose decimal sign is not the declared one, where it can be nothing else."""

_ODD_LETTERS = {"[\u00a0\u202f\u2009]": " ", "\u2212": "-"}

DECIMALS, THOUSANDS = (".", ","), (".", ",", " ", "'", "\u2019", "_")

UNCLEAR = "unclear_number"
"""Code of numbers of which nobody can say where their decimals begin."""


_OTHER_NOTATION = r"^\s*[+-]?\d{1,3}(\.\d{3})+,\d+\s*$"


def of_other_notation(texts: pa.Array) -> Mask:
    """Return which texts are numbers such as 1.234,5: beside them, 1.234 is no number with decimals."""
    return mask(pc.match_substring_regex(texts, _OTHER_NOTATION))


class Notation:
    """How numbers are written.

    Args:
        decimal: The sign before decimals, a point or a comma.
        thousands: The sign between thousands; None for none.
    """

    def __init__(self, decimal: str = ".", thousands: str | None = None) -> None:
        self.decimal, self.thousands = decimal, thousands
        sign = re.escape(decimal)
        self.plain = decimal == "." and thousands is None
        self.other = next((sign for sign in ".," if sign not in (decimal, thousands)), None)
        self.grouped = None if thousands is None else rf"^[+-]?\d{{1,3}}({re.escape(thousands)}\d{{3}})+({sign}\d+)?$"

    def with_points(self, texts: pa.Array) -> tuple[pa.Array, Mask, Mask]:
        """Return trimmed texts with a decimal point and no sign between thousands, where they are numbers; those
        that could be two numbers; and those with the other decimal sign than declared.
        """
        if not mask(pc.string_is_ascii(texts)).all():
            for odd, plain in _ODD_LETTERS.items():
                texts = pc.replace_substring_regex(texts, odd, plain)
        nothing = np.zeros(len(texts), np.bool_)
        unclear, other = nothing, nothing
        if self.grouped is not None and self.thousands is not None:
            grouped = pc.match_substring_regex(texts, self.grouped)
            texts = pc.if_else(grouped, pc.replace_substring(texts, self.thousands, ""), texts)
        if self.other is not None:
            sign = re.escape(self.other)
            unclear = mask(pc.match_substring_regex(texts, rf"^[+-]?[1-9]\d{{0,2}}({sign}\d{{3}})+$"))
            fraction = (
                rf"^[+-]?(\d+{sign}(\d{{1,2}}|\d{{4,}})?|0+{sign}\d+|\d{{4,}}{sign}\d+|{sign}\d+)([eE][+-]?\d+)?$"
            )
            other = mask(pc.match_substring_regex(texts, fraction))
        if self.decimal == ",":
            strange = mask(pc.match_substring(texts, ".")) & ~unclear & ~other
            texts = pc.if_else(pa.array(strange), pa.scalar("?"), texts) if strange.any() else texts
        if self.decimal == "," or other.any():
            signs = pc.match_substring_regex(texts, r"^[+-]?[\d]*[.,]?\d*([eE][+-]?\d+)?$")
            unclear_or_none = pc.or_(pa.array(unclear), pc.invert(signs))
            texts = pc.if_else(unclear_or_none, texts, pc.replace_substring(texts, ",", "."))
        if unclear.any():
            texts = pc.if_else(pa.array(unclear), pa.scalar("?"), texts)
        return texts, unclear, other

    def unclear_reason(self) -> str:
        sign = "comma" if self.other == "," else "point"
        return (
            f"has a {sign} that may stand before decimals or between thousands; say which with --decimal or --thousands"
        )


PLAIN = Notation()


def check_numbers(decimal: str, thousands: str | None) -> None:
    """Raise BadInput for signs that cannot stand in a number."""
    if decimal not in DECIMALS:
        raise BadInput(f"--decimal {decimal!r}: expected a point or a comma (in Python, decimal=',')")
    if thousands is not None and (thousands not in THOUSANDS or thousands == decimal):
        raise BadInput(
            f"--thousands {thousands!r}: expected one of {', '.join(repr(sign) for sign in THOUSANDS)}, and not "
            f"the decimal sign {decimal!r} (in Python, thousands='.')"
        )


def read_number(column: pa.Array, notation: Notation = PLAIN) -> Read:
    """Return float64 numbers; NaN and infinities are problems."""
    return per_value(column, lambda values: numbers_in(values, notation))


def read_whole(column: pa.Array, notation: Notation = PLAIN) -> Read:
    """Return int64 numbers; 3.0 is 3, and 2.5 is a problem."""
    return per_value(column, lambda values: _read_wholes(values, notation))


def numbers_in(column: pa.Array, notation: Notation) -> Read:
    """Return float64 numbers of a column that is no dictionary."""
    problems, remarks = [], []
    if is_text(column.type):
        texts = column.cast(pa.string())
        try:
            if not notation.plain:
                texts, _, other = notation.with_points(trimmed(texts))
                remarks = [Remark(other, OTHER_DECIMAL)] if other.any() else []
            numbers = texts.cast(pa.float64())
        except pa.ArrowInvalid:
            texts, unclear, other = notation.with_points(trimmed(column.cast(pa.string())))
            good = pc.or_(pc.match_substring_regex(texts, NUMBER), pc.match_substring_regex(texts, NOT_FINITE))
            bad = mask(pc.invert(good)) & ~unclear
            if unclear.any():
                problems.append(Problem(unclear, UNCLEAR, notation.unclear_reason()))
            if bad.any():
                problems.append(Problem(bad, "not_a_number", "is not a number", wrong_type=True))
            remarks = [Remark(other, OTHER_DECIMAL)] if other.any() else []
            numbers = pc.if_else(good, texts, pa.scalar(None, pa.string())).cast(pa.float64())
    elif is_numeric(column.type):
        numbers = column.cast(pa.float64(), safe=False)
    else:
        bad = mask(column.is_valid())
        problem = Problem(bad, "not_a_number", "is not a number", wrong_type=True)
        return Read(pa.nulls(len(column), pa.float64()), (problem,))
    odd = mask(pc.invert(pc.is_finite(numbers)))
    if odd.any():
        problems.append(Problem(odd, "not_finite", "is not a finite number"))
        numbers = pc.if_else(pa.array(odd), pa.scalar(None, pa.float64()), numbers)
    return Read(numbers, tuple(problems), tuple(remarks))


def _read_wholes(column: pa.Array, notation: Notation) -> Read:
    read = numbers_in(column, notation)
    problems = list(read.problems)
    numbers = pc.round(read.values)
    broken = mask(pc.greater(pc.abs(pc.subtract(read.values, numbers)), NOISE))
    if broken.any():
        problems.append(Problem(broken, "not_whole", "is not a whole number"))
    large = mask(pc.greater(pc.abs(numbers), EXACT))
    if large.any():
        problems.append(Problem(large, "out_of_range", "is beyond the whole numbers that can be stored exactly"))
    if broken.any() or large.any():
        numbers = pc.if_else(pa.array(broken | large), pa.scalar(None, pa.float64()), numbers)
    return Read(numbers.cast(pa.int64()), tuple(problems), read.remarks)
