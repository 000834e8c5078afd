"""Streams: where events come from while they happen. One file each; `connect` finds them by URL."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mastery.errors import BadInput, did_you_mean
from mastery.streams.folder import FolderSource
from mastery.streams.kafka import KafkaSink, KafkaSource
from mastery.streams.keys import key_of, read_key
from mastery.streams.memory import MemorySink, MemorySource
from mastery.streams.source import POLL_BYTES, Kept, Message, Polled, Positions, Sink, Source, StreamUnusable

__all__ = [
    "POLL_BYTES",
    "SINKS",
    "SOURCES",
    "Kept",
    "Message",
    "Polled",
    "Positions",
    "Sink",
    "Source",
    "StreamUnusable",
    "connect",
    "connect_sink",
    "key_of",
    "read_key",
]

KAFKA = "kafka"

SOURCES: dict[str, Callable[[str, str], Source]] = {
    "folder": FolderSource,
    "kafka": KafkaSource,
    "memory": MemorySource,
}
"""Kind → what reads at a location as one of a group. Everything here is under tests/streams/test_conformance.py."""

SINKS: dict[str, Callable[[str], Sink]] = {"kafka": KafkaSink, "memory": MemorySink}
"""Kind → what sends to a location."""

AS_IN = {
    "folder": "folder:incoming",
    "kafka": "kafka:127.0.0.1:9092/answers",
    "memory": "memory:answers",
}


NO_OPTIONS: Mapping[str, str] = {}


def connect(url: str, group: str, options: Mapping[str, str] = NO_OPTIONS) -> Source:
    """Return the source that `kind:location` names, such as `kafka:127.0.0.1:9092/answers`. `start` opens it.

    Args:
        url: Kind and location.
        group: Readers of one group share the partitions of a stream, where it can be shared.
        options: Of the client of Kafka, by their names in librdkafka.

    Raises:
        BadInput: No such kind, no location or one that can be none, or what it needs is not installed.
    """
    kind, location = _parted(url, list(SOURCES))
    return KafkaSource(location, group, options) if kind == KAFKA else SOURCES[kind](location, group)


def connect_sink(url: str, options: Mapping[str, str] = NO_OPTIONS) -> Sink:
    """Return the sink that `kind:location` names; `options` as of `connect`.

    Raises:
        BadInput: No such kind, no location or one that can be none, or what it needs is not installed.
        StreamUnusable: It cannot be reached.
    """
    _check_takes_messages(url)
    kind, location = _parted(url, list(SINKS))
    return KafkaSink(location, options) if kind == KAFKA else SINKS[kind](location)


def _check_takes_messages(url: str) -> None:
    """Refuse a stream that can only be read, which a misspelt one is not."""
    kind = url.partition(":")[0]
    if kind in SOURCES and kind not in SINKS:
        ways = ", ".join(AS_IN[name] for name in SINKS)
        raise BadInput(f"stream {url!r} can only be read, and this is to send to; expected a URL such as {ways}")


def _parted(url: str, known: list[str]) -> tuple[str, str]:
    kind, _, location = url.partition(":")
    if kind not in known:
        ways = ", ".join(AS_IN[name] for name in known)
        raise BadInput(f"unknown stream {kind!r}{did_you_mean(kind, known)}; expected a URL such as {ways}")
    if not location:
        raise BadInput(f"stream {url!r} names no place; expected one, as in {AS_IN[kind]}")
    return kind, location
