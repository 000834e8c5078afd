"""Every stream, in a place of its own, with what sends to it: for tests that go through all of them."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from uuid import uuid4
from zlib import crc32

import pytest

from mastery.pipelines.live.dead_letters import FROM
from mastery.streams import Message, Source, connect, connect_sink
from school import Deployment

PARTITIONS = 3

LARGE = 5_000_000
"""Bytes of the largest message of the tests; topics of Kafka are made to take it."""

WAITS, WAIT_S = 600, 0.05
"""How often, and after how long, a broker is asked whether it knows a topic by now."""


class Stream(ABC):
    """A stream that is being tested.

    Attributes:
        shared: Whether readers of one group share its partitions.
    """

    shared = True
    url: str

    def __init__(self) -> None:
        self.opened: list[Source] = []

    @abstractmethod
    def send(self, *values: bytes, key: bytes = b"one") -> None: ...

    def read(self, stored: Mapping[str, int] | None = None, group: str = "readers") -> Source:
        """Return a source that has started at some positions."""
        source = connect(self.url, group)
        self.opened.append(source)
        source.start(lambda partitions: {one: stored[one] for one in partitions if one in stored} if stored else {})
        return source


class OfSink(Stream):
    """A stream that we have a sink for."""

    def send(self, *values: bytes, key: bytes = b"one") -> None:
        sink = connect_sink(self.url)
        for value in values:
            sink.send(key, value)
        sink.flush()
        sink.close()


class MemoryStream(OfSink):
    def __init__(self, _request: pytest.FixtureRequest, _folder: Path) -> None:
        super().__init__()
        self.url = f"memory:{uuid4().hex}"


class FolderStream(Stream):
    """The key decides on the file, as it does on the partition elsewhere."""

    shared = False

    def __init__(self, _request: pytest.FixtureRequest, folder: Path) -> None:
        super().__init__()
        self.folder = folder / "incoming"
        self.folder.mkdir()
        self.url = f"folder:{self.folder}"

    def send(self, *values: bytes, key: bytes = b"one") -> None:
        with (self.folder / f"{crc32(key) % PARTITIONS}.ndjson").open("ab") as file:
            file.writelines(value + b"\n" for value in values)


class KafkaStream(OfSink):
    def __init__(self, request: pytest.FixtureRequest, _folder: Path) -> None:
        super().__init__()
        self.url = f"{request.getfixturevalue('server')('kafka')}/{uuid4().hex}"
        make_topic(self.url)


def make_topic(url: str, partitions: int = PARTITIONS, most_bytes: int = 2 * LARGE) -> None:
    """Make a topic, and wait until its broker knows it: under load that is after it has said that it is made."""
    from confluent_kafka import KafkaException, TopicCollection
    from confluent_kafka.admin import AdminClient, NewTopic

    servers, _, name = url.removeprefix("kafka:").partition("/")
    topic = NewTopic(name, partitions, 1, config={"max.message.bytes": str(most_bytes)})
    admin = AdminClient({"bootstrap.servers": servers})  # must live until it has answered

    def known() -> str | None:
        try:
            return str(admin.describe_topics(TopicCollection([name]))[name].result().topic_id)
        except KafkaException:
            return None

    before = known()  # one of this name that is being deleted
    admin.create_topics([topic])[name].result()
    for _ in range(WAITS):
        if known() not in (None, before):
            return
        time.sleep(WAIT_S)
    raise AssertionError(f"the broker does not know the topic {name}")


STREAMS: dict[str, Callable[[pytest.FixtureRequest, Path], Stream]] = {
    "folder": FolderStream,
    "kafka": KafkaStream,
    "memory": MemoryStream,
}


def take(source: Source, n: int) -> list[Message]:
    """Poll until there are n messages; return them, and what came with them."""
    found: list[Message] = []
    while len(found) < n:
        found += source.poll(n, 0.05).messages
    return found


class AllRead(threading.Event):
    """Is set once the stored places add up to what is expected."""

    def __init__(self, of: Deployment, expected: int) -> None:
        super().__init__()
        self._of, self._expected = of, expected

    def is_set(self) -> bool:
        places = self._of.state.stream_offsets()
        read = sum(place for name, place in places.items() if not name.startswith(FROM))
        return super().is_set() or read >= self._expected
