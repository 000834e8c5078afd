"""Durations: numbers in a declared unit, and those that say themselves what they are.

`PT1M12S` (ISO 8601), `1:12` (minutes and seconds), `0:01:12`, `0 days 00:01:12`, `1 min 12 secs`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mastery.events.numbers import OTHER_DECIMAL, Notation, numbers_in
from mastery.events.values import Problem, Read, Remark, is_text, mask, per_value, trimmed

MS = {"w": 604_800_000.0, "d": 86_400_000.0, "h": 3_600_000.0, "m": 60_000.0, "s": 1000.0, "ms": 1.0}

_N = r"\d+(?:[.,]\d+)?"
_ISO = rf"^P(?:(?P<w>{_N})W)?(?:(?P<d>{_N})D)?(?:T(?:(?P<h>{_N})H)?(?:(?P<m>{_N})M)?(?:(?P<s>{_N})S)?)?$"
_CLOCK = r"^(?:(?P<d>\d+) days? )?(?:(?P<h>\d+):(?P<m>[0-5]?\d)|(?P<long>\d+)):(?P<s>[0-5]\d(?:[.,]\d+)?)$"
_BETWEEN = r"\s*(?:,|and)?\s*"
_WORDS = "(?i)^" + _BETWEEN.join(
    rf"(?:(?P<{unit}>{_N})\s*(?:{words})\.?)?"
    for unit, words in (
        ("d", "d|days?"),
        ("h", "h|hrs?|hours?"),
        ("m", "m|mins?|minutes?"),
        ("s", "s|secs?|seconds?"),
        ("ms", "ms|msecs?|milliseconds?"),
    )
)
_WORDS += "$"
_FORMS: tuple[tuple[str, dict[str, float]], ...] = ((_ISO, {}), (_CLOCK, {"long": MS["m"]}), (_WORDS, {}))


@dataclass(frozen=True)
class Durations:
    """A column of durations, n values.

    Attributes:
        read: float64 milliseconds; null where there is none or a problem.
        plain: The numbers that do not say themselves what they are, as written.
    """

    read: Read
    plain: pa.Array


def read_durations(column: pa.Array, unit_ms: float, notation: Notation) -> Durations:
    """Return durations in milliseconds.

    Args:
        unit_ms: The unit of plain numbers, in milliseconds.
    """
    kept: list[pa.Array] = []

    def once(values: pa.Array) -> Read:
        plain, said = _written(values, notation)
        kept.append(plain.values)
        values = pc.multiply(plain.values, unit_ms)
        return Read(values if said is None else pc.coalesce(values, said), plain.problems, plain.remarks)

    read = per_value(column, once)
    (numbers,) = kept
    return Durations(read, numbers.take(column.indices) if pa.types.is_dictionary(column.type) else numbers)


def _written(column: pa.Array, notation: Notation) -> tuple[Read, pa.Array | None]:
    """Return the plain numbers with their problems, and the durations that say what they are, in milliseconds."""
    if pa.types.is_duration(column.type) or pa.types.is_time(column.type):
        kind = pa.time64("us") if pa.types.is_time(column.type) else pa.duration("us")
        return Read(pa.nulls(len(column), pa.float64())), pc.divide(
            column.cast(kind, safe=False).cast(pa.int64()).cast(pa.float64()), 1000.0
        )
    if not is_text(column.type):
        return numbers_in(column, notation), None
    plain = numbers_in(column, notation)
    if not plain.problems:
        return plain, None
    faulty = reduce(np.logical_or, (problem.where for problem in plain.problems))
    texts = trimmed(pc.if_else(pa.array(faulty), column.cast(pa.string()), pa.scalar(None, pa.string())))
    said = pc.coalesce(*(_by_form(texts, form, extra) for form, extra in _FORMS))
    found = mask(said.is_valid())
    problems = [Problem(p.where & ~found, p.code, p.reason, p.wrong_type) for p in plain.problems]
    remarks = [Remark(r.where & ~found, OTHER_DECIMAL) for r in plain.remarks]
    return Read(plain.values, tuple(p for p in problems if p.where.any()), tuple(remarks)), said


def _by_form(texts: pa.Array, form: str, extra: dict[str, float]) -> pa.Array:
    """Return milliseconds of the texts in one form, null for others."""
    fields = pc.extract_regex(texts, form)
    names = [field.name for field in fields.type]
    values = [pc.struct_field(fields, name) for name in names]
    some = reduce(pc.or_, (pc.not_equal(value, "") for value in values))
    total = pa.scalar(0.0)
    for name, value in zip(names, values, strict=True):
        text = pc.if_else(pc.equal(value, ""), "0", pc.replace_substring(value, ",", "."))
        total = pc.add(total, pc.multiply(text.cast(pa.float64()), (MS | extra)[name]))
    return pc.if_else(pc.fill_null(some, False), total, pa.scalar(None, pa.float64()))
