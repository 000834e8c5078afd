"""Where the tables of each tenant lie: under a root of its own, `<lake>/tenants/<folder>`.

A partition each would do to keep rows apart, but all tenants would then share one log: each commit of one school would
move the version that another one reads by, a compaction of one meet an ingest of another, and every read of a log list
the files of all. With a root each, nothing of theirs ever meets: no lock, no version, no scan, no model set. It costs
a folder with some ten small logs a tenant, and a fit learns from one institution alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from mastery.errors import BadInput, Conflict
from mastery.lake import leftovers, log
from mastery.lake.location import TableLocation, locate
from mastery.tables import EVENTS

TENANTS = "tenants"

FOLDER_BYTES = 240
"""File systems take names of up to 255 bytes."""

_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789-_")
_ESCAPED = re.compile("=([0-9a-f]{2})")


def folder_of(tenant: str) -> str:
    """Return the folder of a tenant: its name, each byte but a-z, 0-9, - and _ written as = and two hex digits.

    So no two tenants share a folder where names differ in capitals alone, which some file systems do not tell apart,
    and nothing in it means something in a URL.

    >>> folder_of("north"), folder_of("Süd")
    ('north', '=53=c3=bcd')

    Raises:
        BadInput: The name is empty or too long.
    """
    folder = "".join(chr(byte) if byte in _PLAIN else f"={byte:02x}" for byte in tenant.encode())
    if not 0 < len(folder) <= FOLDER_BYTES:
        raise BadInput(
            f"tenant {tenant[:40]!r}: expected a name of 1 to {FOLDER_BYTES} letters a-z and digits; a capital counts "
            "as three of them, any other letter as up to twelve"
        )
    return folder


def tenant_of(folder: str) -> str:
    """Return the tenant of a folder.

    >>> tenant_of("=53=c3=bcd")
    'Süd'
    """
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), folder).encode("latin-1").decode()


def root_of(lake: str, tenant: str) -> str:
    """Return the root of a tenant's tables: a path or an URL, as `lake` is one."""
    return f"{lake.rstrip('/')}/{TENANTS}/{folder_of(tenant)}"


def tenants_in(lake: str, storage_options: Mapping[str, str] | None = None) -> list[str]:
    """Return the tenants that have tables in a lake, by name.

    Raises:
        Conflict: The lake was made before each tenant had a root of its own.
    """
    check_roots(lake, storage_options)
    every = locate(lake, storage_options).child(TENANTS)
    return sorted(tenant_of(folder) for folder in every.names() if _has_events(every.child(folder)))


def check_roots(lake: str, storage_options: Mapping[str, str] | None = None) -> None:
    """Raise Conflict where a lake was made before each tenant had a root of its own."""
    if _has_events(locate(lake, storage_options)):
        raise Conflict(
            f"{lake!r} was made by an earlier version, in which tenants shared their tables; ingest your files into "
            "a new home"
        )


def _has_events(place: TableLocation) -> bool:
    events = place.child(EVENTS.name)
    return bool(events.child(log.FOLDER).names()) or leftovers.a_file(events) is not None
