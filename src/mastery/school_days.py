"""Which school day a moment belongs to: the one place that cuts time into days.

A school day begins at midnight of the school's own clocks. Where they are changed, a day has 23 or 25 hours; one that
they leave out has no moments; and where they are set back past midnight, the day that has begun goes on: a later moment
is never on an earlier day.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from propcache import cached_property

from mastery.arrays import Int64s
from mastery.instants import DAY_S, DAY_US, instant
from mastery.time_zones import UTC_NAME, zone_named

FIRST_YEAR, LAST_YEAR = 1970, 2100
"""Clocks are looked up in these years; before and after them they stay as they were at either end."""

LOOKED_AT_S = 3 * DAY_S
"""Clocks are compared that far apart: no zone has changed them there and back again within six days."""

LONG_AGO = -(2**62)


class DayArrays(NamedTuple):
    """The clocks of a zone as kernels take them, int64[K] each: K periods without a change, in order.

    Attributes:
        from_us: When each begins; the first has always been.
        offset_us: What is added to UTC.
        reached: The last day that had begun before it.
    """

    from_us: Int64s
    offset_us: Int64s
    reached: Int64s


@dataclass(frozen=True, eq=False)
class SchoolDays:
    """The days of schools in one time zone, counted from 1970-01-01. Made by `school_days`; equal by name.

    Attributes:
        timezone: IANA name.
        arrays: What kernels take.
    """

    timezone: str
    arrays: DayArrays = field(repr=False)

    def __eq__(self, other: object) -> bool:
        """Whether both are of one zone."""
        return isinstance(other, SchoolDays) and self.timezone == other.timezone

    def __hash__(self) -> int:
        """Return a hash of the zone's name."""
        return hash(self.timezone)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the name alone."""
        return school_days, (self.timezone,)

    def day_of(self, at_us: int) -> int:
        """Return the day of a moment."""
        from_us, offset_us, reached = self._lists
        k = bisect_right(from_us, at_us) - 1
        return max((at_us + offset_us[k]) // DAY_US, reached[k])

    @cached_property
    def _lists(self) -> tuple[list[int], list[int], list[int]]:
        """The arrays as lists: of a single moment numpy would take ten times as long."""
        from_us, offset_us, reached = (array.tolist() for array in self.arrays)
        return from_us, offset_us, reached

    def days_of(self, at_us: npt.ArrayLike) -> Int64s:
        """Return int64[n]: the days of n moments."""
        at = np.asarray(at_us, np.int64)
        k = np.searchsorted(self.arrays.from_us, at, side="right") - 1
        found: Int64s = np.maximum((at + self.arrays.offset_us[k]) // DAY_US, self.arrays.reached[k])
        return found

    def begins_us(self, day: int) -> int:
        """Return the first moment of a day, or of the next one that there is."""
        return int(self._begin(np.int64(day)))

    def ends_us(self, day: npt.ArrayLike) -> Int64s:
        """Return int64[n]: the first moments after n days."""
        return self._begin(np.asarray(day, np.int64) + 1)

    def _begin(self, day: npt.ArrayLike) -> Int64s:
        k = np.maximum(np.searchsorted(self.arrays.reached, day, side="left") - 1, 0)
        found: Int64s = np.maximum(np.asarray(day) * DAY_US - self.arrays.offset_us[k], self.arrays.from_us[k])
        return found

    def instant(self, at_us: int) -> datetime:
        """Return a moment by the school's clocks, exact to the microsecond."""
        at = instant(at_us)
        try:
            return at.astimezone(self.zone)
        except OverflowError:  # on the first or the last day of the calendar
            return at

    def moment(self, at_us: int) -> str:
        """Return a moment by the school's clocks as messages write it, to the second: `2026-04-11 19:12:00 CEST`."""
        return f"{self.instant(at_us):%Y-%m-%d %H:%M:%S %Z}"

    @property
    def zone(self) -> tzinfo:
        """The zone as datetimes know it."""
        return UTC if self.timezone == UTC_NAME else zone_named(self.timezone)


@lru_cache
def school_days(timezone: str = UTC_NAME) -> SchoolDays:
    """Return the days of schools in a time zone, by its IANA name.

    Raises:
        BadInput: This machine's time zone database does not know it.
    """
    if timezone == UTC_NAME:  # known even where no time zone database is installed
        return SchoolDays(timezone, _arrays([(LONG_AGO, 0)]))
    zone = zone_named(timezone)
    return SchoolDays(timezone, _arrays(_periods(zone)))


def _periods(zone: tzinfo) -> list[tuple[int, int]]:
    """Return (from_us, offset_us) of each period without a change of the clocks."""

    def offset_us(at_s: int) -> int:
        offset = datetime.fromtimestamp(at_s, zone).utcoffset()
        return (offset or timedelta()) // timedelta(microseconds=1)

    first, last = (int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) for year in (FIRST_YEAR, LAST_YEAR))
    before, periods = offset_us(first), [(LONG_AGO, offset_us(first))]
    for until in range(first + LOOKED_AT_S, last, LOOKED_AT_S):
        after = offset_us(until)
        if after == before:
            continue
        old, new = until - LOOKED_AT_S, until
        while new - old > 1:
            middle = (old + new) // 2
            if offset_us(middle) == before:
                old = middle
            else:
                new = middle
        periods.append((new * 1_000_000, offset_us(new)))
        before = after
    return periods


def _arrays(periods: list[tuple[int, int]]) -> DayArrays:
    from_us, offset_us = (np.array(column, np.int64) for column in zip(*periods, strict=True))
    last_day = (from_us[1:] - 1 + offset_us[:-1]) // DAY_US
    reached = np.concatenate([[LONG_AGO], np.maximum.accumulate(last_day)]).astype(np.int64)
    return DayArrays(from_us, offset_us, reached)


UTC_DAYS = school_days()
"""Where nobody has said in which zone the schools are."""
