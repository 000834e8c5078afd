"""Instants: time stamps as sources write them, each read from its own text or number alone.

A text in ISO 8601, with or without a zone; a date, which is its midnight; or a number of seconds or
milliseconds since 1970. Seconds and milliseconds of the years 1990 to 2286 have 9 to 10 and 12 to 13
digits, so no value can be either; a declared unit ("epoch_s", "epoch_ms") allows any number.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mastery.events.values import Mask, Problem, Read, is_text, mask, per_value, read_text
from mastery.tables import UTC

EPOCH_UNITS = {"epoch_s": 1e6, "epoch_ms": 1e3}
"""Microseconds in each declared unit of a count since 1970."""

_CLOCK = r"([01]\d|2[0-3])(:[0-5]\d(:[0-5]\d(\.\d{1,9})?)?)?"
_PLAIN = rf"^\d{{4}}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])([T ]{_CLOCK})?$"
_ZONED = rf"^\d{{4}}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])[T ]{_CLOCK}(Z|[+-]([01]\d|2[0-3])(:?[0-5]\d)?)$"
_COUNT = r"^\d{9,13}(\.\d+)?$"
_TOO_FINE = r"(\.\d{6})\d+"
_FAR_US = 4e18
_MONTH_DAYS = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
_EXPECTED = "is not a time stamp; expected ISO 8601 (2025-12-31T14:30:00Z), or seconds or milliseconds since 1970"


def read_moment(column: pa.Array, timezone: str | None, unit: str | None) -> Read:
    """Return timestamps in UTC, to the microsecond.

    Args:
        column: Of any type.
        timezone: Zone of clocks that name none; None is UTC. Of an hour that a clock shows twice the first is
            taken; one that it leaves out is the moment of the change.
        unit: The declared unit of plain numbers, one of `EPOCH_UNITS`.
    """
    return per_value(column, lambda values: _read_moments(values, timezone, unit))


def _read_moments(column: pa.Array, timezone: str | None, unit: str | None) -> Read:
    kind = column.type
    if pa.types.is_null(kind):
        return Read(pa.nulls(len(column), UTC))
    if pa.types.is_timestamp(kind):
        if kind.tz is None:
            return Read(_placed(column.cast(pa.timestamp("us"), safe=False), timezone))
        return Read(column.cast(UTC, safe=False))
    if pa.types.is_date(kind):
        return Read(_placed(column.cast(pa.timestamp("us")), timezone))
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return _counted(column.cast(pa.float64(), safe=False), unit)
    if is_text(kind):
        return _read_texts(column.cast(pa.string()), timezone, unit)
    bad = mask(column.is_valid())
    return Read(pa.nulls(len(column), UTC), (Problem(bad, "not_a_time", _EXPECTED, wrong_type=True),))


def _placed(clocks: pa.Array, timezone: str | None) -> pa.Array:
    """Return the instants at which clocks in this zone show these times."""
    if timezone is None or timezone == "UTC":
        return clocks.cast(pa.int64()).cast(UTC)
    return pc.assume_timezone(clocks, timezone, ambiguous="earliest", nonexistent="latest").cast(UTC)


def _counted(counts: pa.Array, unit: str | None) -> Read:
    numbers = np.asarray(pc.fill_null(counts, np.nan).to_numpy(zero_copy_only=False), np.float64)
    if unit is not None:
        us = numbers * EPOCH_UNITS[unit]
    else:
        seconds, thousandths = (numbers >= 1e8) & (numbers < 1e10), (numbers >= 1e11) & (numbers < 1e13)
        us = np.where(seconds, numbers * 1e6, np.where(thousandths, numbers * 1e3, np.nan))
    with np.errstate(invalid="ignore"):
        usable = np.isfinite(us) & (np.abs(us) < _FAR_US)
    whole = np.where(usable, np.round(np.where(usable, us, 0.0)), 0.0).astype(np.int64)
    values = pa.array(whole, mask=~usable).cast(UTC)
    bad = ~usable & mask(counts.is_valid())
    return Read(values, (Problem(bad, "not_a_time", _EXPECTED, wrong_type=True),) if bad.any() else ())


def _read_texts(texts: pa.Array, timezone: str | None, unit: str | None) -> Read:
    # Nearly every file has one form throughout, and Arrow's own parser is then ten times as fast. It accepts exactly
    # what the patterns below accept; tests compare the two. A cast that fails costs 25 times as much as one that
    # succeeds, so a few values are tried first.
    sample = texts.drop_null().slice(0, 8)
    for kind in (pa.timestamp("us"), UTC):
        try:
            sample.cast(kind)
            moments = texts.cast(kind)
        except pa.ArrowInvalid:
            continue
        return Read(moments if kind == UTC else _placed(moments, timezone))
    return per_value(texts.dictionary_encode(), lambda distinct: _read_mixed(distinct, timezone, unit))


def _read_mixed(texts: pa.Array, timezone: str | None, unit: str | None) -> Read:
    texts = read_text(texts).values
    none = pa.scalar(None, pa.string())
    dated = _is_day(texts)
    plain = mask(pc.match_substring_regex(texts, _PLAIN)) & dated
    zoned = mask(pc.match_substring_regex(texts, _ZONED)) & dated
    count = mask(pc.match_substring_regex(texts, r"^[+-]?\d+(\.\d+)?$" if unit is not None else _COUNT))
    exact = pc.replace_substring_regex(texts, _TOO_FINE, r"\1")
    clocks = pc.if_else(pa.array(plain), exact, none).cast(pa.timestamp("us"))
    moments = pc.if_else(pa.array(zoned), exact, none).cast(UTC)
    counted = _counted(pc.if_else(pa.array(count), texts, none).cast(pa.float64()), unit)
    values = pc.coalesce(_placed(clocks, timezone), moments, counted.values)
    bad = mask(pc.and_(texts.is_valid(), values.is_null()))
    return Read(values, (Problem(bad, "not_a_time", _EXPECTED, wrong_type=True),) if bad.any() else ())


def _is_day(texts: pa.Array) -> Mask:
    """Return whether each text begins with a day of the calendar."""
    shaped = pc.match_substring_regex(texts, r"^\d{4}-\d\d-\d\d")
    days = pc.if_else(shaped, pc.utf8_slice_codeunits(texts, 0, 10), pa.scalar("0001-01-01"))
    days = pc.fill_null(days, "0001-01-01")
    year, month, day = (
        np.asarray(pc.utf8_slice_codeunits(days, start, stop).cast(pa.int64()))
        for start, stop in ((0, 4), (5, 7), (8, 10))
    )
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    last = _MONTH_DAYS[np.clip(month, 0, 12)] + (leap & (month == 2))
    return mask(pc.fill_null(shaped, False)) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= last)
