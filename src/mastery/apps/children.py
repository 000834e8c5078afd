"""Servers as child processes: started together, watched, ended by their process ids."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import FrameType
from urllib.parse import urlsplit

from mastery.errors import Conflict, MasteryError

POLL_S = 0.1
END_S = 10.0
"""A server that does not end of itself in this time is killed."""


class ServerFailed(MasteryError):
    """A server that ended or never became ready."""

    title = "A server did not start"


@dataclass(frozen=True)
class Child:
    """One server.

    Attributes:
        name: What people call it.
        line: Its command line.
        url: Where it answers.
        ready: Path that answers with 200 when it is ready.
        environment: What it gets besides ours.
        port_setting: The setting that moves it to another port.
    """

    name: str
    line: Sequence[str]
    url: str
    ready: str
    environment: Mapping[str, str]
    port_setting: str


def run_until_interrupted(children: Sequence[Child], wait_s: float, say: Callable[[str], None]) -> None:
    """Start the servers, say where they answer, and end them all on SIGINT or SIGTERM, or when one of them ends.

    Raises:
        Conflict: A port is taken.
        ServerFailed: One ended, or was not ready after `wait_s` seconds.
    """
    for child in children:
        _check_port(child)
    stop = threading.Event()
    before = {number: signal.signal(number, _setter(stop)) for number in (signal.SIGINT, signal.SIGTERM)}
    processes: list[subprocess.Popen[bytes]] = []
    try:
        for child in children:  # one by one: those that are up are ended when the next cannot start
            # A session of its own: Ctrl-C reaches us alone, and we end each of them once.
            process = subprocess.Popen(
                child.line, env=os.environ | child.environment, start_new_session=True, stdout=subprocess.DEVNULL
            )
            processes.append(process)
        _wait_until_ready(children, processes, stop, wait_s)
        if not stop.is_set():
            for child in children:
                say(f"{child.name:<10} {child.url}")
            say("Ctrl-C ends both." if len(children) > 1 else "Ctrl-C ends it.")
        while not stop.wait(POLL_S):
            _check_alive(children, processes)
    finally:
        _end(processes)
        for number, handler in before.items():
            signal.signal(number, handler)


def _setter(stop: threading.Event) -> Callable[[int, FrameType | None], None]:
    def handler(number: int, frame: FrameType | None) -> None:
        del number, frame
        stop.set()

    return handler


def _check_port(child: Child) -> None:
    place = urlsplit(child.url)
    host, port = place.hostname or "127.0.0.1", place.port or 80
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            variable = f"MASTERY_{child.port_setting.replace('.', '__').upper()}"
            raise Conflict(
                f"the {child.name} cannot listen on {host}:{port} ({error.strerror}); end what is there, "
                f"or choose another port: {variable}={port + 100}"
            ) from None


def _wait_until_ready(
    children: Sequence[Child], processes: Sequence[subprocess.Popen[bytes]], stop: threading.Event, wait_s: float
) -> None:
    waited = 0.0
    waiting = list(children)
    while waiting and not stop.is_set():
        _check_alive(children, processes)
        waiting = [child for child in waiting if not _is_ready(child)]
        if waiting and waited > wait_s:
            raise ServerFailed(f"the {waiting[0].name} was not ready after {wait_s:g} s; what it said is above")
        if waiting:
            stop.wait(POLL_S)
            waited += POLL_S


def _is_ready(child: Child) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # this machine needs no proxy
    try:
        with opener.open(child.url + child.ready, timeout=2.0) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _check_alive(children: Sequence[Child], processes: Sequence[subprocess.Popen[bytes]]) -> None:
    for child, process in zip(children, processes, strict=True):
        code = process.poll()
        if code is not None:
            raise ServerFailed(f"the {child.name} ended with code {code}; what it said is above")


def _end(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        if process.poll() is None:
            process.terminate()
    for process in processes:
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
