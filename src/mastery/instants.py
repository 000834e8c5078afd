"""Instants: microseconds since 1970 UTC in the engine, datetimes where people see them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

DAY_S = 86_400
DAY_US = DAY_S * 1_000_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def instant(at_us: int) -> datetime:
    """Return the datetime of an instant, exact to the microsecond."""
    return _EPOCH + timedelta(microseconds=at_us)


def moment(at_us: int) -> str:
    """Return an instant as messages write it, to the second: `2026-04-11 17:12:00 UTC`."""
    return f"{instant(at_us):%Y-%m-%d %H:%M:%S} UTC"


def microseconds(at: datetime) -> int:
    """Return the instant of an aware datetime."""
    return (at - _EPOCH) // timedelta(microseconds=1)
