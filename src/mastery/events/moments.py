"""Instants: time stamps as sources write them, each read from its own text or number alone.

A text in ISO 8601, with or without a zone; a date, which is its midnight; other forms of `mastery.events.calendar`; or
a number of seconds, milliseconds, microseconds or nanoseconds since 1970. Those of the years 1973 to 2286 have 9 to 10,
12 to 13, 15 to 16 and 18 to 19 digits, so no value can be two; a declared unit ("epoch_s") allows any number. Or else,
where it is declared, a number of days: since a day, or as spreadsheets count them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mastery.arrays import Int64s
from mastery.events.calendar import DAY_FIRST, MONTH_FIRST, SERIAL, days_of, read_clocks
from mastery.events.values import Mask, Problem, Read, is_text, mask, per_value, read_text
from mastery.instants import DAY_US
from mastery.tables import UTC

EPOCH, FIRST_SERIAL = date(1970, 1, 1), date(1899, 12, 30)

EPOCH_UNITS = {"epoch_s": 1e6, "epoch_ms": 1e3, "epoch_us": 1.0, "epoch_ns": 1e-3}
"""Microseconds in each declared unit of a count since 1970."""

_COUNT = r"^\d{9,19}(\.\d+)?$"
_FAR_US = 4e18
_EXPECTED = (
    "is not a time stamp; expected ISO 8601 (2025-12-31T14:30:00Z), a date with --dates, or seconds or milliseconds "
    "since 1970"
)
_SHORT_YEAR = r"^\d{1,2}[-/. ](\d{1,2}|[A-Za-z]{3,9})[-/. ]\d{2}(\D.*)?$"

UNCLEAR_DATE = "unclear_date"
"""Code of dates of which nobody has said whether the day or the month comes first."""


@dataclass(frozen=True)
class Dating:
    """How time stamps are read that do not say everything themselves.

    Attributes:
        timezone: Zone of clocks that name none; None is UTC. Of an hour that a clock shows twice the first is
            taken; one that it leaves out is the moment of the change.
        unit: The declared unit of plain numbers, one of `EPOCH_UNITS`.
        dates: The declared order of dates or `serial`, a value of `mastery.events.calendar.DATES`.
        day_zero: Plain numbers are days since this day.
        decimal: Sign before the decimals of plain numbers; a point always is one.
    """

    timezone: str | None = None
    unit: str | None = None
    dates: str | None = None
    day_zero: date | None = None
    decimal: str = "."

    @property
    def zero_us(self) -> int | None:
        """The clock from which plain numbers count days, in microseconds; None where they do not."""
        if self.day_zero is not None:
            return (self.day_zero - EPOCH).days * DAY_US
        return (FIRST_SERIAL - EPOCH).days * DAY_US if self.dates == SERIAL else None


def read_moment(column: pa.Array, dating: Dating) -> Read:
    """Return timestamps in UTC, to the microsecond, of a column of any type."""
    return per_value(column, lambda values: _read_moments(values, dating))


def _read_moments(column: pa.Array, dating: Dating) -> Read:
    kind = column.type
    if pa.types.is_null(kind):
        return Read(pa.nulls(len(column), UTC))
    if pa.types.is_timestamp(kind):
        if kind.tz is None:
            return Read(_placed(column.cast(pa.timestamp("us"), safe=False), dating.timezone))
        return Read(column.cast(UTC, safe=False))
    if pa.types.is_date(kind):
        return Read(_placed(column.cast(pa.timestamp("us")), dating.timezone))
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return _counted(column.cast(pa.float64(), safe=False), dating)
    if is_text(kind):
        return _read_texts(column.cast(pa.string()), dating)
    bad = mask(column.is_valid())
    return Read(pa.nulls(len(column), UTC), (Problem(bad, "not_a_time", _EXPECTED, wrong_type=True),))


def _placed(clocks: pa.Array, timezone: str | None) -> pa.Array:
    """Return the instants at which clocks in this zone show these times."""
    if timezone is None or timezone == "UTC":
        return clocks.cast(pa.int64()).cast(UTC)
    return pc.assume_timezone(clocks, timezone, ambiguous="earliest", nonexistent="latest").cast(UTC)


def _counted(counts: pa.Array, dating: Dating) -> Read:
    numbers = np.asarray(pc.fill_null(counts, np.nan).to_numpy(zero_copy_only=False), np.float64)
    local = np.zeros(len(numbers), np.bool_)
    with np.errstate(invalid="ignore"):
        if dating.unit is not None:
            us = numbers * EPOCH_UNITS[dating.unit]
        elif dating.zero_us is not None:
            us = np.round(numbers * DAY_US / 1000) * 1000 + dating.zero_us  # a double knows a day's time to some us
            local[:] = True
        else:
            us = np.full(len(numbers), np.nan)
            for digits, size in ((8, 1e6), (11, 1e3), (14, 1.0), (17, 1e-3)):
                us = np.where((numbers >= 10.0**digits) & (numbers < 10.0 ** (digits + 2)), numbers * size, us)
            days, local = _basic_dates(numbers)
            us = np.where(local, days * float(DAY_US), us)
        usable = np.isfinite(us) & (np.abs(us) < _FAR_US)
    whole = np.where(usable, np.round(np.where(usable, us, 0.0)), 0.0).astype(np.int64)
    values = pa.array(whole, mask=~usable)
    if local.any():
        clocks = _placed(values.cast(pa.timestamp("us")), dating.timezone)
        values = pc.if_else(pa.array(local), clocks, values.cast(UTC))
    bad = ~usable & mask(counts.is_valid())
    return Read(values.cast(UTC), (Problem(bad, "not_a_time", _EXPECTED, wrong_type=True),) if bad.any() else ())


def _basic_dates(numbers: npt.NDArray[np.float64]) -> tuple[Int64s, Mask]:
    """Return the days of numbers such as 20240506, and which are such."""
    shaped = (numbers >= 19_000_101) & (numbers <= 22_991_231) & (numbers == np.round(numbers))
    digits = np.where(shaped, numbers, 19_700_101).astype(np.int64)
    days, good = days_of(digits // 10_000, digits // 100 % 100, digits % 100)
    return days, shaped & good


def _read_texts(texts: pa.Array, dating: Dating) -> Read:
    # Nearly every file has one form throughout, and Arrow's own parser is then ten times as fast. It accepts a part of
    # what `calendar` accepts; tests compare the two. A cast that fails costs 25 times as much as one that
    # succeeds, so a few values are tried first.
    sample = texts.drop_null().slice(0, 8)
    for kind in (pa.timestamp("us"), UTC):
        try:
            sample.cast(kind)
            moments = texts.cast(kind)
        except pa.ArrowInvalid:
            continue
        return Read(moments if kind == UTC else _placed(moments, dating.timezone))
    return per_value(texts.dictionary_encode(), lambda distinct: _read_mixed(distinct, dating))


def _read_mixed(texts: pa.Array, dating: Dating) -> Read:
    texts = read_text(texts).values
    order = dating.dates if dating.dates in (DAY_FIRST, MONTH_FIRST) else None
    plain = pc.replace_substring_regex(texts, "[\u00a0\u202f\u2009]", " ")
    clocks = read_clocks(pc.fill_null(plain, ""), order)
    declared = dating.unit is not None or dating.zero_us is not None
    numbers = texts if dating.decimal == "." else pc.replace_substring(texts, dating.decimal, ".")
    count = mask(pc.match_substring_regex(numbers, r"^[+-]?\d+(\.\d+)?$" if declared else _COUNT))
    counted = _counted(pc.if_else(pa.array(count), numbers, pa.scalar(None, pa.string())).cast(pa.float64()), dating)
    local = _placed(pa.array(clocks.us, mask=~(clocks.found & ~clocks.zoned)).cast(pa.timestamp("us")), dating.timezone)
    zoned = pa.array(clocks.us - clocks.offset_us, mask=~(clocks.found & clocks.zoned)).cast(UTC)
    values = pc.coalesce(counted.values, local, zoned) if declared else pc.coalesce(local, zoned, counted.values)
    bad = mask(pc.and_(texts.is_valid(), values.is_null()))
    if not bad.any():
        return Read(values)
    unclear = bad & clocks.unclear
    short = bad & mask(pc.match_substring_regex(texts, _SHORT_YEAR))
    reason = "is a day and a month in an order that nobody has said; say it with --dates D/M/Y or --dates M/D/Y"
    problems = (
        Problem(unclear, UNCLEAR_DATE, reason, wrong_type=True),
        Problem(short, "not_a_time", "has a year of two digits; expected one of four: 2025-12-31", wrong_type=True),
        Problem(bad & ~unclear & ~short, "not_a_time", _EXPECTED, wrong_type=True),
    )
    return Read(values, tuple(problem for problem in problems if problem.where.any()))
