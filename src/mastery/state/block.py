"""Many records of a store decoded at once, into grouped arrays: a hundredth of what each alone costs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from propcache import cached_property

from mastery.arrays import Int64s
from mastery.state import block_kernels as kernels
from mastery.state.encoding import COLUMNS, HEAD, Bytes, apart, check_head, format_of, preamble_of, slot_states_of
from mastery.state.position import Position
from mastery.state.record import (
    MISSING,
    ORDER,
    OVERRIDE,
    RECENT,
    RECORD_LEDGER,
    CorruptRecord,
    OtherFormat,
    RecordBlock,
    WrongPosition,
)
from mastery.state.store import Outdated, StateStore, outdated_of, require_position, require_possible
from mastery.tables import COUNTERS


@dataclass(frozen=True)
class FoundBlocks:
    """What a store holds of many students under one model set, as of one moment. Strangers are in none of it.

    Attributes:
        blocks: The records that are current. Of one block are those that have time zone, scorers and columns in common;
            `seen` is what all of them have seen, and some have seen more.
        versions: Student → version, of all that are there.
        outdated: Student → what there is of those that have to be folded again.
    """

    blocks: Sequence[RecordBlock]
    versions: Mapping[str, int]
    outdated: Mapping[str, Outdated]

    @cached_property
    def current(self) -> frozenset[str]:
        """Students whose records are current."""
        return frozenset(self.versions.keys() - self.outdated.keys())


def find_blocks(store: StateStore, student_ids: Iterable[str], model_version: str) -> FoundBlocks:
    """Return what a store holds of many students; see `StateStore.get_many`."""
    rows = {row[0]: row for row in sorted(store.get_rows(student_ids, model_version), key=itemgetter(0))}
    bodies: dict[str, bytes] = {}
    outdated: dict[str, Outdated] = {}
    for student_id, row in rows.items():
        damaged = None
        try:
            require_possible(row)
            if row.body is not None:
                check_head(row.body)
                bodies[student_id] = row.body
                continue
        except CorruptRecord as error:
            damaged = error
        outdated[student_id] = outdated_of(row, damaged)
    located = _located([*bodies.values()])
    whole = len(bodies)
    for student_id, seen in zip([*bodies], _seen(located), strict=True):
        try:
            require_position(rows[student_id], seen)
        except WrongPosition as error:
            outdated[student_id] = outdated_of(rows[student_id], error)
            del bodies[student_id]
    blocks: list[RecordBlock] = []
    try:
        left = [*bodies.values()]
        blocks = _decoded(left, located if len(left) == whole else _located(left))
    except OtherFormat:  # some of them
        for student_id, body in bodies.items():
            try:
                blocks += decode_many([body])
            except OtherFormat as error:
                outdated[student_id] = outdated_of(rows[student_id], error)
    return FoundBlocks(blocks, {student_id: row.version for student_id, row in rows.items()}, outdated)


def decode_many(bodies: Sequence[bytes]) -> list[RecordBlock]:
    """Return records that `check_head` has nothing against as blocks of those alike, in the order of the bodies.

    Raises:
        OtherFormat: One holds other counters or columns than this version.
    """
    return _decoded(bodies, _located(bodies))


def _decoded(bodies: Sequence[bytes], located: _Located) -> list[RecordBlock]:
    if not bodies:
        return []
    data, ptr, places = located
    alike: dict[tuple[int, bytes, bytes], list[int]] = defaultdict(list)
    for s, (body, first, place) in enumerate(zip(bodies, ptr.tolist(), places.tolist(), strict=False)):
        names, widths, columns = (place[k] - first for k in (kernels.NAMES, kernels.WIDTHS, kernels.COLUMNS))
        alike[format_of(body), body[HEAD.size : names], body[widths:columns]].append(s)
    return [_block(data, places[which], *shared) for shared, which in alike.items()]


class _Located(NamedTuple):
    """Bodies one behind the other.

    Attributes:
        data: All bytes.
        ptr: int64[S + 1], where each body begins and ends.
        places: int64[S, PLACES], where its fields are; columns as `block_kernels` has them.
    """

    data: Bytes
    ptr: Int64s
    places: Int64s


def _located(bodies: Sequence[bytes]) -> _Located:
    """Return bodies that `check_head` has nothing against, and where their fields are."""
    data = np.frombuffer(b"".join(bodies), np.uint8)
    ptr = np.cumsum([0, *map(len, bodies)], dtype=np.int64)
    places = np.zeros((len(bodies), kernels.PLACES), np.int64)
    kernels.find_places(data, ptr, HEAD.size, places)
    return _Located(data, ptr, places)


def _seen(located: _Located) -> list[Position]:
    """Return what each record has seen, as its bytes say."""
    return [Position(*seen) for seen in located.places[:, [kernels.LINEAGE, kernels.VERSION]].tolist()]


def _block(data: Bytes, places: Int64s, written_format: int, names: bytes, widths: bytes) -> RecordBlock:
    model_version, timezone, slot_widths, student_widths = preamble_of(names, widths)
    slot_ptr, ledger_ptr, recent_ptr, missing_ptr = (
        np.concatenate([[0], np.cumsum(places[:, k])]).astype(np.int64)
        for k in (kernels.SLOTS, kernels.DAYS, kernels.RECENT, kernels.MISSING)
    )
    students, slots = len(places), int(slot_ptr[-1])
    codes, begins, ends = np.empty(slots, np.int32), np.empty(slots, np.int64), np.empty(slots, np.int64)
    topics = kernels.code_topics(data, places, slot_ptr, codes, begins, ends)
    slot_words = np.empty(slots * sum(slot_widths.values()), np.uint64)
    student_words = np.zeros((students, sum(student_widths.values())), np.uint64)
    counters = np.zeros((slots, len(COUNTERS)), np.int64)
    ledger = np.zeros((int(ledger_ptr[-1]), len(RECORD_LEDGER)), np.int64)
    override = np.full((slots, len(OVERRIDE)), np.nan)
    recent = np.empty((int(recent_ptr[-1]), len(RECENT)), np.int64)
    newest = np.empty((students, len(ORDER)), np.int64)
    missing = np.empty((int(missing_ptr[-1]), len(MISSING)), np.int64)
    last_event_us, events_folded = np.empty(students, np.int64), np.empty(students, np.int64)
    kernels.decode_students(
        data,
        places,
        written_format == COLUMNS,
        slot_ptr,
        ledger_ptr,
        recent_ptr,
        missing_ptr,
        slot_words,
        np.array([*slot_widths.values()], np.int64),
        student_words,
        counters,
        ledger,
        override.view(np.uint64),
        recent,
        newest,
        missing,
        last_event_us,
        events_folded,
    )
    return RecordBlock(
        model_version=model_version,
        timezone=timezone,
        student_ids=_texts(data, places[:, kernels.ID], places[:, kernels.ID_END]),
        tenants=_texts(data, places[:, kernels.TENANT], places[:, kernels.TENANT_END]),
        slot_ptr=slot_ptr,
        topic_codes=codes,
        topics=_texts(data, begins[:topics], ends[:topics]).to_pylist(),
        slot_states=slot_states_of(slot_words, slots, slot_widths),
        student_states=apart(student_words, student_widths),
        counters=counters,
        ledger_ptr=ledger_ptr,
        ledger=ledger,
        override=override,
        recent_ptr=recent_ptr,
        recent=recent,
        newest=newest,
        missing_ptr=missing_ptr,
        missing=missing,
        last_event_us=last_event_us,
        events_folded=events_folded,
        seen=min(Position(*seen) for seen in places[:, [kernels.LINEAGE, kernels.VERSION]].tolist()),
    )


def _texts(data: Bytes, begins: Int64s, ends: Int64s) -> pa.Array:
    view = data.data
    return pa.array(
        [bytes(view[a:b]).decode() for a, b in zip(begins.tolist(), ends.tolist(), strict=True)], pa.string()
    )
