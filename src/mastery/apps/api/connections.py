"""How many connections the API holds at once, and how long it waits for each.

Every connection and every file that a request reads takes a file descriptor, and a process has a limited number of
them. So the number is shared out beforehand: above its share a connection is answered with 503 and `Retry-After`, and
those beyond are closed. Were they taken until none are left, requests would fail when they open a file, and asyncio,
which goes on to accept in vain `backlog` times, would write as many tracebacks each second.

A client that does not get on with sending its request, or with reading the answer, is closed after a time.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import resource
import socket
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio.to_thread
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from mastery.apps.api.one_write import OneWrite
from mastery.apps.api.problems import RETRY, RETRY_AFTER_S, Sparingly, problem
from mastery.errors import Conflict, chain

REQUEST_S = 10.0
"""From the first moment of a connection, or the first byte of a further request, to the end of the request."""

BUSY_REQUEST_S = 1.0
"""The same where the answer will be 503."""

READING_S = 30.0
"""How long a client may leave an answer unread once the buffers are full."""

LAKE_FILES = 32
"""Descriptors for files of the lake and the state store that stay open, and for those that delta-rs opens at once."""

FILES_PER_REQUEST = 2
"""Descriptors that one request at work takes beside its connection: the file it reads, and one for what replaces it."""

MOST_CONNECTIONS = 4_096
MOST_REQUESTS = 40
FEWEST = 4
EXHAUSTED = (errno.EMFILE, errno.ENFILE)


@dataclass(frozen=True)
class Capacity:
    """How the descriptors of a process are shared out.

    Attributes:
        connections: Answered at once.
        refusals: Further connections that are answered with 503; those beyond are closed.
        backlog: Connections that the kernel holds for us, and the most that are accepted in one turn.
        requests: At work at once; others wait for their turn.
    """

    connections: int
    refusals: int
    backlog: int
    requests: int


def capacity_of(descriptors: int, in_use: int) -> Capacity:
    """Return what a process with that many descriptors can hold, `in_use` of which it has open before it listens.

    Raises:
        Conflict: The descriptors do not suffice.
    """
    left = descriptors - in_use - LAKE_FILES
    requests = max(FEWEST, min(MOST_REQUESTS, left // 8))
    backlog = refusals = max(FEWEST, min(128, left // 6))
    connections = min(MOST_CONNECTIONS, left - FILES_PER_REQUEST * requests - backlog - refusals)
    if connections < FEWEST:
        least = in_use + LAKE_FILES + FILES_PER_REQUEST * FEWEST + 3 * FEWEST
        raise Conflict(
            f"{descriptors} file descriptors are too few for the API, which needs {least} at the least and is better "
            "off with 1024: raise the limit (`ulimit -n 1024`) and start it again"
        )
    return Capacity(connections, refusals, backlog, requests)


def own_capacity(reserved: int = 0) -> Capacity:
    """Return what this process can hold, after raising its limit of descriptors as far as it may by itself.

    Args:
        reserved: Descriptors that it will open later for other things than connections and their requests.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        wanted = 65_536 if hard == resource.RLIM_INFINITY else hard
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return capacity_of(soft, reserved + sum(1 for _ in Path("/dev/fd").iterdir()))


class OneWarningASecond(logging.Filter):
    """Lets a warning of each text pass once a second: what one client sends, others can send by the thousand."""

    def __init__(self) -> None:
        super().__init__()
        self._last_s: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether to write it. Errors always are: what failed is ours."""
        if record.levelno != logging.WARNING:
            return True
        now, last = record.created, self._last_s.get(str(record.msg))
        if last is not None and now - last < 1.0:
            return False
        self._last_s[str(record.msg)] = now
        return True


log = logging.getLogger("uvicorn.error.http")
log.addFilter(OneWarningASecond())


class BoundedProtocol(H11Protocol):
    """uvicorn's HTTP/1.1 with bounds on connections and on time. `capacity` is set by `protocol_of`."""

    capacity: Capacity
    _waiting: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Answer the connection, or answer it with 503, or close it."""
        super().connection_made(OneWrite(transport, self.loop))
        # A long answer is written in several pieces. Unless it is told so, the kernel keeps one until the client has
        # acknowledged that before it, for which clients take 40 ms; asyncio tells it, but not of sockets given to it.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.logger = log
        if len(self.connections) > self.capacity.connections + self.capacity.refusals:
            transport.abort()
            return
        if len(self.connections) > self.capacity.connections:
            self.app = _busy
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_waiting()
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take a piece of a request."""
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:  # type: ignore[redundant-expr]  # None at first
            self._stop_waiting()
        elif self._waiting is None:  # the beginning of a request; more of it does not move the end of the time
            self._wait()

    def _unsupported_upgrade_warning(self) -> None:
        """Say nothing: who asks for a WebSocket is answered as if they had asked without."""

    def on_response_complete(self) -> None:
        """Wait for the next request; uvicorn ends the connection where none begins."""
        self._stop_waiting()
        super().on_response_complete()

    def pause_writing(self) -> None:
        """Give the client a time to read on."""
        super().pause_writing()
        self._unread = self.loop.call_later(READING_S, self.transport.abort)

    def resume_writing(self) -> None:
        """The client has read on."""
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None
        super().resume_writing()

    def _wait(self) -> None:
        wait_s = BUSY_REQUEST_S if self.app is _busy else REQUEST_S
        self._waiting = self.loop.call_later(wait_s, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None


def protocol_of(capacity: Capacity) -> type[BoundedProtocol]:
    """Return the protocol of a server with this capacity: uvicorn makes one for each connection."""
    return type("BoundedProtocol", (BoundedProtocol,), {"capacity": capacity})


def lifespan_of(capacity: Capacity) -> Callable[[Any], Any]:
    """Return a lifespan of an app in which `capacity.requests` are at work at once."""

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = capacity.requests
        asyncio.get_running_loop().set_exception_handler(_told_once_a_second)
        yield

    return lifespan


class BusyWhenExhausted:
    """Answers 503 where a request fails because no descriptor is left, and says so once a second in the log."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on."""
        begun = False

        async def noted(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except Exception as error:
            if begun or scope["type"] != "http" or not is_exhaustion(error):
                raise
            _say_exhausted()
            await _busy(scope, receive, send)


def is_exhaustion(error: BaseException) -> bool:
    """Tell whether an error, or what led to it, is that no file descriptor was left."""
    for seen in chain(error):
        # pyarrow and delta-rs give no number, and SQLite not even the reason
        if (isinstance(seen, OSError) and seen.errno in EXHAUSTED) or "Too many open files" in str(seen):
            return True
        if isinstance(seen, sqlite3.OperationalError) and "unable to open" in str(seen):
            return _none_left()
    return False


def _none_left() -> bool:
    try:
        Path("/dev/null").open("rb").close()
    except OSError as error:
        return error.errno in EXHAUSTED
    return False


async def _busy(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer that there is too much to do, and end the connection."""
    detail = f"too many requests at once; send it again in {RETRY_AFTER_S} s"
    answer = problem(Request(scope), 503, "busy", "The API is busy", detail, headers=RETRY | {"connection": "close"})
    await answer(scope, receive, send)


_say = Sparingly()


def _say_exhausted() -> None:
    _say("no file descriptor is left: requests are answered with 503 until one is; raise the limit (`ulimit -n`)")


def _told_once_a_second(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Handle what asyncio could tell nobody: of an accept without a descriptor one line a second is enough."""
    error = context.get("exception")
    if isinstance(error, BaseException) and is_exhaustion(error):
        _say_exhausted()
    else:
        loop.default_exception_handler(context)
