"""The API in this process, the dashboard in a child beside it: started together, ended together."""

from __future__ import annotations

import asyncio
import signal
import socket
from asyncio.subprocess import Process
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from mastery.apps.api.server import server_of
from mastery.apps.metrics import served
from mastery.engine import Engine
from mastery.errors import Conflict, MasteryError

POLL_S = 0.1

END_S = 10.0
"""A dashboard that does not end of itself in this time is killed."""


class ServerFailed(MasteryError):
    """A server that ended or never became ready."""

    title = "A server did not start"


@dataclass(frozen=True)
class Beside:
    """A server that runs beside the API.

    Attributes:
        line: Its command line.
        host, port, url: Where it answers.
    """

    line: Sequence[str]
    host: str
    port: int
    url: str


async def serve(engine: Engine, dashboard: Beside | None, wait_s: float, say: Callable[[str], None]) -> None:
    """Answer until SIGINT or SIGTERM, or until one of the two ends; then end both.

    Raises:
        Conflict: A port is taken, or the process may open too few files.
        ServerFailed: One ended by itself, or was not ready after `wait_s` seconds.
    """
    api = engine.settings.api
    if dashboard is not None:
        _listening(dashboard.host, dashboard.port, "dashboard").close()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    chosen = engine.settings.metrics
    with (
        _listening(api.host, api.port, "api") as listener,
        served(chosen.host, chosen.api_port, "MASTERY_METRICS__API_PORT") as metrics,
    ):
        server = server_of(engine, metrics, publishes=True)
        # A session of its own: Ctrl-C reaches us alone, and we end it once.
        child = None
        if dashboard is not None:
            child = await asyncio.create_subprocess_exec(
                *dashboard.line, stdout=asyncio.subprocess.DEVNULL, start_new_session=True
            )
        answering = asyncio.create_task(server.serve([listener]))
        ends: dict[asyncio.Task[Any], str] = {asyncio.create_task(stop.wait()): "", answering: "API"}
        if child is not None:
            ends[asyncio.create_task(child.wait())] = "dashboard"
        try:
            ready = asyncio.create_task(_until_ready(lambda: server.started, dashboard))
            done, _ = await asyncio.wait({ready, *ends}, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
            if not done:
                raise ServerFailed(f"not ready after {wait_s:g} s; what the servers said is above")
            if ready in done:
                _say_where(api.url, dashboard, say)
                done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            ready.cancel()
            for name in filter(None, (ends.get(task, "") for task in done)):
                raise ServerFailed(f"the {name} ended by itself; what it said is above")
        finally:
            server.should_exit = True
            if child is not None:
                await _end(child)
            await answering


async def _until_ready(api_started: Callable[[], bool], dashboard: Beside | None) -> None:
    while not api_started():
        await asyncio.sleep(POLL_S)
    while dashboard is not None:
        try:
            _, writer = await asyncio.open_connection(dashboard.host, dashboard.port)
        except OSError:
            await asyncio.sleep(POLL_S)
        else:
            writer.close()
            return


def _say_where(api_url: str, dashboard: Beside | None, say: Callable[[str], None]) -> None:
    say(f"API        {api_url}")
    if dashboard is not None:
        say(f"dashboard  {dashboard.url}")
    say("Ctrl-C ends it." if dashboard is None else "Ctrl-C ends both.")


def _listening(host: str, port: int, setting: str) -> socket.socket:
    """Return a socket that is bound to an address."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        name = "API" if setting == "api" else setting
        raise Conflict(
            f"the {name} cannot listen on {host}:{port} ({error.strerror}); end what uses it, "
            f"or choose another port: MASTERY_{setting.upper()}__PORT={port + 100}"
        ) from None
    return listener


async def _end(child: Process) -> None:
    with suppress(ProcessLookupError):  # it has ended
        child.terminate()
    try:
        await asyncio.wait_for(child.wait(), END_S)
    except TimeoutError:
        child.kill()
        await child.wait()
