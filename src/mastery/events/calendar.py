"""Days and clocks in other forms than plain ISO 8601: `6/5/2024 2:30 PM`, `6 May 2024, 14:30`, `20240506T143000Z`.

Each text is understood from itself. Whether `6/5/2024` is in May or in June it does not say: that is declared, or told
from the whole column (`date_orders`), and never guessed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mastery.arrays import Int64s
from mastery.errors import BadInput
from mastery.events.values import Mask, as_text, is_text, mask
from mastery.instants import DAY_US

DAY_FIRST, MONTH_FIRST, SERIAL = "D/M/Y", "M/D/Y", "serial"

DATES = {
    "D/M/Y": DAY_FIRST,
    "D.M.Y": DAY_FIRST,
    "D-M-Y": DAY_FIRST,
    "M/D/Y": MONTH_FIRST,
    "M.D.Y": MONTH_FIRST,
    "M-D-Y": MONTH_FIRST,
    "serial": SERIAL,
}
"""What dates may be declared as. `serial` is the number of days that spreadsheets count from 1899-12-30."""

EITHER = "either"
"""Key of `date_orders`: dates that may be in both orders."""

HOUR_US, MINUTE_US, SECOND_US = DAY_US // 24, DAY_US // 1440, 1_000_000

_ZONE = r"(?P<z>(?:UTC|GMT)?[+-]\d{1,2}(?::?[0-5]\d)?|Z|UTC|GMT)?(?:\s*\([A-Za-z .]+\))?"
_TIME = r"(?P<h>\d{1,2})(?::(?P<mi>\d\d)(?::(?P<s>\d\d)(?:[.,](?P<f>\d{1,9}))?)?)?\s*(?P<ap>[ap]\.?m\.?)?"
_CLOCK = rf"(?:(?:T|,?\s+)(?:at\s+)?{_TIME}\s*{_ZONE})?"
_BASIC = rf"(?:T(?P<h>\d\d)(?:(?P<mi>\d\d)(?:(?P<s>\d\d)(?:[.,](?P<f>\d{{1,9}}))?)?)?{_ZONE})?"
_WEEKDAY = r"(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,?\s+)?"
_NTH = r"(?P<d>\d{1,2})(?:st|nd|rd|th)?"

NUMERIC = r"(?P<a>\d{1,2})(?P<sep>[-/.])(?P<b>\d{1,2})[-/.](?P<y>\d{4})"

_FORMS = tuple(
    rf"(?i)^{day}{clock}$"
    for day, clock in (
        (NUMERIC, _CLOCK),
        (r"(?P<y>\d{4})-(?P<mo>\d\d)-(?P<d>\d\d)", _CLOCK),
        (r"(?P<y>\d{4})[/.](?P<mo>\d{1,2})[/.](?P<d>\d{1,2})", _CLOCK),
        (r"(?P<y>\d{4})(?P<mo>\d\d)(?P<d>\d\d)", _BASIC),
        (r"(?P<y>\d{4})-W(?P<week>\d\d)-(?P<wd>[1-7])", _CLOCK),
        (r"(?P<y>\d{4})W(?P<week>\d\d)(?P<wd>[1-7])", _BASIC),
        (r"(?P<y>\d{4})-(?P<nth>\d{3})", _CLOCK),
        (rf"{_WEEKDAY}{_NTH}[\s-]+(?P<mon>[a-z]{{3,9}})\.?,?[\s-]+(?P<y>\d{{4}})", _CLOCK),
        (rf"{_WEEKDAY}(?P<mon>[a-z]{{3,9}})\.?\s+{_NTH},?\s+(?P<y>\d{{4}})", _CLOCK),
    )
)

_MONTHS = (
    *("january", "february", "march", "april", "may", "june", "july", "august"),
    *("september", "october", "november", "december"),
)
_NAMES = pa.array([name[:3] for name in _MONTHS] + list(_MONTHS) + ["sept"])
_NUMBERS = np.array([*range(1, 13), *range(1, 13), 9])


@dataclass(frozen=True)
class Clocks:
    """What n texts say, where they are in one of these forms.

    Attributes:
        us: int64[n]. Microseconds from 1970-01-01T00:00 to what the clock shows; 0 where `found` is false.
        offset_us: int64[n]. How far the clock is ahead of UTC, where it says so.
        zoned: Whether it says so.
        found: Whether the text is in one of these forms, and a moment.
        unclear: Whether it would be, if one knew the order of day and month.
    """

    us: Int64s
    offset_us: Int64s
    zoned: Mask
    found: Mask
    unclear: Mask


def read_clocks(texts: pa.Array, order: str | None) -> Clocks:
    """Return what clocks show in these texts.

    Args:
        order: `DAY_FIRST` or `MONTH_FIRST` for dates such as 6/5/2024; None: nobody has said. With dots the day is
            first, unless `MONTH_FIRST` is declared.
    """
    n = len(texts)
    us, offset = np.zeros(n, np.int64), np.zeros(n, np.int64)
    zoned, found, unclear = (np.zeros(n, np.bool_) for _ in range(3))
    for form in _FORMS:
        at = np.flatnonzero(mask(pc.match_substring_regex(texts, form)) & ~found)
        if not at.size:
            continue
        fields = _Fields(pc.extract_regex(texts.take(pa.array(at)), form))
        day, good = _days(fields, order)
        clock, clock_good = _clock_us(fields)
        away, has_zone, zone_good = _offset_us(fields)
        good &= clock_good & zone_good
        if fields.has("sep") and order is None:
            dotted = mask(pc.equal(fields.text("sep"), "."))
            _, month_first = _days(fields, MONTH_FIRST)
            unclear[at] = ~dotted & (good | (month_first & clock_good & zone_good))
            good &= dotted
        us[at], offset[at] = np.where(good, day * DAY_US + clock, 0), np.where(good, away, 0)
        zoned[at], found[at] = has_zone & good, good
    return Clocks(us, offset, zoned, found, unclear)


def date_orders(column: pa.Array) -> dict[str, int]:
    """Return how many dates with slashes or dashes can only be in each order, and how many in both (`EITHER`)."""
    if not is_text(column.type):
        return {}
    texts = pc.utf8_trim_whitespace(as_text(column).cast(pa.string())).drop_null()
    dates = pc.extract_regex(texts, rf"(?i)^{NUMERIC}(?:\D.*)?$").drop_null()
    if not len(dates):
        return {}
    fields = _Fields(dates)
    first, second = fields.number("a"), fields.number("b")
    clear = mask(pc.not_equal(fields.text("sep"), "."))
    counts = {
        DAY_FIRST: int((clear & (first > 12) & (second <= 12)).sum()),
        MONTH_FIRST: int((clear & (second > 12) & (first <= 12)).sum()),
        EITHER: int((clear & (first <= 12) & (second <= 12)).sum()),
    }
    return {order: count for order, count in counts.items() if count}


class _Fields:
    """The named pieces of texts in one form."""

    def __init__(self, found: pa.Array) -> None:
        self._found, self._names = found, {field.name for field in found.type}
        self.n = len(found)

    def has(self, name: str) -> bool:
        return name in self._names

    def text(self, name: str) -> pa.Array:
        return pc.struct_field(self._found, name)

    def number(self, name: str) -> Int64s:
        """Return int64[n]; 0 where the piece is not there."""
        if name not in self._names:
            return np.zeros(self.n, np.int64)
        texts = self.text(name)
        return np.asarray(pc.if_else(pc.equal(texts, ""), "0", texts).cast(pa.int64()), np.int64)


def days_of(year: Int64s, month: Int64s, day: Int64s) -> tuple[Int64s, Mask]:
    """Return the days from 1970-01-01, and which are days of the calendar."""
    month_of = np.clip(month, 1, 12)
    begins = ((year - 1970) * 12 + month_of - 1).astype("datetime64[M]")
    first = begins.astype("datetime64[D]").astype(np.int64)
    length = (begins + 1).astype("datetime64[D]").astype(np.int64) - first
    good = (month == month_of) & (day >= 1) & (day <= length)
    return first + day - 1, np.asarray(good, np.bool_)


def _days(fields: _Fields, order: str | None) -> tuple[Int64s, npt.NDArray[np.bool_]]:
    year = fields.number("y")
    if fields.has("nth"):
        nth = fields.number("nth")
        first, _ = days_of(year, np.ones_like(year), np.ones_like(year))
        after, _ = days_of(year + 1, np.ones_like(year), np.ones_like(year))
        return first + nth - 1, (nth >= 1) & (nth <= after - first)
    if fields.has("week"):  # the first week of a year has its 4 January, and begins on a Monday
        week, fourth = fields.number("week"), days_of(year, np.ones_like(year), np.full_like(year, 4))[0]
        next_fourth = days_of(year + 1, np.ones_like(year), np.full_like(year, 4))[0]
        monday, next_monday = (day - (day + 3) % 7 for day in (fourth, next_fourth))
        day = monday + 7 * (week - 1) + fields.number("wd") - 1
        return day, (week >= 1) & (day < next_monday)
    if fields.has("mon"):
        place = pc.index_in(pc.utf8_lower(fields.text("mon")), _NAMES)
        month = np.where(mask(place.is_valid()), _NUMBERS[np.asarray(pc.fill_null(place, 0), np.int64)], 0)
        return days_of(year, month, fields.number("d"))
    if fields.has("sep"):
        first, second = fields.number("a"), fields.number("b")
        day, month = (second, first) if order == MONTH_FIRST else (first, second)
        return days_of(year, month, day)
    return days_of(year, fields.number("mo"), fields.number("d"))


def _clock_us(fields: _Fields) -> tuple[Int64s, npt.NDArray[np.bool_]]:
    hour, minute, second = (fields.number(name) for name in ("h", "mi", "s"))
    good = (hour < 24) & (minute < 60) & (second < 60)
    if fields.has("ap"):
        half = pc.utf8_lower(pc.utf8_slice_codeunits(fields.text("ap"), 0, 1))
        morning, evening = mask(pc.equal(half, "a")), mask(pc.equal(half, "p"))
        good &= ~(morning | evening) | ((hour >= 1) & (hour <= 12))
        hour = np.where(morning | evening, hour % 12 + 12 * evening, hour)
    fraction = pc.utf8_slice_codeunits(pc.utf8_rpad(fields.text("f"), 6, "0"), 0, 6).cast(pa.int64())
    total = hour * HOUR_US + minute * MINUTE_US + second * SECOND_US + np.asarray(fraction, np.int64)
    return total, np.asarray(good, np.bool_)


def _offset_us(fields: _Fields) -> tuple[Int64s, npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Return how far clocks are ahead of UTC, which say so, and which could be."""
    zone = fields.text("z")
    parts = pc.extract_regex(zone, r"(?P<sign>[+-])(?P<h>\d{1,2}):?(?P<m>\d\d)?$")
    there = mask(parts.is_valid())
    hours, minutes = (
        np.asarray(pc.fill_null(_or_zero(pc.struct_field(parts, name)), 0), np.int64) for name in ("h", "m")
    )
    sign = np.where(mask(pc.fill_null(pc.equal(pc.struct_field(parts, "sign"), "-"), False)), -1, 1)
    away = np.where(there, sign * (hours * HOUR_US + minutes * MINUTE_US), 0)
    return away, mask(pc.not_equal(zone, "")), hours < 24


def _or_zero(texts: pa.Array) -> pa.Array:
    return pc.if_else(pc.equal(texts, ""), "0", texts).cast(pa.int64())


def check_dates(dates: str | None) -> None:
    """Raise BadInput for what dates cannot be declared as."""
    if dates is not None and dates not in DATES:
        raise BadInput(
            f"--dates {dates!r}: expected one of {', '.join(DATES)}; dates that begin with the year need nothing said "
            "(in Python, dates='D/M/Y')"
        )
