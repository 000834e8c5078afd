"""What every source of events does, and every sink. Conformance suite: tests/streams/test_conformance.py."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from mastery.errors import Conflict


class StreamUnusable(Conflict):
    """A broker or a folder that cannot be reached or read."""

    title = "The stream cannot be used"
    problem = "stream-unusable"

    @property
    def public(self) -> str:
        return (
            "the stream of events does not answer, or has not taken all of them; the server's log says why. Send the "
            "request again: what it brought that was kept all the same is a duplicate then"
        )


@dataclass(frozen=True, slots=True)
class Message:
    """One message as the sender wrote it, whatever is in it.

    Attributes:
        partition: Where it lies; within one, messages are in the order of their offsets. The name of a partition means
            the same one for good: a topic that was deleted and made again has others.
        offset: Its place there.
        after: The place behind it: who has dealt with this message reads on from there.
        key: What decides on the partition; None where there is none.
        value: Its bytes; empty where the sender wrote nothing.
        received_us: When the stream took it in, in microseconds since 1970 UTC: the same whenever it is read.
    """

    partition: str
    offset: int
    after: int
    key: bytes | None
    value: bytes
    received_us: int

    @property
    def place(self) -> str:
        """Where a message about it says that it is."""
        return f"{self.partition}, offset {self.offset}"


@dataclass(frozen=True, slots=True)
class Polled:
    """What a poll brought.

    Attributes:
        messages: Of partitions that this reader has now.
        assigned: Partitions that it has since the last poll.
        revoked: Partitions that it has no more since then: others may be reading them already. Whatever of theirs is
            still in hand is not to be gone on with; they read it again.
    """

    messages: tuple[Message, ...] = ()
    assigned: frozenset[str] = field(default_factory=frozenset)
    revoked: frozenset[str] = field(default_factory=frozenset)


POLL_BYTES = 32_000_000
"""Of the messages of one poll, where nobody says otherwise: 10,000 of the usual ones come to a tenth of it."""


Positions = Callable[[Collection[str]], Mapping[str, int]]
"""Returns from where to read on in some partitions; those that it leaves out are read from their beginning."""


class Source(Protocol):
    """A stream of messages in partitions, read from places that the reader keeps, not the stream."""

    def start(self, positions: Positions) -> None:
        """Begin to read.

        Args:
            positions: Asked for each partition at the moment at which it is assigned to this reader, so that it goes on
                where the last one has stopped.

        Raises:
            BadInput: There is no such stream.
            StreamUnusable: It cannot be reached.
        """
        ...

    def poll(self, most: int, wait_s: float, most_bytes: int = POLL_BYTES) -> Polled:
        """Return up to `most` messages, as soon as there are as many, or what there is after `wait_s` seconds.

        Their values come to at most `most_bytes`, unless a single one is larger: it comes alone. What would be too much
        comes with the next poll.

        A stream that cannot be reached for a while brings nothing, and the log says so once; it goes on by itself.

        Raises:
            StreamUnusable: It cannot be read, and waiting does not help.
        """
        ...

    def behind(self, places: Mapping[str, int]) -> Mapping[str, int]:
        """Return how far each partition that this reader has goes beyond a place, in units of its offsets: messages,
        or bytes of a file. As it was last heard of, without asking; partitions of which nothing was heard are left out.

        Args:
            places: Partition → the place behind what was dealt with; the partition's beginning where it is left out.
        """
        ...

    def close(self) -> None:
        """Stop reading, so that others get the partitions at once."""
        ...


class Kept(NamedTuple):
    """Where a message lies that was sent.

    Attributes:
        partition: Named as sources name it.
        offset: Its place there.
    """

    partition: str
    offset: int


class Sink(Protocol):
    """Where messages are sent to."""

    def send(self, key: bytes | None, value: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Send one message; those of one key stay in order. May wait while too many are on their way.

        Raises:
            StreamUnusable: One that was sent before was refused, or got no answer.
        """
        ...

    def flush(self) -> None:
        """Wait until all that was sent is kept, by all replicas where there are any.

        Raises:
            StreamUnusable: Some of it is not.
        """
        ...

    def post(self, messages: Sequence[tuple[bytes | None, bytes]]) -> list[Kept | None]:
        """Send some messages, (key, value), and return where each lies once all are kept; None for one that is larger
        than the stream takes. In any thread.

        Raises:
            StreamUnusable: Some were refused, or got no answer.
        """
        ...

    def close(self) -> None:
        """Stop sending; what was not flushed may be lost."""
        ...
