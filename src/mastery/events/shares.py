"""Shares of a whole: numbers in a declared unit, and those that say themselves what they are, `85 %` and `7/10`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mastery.events.numbers import NOISE, OTHER_DECIMAL, Notation, numbers_in
from mastery.events.units import ShareUnit
from mastery.events.values import Problem, Read, Remark, is_text, mask, per_value, trimmed

CAPPED = "capped"
"""Remark on shares of more than all, such as extra credit, which count as all."""

_PERCENT = r"^(?P<of>.*\S)\s*%$"
_RATIO = r"(?i)^(?P<of>[^/]*\d)\s*(?:/|\bout\s+of\b|\bof\b)\s*(?P<all>\d[^/]*)$"


@dataclass(frozen=True)
class Shares:
    """A column of shares, n values.

    Attributes:
        read: float64, 1.0 is all; null where there is none or a problem.
        plain: The numbers that are in the unit of the column and do not say themselves what they are, as written.
    """

    read: Read
    plain: pa.Array


def read_shares(column: pa.Array, unit: ShareUnit, notation: Notation, most: float) -> Shares:
    """Return shares from 0 to 1.

    Args:
        unit: Of plain numbers.
        most: Shares above 1 up to this one count as 1, with a remark; above it, they are problems.
    """
    kept: list[pa.Array] = []

    def once(values: pa.Array) -> Read:
        written, said = _written(values, notation)
        kept.append(written.values)
        ours = pc.divide(pc.subtract(written.values, unit.none), unit.full - unit.none)
        ours = ours if said is None else pc.coalesce(ours, said)
        return _bounded(Read(ours, written.problems, written.remarks), unit, most)

    read = per_value(column, once)
    (plain,) = kept
    if pa.types.is_dictionary(column.type):
        plain = plain.take(column.indices)
    return Shares(read, plain)


def _written(column: pa.Array, notation: Notation) -> tuple[Read, pa.Array | None]:
    """Return the plain numbers with their problems, and the shares that say what they are; each null elsewhere."""
    if not is_text(column.type):
        return numbers_in(column, notation), None
    texts = trimmed(column.cast(pa.string()))
    signed = mask(pc.match_substring_regex(texts, r"(?i)[%/]|\bof\b"))
    if not signed.any():
        return numbers_in(column, notation), None
    nothing = pa.scalar(None, pa.string())
    here = pc.if_else(pa.array(signed), texts, nothing)
    percent, ratio = pc.extract_regex(here, _PERCENT), pc.extract_regex(here, _RATIO)
    of_hundred = numbers_in(pc.struct_field(percent, "of"), notation)
    reached = numbers_in(pc.struct_field(ratio, "of"), notation)
    whole = numbers_in(pc.struct_field(ratio, "all"), notation)
    all_of_it = pc.if_else(pc.greater(whole.values, 0), whole.values, pa.scalar(None, pa.float64()))
    said = pc.coalesce(pc.divide(of_hundred.values, 100.0), pc.divide(reached.values, all_of_it))
    plain = numbers_in(pc.if_else(pa.array(signed), nothing, texts), notation)
    bad = signed & mask(said.is_null())
    problems = list(plain.problems)
    if bad.any():
        problems.append(Problem(bad, "not_a_number", "is not a number", wrong_type=True))
    remarked = np.zeros(len(column), np.bool_)
    for read in (plain, of_hundred, reached):
        for remark in read.remarks:
            remarked |= remark.where
    remarks = (Remark(remarked & ~bad, OTHER_DECIMAL),) if remarked.any() else ()
    return Read(plain.values, tuple(problems), remarks), said


def _bounded(read: Read, unit: ShareUnit, most: float) -> Read:
    shares, problems, remarks = read.values, list(read.problems), list(read.remarks)
    span = pc.min_max(shares)
    least, greatest = span["min"].as_py(), span["max"].as_py()
    if least is None or (least >= 0 and greatest <= 1):
        return read
    low, high = mask(pc.less(shares, -NOISE)), mask(pc.greater(shares, most + NOISE))
    capped = mask(pc.greater(shares, 1 + NOISE)) & ~high
    ends = sorted((unit.none, unit.full))
    on_scale = f"is not between {ends[0]:g} and {ends[1]:g}"
    simple = unit.none == 0
    if low.any():
        problems.append(Problem(low, "out_of_range", "is negative" if simple else on_scale))
    if high.any():
        problems.append(Problem(high, "out_of_range", f"is above {unit.full:.15g} {unit.name}" if simple else on_scale))
    if capped.any():
        remarks.append(Remark(capped, CAPPED))
    shares = pc.min_element_wise(pc.max_element_wise(shares, 0.0, skip_nulls=False), 1.0, skip_nulls=False)
    out = low | high
    if out.any():
        shares = pc.if_else(pa.array(out), pa.scalar(None, pa.float64()), shares)
    return Read(shares, tuple(problems), tuple(remarks))
