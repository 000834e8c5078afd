"""Topics in the memory of this process: the reference that the other streams are compared with, and for tests."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import islice
from zlib import crc32

from mastery.streams.batch import Batch
from mastery.streams.source import POLL_BYTES, Kept, Message, Polled, Positions

PARTITIONS = 4

POLL_S = 0.005


class Topic:
    """Messages in `PARTITIONS` lists, and who reads which.

    Attributes:
        headers: Of each message, by partition and offset; for tests.
    """

    def __init__(self, name: str) -> None:
        self.lock = threading.RLock()
        self.partitions: dict[str, list[Message]] = {f"memory:{name}/{number}": [] for number in range(PARTITIONS)}
        self.headers: dict[tuple[str, int], Mapping[str, str]] = {}
        self.readers: dict[str, list[MemorySource]] = defaultdict(list)

    def share(self, group: str) -> None:
        """Deal the partitions out among the readers of a group."""
        readers = self.readers[group]
        for at, reader in enumerate(readers):
            reader.due = frozenset(list(self.partitions)[at :: len(readers)])


TOPICS: dict[str, Topic] = {}
_opening = threading.Lock()


def topic(name: str) -> Topic:
    """Return the topic of this name; it is made when it is first asked for."""
    with _opening:
        return TOPICS.setdefault(name, Topic(name))


class MemorySource:
    """Reads a topic; the readers of a group share its partitions.

    Attributes:
        due: The partitions that it should have; it has them from its next poll on.
    """

    def __init__(self, location: str, group: str) -> None:
        self._topic, self._group = topic(location), group
        self.due: frozenset[str] = frozenset()
        self._next: dict[str, int] = {}

    def start(self, positions: Positions) -> None:
        """Begin to read; see `Source.start`."""
        self._positions = positions
        with self._topic.lock:
            self._topic.readers[self._group].append(self)
            self._topic.share(self._group)

    def poll(self, most: int, wait_s: float, most_bytes: int = POLL_BYTES) -> Polled:
        """Return messages; see `Source.poll`."""
        with self._topic.lock:
            revoked = frozenset(self._next) - self.due
            assigned = self.due - frozenset(self._next)
            for partition in revoked:
                del self._next[partition]
            stored = self._positions(assigned) if assigned else {}
            self._next |= {partition: stored.get(partition, 0) for partition in assigned}
        until, batch = time.monotonic() + wait_s, Batch(most, most_bytes)
        while True:
            with self._topic.lock:
                self._add_to(batch)
                changed = self.due != frozenset(self._next)
            if batch.full or changed or time.monotonic() >= until:
                return Polled(tuple(batch.messages), assigned, revoked)
            time.sleep(POLL_S)

    def _add_to(self, batch: Batch) -> None:
        for partition, at in self._next.items():
            for message in islice(self._topic.partitions[partition], at, None):
                if not batch.add(message):
                    return
                self._next[partition] = message.after

    def behind(self, places: Mapping[str, int]) -> Mapping[str, int]:
        """Return what is left of each partition; see `Source.behind`."""
        with self._topic.lock:
            return {one: len(self._topic.partitions[one]) - places.get(one, 0) for one in self._next}

    def close(self) -> None:
        """Give the partitions to the others of the group."""
        with self._topic.lock:
            readers = self._topic.readers[self._group]
            if self in readers:
                readers.remove(self)
            self._topic.share(self._group)


class MemorySink:
    """Sends to a topic."""

    def __init__(self, location: str) -> None:
        self._topic = topic(location)

    def send(self, key: bytes | None, value: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Append a message; see `Sink.send`."""
        with self._topic.lock:
            self._append(key, value, headers or {})

    def _append(self, key: bytes | None, value: bytes, headers: Mapping[str, str]) -> tuple[str, int]:
        partition = list(self._topic.partitions)[crc32(key or b"") % PARTITIONS]
        here = self._topic.partitions[partition]
        here.append(Message(partition, len(here), len(here) + 1, key, value, time.time_ns() // 1000))
        self._topic.headers[partition, len(here) - 1] = dict(headers)
        return partition, len(here) - 1

    def flush(self) -> None:
        """Return at once: what was sent is there."""

    def post(self, messages: Sequence[tuple[bytes | None, bytes]]) -> list[Kept | None]:
        """Append messages; see `Sink.post`."""
        with self._topic.lock:
            return [Kept(*self._append(key, value, {})) for key, value in messages]

    def close(self) -> None:
        """Nothing is open."""
