"""How a person says that files are to be read. One value goes from every door down to where single values are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class ReadOptions:
    """What is said about files, beside what they say themselves. Everything may be left out.

    Attributes:
        table: The source table that all of them are; None to recognise it from the columns.
        columns: Name of a column in the files → our name, where they differ.
        units: Column → unit, where it is not in its default one; see docs/events.md.
        timezone: IANA name of the zone of clocks that name none; None is UTC.
    """

    table: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    timezone: str | None = None


NOTHING_SAID = ReadOptions()
"""Files say all of it themselves."""
