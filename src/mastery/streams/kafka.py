"""Apache Kafka. Its groups deal out the partitions; where to read on we keep, and tell the broker nothing."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from mastery.errors import BadInput
from mastery.streams.batch import Batch
from mastery.streams.kafka_topic import TopicId, away
from mastery.streams.source import POLL_BYTES, Kept, Message, Polled, Positions, StreamUnusable

if TYPE_CHECKING:
    from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition

log = logging.getLogger(__name__)

REACH_S = 10.0
"""How long a broker is waited for at the start."""

SILENT_S = 10.0
"""A reader of whom nothing is heard for so long has ended, and the others get its partitions."""

DELIVERED_S = 30.0
"""A message that no broker has taken by then is lost to its sender, who is told."""

ANSWERS_S = 15.0
"""A broker that has not answered by then is connected to again, and the log says so: a network that hangs closes
nothing. The options of the client may say otherwise (`socket.timeout.ms`)."""

AHEAD_KB = 16_384
"""Messages that are fetched ahead of their reader, of each partition: with a backlog of any length."""

AT_ONCE = 100
"""Messages that are taken from the client at a time: of many large ones nobody knows beforehand how large they are."""

MOST_BYTES = 100_000_000
"""Of one message to send; how much a topic takes is its own `max.message.bytes`, 1 MB where nobody has set it."""

CHECKED_EVERY_S = 5.0
"""How often a reader of a topic from which nothing comes looks whether it was made again."""

CHECK_S = 2.0
"""How long a broker is waited for that should say it: a worker stops within 5 s."""

MADE_AGAIN = 3
"""How often messages are sent again because the topic was made again meanwhile."""

POLL_S = 0.02
"""How long a thread that waits for its own messages waits for news of any."""

NO_OPTIONS: Mapping[str, str] = {}

OURS = frozenset(
    {
        "bootstrap.servers",
        "group.id",
        "enable.auto.commit",
        "auto.offset.reset",
        "partition.assignment.strategy",
        "acks",
        "enable.idempotence",
    }
)
"""What nobody else may choose: that nothing is lost depends on it."""

T = TypeVar("T")

LOGGED = 2
"""Severity, as syslog counts them, from which on the client writes into the log; we say what is to be done."""


def _client() -> Any:
    try:
        import confluent_kafka
    except ImportError:
        raise BadInput("streams of Kafka need confluent-kafka: pip install 'student-mastery-engine[kafka]'") from None
    return confluent_kafka


def _parted(location: str) -> tuple[str, str]:
    """Return the addresses of the brokers, and the topic."""
    servers, _, topic = location.partition("/")
    ports = [one.rpartition(":")[2] for one in servers.split(",")]
    if (
        not topic
        or "/" in topic
        or not all(":" in one for one in servers.split(","))
        or not all(map(str.isdigit, ports))
    ):
        raise BadInput(
            f"stream 'kafka:{location}' names no topic of a broker; expected kafka:HOST:PORT/TOPIC, "
            "as in kafka:127.0.0.1:9092/answers"
        )
    return servers, topic


def own_options(options: Mapping[str, str]) -> dict[str, str]:
    """Return options that somebody has chosen for the client.

    Raises:
        BadInput: One is the engine's own to choose.
    """
    taken = sorted(options.keys() & OURS)
    if taken:
        raise BadInput(
            f"kafka_options: {taken[0]} cannot be chosen: the engine sets it, so that nothing is lost; leave it out. "
            "Options say how brokers are reached, such as security.protocol, sasl.username and ssl.ca.location"
        )
    return dict(options)


def _made(kind: Callable[..., T], options: Mapping[str, Any]) -> T:
    """Return a client with options.

    Raises:
        BadInput: It knows no such option, or no such value; which values there are is not said.
    """
    kafka = _client()
    try:
        return kind(dict(options), logger=logging.getLogger(f"{__name__}.client"))
    except (kafka.KafkaException, TypeError, ValueError) as error:
        said = error.args[0].str() if isinstance(error, kafka.KafkaException) else "a value is no text"
        name = next((one for one in options if one in said), "one of them")
        raise BadInput(
            f"kafka_options: the Kafka client does not take {name} as it is given (its value is not shown); names and "
            "values are those of librdkafka's CONFIGURATION.md"
        ) from None


def _require(client: Consumer | Producer, servers: str, topic: str, troubles: Sequence[KafkaError]) -> None:
    """Raise unless a broker answers and has the topic.

    Args:
        troubles: What the client says of its connections while it tries, such as that a password is wrong.
    """
    kafka = _client()
    try:
        found = client.list_topics(topic, REACH_S).topics[topic]
    except kafka.KafkaException as error:
        client.poll(0.0)
        refused = (one for one in troubles if one.code() in (kafka.KafkaError._AUTHENTICATION, kafka.KafkaError._SSL))
        raise away(servers, next(refused, error.args[0]).str()) from None
    if found.error is not None:
        raise BadInput(
            f"there is no topic {topic!r} at {servers} ({found.error.str()}); make it with at least as "
            f"many partitions as there may be workers: kafka-topics.sh --bootstrap-server {servers} --create "
            f"--topic {topic} --partitions 12"
        )


def _topic_id(servers: str, topic: str, options: Mapping[str, str]) -> TopicId:
    from confluent_kafka.admin import AdminClient

    return TopicId(
        servers, topic, lambda: _made(AdminClient, {**options, "bootstrap.servers": servers, "log_level": LOGGED})
    )


def _named(topic: str, topic_id: str, number: int) -> str:
    """Return the name of a partition."""
    return f"kafka:{topic}/{number}@{topic_id}"


class KafkaSource:
    """Reads a topic as one of a group."""

    def __init__(self, location: str, group: str, options: Mapping[str, str] = NO_OPTIONS) -> None:
        self._options = own_options(options)
        self._servers, self._topic = _parted(location)
        self._group, self._kafka = group, _client()
        self._consumer: Consumer | None = None
        self._topic_id = _topic_id(self._servers, self._topic, self._options)
        self._held: list[Any] = []
        self._unsure = False
        self._checked_s = 0.0
        self._names: dict[int, str] = {}
        self._assigned: set[str] = set()
        self._revoked: set[str] = set()
        self._starting: list[KafkaError] | None = None
        self._away = False

    def start(self, positions: Positions) -> None:
        """Begin to read; see `Source.start`."""
        self._positions = positions
        self._consumer = consumer = _made(
            self._kafka.Consumer,
            {
                "socket.timeout.ms": int(ANSWERS_S * 1000),
                **self._options,
                "bootstrap.servers": self._servers,
                "group.id": self._group,
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "partition.assignment.strategy": "cooperative-sticky",
                "session.timeout.ms": int(SILENT_S * 1000),
                "queued.max.messages.kbytes": AHEAD_KB,
                "fetch.max.bytes": MOST_BYTES,
                "receive.message.max.bytes": MOST_BYTES + 1_000_000,
                "error_cb": self._trouble,
                "log_level": LOGGED,
            },
        )
        self._starting = []
        _require(consumer, self._servers, self._topic, self._starting)
        self._starting = None
        self._id = self._topic_id.now(REACH_S)
        consumer.subscribe([self._topic], on_assign=self._assign, on_revoke=self._revoke, on_lost=self._revoke)

    def poll(self, most: int, wait_s: float, most_bytes: int = POLL_BYTES) -> Polled:
        """Return messages; see `Source.poll`.

        Messages are given out once it is sure which topic they are of: one that was deleted and made again under this
        reader begins at offset 0, and what would be stored for it under the old name would hide messages.
        """
        assert self._consumer is not None, "start comes first"
        before = frozenset(self._assigned)
        self._revoked.clear()
        self._read(most, wait_s, most_bytes)
        self._held = [one for one in self._held if self._partition(one.partition()) in self._assigned]
        batch = Batch(most, most_bytes)
        self._unsure = not self._is_the_topic()
        if not self._unsure:
            for one in self._held:
                if not batch.add(self._message(self._partition(one.partition()), one)):
                    break
            del self._held[: len(batch.messages)]
        if batch.messages and self._away:
            self._away = False
            log.warning("Kafka at %s answers again", self._servers)
        assigned = frozenset(self._assigned)
        return Polled(tuple(batch.messages), assigned - before | assigned & self._revoked, frozenset(self._revoked))

    def _read(self, most: int, wait_s: float, most_bytes: int) -> None:
        """Read until as much is held as a poll may bring, or for `wait_s` seconds. The client is called in any case, so
        that partitions come and go.
        """
        assert self._consumer is not None
        until, left = time.monotonic() + wait_s, most_bytes - sum(len(one.value() or b"") for one in self._held)
        while True:
            room = min(most - len(self._held), AT_ONCE)
            full = room < 1 or left <= 0
            rest_s = max(until - time.monotonic(), 0.0)
            one: Any
            for one in self._consumer.consume(1 if full else room, 0.0 if full and not self._unsure else rest_s):
                error = one.error()
                if error is not None:
                    self._trouble(error)
                else:
                    self._held.append(one)
                    left -= len(one.value() or b"")
            if full or time.monotonic() >= until:
                return

    def _is_the_topic(self) -> bool:
        """Tell whether what is held is of the topic that it is named after; where it is not, read on in the other one.
        False too while that cannot be known.
        """
        if not self._held and time.monotonic() < self._checked_s + CHECKED_EVERY_S:
            return True
        self._checked_s = time.monotonic()
        try:
            topic_id = self._topic_id.now(CHECK_S)
        except StreamUnusable as error:
            if self._held and not self._away:
                self._away = True
                log.warning("%s; reading goes on by itself", error)
            return False
        if topic_id == self._id:
            return True
        self._read_made_again(topic_id)
        return False

    def _read_made_again(self, topic_id: str) -> None:
        """Read the partitions of a topic that has taken the place of the one that was read, from its own places."""
        assert self._consumer is not None
        log.warning(
            "topic %r at %s was deleted and made again: it is read from its beginning, or from where a worker of this "
            "deployment has come to in it",
            *(self._topic, self._servers),
        )
        partitions = self._consumer.assignment()
        self._revoke(self._consumer, partitions)
        self._held.clear()
        self._names.clear()
        self._id = topic_id
        self._consumer.incremental_unassign(partitions)
        self._assign(self._consumer, partitions)

    def _message(self, partition: str, one: Any) -> Message:
        offset, value = one.offset(), one.value()
        return Message(partition, offset, offset + 1, one.key(), value or b"", one.timestamp()[1] * 1000)

    def _partition(self, number: int) -> str:
        if number not in self._names:
            self._names[number] = _named(self._topic, self._id, number)
        return self._names[number]

    def _assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        names = [self._partition(one.partition) for one in partitions]
        stored = self._positions(names)
        for one, name in zip(partitions, names, strict=True):
            one.offset = stored.get(name, self._kafka.OFFSET_BEGINNING)
        consumer.incremental_assign(partitions)
        self._assigned.update(names)

    def _revoke(self, _consumer: Consumer, partitions: Collection[TopicPartition]) -> None:
        names = {self._partition(one.partition) for one in partitions}
        self._assigned -= names
        self._revoked |= names
        self._held = [one for one in self._held if self._partition(one.partition()) not in names]

    def behind(self, places: Mapping[str, int]) -> Mapping[str, int]:
        """Return what is left of each partition; see `Source.behind`."""
        assert self._consumer is not None, "start comes first"
        found = {}
        for number, name in self._names.items():
            if name in self._assigned:
                partition = self._kafka.TopicPartition(self._topic, number)
                first, end = self._consumer.get_watermark_offsets(partition, cached=True)
                if end >= 0:  # the broker has said it
                    found[name] = max(0, end - max(first, places.get(name, first)))
        return found

    def _trouble(self, error: KafkaError) -> None:
        """Say once that the broker is away; raise what does not pass by itself. At the start, keep what is said."""
        if self._starting is not None:
            self._starting.append(error)
            return
        if error.fatal() or error.code() in self._hopeless:
            raise StreamUnusable(
                f"topic {self._topic!r} at {self._servers} cannot be read ({error.str()}); correct that, then start "
                "again"
            )
        if not self._away:
            self._away = True
            log.warning(
                "Kafka at %s does not answer as it should (%s); reading goes on by itself once it does. If it is not "
                "coming back by itself, start it",
                self._servers,
                error.str(),
            )

    @property
    def _hopeless(self) -> tuple[int, ...]:
        of = self._kafka.KafkaError
        return (of.TOPIC_AUTHORIZATION_FAILED, of.GROUP_AUTHORIZATION_FAILED, of._AUTHENTICATION)

    def close(self) -> None:
        """Leave the group, so that others get the partitions at once."""
        if self._consumer is not None:
            self._consumer.close()
        self._assigned.clear()


class _Posted:
    """What has become of some messages, as far as the broker has answered.

    Attributes:
        places: Partition and offset of each; None where there is none.
        failed: What is wrong with the first that failed, but for those that are too large.
        all_answered: Set at the end.
    """

    def __init__(self, messages: int, too_large: int) -> None:
        self.places: list[tuple[int, int] | None] = [None] * messages
        self.failed: KafkaError | None = None
        self.all_answered = threading.Event()
        self._left, self._too_large, self._lock = messages, too_large, threading.Lock()
        if not messages:
            self.all_answered.set()

    def delivered(self, place: int, error: KafkaError | None, message: Any) -> None:
        """Note what the broker says of one."""
        if error is None:
            self.places[place] = message.partition(), message.offset()
        elif error.code() != self._too_large:
            self.failed = self.failed or error
        with self._lock:
            self._left -= 1
            if not self._left:
                self.all_answered.set()


class KafkaSink:
    """Sends to a topic; a message counts as kept when all replicas have it."""

    def __init__(self, location: str, options: Mapping[str, str] = NO_OPTIONS) -> None:
        self._servers, self._topic = _parted(location)
        self._kafka = _client()
        self._failed: KafkaError | None = None
        self._options = own_options(options)
        troubles: deque[KafkaError] = deque(maxlen=8)  # messages say by themselves what becomes of them
        self._producer: Producer = _made(
            self._kafka.Producer,
            {
                "socket.timeout.ms": int(ANSWERS_S * 1000),
                **self._options,
                "bootstrap.servers": self._servers,
                "acks": "all",
                "enable.idempotence": True,
                "linger.ms": 5,
                "message.max.bytes": MOST_BYTES,
                "message.timeout.ms": int(DELIVERED_S * 1000),
                "error_cb": troubles.append,
                "log_level": LOGGED,
            },
        )
        _require(self._producer, self._servers, self._topic, troubles)
        self._topic_id = _topic_id(self._servers, self._topic, self._options)
        self._id: str | None = None

    def send(self, key: bytes | None, value: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Send a message; see `Sink.send`."""
        self._check()
        said: Any = [(name, text.encode()) for name, text in (headers or {}).items()]
        while True:
            try:
                self._producer.produce(self._topic, value, key, headers=said, on_delivery=self._delivered)
                break
            except BufferError:  # as many as the client holds are on their way
                self._producer.poll(0.1)
                self._check()
            except self._kafka.KafkaException as error:
                raise self._refused(error.args[0]) from None
        self._producer.poll(0)

    def _delivered(self, error: KafkaError | None, _message: object) -> None:
        self._failed = self._failed or error

    def _check(self) -> None:
        failed, self._failed = self._failed, None
        if failed is not None:
            raise self._refused(failed)

    def _refused(self, error: KafkaError) -> StreamUnusable:
        if error.code() == self._kafka.KafkaError.MSG_SIZE_TOO_LARGE:
            return StreamUnusable(
                f"a message is larger than topic {self._topic!r} at {self._servers} takes; raise its "
                "max.message.bytes, or leave that row out"
            )
        return StreamUnusable(
            f"topic {self._topic!r} at {self._servers} has not taken all messages ({error.str()}); see that the broker "
            "runs, then send them again: those that are there already are duplicates, which change nothing"
        )

    def post(self, messages: Sequence[tuple[bytes | None, bytes]]) -> list[Kept | None]:
        """Send messages and return where each lies; see `Sink.post`.

        Whichever thread asks the client for news is given those of all, and passes them on.
        """
        for _ in range(MADE_AGAIN):
            before = self._id = self._id or self._topic_id.now(REACH_S)
            places = self._kept(messages)
            self._id = self._topic_id.now(REACH_S)
            if self._id == before:  # the ids of topics do not come back: all of this went into that one
                return [None if at is None else Kept(_named(self._topic, before, at[0]), at[1]) for at in places]
            log.warning(
                "topic %r at %s was deleted and made again: what was being sent to it is sent again",
                *(self._topic, self._servers),
            )
        raise StreamUnusable(
            f"topic {self._topic!r} at {self._servers} was deleted and made again {MADE_AGAIN} times while messages "
            "were sent to it; leave it as it is, then send them again: those that are there already are duplicates"
        )

    def _kept(self, messages: Sequence[tuple[bytes | None, bytes]]) -> list[tuple[int, int] | None]:
        """Send messages; return partition and offset of each once all are kept, None of one that is too large."""
        posted = _Posted(len(messages), self._kafka.KafkaError.MSG_SIZE_TOO_LARGE)
        for place, (key, value) in enumerate(messages):
            while True:
                try:
                    self._producer.produce(self._topic, value, key, on_delivery=partial(posted.delivered, place))
                    break
                except BufferError:  # as many as the client holds are on their way
                    self._producer.poll(0.1)
                except self._kafka.KafkaException as error:
                    posted.delivered(place, error.args[0], None)
                    break
        while not posted.all_answered.is_set():  # ends: each message is delivered or fails after DELIVERED_S
            self._producer.poll(POLL_S)
        if posted.failed is not None:
            raise self._refused(posted.failed)
        return posted.places

    def flush(self) -> None:
        """Wait until all is kept; see `Sink.flush`."""
        while self._producer.flush(1.0):  # ends: each message is delivered or fails after DELIVERED_S
            self._check()
        self._check()

    def close(self) -> None:
        """Forget what was not flushed."""
        self._producer.purge()
        self._producer.poll(0)
