"""What stores on a server share: their addresses, and how long is waited for one that does not answer."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable

from mastery.errors import BadInput
from mastery.settings.addresses import shown
from mastery.state.store import StateUnusable

STORE_NAME_AFTER = "#"
"""Between a server's address and the name of one of the stores there; no part of an address holds it unescaped."""

CONNECT_S = 5.0
SILENT_S = 15.0
"""How long a server may take to say something; the longest that was seen, of a chunk of records, is below a second."""

AWAY_S = 1.0
"""A server that did not answer is not asked again for so long: requests that queue for it would wait one by one."""


def named(location: str, backend: str) -> tuple[str, str]:
    """Return the URL of a server, and the name of the store there.

    Raises:
        BadInput: It is no URL of a server, or names no store.
    """
    address, _, name = location.rpartition(STORE_NAME_AFTER)
    if not address.startswith("//") or not name:
        raise BadInput(
            f"state store {shown(f'{backend}:{location}')!r} names no store on a server; expected "
            f"{backend}://user:password@host:port/database{STORE_NAME_AFTER}name"
        )
    return f"{backend}:{address}", name


def identifier(name: str, most: int) -> str:
    """Return a store's name as a name of at most that many bytes; names that differ stay different."""
    if len(name.encode()) <= most:
        return name
    return f"{name[: most - 17]}~{hashlib.blake2b(name.encode(), digest_size=8).hexdigest()}"


class Availability:
    """Remembers for `AWAY_S` that a server did not answer."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._away: tuple[float, str] | None = None

    def require(self) -> None:
        """Raise StateUnusable while a server that did not answer is left alone."""
        with self._lock:
            if self._away is not None and self._clock() < self._away[0]:
                raise StateUnusable(self._away[1])
            self._away = None

    def lost(self, message: str) -> StateUnusable:
        """Return the error of a server that did not answer; it is left alone for a moment."""
        with self._lock:
            self._away = (self._clock() + AWAY_S, message)
        return StateUnusable(message)


def lacking(package: str, extra: str) -> BadInput:
    """Return the error of a backend whose client is not installed."""
    return BadInput(f"this state store needs {package}: pip install 'student-mastery-engine[{extra}]'")
