"""What two records of one student differ in, bit by bit, in words that name a scorer or a table and the topics."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain

import numpy as np
import numpy.typing as npt

from mastery.state import Record

OTHER_BYTES = "bytes"
"""What differs where every number is the same: the same record, written otherwise."""


def differences(stored: Record, folded: Record) -> dict[str, tuple[str, ...]]:
    """Return what differs → the topics in which it does, none where it belongs to the student.

    Windows are sums of the ledger's days, and scores are read from states: they differ where these do. Not compared is
    what no fold makes: what the record has seen, its version, offsets and outbox.
    """
    found: dict[str, tuple[str, ...]] = {}
    for name, one, other in _of_the_student(stored, folded):
        if not _same(one, other):
            found[name] = ()
    if stored.topics != folded.topics:  # other places: their numbers cannot be compared one by one
        found["topics"] = tuple(sorted(set(stored.topics) ^ set(folded.topics))) or folded.topics
        return found
    for name, one, other in _by_topic(stored, folded):
        rows = _rows_that_differ(one, other)
        if rows is None or rows.any():
            found[name] = folded.topics if rows is None else tuple(np.array(folded.topics, object)[rows])
    if not _same(stored.ledger, folded.ledger):
        found["ledger"] = tuple(
            topic for slot, topic in enumerate(folded.topics) if not _same_days(stored, folded, slot)
        )
    return found or {OTHER_BYTES: ()}


Pairs = chain[tuple[str, npt.NDArray[np.generic], npt.NDArray[np.generic]]]


def _of_the_student(stored: Record, folded: Record) -> Pairs:
    of_scorers = _paired(stored.student_states, folded.student_states)
    own = (
        ("tenant", np.array(stored.tenant), np.array(folded.tenant)),
        ("last event", np.array(stored.last_event_us), np.array(folded.last_event_us)),
        ("number of events", np.array(stored.events_folded), np.array(folded.events_folded)),
        ("recent events", stored.recent, folded.recent),
        ("newest event", stored.newest, folded.newest),
        ("replaced events", stored.missing, folded.missing),
    )
    return chain(of_scorers, own)


def _by_topic(stored: Record, folded: Record) -> Pairs:
    of_scorers = _paired(stored.slot_states, folded.slot_states)
    own = (("counters", stored.counters, folded.counters), ("overrides", stored.override, folded.override))
    return chain(of_scorers, own)


def _paired(
    stored: Mapping[str, npt.NDArray[np.generic]], folded: Mapping[str, npt.NDArray[np.generic]]
) -> list[tuple[str, npt.NDArray[np.generic], npt.NDArray[np.generic]]]:
    none = np.empty(0)
    names = dict.fromkeys((*folded, *stored))
    return [(f"state of {name}", stored.get(name, none), folded.get(name, none)) for name in names]


def _same(one: npt.NDArray[np.generic], other: npt.NDArray[np.generic]) -> bool:
    return one.shape == other.shape and one.dtype == other.dtype and one.tobytes() == other.tobytes()


def _rows_that_differ(one: npt.NDArray[np.generic], other: npt.NDArray[np.generic]) -> npt.NDArray[np.bool_] | None:
    """Return which rows differ in any bit; None where the shapes do."""
    if one.shape != other.shape:
        return None
    bits = [np.ascontiguousarray(each).view(np.uint64) for each in (one, other)]
    differ: npt.NDArray[np.bool_] = (bits[0] != bits[1]).any(axis=1)
    return differ


def _same_days(stored: Record, folded: Record, slot: int) -> bool:
    return _same(stored.ledger[stored.ledger[:, 0] == slot], folded.ledger[folded.ledger[:, 0] == slot])
