"""Instants: microseconds since 1970 UTC in the engine, datetimes where people see them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def instant(at_us: int) -> datetime:
    """Return the datetime of an instant, exact to the microsecond."""
    return _EPOCH + timedelta(microseconds=at_us)


def microseconds(at: datetime) -> int:
    """Return the instant of an aware datetime."""
    return (at - _EPOCH) // timedelta(microseconds=1)
