"""The API taking events: the server in this process, its client in another."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import school
from benchmarks.child import Stopwatch, environment
from benchmarks.line import ROOT
from mastery.apps.api.server import Server, server_of
from mastery.engine import Engine
from mastery.instants import instant
from mastery.settings import load_settings
from mastery.simulation.chunk import student_id
from mastery.tables import EVENTS, ITEMS

WARM_REQUESTS = 100
"""Before the watch starts: kernels are loaded, and tables opened."""


def measure(
    watch: Stopwatch, home: str, folder: str, requests: int, rows: int, connections: int, query: str
) -> dict[str, Any]:
    """Post requests of `rows` new answers each to a copy of a home, each by a student at random.

    Returns:
        Seconds in all, milliseconds of each request at the median and the 99th percentile, events that were posted and
        that are in the lake.
    """
    copy = Path(folder)
    shutil.rmtree(copy, ignore_errors=True)
    school.link_tree(Path(home), copy)
    warm, measured = copy / "warm.ndjson", copy / "requests.ndjson"
    with Engine.connect(load_settings(home=copy).settings, create=False) as engine:
        bodies = _bodies(engine, copy, (WARM_REQUESTS // min(rows, 10) + requests) * rows, rows)
        warm.write_bytes(b"\n".join(bodies[:-requests]) + b"\n")
        measured.write_bytes(b"\n".join(bodies[-requests:]) + b"\n")
        before = engine.lake.count(EVENTS)
        with _served(engine) as port:
            _client(port, warm, query, connections, copy)
            with watch:
                found = _client(port, measured, query, connections, copy)
        times_ms = np.array(found["times_ms"])
        result = {
            "seconds": found["seconds"],
            "client_cpu_s": found["client_cpu_s"],
            "p50_ms": float(np.percentile(times_ms, 50)),
            "p99_ms": float(np.percentile(times_ms, 99)),
            "posted": len(bodies) * rows,
            "kept": engine.lake.count(EVENTS) - before,
            "events": before,
        }
    shutil.rmtree(copy)
    return result


def _bodies(engine: Engine, home: Path, events: int, rows: int) -> list[bytes]:
    """Return requests of answers that follow each other a second apart, after all that the home has."""
    built = school.built_in(home)
    if built is None:
        raise RuntimeError(f"{home} was not built to its end; delete it")
    items = engine.lake.scan(ITEMS, ["item_id", "topic_id"]).to_pylist()
    rng, start = np.random.default_rng(11), instant(built.newest_us)
    which, who = rng.integers(len(items), size=events).tolist(), rng.integers(built.students, size=events).tolist()
    right = (rng.random(events) < 0.6).tolist()
    answers = [
        {
            "student_id": student_id(who[n]),
            "question_id": items[which[n]]["item_id"],
            "topic_id": items[which[n]]["topic_id"],
            "is_correct": right[n],
            "timestamp": (start + timedelta(milliseconds=100 * n)).isoformat(),
            "attempt_id": f"bench-{n}",
        }
        for n in range(events)
    ]
    return [json.dumps(answers[first : first + rows]).encode() for first in range(0, events, rows)]


@contextmanager
def _served(engine: Engine) -> Iterator[int]:
    """Serve a deployment in a thread, at a port of its own."""
    server: Server = server_of(engine)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = int(listening.getsockname()[1])
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            yield port
        finally:
            server.should_exit = True
            thread.join()


def _client(port: int, file: Path, query: str, connections: int, folder: Path) -> dict[str, Any]:
    result = folder / "result.json"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.parts.http_client", *map(str, (port, file, query, connections, result))],
        cwd=ROOT,
        env=environment(),
        text=True,
        capture_output=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"the client ended with {done.returncode}: {done.stderr.strip().splitlines()[-1:]}")
    found: dict[str, Any] = json.loads(result.read_text())
    return found
