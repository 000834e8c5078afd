"""Rows of requests into a stream, from which a worker takes them: kept once all replicas have them, scored later.

What cannot be understood is refused at the door, in the words of those who would read it from the stream.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mastery.directory.pseudonyms import Pseudonyms
from mastery.lake import Lake
from mastery.pipelines.live.intake import Intake
from mastery.pipelines.live.receipts import read_receipt, receipt_of
from mastery.pipelines.live.rows import field_of, object_of
from mastery.pipelines.live.understand import NO_TABLE, TABLE, Refusal
from mastery.pipelines.scoring.catch_up import catch_up
from mastery.state import StateStore
from mastery.streams import Kept, Sink, key_of

TOO_LARGE = "the row is longer than a message of the stream may be"


@dataclass(frozen=True)
class Forwarded:
    """What became of the rows of a request.

    Attributes:
        received: Rows that the stream has kept.
        refusals: Why others were not sent.
        receipt: Says where they lie; see `Forwarder.progress`.
    """

    received: int
    refusals: tuple[Refusal, ...]
    receipt: str


@dataclass(frozen=True)
class Progress:
    """How far the events of a receipt are.

    Attributes:
        waiting: Partition → events that a worker has still to take.
        scored: Partition → events that one has dealt with: they are in the lake and in the scores of their students, or
            have turned out to be duplicates, or rejected.
    """

    waiting: Mapping[str, int]
    scored: Mapping[str, int]


@dataclass(frozen=True)
class Forwarder:
    """Sends the rows of one tenant to a stream.

    Attributes:
        intake: Understands them.
        sink: The stream.
        lake, state: Where a worker stores how far it is.
    """

    intake: Intake
    sink: Sink
    lake: Lake
    state: StateStore
    pseudonyms: Pseudonyms
    tenant: str

    def forward(self, rows: Sequence[bytes], table: str | None = None) -> Forwarded:
        """Send rows, and return once the stream has kept them.

        Args:
            rows: JSON objects, each on one line.
            table: The source table that all are; None: each row tells.

        Raises:
            BadInput: There is no such source table, or it describes a course.
            StreamUnusable: The stream has not taken all of them. Those that it has kept are duplicates when sent again.
        """
        refusals = list(self.intake.understand(rows, table).refusals)
        refused = {refusal.index for refusal in refusals}
        sent = [place for place in range(len(rows)) if place not in refused]
        kept = self.sink.post([_message(rows[place], table, self.tenant) for place in sent])
        offsets: dict[str, list[int]] = defaultdict(list)
        for place, at in zip(sent, kept, strict=True):
            if isinstance(at, Kept):
                offsets[at.partition].append(at.offset)
            else:
                refusals.append(Refusal(place, field_of(rows[place], NO_TABLE.own_id), TOO_LARGE))
        ascending = {partition: sorted(found) for partition, found in offsets.items()}
        return Forwarded(
            received=sum(map(len, ascending.values())),
            refusals=tuple(sorted(refusals, key=lambda refusal: refusal.index)),
            receipt=receipt_of(self.pseudonyms, self.tenant, ascending),
        )

    def progress(self, receipt: str) -> Progress:
        """Return how far the events of a receipt are.

        Raises:
            NotFound: It is no receipt of this deployment and tenant.
            StateUnusable: The store cannot be read.
        """
        offsets = read_receipt(self.pseudonyms, self.tenant, receipt)
        catch_up(self.lake, self.state)  # the places of a lake that has been replaced count no more
        stored = self.state.stream_offsets()
        scored = {one: sum(at < stored.get(one, 0) for at in found) for one, found in offsets.items()}
        return Progress({one: len(found) - scored[one] for one, found in offsets.items()}, scored)


def _message(row: bytes, table: str | None, tenant: str) -> tuple[bytes, bytes]:
    """Return key and value of the message that a row becomes."""
    student = field_of(row, ["student_id"])
    key = key_of(tenant, "" if student is None else student)
    if table is None:
        return key, row
    fields = object_of(row) or {}
    if TABLE not in fields:  # the values stay as they were written
        return key, b'{"%s":%s,' % (TABLE.encode(), json.dumps(table).encode()) + row.lstrip()[1:]
    return key, json.dumps(fields | {TABLE: table}, ensure_ascii=False).encode()
