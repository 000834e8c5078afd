"""From a topic of Kafka to the API: a worker and a server as a deployment has them, each a process of its own."""

from __future__ import annotations

import heapq
import http.client
import json
import shutil
import socket
import threading
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, closing
from datetime import datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import school
from benchmarks.child import Stopwatch
from benchmarks.parts.answer_message import answer_message
from benchmarks.parts.running import memory_mb, running, spent_s
from mastery.instants import instant
from mastery.simulation.chunk import student_id
from mastery.streams import connect_sink
from mastery.tables import ITEMS

PROBES_PER_S = 4
"""Events of whom the API is asked until it has them: each of another student than all others of the run."""

ASKED_EVERY_S = 0.2
"""The API is asked for each of them this often, so a delay comes out up to as much too long: by half as a rule."""

QUESTIONS_PER_S = 40
"""For all of them together it is asked no more often, however many are waited for; at the usual delays it is a third of
that. Without a limit an API that falls behind gets the more to do: with 100 s of delay 8,000 questions a second."""

ASKERS = 4
"""Connections on which they are asked, one question at a time on each."""

READY_S = 300.0

ENDS = 4
"""The memory of the worker is compared between the first and the last of this many parts of the run."""


def measure(watch: Stopwatch, home: str, folder: str, stream: str, rate: int, seconds: float) -> dict[str, Any]:
    """Send answers to a topic at a rate, and ask the API for some of them until it has them.

    Returns:
        Seconds from sent to readable at the median and the 99th percentile, how many were asked for, in how many
        questions, and how many of them were never found, events sent a second, and of worker and API the processor
        seconds while events were sent and the MiB in the first and in the last part of the run.
    """
    copy = Path(folder)
    shutil.rmtree(copy, ignore_errors=True)
    school.link_tree(Path(home), copy)
    built = school.built_in(copy)
    if built is None:
        raise RuntimeError(f"{home} was not built to its end; delete it")
    items = school.lake_of(copy).scan(ITEMS, ["item_id", "topic_id"]).to_pylist()
    probes = min(max(1, round(PROBES_PER_S * seconds)), built.students // 2)
    with ExitStack() as until:
        worker = until.enter_context(running(copy, "work", "--from", stream))
        port = _free_port()
        server = until.enter_context(running(copy, "serve", "--no-dashboard", MASTERY_API__PORT=str(port)))
        _wait_for(port)
        load = _Load(stream, items, built, probes)
        load.send_one(0)
        _until_readable(port, 0, built.newest_us)  # kernels are loaded, and partitions dealt out
        memory: list[tuple[float, float]] = []
        with watch, _Questions(port, built.newest_us) as questions:
            before = [spent_s(one.pid) for one in (worker, server)]
            began = time.monotonic()
            sent, asked = 0, 0
            while (now := time.monotonic() - began) < seconds:
                while sent < rate * now:
                    load.send(sent)
                    sent += 1
                if asked < probes - 1 and asked <= now * (probes - 1) / seconds:
                    asked += 1
                    at = time.monotonic()
                    load.send_one(asked)
                    questions.wait_for(asked, at)
                    memory.append((memory_mb(worker.pid), memory_mb(server.pid)))
                time.sleep(0.002)
            spent = [spent_s(one.pid) - was for one, was in zip((worker, server), before, strict=True)]
        load.close()
    found, part = np.array(questions.delays_s), max(1, len(memory) // ENDS)
    first, last = np.median(memory[:part], axis=0), np.median(memory[-part:], axis=0)
    result = {
        "p50_s": float(np.percentile(found, 50)),
        "p99_s": float(np.percentile(found, 99)),
        "asked": asked,
        "lost": asked - int(found.size),
        "questions": questions.n,
        "per_second": sent / seconds,
        "seconds": seconds,
        "cpu_s": dict(zip(("worker", "api"), spent, strict=True)),
        "first_mb": dict(zip(("worker", "api"), first.tolist(), strict=True)),
        "last_mb": dict(zip(("worker", "api"), last.tolist(), strict=True)),
    }
    shutil.rmtree(copy)
    return result


class _Load:
    """Sends answers: of probes one each, of all other students at random."""

    def __init__(self, stream: str, items: list[dict[str, str]], built: school.Built, probes: int) -> None:
        self._sink, self._items, self.built, self._probes = connect_sink(stream), items, built, probes
        self._rng, self._lock = np.random.default_rng(13), threading.Lock()
        self._start = instant(built.newest_us)

    def send(self, number: int) -> None:
        """Send an answer of some student who is none of the probes."""
        self._put(int(self._rng.integers(self._probes, self.built.students)), number)

    def send_one(self, probe: int) -> None:
        """Send the answer of a probe, and wait until it is kept."""
        self._put(probe, 10**9 + probe)
        self._sink.flush()

    def close(self) -> None:
        self._sink.close()

    def _put(self, student: int, number: int) -> None:
        key, value = answer_message(
            student,
            self._items[number % len(self._items)],
            right=number % 3 > 0,
            at=self._start + timedelta(days=1, milliseconds=number % 10**9),
            own_id=f"readable-{number}",
        )
        with self._lock:
            self._sink.send(key, value)


class _Questions:
    """Asks the API for events that were sent, in turns, until it has them; ends once it has had the last one."""

    def __init__(self, port: int, newest_us: int) -> None:
        self.delays_s: list[float] = []
        self.n = 0
        self._port, self._newest_us = port, newest_us
        self._waiting: list[tuple[float, int, float]] = []  # when it is asked for next, whose it is, when it was sent
        self._next_at, self._outstanding, self._closing = 0.0, 0, False
        self._changed = threading.Condition()
        self._errors: list[BaseException] = []
        self._askers = [threading.Thread(target=self._run) for _ in range(ASKERS)]

    def __enter__(self) -> _Questions:
        """Begin."""
        for one in self._askers:
            one.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_error: object) -> None:
        """Wait until each event was found, or given up; for none where the body has failed."""
        with self._changed:
            self._closing = True
            if kind is not None:
                self._outstanding = 0
                self._waiting.clear()
            self._changed.notify_all()
        for one in self._askers:
            one.join()
        if self._errors and kind is None:
            raise self._errors[0]

    def wait_for(self, student: int, sent_at: float) -> None:
        """Ask for the event of a student from now on."""
        with self._changed:
            heapq.heappush(self._waiting, (sent_at, student, sent_at))
            self._outstanding += 1
            self._changed.notify()

    def _run(self) -> None:
        asking = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        try:
            while (turn := self._turn()) is not None:
                student, sent_at = turn
                found = _newest_of(asking, student, self._newest_us)
                now = time.monotonic()
                with self._changed:
                    if found:
                        self.delays_s.append(now - sent_at)
                    if found or now - sent_at > READY_S:
                        self._outstanding -= 1
                    else:
                        heapq.heappush(self._waiting, (now + ASKED_EVERY_S, student, sent_at))
                    self._changed.notify_all()
        except BaseException as error:  # noqa: BLE001 - it is raised where the questions end
            with self._changed:
                self._errors.append(error)
                self._changed.notify_all()
        finally:
            asking.close()

    def _turn(self) -> tuple[int, float] | None:
        """Wait until a question is due, and return whose event it is for and when that was sent; None at the end."""
        with self._changed:
            while not self._errors:
                if self._outstanding <= 0 and self._closing:
                    return None
                now = time.monotonic()
                due = max(self._next_at, self._waiting[0][0]) if self._waiting else None
                if due is not None and due <= now:
                    self._next_at = now + 1 / QUESTIONS_PER_S
                    self.n += 1
                    _, student, sent_at = heapq.heappop(self._waiting)
                    return student, sent_at
                self._changed.wait(None if due is None else due - now)
            return None


def _newest_of(asking: http.client.HTTPConnection, student: int, newest_us: int) -> bool:
    """Tell whether a student's last activity is later than all that the home had."""
    asking.request("GET", f"/mastery/{student_id(student)}")
    answer = asking.getresponse()
    body = answer.read()
    if answer.status != HTTPStatus.OK:
        raise RuntimeError(f"the API has answered with {answer.status}: {body[:500].decode(errors='replace')}")
    said = [one["last_activity_at"] for one in json.loads(body)["topics"] if one["last_activity_at"] is not None]
    return any(datetime.fromisoformat(one) > instant(newest_us) for one in said)


def _until_readable(port: int, student: int, newest_us: int) -> None:
    """Wait until the API has the first event of a student that is later than all that the home had.

    Raises:
        RuntimeError: It never had.
    """
    asking, deadline = http.client.HTTPConnection("127.0.0.1", port, timeout=60), time.monotonic() + READY_S
    with closing(asking):
        while not _newest_of(asking, student, newest_us):
            if time.monotonic() > deadline:
                raise RuntimeError("the first event was never readable; see work.log in the folder of this part")
            time.sleep(ASKED_EVERY_S)


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + READY_S
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=10).close()
            return
        except (urllib.error.URLError, OSError):
            if time.monotonic() > deadline:
                raise RuntimeError("the API has not started") from None
            time.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
