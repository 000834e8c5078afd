"""A stream into the lake and into the records of its students, batch after batch. The steps, and their order, are here:

1. Poll: as many messages as there are within a moment. Partitions come and go between two polls.
2. Understand the messages and write them: lake, rejected rows, records (steps 1 to 5 of `live.batch`).
3. Send those that cannot be used to the dead letters, and wait until they are kept there.
4. Store, for each partition, the place behind its last message.

A kill between any two of them, or a worker that has lost a partition and does not know it, does no harm: messages are
read again from the stored places, and what was written is a duplicate. Places only grow, and are never ahead of the
lake, so two workers who both read a partition for a moment store what is true in either order.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TypeVar

import numpy as np
import pyarrow as pa

from mastery.errors import Conflict, Unwritable
from mastery.lake import Lake
from mastery.pipelines.live.batch import ACCEPTED, DUPLICATE, REJECTED_ROW, REVISED_ROW
from mastery.pipelines.live.dead_letters import PlacesOfOthers, Share
from mastery.pipelines.live.intake import Intake
from mastery.pipelines.live.understand import Incoming
from mastery.pipelines.live.watch import UNWATCHED, Watch, delays_s
from mastery.pipelines.scoring.catch_up import catch_up
from mastery.state import StateStore
from mastery.streams import POLL_BYTES, Message, Sink, Source, read_key

log = logging.getLogger(__name__)

T = TypeVar("T")

BATCH_S, BATCH_MESSAGES, BATCH_BYTES = 0.25, 10_000, POLL_BYTES
"""How long a batch waits for messages, and how many, and of how many bytes, it takes at most."""

AGAIN_S, AT_MOST_S = 1.0, 30.0
"""What could not be written is tried again after the first, then after twice as long each time, at most the second."""

BREAKS = bytes.maketrans(b"\r\n", b"  ")
"""A message is one row, on one line: line breaks only stand between the values of a JSON object."""


@dataclass(frozen=True)
class BatchDone:
    """What became of the messages of a batch.

    Attributes:
        messages: read = accepted + revised + duplicates + rejected + other_tenants + unknown_tenants.
        students: With new events.
        seconds: From the end of the poll to the stored places.
    """

    messages: int
    accepted: int
    revised: int
    duplicates: int
    rejected: int
    other_tenants: int
    unknown_tenants: int
    students: int
    seconds: float


class Follower:
    """Reads one stream for one tenant."""

    def __init__(
        self,
        source: Source,
        intake: Intake,
        lake: Lake,
        state: StateStore,
        *,
        tenant: str,
        tenants: Callable[[], Collection[str]] | None = None,
        others: PlacesOfOthers | None = None,
        dead_letters: Sink | None = None,
        batch_s: float = BATCH_S,
        batch_messages: int = BATCH_MESSAGES,
        batch_bytes: int = BATCH_BYTES,
        watch: Watch = UNWATCHED,
    ) -> None:
        """Take what is read, where it is written to, and who is told of it.

        Args:
            tenants: Returns all tenants that exist; messages of others belong to nobody. None: every tenant exists.
            others: Returns how far the other tenants are, of which one sends such a message to the dead letters.
        """
        self._source, self._intake, self._lake, self._state = source, intake, lake, state
        self._tenant, self._tenants, self._dead_letters = tenant, tenants, dead_letters
        self._known_tenants: Collection[str] = ()
        self._share = Share(tenant, state, others)
        self._batch_s, self._batch_messages, self._batch_bytes = batch_s, batch_messages, batch_bytes
        self._watch = watch
        self._places: dict[str, int] = {}

    def follow(self, stop: threading.Event) -> None:
        """Read until `stop` is set; a batch in hand is written first. The caller closes the stream.

        Raises:
            BadInput: There is no such stream.
            StreamUnusable: It cannot be reached at the start, or cannot be read.
            Conflict: The events in the lake were identified by another version of the engine.
        """
        self._lake.check_identity()  # no batch could ever be written
        self._source.start(lambda partitions: self._positions(partitions, stop))
        while not stop.is_set():
            polled = self._source.poll(self._batch_messages, self._batch_s, self._batch_bytes)
            if polled.assigned or polled.revoked:
                log.info("partitions", extra={"assigned": sorted(polled.assigned), "revoked": sorted(polled.revoked)})
            if polled.messages and not stop.is_set():
                done = self._waited_for(
                    partial(self._once, polled.messages), f"a batch of {len(polled.messages)} messages", stop
                )
                if done is not None:
                    log.info("batch", extra=asdict(done))
            self._watch.lag(self._source.behind(self._places))
            self._watch.progressed()

    def _positions(self, partitions: Collection[str], stop: threading.Event) -> Mapping[str, int]:
        """Return the stored places of some partitions. Those of a lake that has been replaced count no more."""
        stored = self._waited_for(partial(self._stored, partitions), "the places of the stream", stop) or {}
        found = {partition: stored[partition] for partition in partitions if partition in stored}
        self._places.update(found)
        return found

    def _stored(self, partitions: Collection[str]) -> Mapping[str, int]:
        lineage = catch_up(self._lake, self._state).seen.lineage
        stored = self._state.stream_offsets()
        if self._dead_letters is not None:
            self._share.begin(partitions, stored, lineage)
        return stored

    def _once(self, messages: Sequence[Message]) -> BatchDone:
        began = time.monotonic()
        lineage = catch_up(self._lake, self._state).seen.lineage
        tenants = [self._tenant_of(message) for message in messages]
        mine = [message for message, tenant in zip(messages, tenants, strict=True) if tenant == self._tenant]
        unknown = self._of_unknown_tenants(messages, tenants)
        incoming = self._intake.understand([message.value.translate(BREAKS) for message in mine])
        taken = self._intake.submit(with_places(incoming, mine)).result()
        received_us = np.array([message.received_us for message in mine], np.int64)
        self._watch.readable(delays_s(received_us, time.time_ns() // 1000))
        others = len(messages) - len(mine) - len(unknown)
        self._watch.other_tenants(others)
        self._watch.unknown_tenants(len(unknown))
        self._send_dead([(mine[refusal.index], refusal.problem) for refusal in taken.refusals], unknown)
        after: dict[str, int] = {}
        for message in messages:
            after[message.partition] = message.after
        with self._watch.taking("places"):
            self._state.raise_stream_offsets(after, lineage)
        self._places.update(after)
        return BatchDone(
            messages=len(messages),
            accepted=taken.count(ACCEPTED),
            revised=taken.count(REVISED_ROW),
            duplicates=taken.count(DUPLICATE),
            rejected=taken.count(REJECTED_ROW),
            other_tenants=others,
            unknown_tenants=len(unknown),
            students=len(taken.changed),
            seconds=round(time.monotonic() - began, 4),
        )

    def _tenant_of(self, message: Message) -> str:
        said = None if message.key is None else read_key(message.key)
        return self._tenant if said is None else said[0]

    def _of_unknown_tenants(self, messages: Sequence[Message], tenants: Sequence[str]) -> list[tuple[Message, str]]:
        """Return the messages of tenants that there are not, with what is wrong with each."""
        if self._tenants is None:
            return []
        if not set(tenants) <= {self._tenant, *self._known_tenants}:
            self._known_tenants = frozenset(self._tenants())
        known = {self._tenant, *self._known_tenants}
        return [
            (message, f"its key names tenant {tenant!r:.200}, and there is none of that name; ingest its course first")
            for message, tenant in zip(messages, tenants, strict=True)
            if tenant not in known
        ]

    def _send_dead(self, own: Sequence[tuple[Message, str]], unknown: Sequence[tuple[Message, str]]) -> None:
        if self._dead_letters is None:
            return
        share = self._share.of([message for message, _ in unknown])
        dead = [*own, *((message, reason) for message, reason in unknown if message in share)]
        if not dead:
            return
        with self._watch.taking("dead_letters"):
            for message, reason in dead:
                self._dead_letters.send(message.key, message.value, {"place": message.place, "reason": reason})
            self._dead_letters.flush()
        self._watch.dead_letters(len(dead))

    def _waited_for(self, work: Callable[[], T], what: str, stop: threading.Event) -> T | None:
        """Return what some work returns once it succeeds: a full disk, a busy lake and a store that is away pass.

        None where `stop` was set before: whoever reads the stream next does it.
        """
        wait_s = AGAIN_S
        while True:
            try:
                return work()
            except (Unwritable, Conflict) as error:
                log.error("%s: tried again in %g s. %s", what, wait_s, error)
                self._watch.retried()
                if stop.wait(wait_s):
                    return None
                wait_s = min(2 * wait_s, AT_MOST_S)


def with_places(incoming: Incoming, messages: Sequence[Message]) -> Incoming:
    """Return the rows of messages with partition and offset as the file and line of those that are rejected."""
    if not incoming.rejected.num_rows:
        return incoming
    rejected = incoming.rejected
    index = [line - 1 for line in rejected["line"].to_pylist()]
    for name, values in (
        ("source", pa.array([messages[at].partition for at in index], pa.string())),
        ("line", pa.array([messages[at].offset for at in index], pa.int64())),
    ):
        rejected = rejected.set_column(rejected.column_names.index(name), name, values)
    return replace(incoming, rejected=rejected.cast(incoming.rejected.schema))
