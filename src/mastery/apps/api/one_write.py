"""What is written to a connection within one turn of the event loop goes out at once.

uvicorn writes an answer in three pieces: its head, its body and its end. Each is a call to the kernel, which lets other
threads run: beside a thread that writes events the loop then waited some milliseconds for its turn, twice an answer,
and the client was woken twice.
"""

from __future__ import annotations

import asyncio
from typing import Any

AT_ONCE = 65_536
"""Bytes that are not held back: an answer that is made bit by bit is sent so."""


class OneWrite(asyncio.Transport):
    """A connection that is written to once a turn."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        """Write to `transport`."""
        super().__init__()
        self._transport, self._loop = transport, loop
        self._pieces: list[bytes] = []
        self._bytes = 0

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        """Write at the end of this turn, or now where it has become much."""
        if not self._pieces:
            self._loop.call_soon(self._flush)
        self._pieces.append(bytes(data))
        self._bytes += len(data)
        if self._bytes >= AT_ONCE:
            self._flush()

    def close(self) -> None:
        """Close the connection once everything is written."""
        self._flush()
        self._transport.close()

    def abort(self) -> None:
        """Close the connection now."""
        self._pieces, self._bytes = [], 0
        self._transport.abort()

    def is_closing(self) -> bool:
        """Tell whether it is closed, or about to be."""
        return self._transport.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return what is known of the connection."""
        return self._transport.get_extra_info(name, default)

    def pause_reading(self) -> None:
        """Take nothing in."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Go on reading."""
        self._transport.resume_reading()

    def _flush(self) -> None:
        pieces, self._pieces, self._bytes = self._pieces, [], 0
        if pieces:
            self._transport.write(b"".join(pieces))
