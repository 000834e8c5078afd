"""Time zones by the names people know them by, such as Europe/Berlin."""

from __future__ import annotations

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from mastery.errors import BadInput, did_you_mean

UTC_NAME = "UTC"
"""Known even where no time zone database is installed."""

OF_THIS_MACHINE = ("localtime", "posixrules", "Factory")
"""Names in a time zone database that mean another zone on another machine, or none."""

OTHER_CLOCKS = ("right/", "posix/")
"""Folders of some databases: the same zones with leap seconds, and once more."""


def zone_named(name: str) -> ZoneInfo:
    """Return a zone by its IANA name.

    Raises:
        BadInput: This machine's time zone database does not know it, or another machine's would have another zone.
    """
    if name in OF_THIS_MACHINE or name.startswith(OTHER_CLOCKS):
        raise BadInput(f"{name!r} is not the same zone on every machine; give an IANA name such as Europe/Berlin")
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: the name of a folder of the database
        raise BadInput(
            f"{name!r} is not a time zone of this machine{did_you_mean(name, sorted(available_timezones()))}; "
            "give an IANA name such as Europe/Berlin (package tzdata)"
        ) from None
