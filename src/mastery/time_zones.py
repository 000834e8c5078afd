"""Time zones by the names people know them by, such as Europe/Berlin."""

from __future__ import annotations

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from mastery.errors import BadInput, did_you_mean

UTC_NAME = "UTC"
"""Known even where no time zone database is installed."""


def zone_named(name: str) -> ZoneInfo:
    """Return a zone by its IANA name.

    Raises:
        BadInput: This machine's time zone database does not know it.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: the name of a folder of the database
        raise BadInput(
            f"{name!r} is not a time zone of this machine{did_you_mean(name, sorted(available_timezones()))}; "
            "give an IANA name such as Europe/Berlin (package tzdata)"
        ) from None
