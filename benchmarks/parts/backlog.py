"""A topic of Kafka that is full before its reader starts: read by a worker, by a peer, by a consumer alone."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import school
from benchmarks.child import Stopwatch
from benchmarks.line import ROOT
from benchmarks.parts import command
from benchmarks.parts.answer_message import answer_message
from benchmarks.parts.running import memory_mb, require, running, spent_s
from mastery.instants import instant
from mastery.streams import connect_sink
from mastery.tables import EVENTS, ITEMS

PEERS = ROOT / ".venv-peers-streams" / "bin" / "python"
"""What `make bench-peers` makes for quixstreams."""

DAYS, LATE_DAYS = 5, 10
"""Over how many days the answers of a topic go, in order of time; and how far before its place a late one may lie."""

LOOK_S = 0.02


def fill(_: Stopwatch, home: str, stream: str, messages: int, late_share: float) -> dict[str, Any]:
    """Send answers of students at random, later than all that the home has; return how many are late."""
    built = school.built_in(Path(home))
    if built is None:
        raise RuntimeError(f"{home} was not built to its end; delete it")
    items = school.lake_of(Path(home)).scan(ITEMS, ["item_id", "topic_id"]).to_pylist()
    rng, start = np.random.default_rng(17), instant(built.newest_us) + timedelta(seconds=1)
    who, which = rng.integers(built.students, size=messages).tolist(), rng.integers(len(items), size=messages).tolist()
    right, late = (rng.random(messages) < 0.6).tolist(), rng.random(messages) < late_share
    back_s = np.where(late, rng.uniform(0.0, LATE_DAYS * 86_400.0, messages), 0.0).tolist()
    every_s = DAYS * 86_400.0 / messages
    sink = connect_sink(stream)
    for n in range(messages):
        at = start + timedelta(seconds=n * every_s - back_s[n])
        key, value = answer_message(who[n], items[which[n]], right=right[n], at=at, own_id=f"backlog-{n}")
        sink.send(key, value)
    sink.flush()
    sink.close()
    return {"late": int(late.sum())}


def work(
    watch: Stopwatch, home: str, folder: str, stream: str, store: str, messages: int, batch: int, warm: int
) -> dict[str, Any]:
    """Let `mastery work` read a topic into a copy of a home; time all but the first `warm` messages.

    Args:
        store: URL of a state store that is empty; `sqlite` for the one that lies in the home.

    Returns:
        Messages that were timed, processor seconds of the worker for them, most memory that it ever held, in MiB.

    Raises:
        RuntimeError: The lake lacks an event, or a record is not what the lake says.
    """
    copy = Path(folder)
    shutil.rmtree(copy, ignore_errors=True)
    school.link_tree(Path(home), copy)
    variables = {} if store == "sqlite" else {"MASTERY_STATE": store}
    if variables:
        command.run(copy, "state", "copy", f"sqlite:{copy / 'state'}", store)
    lake = school.lake_of(copy)
    before = lake.count(EVENTS)
    with running(copy, "work", "--from", stream, "--batch-messages", str(batch), **variables) as worker:
        log = _Log(copy)

        def wait_for(count: int) -> None:
            while log.done() < count:
                require(worker, copy, "work")
                time.sleep(LOOK_S)

        wait_for(warm)
        with watch:
            first, spent = log.done(), spent_s(worker.pid)
            wait_for(messages)
            spent = spent_s(worker.pid) - spent
        result = {"timed": messages - first, "cpu_s": spent, "peak_mb": memory_mb(worker.pid, "VmHWM")}
    came = lake.count(EVENTS) - before
    if came != messages:
        raise RuntimeError(f"of {messages} answers in the topic, all of them new, {came} are in the lake")
    said = json.loads(command.run(copy, "reconcile", "--dry-run", "--json", **variables).printed)
    if said["same"] != said["students"]:
        raise RuntimeError(f"after all messages were read, reconcile says {said}")
    shutil.rmtree(copy)
    return result


class _Log:
    """What a worker says that it has done, read as it grows."""

    def __init__(self, home: Path) -> None:
        self._file, self._at, self._done = home / "work.log", 0, 0

    def done(self) -> int:
        """Return how many messages are in lake and records by now."""
        with self._file.open("rb") as log:
            log.seek(self._at)
            for line in log:
                if not line.endswith(b"\n"):
                    break
                self._at += len(line)
                said = json.loads(line) if line.startswith(b"{") else {}
                if said.get("message") == "batch":
                    self._done += said["messages"]
        return self._done


def count_students(_: Stopwatch, stream: str, folder: str, messages: int, warm: int) -> dict[str, Any]:
    """Let quixstreams count the answers of each student of a topic; return what it took, see `benchmarks.peers`."""
    shutil.rmtree(folder, ignore_errors=True)
    result = Path(folder) / "result.json"
    result.parent.mkdir(parents=True)
    broker, _, topic = stream.removeprefix("kafka:").partition("/")
    script = ROOT / "benchmarks" / "peers" / "count_students.py"
    words = (broker, topic, str(messages), str(warm), f"{folder}/state", str(result))
    done = subprocess.run([str(PEERS), str(script), *words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"quixstreams ended with {done.returncode}:\n{done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(result.read_text())
    shutil.rmtree(folder)
    if found["counted"] != messages:
        raise RuntimeError(f"quixstreams has counted {found['counted']} of {messages} answers")
    return found


def consume(watch: Stopwatch, stream: str, messages: int, batch: int, warm: int) -> dict[str, Any]:
    """Read and parse a topic, and do nothing with it; return how many messages were timed."""
    from confluent_kafka import Consumer

    broker, _, topic = stream.removeprefix("kafka:").partition("/")
    consumer = Consumer({"bootstrap.servers": broker, "group.id": f"{topic}-bare", "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    read = 0

    def read_to(count: int) -> None:
        nonlocal read
        while read < count:
            for message in consumer.consume(batch, 0.25):
                value = message.value()
                if message.error() is not None or value is None:
                    raise RuntimeError(f"the topic cannot be read: {message.error()}")
                json.loads(value)
                read += 1

    read_to(warm)
    first = read
    with watch:
        read_to(messages)
    consumer.close()
    return {"timed": messages - first}
