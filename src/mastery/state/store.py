"""What every learner-state store does. Its conformance suite: tests/state/test_conformance.py."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple, Protocol

from mastery.arrays import Int64s
from mastery.errors import BadInput, Conflict
from mastery.state.encoding import Bytes, decode, encode_each, encode_many, stream_text
from mastery.state.position import KnownLake, Position
from mastery.state.record import CorruptRecord, Record, RecordBlock, WrongPosition


class Overtaken(Conflict):
    """A compare-and-set that found another version than the writer had read, or a record that has seen more."""

    title = "Another writer was faster"

    def __init__(self, student_id: str, expected: int, found: int) -> None:
        self.student_id, self.expected, self.found = student_id, expected, found
        other = f"expected version {expected}, found {found}" if expected != found else "the one there has seen more"
        super().__init__(
            f"record of {student_id}: {other}; another writer came in between: ask `version` again, "
            "fold the student again and put that"
        )


class StateUnusable(Conflict):
    """A state store that is damaged, of another program, or kept locked. Records can be had from the lake alone."""

    title = "The state store cannot be used"


@dataclass(frozen=True, eq=False)
class EncodedBlock:
    """Records of one model set as bytes, ready to be stored. Made by `encode_block`, in any process.

    Attributes:
        model_version: The model set.
        student_ids: S pseudonyms.
        tenants: S institutions.
        buffer: uint8; student s has buffer[ptr[s]:ptr[s + 1]].
        ptr: int64[S + 1].
        seen: The version of the lake's events that all of them are folds of.
    """

    model_version: str
    student_ids: Sequence[str]
    tenants: Sequence[str]
    buffer: Bytes
    ptr: Int64s
    seen: Position


def encode_block(block: RecordBlock) -> EncodedBlock:
    """Return the block as bytes; runs outside Python's lock but for the checksums."""
    ids = block.student_ids.to_pylist()
    tenants = [block.tenants] * len(ids) if isinstance(block.tenants, str) else block.tenants.to_pylist()
    return EncodedBlock(block.model_version, ids, tenants, *encode_many(block), block.seen)


@dataclass(frozen=True)
class Outdated:
    """What a store holds of a student whose record is not current, or cannot be read. Who folds the student again takes
    it over into the new record.

    Attributes:
        version: The version that a write must find there.
        offsets: As in `Record`; without any where they are of another lake than the one that the store knows.
        outbox: As in `Record`; of another lake: empty.
        damaged: Why the record cannot be used; None where it is only not current.
    """

    version: int
    offsets: Mapping[str, int] = field(default_factory=dict)
    outbox: tuple[str, ...] = ()
    damaged: CorruptRecord | None = None


@dataclass(frozen=True)
class FoundRecords:
    """What a store holds of many students under one model set, as of one moment. Strangers are in neither.

    Attributes:
        records: Student → record, of those that are current.
        outdated: Student → what there is of those that have to be folded again.
    """

    records: Mapping[str, Record]
    outdated: Mapping[str, Outdated]


class StoredRecord(NamedTuple):
    """A record as it lies in a store, current or not.

    Attributes:
        student_id: Pseudonym.
        version: As in `Record`.
        stream: Its offsets and outbox, as `stream_text` makes them.
        body: Its bytes.
        news: Version of the student's news in the lineage of the record; None where there are none.
    """

    student_id: str
    version: int
    stream: str | None
    body: bytes
    news: int | None


STORED_AT_ONCE = 500
"""Records of a page of `StateStore.stored`, some 4 MB."""


class StoredRow(NamedTuple):
    """What a store has of one student, as it is stored.

    Attributes:
        student_id: Pseudonym.
        version: As in `Record`.
        stream: What `stream_text` made.
        body: The bytes; none of them where they are gone, None where the record is not current.
        seen: What the record has seen, as it is kept beside the bytes, which say it too.
        ahead: That is more than the lake has that the store knows, so it cannot be true.
    """

    student_id: str
    version: int
    stream: str | None
    body: bytes | None
    seen: Position
    ahead: bool


def found_records(rows: Iterable[StoredRow]) -> FoundRecords:
    """Return the records that a store's rows are; of each that cannot be used, why."""
    records: dict[str, Record] = {}
    outdated: dict[str, Outdated] = {}
    for row in rows:
        damaged = None
        try:
            record = record_of(row)
            if record is not None:
                records[row.student_id] = record
                continue
        except CorruptRecord as error:
            damaged = error
        outdated[row.student_id] = outdated_of(row, damaged)
    return FoundRecords(records, outdated)


def record_of(row: StoredRow) -> Record | None:
    """Return the record that a store's row is; None where it is not current.

    Raises:
        CorruptRecord: The bytes are damaged or gone, or it cannot be true what is said of their place in the lake.
    """
    require_possible(row)
    if row.body is None:
        return None
    record = decode(row.body, row.version, row.stream)
    require_position(row, record.seen)
    return record


def require_possible(row: StoredRow) -> None:
    """Raise WrongPosition where a record is said to have seen more than there is."""
    if row.ahead:
        raise WrongPosition(f"it is said to have seen {_told(row.seen)}, which the lake does not have")


def require_position(row: StoredRow, seen: Position) -> None:
    """Raise WrongPosition where the bytes of a record have seen something else than is kept beside them."""
    if row.seen != seen:
        raise WrongPosition(f"it is said to have seen {_told(row.seen)}, and its bytes say {_told(seen)}")


def _told(seen: Position) -> str:
    return f"version {seen.version} of the events (lake {seen.lineage})"


def outdated_of(row: StoredRow, damaged: CorruptRecord | None = None) -> Outdated:
    """Return what a store's row says of a record that is not current, or is damaged."""
    rest = {} if row.stream is None else json.loads(row.stream)
    return Outdated(row.version, rest.get("offsets", {}), tuple(rest.get("outbox", ())), damaged)


class RecordWrite(NamedTuple):
    """A record that is written if its version is still the one it was read with.

    Attributes:
        version: That one; 0 for a new record.
        stream: What `stream_text` makes; None: as it lies there.
        body: The bytes.
    """

    student_id: str
    tenant: str
    version: int
    seen: Position
    stream: str | None
    body: bytes | memoryview


def writes_of(records: Sequence[Record]) -> list[RecordWrite]:
    """Return records as `StateStore.put_each` writes them."""
    return [
        RecordWrite(one.student_id, one.tenant, one.version, one.seen, stream_text(one), body)
        for one, body in zip(records, encode_each(records), strict=True)
    ]


def writes_of_block(block: EncodedBlock, versions: Sequence[int]) -> list[RecordWrite]:
    """Return records as `StateStore.put_encoded` writes them.

    Raises:
        BadInput: There is not one version for each, or two are of one student.
    """
    if len(versions) != len(block.student_ids):
        raise BadInput(f"{len(block.student_ids)} records with {len(versions)} versions; give one for each")
    _once_each(block.student_ids)
    view, places = block.buffer.data, pairwise(block.ptr.tolist())
    return [
        RecordWrite(student_id, tenant, version, block.seen, None, view[start:end])
        for student_id, tenant, version, (start, end) in zip(
            block.student_ids, block.tenants, versions, places, strict=True
        )
    ]


def one_model_version(records: Sequence[Record]) -> str:
    """Return the model set of records that are to be written together.

    Raises:
        BadInput: They are of several, or two of them of one student.
    """
    model_versions = sorted({record.model_version for record in records})
    if len(model_versions) != 1:
        raise BadInput(
            f"records of {len(model_versions)} model sets ({', '.join(model_versions)}) were given to one write; "
            "write those of each model set by themselves"
        )
    _once_each([record.student_id for record in records])
    return model_versions[0]


def _once_each(student_ids: Sequence[str]) -> None:
    if len(set(student_ids)) != len(student_ids):
        ids = sorted(student_ids)
        twice = next(one for one, other in pairwise(ids) if one == other)
        raise BadInput(
            f"two records of {twice} were given to one write; fold all of a student's events into one record"
        )


class StateStore(Protocol):
    """One record per student and model set.

    A record says which version of the lake's events it has *seen*; a student has *news*, the largest version that
    brought events of theirs. A record is current if it has seen the news: seen ≥ news, in the lineage of the lake that
    the store knows. One that is not is treated as absent: whoever needs it folds the student from the lake.

    What cannot be true holds nobody up. Records and news are written once the lake they are of is known, so news count
    up to what is known of the lake, and a record that has seen more than that, whose bytes say something else than what
    is kept beside them, or whose bytes are gone, is damaged: it is told of, and any fold may take its place.

    News only grow and a write with a smaller seen loses, so the order in which writers come does not matter and each
    method may be repeated. None needs a transaction across students: a store does one compare-and-set a record.
    """

    def get(self, student_id: str, model_version: str) -> Record | None:
        """Return the record; None for a stranger and where it has not seen the student's news.

        Raises:
            CorruptRecord: It is damaged.
        """
        ...

    def get_many(self, student_ids: Iterable[str], model_version: str) -> FoundRecords:
        """Return the records of many students that are current, and what else there is of them, all of one moment.

        A record that is damaged costs the others nothing: it is among the outdated, with what is wrong.
        """
        ...

    def get_rows(self, student_ids: Iterable[str], model_version: str) -> list[StoredRow]:
        """Return what `get_many` makes its records of, as it is stored; no row for a stranger."""
        ...

    def version(self, student_id: str, model_version: str) -> int:
        """Return how often the record was written, current or not; 0 for a stranger."""
        ...

    def put(self, record: Record, expected_version: int) -> int:
        """Write one record if its version is still `expected_version`; return the new one.

        Offsets and outbox of the one that lies there stay where this one has neither: a fold knows nothing of them,
        and what is still to be told must not be lost because a student was folded again. Those of another lineage go:
        a lake put back from a backup lacks what these offsets say was read.

        Raises:
            Overtaken: It is not, or what lies there has seen more (and as much as that is there to be seen).
        """
        ...

    def put_each(self, records: Sequence[Record]) -> list[str]:
        """Write many records, each as `put` does if its version is still `record.version`, the one it was read with.

        States, offsets and outbox of a record are written together or not at all. When this returns, what was written
        outlasts the end of this process. Whether it outlasts a power cut is the store's own matter, and need not be: a
        store that has lost its last writes has smaller offsets, from which the stream is read again, and its news are
        noted again from the lake. So the events must be in the lake, and on its disk, before this is called: offsets
        may be behind the lake but never ahead of it.

        Args:
            records: Records under one model set, each of another student.

        Returns:
            The students whose records were overtaken, in the order of the records; nothing of theirs was written.

        Raises:
            BadInput: They are of several model sets, or two are of one student.
        """
        ...

    def put_encoded(self, block: EncodedBlock, versions: Sequence[int]) -> list[str]:
        """Write the records of a block as `put_each` does, each if its version is still the one given for it.

        Offsets and outbox of those that lie there stay, as with `put`.

        Raises:
            BadInput: There is not one version for each, or two records are of one student.
        """
        ...

    def put_many(self, block: RecordBlock | EncodedBlock) -> int:
        """Write many records, whatever version they find; return how many. Those that have seen more stay as they are.

        Offsets and outbox of those that lie there stay, as with `put`.
        """
        ...

    def note_events(self, student_ids: Iterable[str], at: Position) -> None:
        """Raise the students' news to `at`, of strangers too: their first fold may be under way."""
        ...

    def stored(self, model_version: str) -> Iterator[list[StoredRecord]]:
        """Yield all records of a model set that are of the lake that the store knows, current or not, page by page.

        What is written meanwhile may be among them or not.
        """
        ...

    def known_lake(self) -> KnownLake | None:
        """Return the version of the lake up to which news have been noted; None: never."""
        ...

    def know_lake(self, now: KnownLake, before: KnownLake | None) -> bool:
        """Say that news have been noted up to `now`; does nothing and returns False unless `before` is what is known.

        Where `now` begins another lineage, all records are dropped: they are of another lake.
        """
        ...

    def stream_offsets(self) -> Mapping[str, int]:
        """Return from where streams are read on: partition → the place behind the last message that was dealt with.

        Those that were stored for another lake than the one that the store knows are not among them.
        """
        ...

    def raise_stream_offsets(self, offsets: Mapping[str, int], lineage: int) -> None:
        """Store from where streams are read on, each unless a larger place is stored already.

        Called once the events of all messages before these places are in the lake, and their records are written: so
        whoever says it, and in whatever order, says what is true. As with `put_each`, this outlasts the process, and
        need not outlast a power cut.

        Args:
            offsets: Partition → place.
            lineage: Of the lake that has the events, as in `Position`.
        """
        ...

    def count(self, model_version: str | None = None) -> int:
        """Return how many records there are, current or not, of one model set or of all."""
        ...

    def model_versions(self) -> list[str]:
        """Return the model sets that have records."""
        ...

    def drop_model_versions(self, model_versions: Iterable[str]) -> int:
        """Delete all records of some model sets and give their space back; return how many."""
        ...

    def drop_students(self, student_ids: Iterable[str], before: Position) -> int:
        """Delete the records of some students, under every model set, that have seen less than this; return how many.

        For students who have no events any more. A record that holds something of a stream stays. One that has seen
        more than the lake has that is known goes, too.
        """
        ...

    def close(self) -> None: ...
