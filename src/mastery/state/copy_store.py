"""All that one store holds, copied into another, of whatever backends."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace

from mastery.errors import Conflict
from mastery.state.encoding import decode
from mastery.state.position import NOWHERE, KnownLake, Position
from mastery.state.record import CorruptRecord, Record
from mastery.state.store import StateStore, StoredRecord


@dataclass(frozen=True)
class CopiedSet:
    """How many records of a model set were copied.

    Attributes:
        model_version: The model set.
        records: Those that the other store has now, whether they are current or not.
        damaged: Those that cannot be read, and were left out: they are made again from the lake.
    """

    model_version: str
    records: int
    damaged: int


def require_empty(target: StateStore, where: str) -> None:
    """Raise Conflict where a store holds records."""
    count = target.count()
    if count:
        raise Conflict(
            f"state store {where!r} holds {count} records; name an empty one, or replace them with --overwrite, as "
            "after a copy that was interrupted"
        )


def copy_store(source: StateStore, target: StateStore) -> list[CopiedSet]:
    """Copy all records, news, places of streams and what is known of the lake, in place of all that the target holds.

    Nothing else may write to either meanwhile. What an interrupted copy leaves is a store without some records, which a
    next one replaces. Records of a lake that is gone stay behind.

    Args:
        source: Is not changed.
        target: Is emptied first.

    Raises:
        Conflict: Somebody else wrote to the target.
    """
    known = source.known_lake()  # before the records: what is noted after this is noted again from the lake
    if known is None:
        return []
    offsets = source.stream_offsets()
    _empty(target, known)
    copied = []
    for model_version in source.model_versions():
        written = damaged = 0
        for page in source.stored(model_version):
            records = _whole(page)
            if target.put_each(records):
                raise _not_alone()
            _note(target, page, known.lineage)
            written, damaged = written + len(records), damaged + len(page) - len(records)
        copied.append(CopiedSet(model_version, written, damaged))
    target.raise_stream_offsets(offsets, known.lineage)
    return copied


def _empty(target: StateStore, known: KnownLake) -> None:
    """Drop all records and news, and make `known` what is known of the lake."""
    before = target.known_lake()
    lineage = max(known.lineage, NOWHERE.lineage if before is None else before.lineage) + 1
    none = KnownLake(
        lineage, "", NOWHERE.version, ""
    )  # of another lineage than either: that drops both records and news
    if not (target.know_lake(none, before) and target.know_lake(known, none)):
        raise _not_alone()


def _whole(page: list[StoredRecord]) -> list[Record]:
    """Return the records that can be read, as new ones."""
    records = []
    for one in page:
        try:
            records.append(replace(decode(one.body, one.version, one.stream), version=0))
        except CorruptRecord:  # counted by the caller
            continue
    return records


def _note(target: StateStore, page: list[StoredRecord], lineage: int) -> None:
    students = defaultdict(list)
    for one in page:
        if one.news is not None:
            students[one.news].append(one.student_id)
    for version, theirs in students.items():
        target.note_events(theirs, Position(lineage, version))


def _not_alone() -> Conflict:
    return Conflict(
        "another process wrote to the store that is copied to; stop it, and run this again with --overwrite"
    )
