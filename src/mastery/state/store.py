"""What every learner-state store does. Its conformance suite: tests/state/test_conformance.py."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from mastery.arrays import Int64s
from mastery.errors import Conflict
from mastery.state.encoding import Bytes, encode_many
from mastery.state.position import KnownLake, Position
from mastery.state.record import Record, RecordBlock


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


class StateStore(Protocol):
    """One record per student and model set.

    A record says which version of the lake's events it has *seen*; a student has *news*, the largest version that
    brought events of theirs. A record is current if it has seen the news: seen ≥ news, in the lineage of the lake that
    the store knows. One that is not is treated as absent: whoever needs it folds the student from the lake.

    News only grow and a write with a smaller seen loses, so the order in which writers come does not matter and each
    method may be repeated. None needs a transaction across students: a store does one compare-and-set a record.
    """

    def get(self, student_id: str, model_version: str) -> Record | None:
        """Return the record; None for a stranger and where it has not seen the student's news.

        Raises:
            CorruptRecord: The bytes are damaged.
        """
        ...

    def version(self, student_id: str, model_version: str) -> int:
        """Return how often the record was written, current or not; 0 for a stranger."""
        ...

    def put(self, record: Record, expected_version: int) -> int:
        """Write one record if its version is still `expected_version`; return the new one.

        Offsets and outbox of the one that lies there stay where this one has neither: a fold knows nothing of them,
        and what is still to be told must not be lost because a student was folded again.

        Raises:
            Overtaken: It is not, or what lies there has seen more.
        """
        ...

    def put_many(self, block: RecordBlock | EncodedBlock) -> int:
        """Write many records, but for those that lie there and have seen more; return how many were written.

        Offsets and outbox of those that lie there stay.
        """
        ...

    def note_events(self, student_ids: Iterable[str], at: Position) -> None:
        """Raise the students' news to `at`, of strangers too: their first fold may be under way."""
        ...

    def known_lake(self) -> KnownLake | None:
        """Return the version of the lake up to which news have been noted; None: never."""
        ...

    def know_lake(self, now: KnownLake, before: KnownLake | None) -> bool:
        """Say that news have been noted up to `now`; does nothing and returns False unless `before` is what is known.

        Where `now` begins another lineage, all records are dropped: they are of another lake.
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

        For students who have no events any more. A record that holds something of a stream stays.
        """
        ...

    def close(self) -> None: ...
