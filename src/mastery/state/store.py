"""What every learner-state store does. Its conformance suite: tests/state/test_conformance.py."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
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


def seed(store: StateStore, blocks: Iterable[RecordBlock], folded_at: int | None = None) -> int:
    """Put block after block, encoding the next while the last is being written; return how many records."""
    written = 0
    with ThreadPoolExecutor(1) as pool:
        waiting: Future[EncodedBlock] | None = None
        for block in blocks:
            encoding = pool.submit(encode_block, block)
            if waiting is not None:
                written += store.put_many(waiting.result(), folded_at)
            waiting = encoding
        if waiting is not None:
            written += store.put_many(waiting.result(), folded_at)
    return written


class StateStore(Protocol):
    """One record per student and model set.

    A student is stale when the lake holds events that the record has not seen. A stale record is
    treated as absent: whoever needs it folds the student from the lake. So that no event is lost in a
    race, each mark and each write counts the student's version up, and a fold goes like this:

        expected = store.version(student, model)     # first
        rows = lake.read_student(EVENTS, student)    # then
        store.put(fold(rows), expected)              # Overtaken: begin again
    """

    def get(self, student_id: str, model_version: str) -> Record | None:
        """Return the record; None for a stranger and while it is stale."""
        ...

    def get_many(self, student_ids: Iterable[str], model_version: str) -> dict[str, Record]:
        """Return the records there are, none stale, by student."""
        ...

    def version(self, student_id: str, model_version: str) -> int:
        """Return how often the record was written or marked; 0 for a stranger. Also while it is stale.

        From now on marks reach the model set, though it has no record yet.
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

    def mark_stale(self, student_ids: Iterable[str]) -> int:
        """Make the students' records of all model sets stale; return how many students were named."""
        ...

    def note_events(self, version: int, student_ids: Iterable[str], *, after: int | None) -> bool:
        """Mark the students stale and move the watermark to `version`, in one transaction.

        Does nothing and returns False unless the watermark is `after` (None: never told): commits lie between that
        nobody has noted, and `catch_up` is to be called. Nothing else raises a watermark, so none is above an event
        whose student was not marked.
        """
        ...

    def watermark(self) -> int | None:
        """Return the version of the lake's events up to which students have been marked; None: never."""
        ...

    def students(self, tenant: str) -> list[str]:
        """Return the students of an institution that have a record, stale or not, ascending."""
        ...

    def count(self, model_version: str | None = None) -> int:
        """Return how many records there are, stale ones included, of one model set or of all."""
        ...

    def active_model_version(self) -> str | None:
        """Return the model set whose scores are shown; None before the first `activate`."""
        ...

    def activate(self, model_version: str) -> None:
        """Switch to another model set, at once."""
        ...

    def drop_model_version(self, model_version: str) -> int:
        """Delete all records of a model set that is not active; return how many."""
        ...

    def erase(self, student_id: str) -> bool:
        """Delete everything kept of a student; tell whether there was anything."""
        ...

    def close(self) -> None: ...
