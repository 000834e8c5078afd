"""Servers that are stopped, and a network that hangs, under load: nothing is lost, nothing counts twice, and the log
says what is waited for.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import groupby
from typing import Any
from uuid import uuid4

import pytest

import services
from any_stream import make_topic
from forwarder import Forwarder
from mastery.errors import Conflict
from mastery.lake import object_store
from mastery.pipelines.live import follow as following
from mastery.pipelines.live.batch import ACCEPTED, DUPLICATE, REJECTED_ROW, REVISED_ROW
from mastery.pipelines.live.follow import Follower
from mastery.pipelines.live.forward import Forwarder as ToStream
from mastery.state import STORES, postgresql, redis, server, url_of
from mastery.streams import connect, connect_sink, kafka
from mastery.streams.memory import topic
from on_s3 import home_on
from runtimes_agree.test_live import STUDENTS, deployment, intake_of, posted, students
from runtimes_agree.test_streams import agree, whole_of
from school import KEY, NOW_US, Deployment
from stream import stream

pytestmark = pytest.mark.slow

Rows = list[tuple[str, bytes]]

KAFKA = "kafka"

STOPS, HANGS, MUTE = "stops", "hangs", "keeps an answer"
"""A server that is killed and started again; a network that hangs; one that swallows the answer to something that was
to be written: so it is written, and whoever wishes it does not hear of it.
"""

WRITES = {"postgresql": b"COMMIT", "redis": b"EVALSHA"}
"""How a client begins a write that counts."""

SHORT, LONG = 1, 12
"""How often it happens: in any run of the tests, and in the long one."""


def cases(short: Collection[tuple[str, str]], *kinds: str) -> list[Any]:
    """Return (server, trouble, how often): some of them short, all of them long."""
    every = [(kind, how) for kind in kinds for how in (STOPS, HANGS, MUTE)]
    known = [one for one in every if one not in ((KAFKA, MUTE), ("s3", STOPS), ("s3", MUTE))]  # of S3: test_s3.py
    long = [pytest.param(*one, LONG, marks=pytest.mark.soak, id=f"{one[0]} {one[1]}, long") for one in known]
    return [pytest.param(*one, SHORT, id=f"{one[0]} {one[1]}") for one in short] + long


@dataclass(frozen=True)
class Troubled:
    """A server, and what happens to it.

    Attributes:
        url: Where it is, or the network to it.
        begin, end: The trouble.
    """

    url: str
    begin: Callable[[], None]
    end: Callable[[], None]


def troubled(kind: str, how: str, until: ExitStack) -> Troubled:
    if how == STOPS:
        found = services.found_or_skipped(lambda: services.started(kind, until))
        return Troubled(found.url, found.kill, found.start)
    options = {}
    if kind == KAFKA:  # a broker tells its clients where it is, so it must know the way that hangs
        behind = services.free_port()
        network = until.enter_context(Forwarder(behind))
        at = "PLAINTEXT://127.0.0.1:{port},THROUGH://127.0.0.1:"
        options = {
            "listeners": f"{at}{behind},CONTROLLER://127.0.0.1:{{controller}}",
            "advertised.listeners": f"{at}{network.port}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,THROUGH:PLAINTEXT",
        }
    found = services.found_or_skipped(lambda: services.started(kind, until, **options))
    if kind != KAFKA:
        network = until.enter_context(Forwarder(found.port))
    url = found.url.replace(str(found.port), str(network.port))
    return Troubled(
        url, lambda: network.keep_answer_to(WRITES[kind]) if how == MUTE else network.hang(), network.forward
    )


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Whoever waits for a server gives up after a few seconds instead of half a minute."""
    for module in (postgresql, redis):
        monkeypatch.setattr(module, "SILENT_S", 3.0)
        monkeypatch.setattr(module, "CONNECT_S", 2.0)
    monkeypatch.setattr(server, "AWAY_S", 0.2)
    monkeypatch.setattr(object_store, "SILENT_S", 2)
    monkeypatch.setattr(object_store, "ATTEMPTS", 2)
    for name, value in {"timeout": "2s", "connect_timeout": "2s", "max_retries": "1"}.items():
        monkeypatch.setitem(object_store.PATIENCE, name, value)
    monkeypatch.setattr(kafka, "DELIVERED_S", 3.0)
    monkeypatch.setattr(kafka, "SILENT_S", 6.0)
    monkeypatch.setattr(kafka, "ANSWERS_S", 3.0)
    monkeypatch.setattr(following, "AGAIN_S", 0.1)
    monkeypatch.setattr(following, "AT_MOST_S", 0.5)
    return monkeypatch


def until_true(said: Callable[[], bool], *works: Future[object]) -> None:
    """Wait; whoever fails meanwhile fails the test."""
    while not said():
        for work in works:
            if work.done():
                work.result()
        time.sleep(0.02)


def end_of(url: str) -> int:
    """Return how many messages a stream has."""
    if url.startswith("memory:"):
        return sum(map(len, topic(url.removeprefix("memory:")).partitions.values()))
    from confluent_kafka import Consumer, TopicPartition

    servers, _, name = url.removeprefix("kafka:").partition("/")
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "counting"})
    partitions = consumer.list_topics(name).topics[name].partitions
    found = sum(consumer.get_watermark_offsets(TopicPartition(name, one))[1] for one in partitions)
    consumer.close()
    return found


def requests_of(rows: Rows, size: int) -> list[tuple[str, list[bytes]]]:
    """Return rows that follow each other and are of one table, at most `size` at a time."""
    found = []
    for table, some in groupby(rows, key=lambda row: row[0]):
        of_table = [row for _, row in some]
        found += [(table, of_table[first : first + size]) for first in range(0, len(of_table), size)]
    return found


def under_load(
    trouble: Troubled,
    times: int,
    loads: list[Any],
    send: Callable[[Any], None],
    told: Callable[[], int],
    moved: Callable[[], int],
    *works: Future[object],
) -> None:
    """Begin and end the trouble while loads are sent: each time once somebody has got on with what was sent since the
    last time, and, with more on its way, until the log has told of it.
    """
    parts = [
        loads[len(loads) * part // (2 * times) : len(loads) * (part + 1) // (2 * times)] for part in range(2 * times)
    ]
    with ThreadPoolExecutor(1) as sender:
        try:
            for before, meanwhile in zip(parts[::2], parts[1::2], strict=True):
                got = moved()
                sent = [sender.submit(send, load) for load in before]
                until_true(lambda got=got: moved() > got, *works, *sent)
                said = told()
                trouble.begin()
                sent += [sender.submit(send, load) for load in meanwhile]
                until_true(lambda said=said: told() > said, *works, *sent)
                trouble.end()
                for one in sent:
                    one.result()
        except BaseException:
            sender.shutdown(cancel_futures=True)
            raise


def read_all(of: Deployment) -> None:
    """Let each student be looked at: records that a store could not take are folded from the lake by whoever reads."""
    for student in students(of):
        of.reader.student(student, tenant="default", as_of_us=NOW_US)


@pytest.mark.parametrize(
    ("kind", "how", "times"),
    cases([(KAFKA, STOPS), (KAFKA, HANGS), ("redis", STOPS), ("postgresql", MUTE)], KAFKA, "postgresql", "redis", "s3"),
)
def test_a_worker_and_who_sends_to_it_wait_and_lose_and_double_nothing(tmp_path, caplog, impatient, kind, how, times):
    rows = stream(41, STUDENTS, 12 * (times + 1))
    whole, _ = whole_of(rows, tmp_path)
    stop = threading.Event()
    with ExitStack() as until:
        trouble = troubled(kind, how, until)
        name, home = uuid4().hex, None
        url = f"{trouble.url}/{name}" if kind == KAFKA else f"memory:{name}"
        if kind == KAFKA:
            make_topic(url)
        if kind == "s3":
            home = home_on(trouble.url, tmp_path)
        state_url = url_of(trouble.url, name) if kind in STORES else None

        def opened() -> Deployment:
            of = deployment(tmp_path / "live", False, state_url) if home is None else home.deployment()
            until.callback(of.state.close)
            return of

        receipts = []
        door = opened()
        to = ToStream(intake_of(door), connect_sink(url), door.lake, door.state, KEY, "default")

        def send(request: tuple[str, list[bytes]]) -> None:
            while True:
                try:
                    receipts.append(to.forward(request[1], request[0]).receipt)
                    return
                except Conflict:  # answered with 503: they are sent again
                    stop.wait(0.05)

        def work() -> None:
            of = opened()
            source, intake = connect(url, f"workers-{name}"), intake_of(of)
            Follower(source, intake, of.lake, of.state, tenant="default", batch_s=0.05, batch_messages=20).follow(stop)
            intake.close()
            source.close()

        caplog.set_level(logging.INFO)
        waits = "reading goes on by itself" if kind == KAFKA else "tried again in"
        with ThreadPoolExecutor(1) as pool:
            working = pool.submit(work)
            try:
                under_load(
                    trouble,
                    times,
                    requests_of(rows, 8),
                    send,
                    lambda: sum(waits in said for said in caplog.messages),
                    lambda: sum(said == "batch" for said in caplog.messages),
                    working,
                )
                of, end = opened(), end_of(url)
                until_true(lambda: sum(of.state.stream_offsets().values()) >= end, working)
            finally:
                stop.set()
            working.result()
        impatient.undo()
        batches = [record for record in caplog.records if record.getMessage() == "batch"]
        outcomes = ("accepted", "revised", "duplicates", "rejected")
        assert all(one.messages == sum(getattr(one, name) for name in outcomes) for one in batches)
        live = opened()
        assert receipts and not any(sum(to.progress(receipt).waiting.values()) for receipt in receipts)
        read_all(live)
        agree(live, whole)


@pytest.mark.parametrize(
    ("kind", "how", "times"),
    cases([("redis", HANGS)], "postgresql", "redis", "s3"),
)
def test_what_was_answered_while_a_server_is_away_is_there_once(tmp_path, caplog, impatient, kind, how, times):
    rows = stream(42, STUDENTS, 12 * (times + 1))
    whole, report = whole_of(rows, tmp_path)
    with ExitStack() as until:
        trouble = troubled(kind, how, until)
        home = home_on(trouble.url, tmp_path) if kind == "s3" else None
        state_url = url_of(trouble.url, uuid4().hex) if kind in STORES else None

        def opened() -> Deployment:
            of = deployment(tmp_path / "live", False, state_url) if home is None else home.deployment()
            until.callback(of.state.close)
            return of

        door = opened()
        intake, outcomes = intake_of(door), dict.fromkeys((ACCEPTED, DUPLICATE, REJECTED_ROW, REVISED_ROW), 0)
        refused: list[Conflict] = []

        def send(some: Rows) -> None:
            while True:
                try:
                    taken = posted(intake, some)
                    break
                except Conflict as error:  # answered with an error: they are sent again
                    refused.append(error)
            for outcome in outcomes:
                outcomes[outcome] += sum(one.count(outcome) for one in taken)

        def told() -> int:
            return len(refused) + sum("Until then scores are computed" in said for said in caplog.messages)

        loads = [rows[first : first + 30] for first in range(0, len(rows), 30)]
        under_load(trouble, times, loads, send, told, lambda: sum(outcomes.values()))
        intake.close()
        impatient.undo()
        assert sum(outcomes.values()) == len(rows)
        assert outcomes[REJECTED_ROW] == report.rejected
        live = opened()
        read_all(live)
        agree(live, whole)
