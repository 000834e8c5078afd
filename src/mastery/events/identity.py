"""Identity of events: 128-bit ids, body hashes and student buckets, all from MurmurHash3.

An id is the murmur of 16-byte blocks: one block per text (the murmur of its utf-8 bytes) or per pair
of integers, little-endian. Anyone can recompute it with any murmur library: docs/events.md.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mastery.arrays import Int64s
from mastery.events.murmur import NO_NUMBER, NULL, Blocks, Hashes, murmur, numbers
from mastery.tables import EVENTS

__all__ = ["NO_NUMBER", "NULL", "ORDERED", "OWN_ID", "REPLACES", "Blocks", "bucket_of", "buckets", "identify", "murmur"]

OWN_ID = "own_id"
"""Column of parsed events: the source's own id of the event, null where it has none."""

REPLACES = "replaces"
"""Column of parsed events: the source's own id of the event that this one replaces."""

ORDERED = "ordered"
"""Column of parsed events: whether `sequence` is an order of the source's own, and no attempt number; null for no."""

IDENTITY_VERSION = 3
"""Rises when the same row gets another id or body hash than before. In 1 the topic was in the id of every event; in 2
rows of one answer on several topics had an id each where time stamps are coarse."""

PLACES = 1 << 20
"""Places that fit between two attempt numbers, where there is no other order; see `mastery.events.ties`."""

_BODY_TEXTS = ("topic_id", "item_id", "teacher_id", "reason")
_BODY_NUMBERS = (
    ("occurred_at", "sequence"),
    ("attempts", "success_ppm"),
    ("duration_ms", "attempt_number"),
    ("hints", "rewinds"),
)


def buckets(student_ids: pa.Array | pa.ChunkedArray, count: int) -> npt.NDArray[np.int32]:
    """Return int32[n]: each pseudonym's bucket, its murmur's hi word as unsigned, modulo ``count``."""
    return bucket_of(murmur(student_ids)[0], count)


def bucket_of(hi: Int64s, count: int) -> npt.NDArray[np.int32]:
    """Return int32[n]: the bucket of each pseudonym, from the hi word of its murmur."""
    return (hi.view(np.uint64) % np.uint64(count)).astype(np.int32)


def own_identity(
    tenant: pa.ChunkedArray, kind: pa.ChunkedArray, student: pa.ChunkedArray, own_id: pa.ChunkedArray
) -> Hashes:
    """Return the event ids that events with these own ids have: blocks tenant, kind, student, own id."""
    return Blocks(len(tenant)).text(tenant).text(kind).text(student).text(own_id).finish()


def event_identity(events: pa.Table) -> Hashes:
    """Return (hi, lo) of parsed events, never made from their outcome.

    With an own id the blocks are tenant, kind, student, own id; without one: tenant, kind, student, item
    (for feedback the teacher), topic, (occurred_at, sequence). Where there is an item the topic is left out, for it
    may be found out later, or be another one in a later export.
    """
    hi, lo = identity_without_own(events)
    own = events[OWN_ID]
    if own.null_count == events.num_rows:
        return hi, lo
    own_hi, own_lo = own_identity(events["tenant"], events["kind"], events["student_id"], own)
    if own.null_count == 0:
        return own_hi, own_lo
    has_own = own.is_valid().to_numpy()
    return np.where(has_own, own_hi, hi), np.where(has_own, own_lo, lo)


def identity_without_own(events: pa.Table) -> Hashes:
    """Return the event ids that events have without an own id; `sequence` is the order or the attempt number."""
    item = events["item_id"]
    if 0 < item.null_count < events.num_rows:
        with_item, without = _by_item(events, topics=False), _by_item(events, topics=True)
        has_item = item.is_valid().to_numpy()
        hi, lo = (np.where(has_item, one, other) for one, other in zip(with_item, without, strict=True))
    else:
        hi, lo = _by_item(events, topics=item.null_count > 0)
    return hi, lo


def _by_item(events: pa.Table, *, topics: bool) -> Hashes:
    blocks = Blocks(events.num_rows).text(events["tenant"]).text(events["kind"]).text(events["student_id"])
    blocks.text(_item_or_teacher(events["item_id"], events["teacher_id"]))
    blocks.text(events["topic_id"] if topics else pa.nulls(events.num_rows, pa.string()))
    return blocks.integers(events["occurred_at"], events["sequence"]).finish()


def _item_or_teacher(item: pa.ChunkedArray, teacher: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the item, or the teacher where there is none: two teachers may judge one topic in the same second."""
    if teacher.null_count == len(teacher):
        return item
    if item.null_count == len(item):
        return teacher
    return pc.coalesce(item.cast(pa.string()), teacher.cast(pa.string()))


def _joined(lists: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.binary_join(lists, "\x1f")  # ids hold no control characters, so this cannot be ambiguous


def body_hashes(events: pa.Table, replaces: tuple[pa.ChunkedArray, pa.ChunkedArray]) -> Int64s:
    """Return int64[n]: murmur of everything an event says, except where and when it was read.

    Its source's version is in it where there is one, so that a grade that was taken back is no repeat of the first.
    """
    blocks = Blocks(events.num_rows)
    for name in _BODY_TEXTS:
        blocks.text(events[name])
    others = events["other_topic_ids"]
    blocks.text(others if others.null_count == len(others) else _joined(others))
    for first, second in _BODY_NUMBERS:
        blocks.integers(events[first], events[second])
    body = blocks.integers(*replaces).finish()[0]
    version = events["source_version"]
    if version.null_count == len(version):
        return body
    versioned = Blocks(events.num_rows).add(body, numbers(version)).finish()[0]
    return np.where(version.is_valid().to_numpy(), versioned, body)


def identify(events: pa.Table) -> pa.Table:
    """Return parsed events with ids and body hashes, in the columns of EVENTS. Persons have their final ids already.

    ``events`` has the columns of EVENTS without ``bucket`` and the hashes, and `OWN_ID`, `REPLACES` and `ORDERED`,
    which are left out of the result. ``bucket`` is not added here: only the lake knows the number of buckets.
    """
    hi, lo = event_identity(events)
    events = _in_order(events)
    replaces_hi, replaces_lo = _replaced(events)
    made = {
        "event_id_hi": pa.array(hi),
        "event_id_lo": pa.array(lo),
        "body_hash": pa.array(body_hashes(events, (replaces_hi, replaces_lo))),
        "replaces_hi": replaces_hi,
        "replaces_lo": replaces_lo,
        "ingest": pa.nulls(events.num_rows, pa.int64()),  # whoever writes them says which
    }
    names = [name for name in EVENTS.schema.names if name != "bucket"]
    return pa.table([made[name] if name in made else events[name] for name in names], names=names)


def _in_order(events: pa.Table) -> pa.Table:
    """Return the events with room in `sequence` for places between attempt numbers, where these are all the order."""
    attempts = events["attempt_number"]
    if attempts.null_count == len(attempts):
        return events
    ordered, sequence = events[ORDERED], events["sequence"]
    spread = pc.multiply(sequence, PLACES)
    if ordered.null_count < len(ordered):
        spread = pc.if_else(pc.fill_null(ordered, False), sequence, spread)
    return events.set_column(events.column_names.index("sequence"), "sequence", spread)


def _replaced(events: pa.Table) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    """Return the ids of the events that these replace, null for none."""
    replaces = events[REPLACES]
    if replaces.null_count == len(replaces):
        none = replaces.cast(pa.int64())
        return none, none
    hi, lo = own_identity(events["tenant"], events["kind"], events["student_id"], replaces)
    gone = replaces.is_null().to_numpy()
    return pa.chunked_array([pa.array(hi, mask=gone)]), pa.chunked_array([pa.array(lo, mask=gone)])
