"""What every learner-state store does. Its conformance suite: tests/state/test_conformance.py."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from mastery.arrays import Int64s
from mastery.errors import Conflict
from mastery.state.encoding import Bytes, encode_many
from mastery.state.record import Record, RecordBlock


class Overtaken(Conflict):
    """A compare-and-set that found another version than the writer had read."""

    title = "Another writer was faster"

    def __init__(self, student_id: str, expected: int, found: int) -> None:
        self.student_id, self.expected, self.found = student_id, expected, found
        super().__init__(
            f"record of {student_id}: expected version {expected}, found {found}; another writer or newer events "
            "came in between: ask `version` again, fold the student again and put that"
        )


@dataclass(frozen=True, eq=False)
class EncodedBlock:
    """Records of one model set as bytes, ready to be stored. Made by `encode_block`, in any process.

    Attributes:
        model_version: The model set.
        student_ids: S pseudonyms.
        tenants: S institutions.
        buffer: uint8; student s has buffer[ptr[s]:ptr[s + 1]].
        ptr: int64[S + 1].
    """

    model_version: str
    student_ids: Sequence[str]
    tenants: Sequence[str]
    buffer: Bytes
    ptr: Int64s


def encode_block(block: RecordBlock) -> EncodedBlock:
    """Return the block as bytes; runs outside Python's lock but for the checksums."""
    ids = block.student_ids.to_pylist()
    tenants = [block.tenants] * len(ids) if isinstance(block.tenants, str) else block.tenants.to_pylist()
    return EncodedBlock(block.model_version, ids, tenants, *encode_many(block))


class StateStore(Protocol):
    """One record per student and model set.

    A student is stale when the lake holds events that the record has not seen. A stale record is
    treated as absent: whoever needs it folds the student from the lake. So that no event is lost in a
    race, each mark and each write raises the student's version, and a fold goes like this:

        expected = store.version(student, model)     # first
        rows = lake.read_student(EVENTS, student)    # then
        store.put(fold(rows), expected)              # Overtaken: begin again
    """

    def get(self, student_id: str, model_version: str) -> Record | None:
        """Return the record; None for a stranger and while it is stale."""
        ...

    def version(self, student_id: str, model_version: str) -> int:
        """Return the number that each write and each mark of the record raises by one, also while it is stale.

        A stranger has one too. From now on marks reach the model set, though it has no record yet.
        """
        ...

    def put(self, record: Record, expected_version: int) -> int:
        """Write one record if its version is still `expected_version`; return the new one.

        Raises:
            Overtaken: It is not.
        """
        ...

    def put_many(self, block: RecordBlock | EncodedBlock, folded_at: int | None = None) -> int:
        """Write many records whatever is there, in one transaction; return how many.

        `folded_at` is the version of the lake's events that the records have seen. A watermark above it
        is lowered to it in the same transaction, so that students who were marked since then, and whose
        mark this takes away, are marked again by the next `catch_up`.
        """
        ...

    def note_events(self, version: int, student_ids: Iterable[str], *, after: int | None) -> bool:
        """Make the students' records of all model sets stale and move the watermark to `version`, in one transaction.

        Does nothing and returns False unless the watermark is `after` (None: never told): commits lie between that
        nobody has noted, and `catch_up` must be called. Nothing else raises a watermark, so none is above an event
        whose student was not marked.
        """
        ...

    def watermark(self) -> int | None:
        """Return the version of the lake's events up to which students have been marked; None: never."""
        ...

    def count(self, model_version: str | None = None) -> int:
        """Return how many records there are, stale ones included, of one model set or of all."""
        ...

    def model_versions(self) -> list[str]:
        """Return the model sets that have records or have been asked for."""
        ...

    def drop_model_versions(self, model_versions: Iterable[str]) -> int:
        """Delete all records of some model sets and give their space back; return how many.

        A writer who read a version of one of them before is refused afterwards, whatever the set is used for since.
        """
        ...

    def close(self) -> None: ...
