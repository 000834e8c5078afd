"""From a topic of Kafka to the API: a worker and a server as a deployment has them, each a process of its own."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import school
from benchmarks.child import Stopwatch, environment
from benchmarks.line import ROOT
from mastery.instants import instant
from mastery.simulation.chunk import student_id
from mastery.streams import connect_sink, key_of
from mastery.tables import ITEMS

PROBES_PER_S = 4
"""Events of whom the API is asked until it has them: each of another student than all others of the run."""

ASKED_EVERY_S = 0.05

READY_S = 300.0

ENDS = 4
"""The memory of the worker is compared between the first and the last of this many parts of the run."""


def measure(watch: Stopwatch, home: str, folder: str, stream: str, rate: int, seconds: float) -> dict[str, Any]:
    """Send answers to a topic at a rate, and ask the API for some of them until it has them.

    Returns:
        Seconds from sent to readable at the median and the 99th percentile, how many were asked for and how many of
        them were never found, events sent a second, MiB of the worker in the first and in the last part of the run.
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
        worker = until.enter_context(_running(copy, "work", "--from", stream))
        port = _free_port()
        until.enter_context(_running(copy, "serve", "--no-dashboard", MASTERY_API__PORT=str(port)))
        _wait_for(port)
        load = _Load(stream, items, built, probes)
        load.send_one(0)
        _until_readable(port, 0, built.newest_us)  # kernels are loaded, and partitions dealt out
        asking: list[threading.Thread] = []
        delays_s: list[float | None] = [None] * (probes - 1)
        memory: list[float] = []
        with watch:
            began = time.monotonic()
            sent, asked = 0, 0
            while (now := time.monotonic() - began) < seconds:
                while sent < rate * now:
                    load.send(sent)
                    sent += 1
                if asked < probes - 1 and asked <= now * (probes - 1) / seconds:
                    asking.append(threading.Thread(target=_ask, args=(port, load, asked, delays_s)))
                    asking[-1].start()
                    asked += 1
                    memory.append(_resident_mb(worker.pid))
                time.sleep(0.002)
            for one in asking:
                one.join()
        load.close()
    found = np.array([one for one in delays_s if one is not None])
    part = max(1, len(memory) // ENDS)
    result = {
        "p50_s": float(np.percentile(found, 50)),
        "p99_s": float(np.percentile(found, 99)),
        "asked": asked,
        "lost": asked - int(found.size),
        "per_second": sent / seconds,
        "first_mb": float(np.median(memory[:part])),
        "last_mb": float(np.median(memory[-part:])),
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
        item = self._items[number % len(self._items)]
        name = student_id(student)
        answer = {
            "table": "quiz_attempts",
            "student_id": name,
            "question_id": item["item_id"],
            "topic_id": item["topic_id"],
            "is_correct": number % 3 > 0,
            "timestamp": (self._start + timedelta(days=1, milliseconds=number % 10**9)).isoformat(),
            "attempt_id": f"readable-{number}",
        }
        with self._lock:
            self._sink.send(key_of(school.TENANT, name), json.dumps(answer).encode())


def _ask(port: int, load: _Load, number: int, delays_s: list[float | None]) -> None:
    began = time.monotonic()
    load.send_one(number + 1)
    if _until_readable(port, number + 1, load.built.newest_us):
        delays_s[number] = time.monotonic() - began


def _until_readable(port: int, student: int, newest_us: int) -> bool:
    """Ask until a student's last activity is later than all that the home had; tell whether it came to that."""
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/mastery/{student_id(student)}", timeout=60) as answer:
            topics = json.load(answer)["topics"]
        said = [one["last_activity_at"] for one in topics if one["last_activity_at"] is not None]
        if any(datetime.fromisoformat(one) > instant(newest_us) for one in said):
            return True
        time.sleep(ASKED_EVERY_S)
    return False


@contextmanager
def _running(home: Path, *words: str, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command of the engine on a home until the body ends."""
    command = [str(Path(sys.executable).with_name("mastery")), "--home", str(home), *words]
    with (home / f"{words[0]}.log").open("wb") as log:
        running = subprocess.Popen(command, cwd=ROOT, env=environment() | variables, stdout=log, stderr=log)
    try:
        yield running
        if running.poll() is not None:
            raise RuntimeError(f"mastery {words[0]} has ended: {(home / f'{words[0]}.log').read_text()[-500:]}")
    finally:
        running.terminate()
        running.wait()


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


def _resident_mb(process: int) -> float:
    status = Path(f"/proc/{process}/status").read_text()
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS:"))
