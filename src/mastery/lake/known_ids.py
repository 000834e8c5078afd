"""Which of some event ids a bucket has already, and with which bodies.

An open-addressing hash table over the ids that are asked for (few, so it stays in the processor's cache) is probed with
the ids of the bucket's files (many, read once in order). For 1 million ids against 20 million, probing takes 0.1 s;
reading the ids takes the rest. Body hashes are read only where an id is found.

Of a few ids most files need not be read: of each row group a Bloom filter tells that it has none of them. Filters, and
the ids of files too small to have one, stay in memory: the next few ids cost what they are, not what the lake holds.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from mastery.arrays import Int64s
from mastery.kernels import kernel
from mastery.lake import files
from mastery.lake.bloom import may_hold_any
from mastery.lake.layout import FILTERED_BY, FILTERED_ROWS
from mastery.lake.location import TableLocation
from mastery.lake.seal import Chunks
from mastery.lake.snapshot import File
from mastery.tables import Table

FEW = 1_024
"""Up to this many ids a bucket, filters are asked. Of more, some pass nearly every filter by chance alone, and row
groups read one by one cost more than the whole. New ids in compacted buckets of 78,000 rows, milliseconds of processor
time for 64 of them:

    ids a bucket    8    256    512    1,024    2,048    4,096
    filters         4     55     80      109      156      154
    all ids read  141    116    126      124      152      122

Bounds of row groups would not help: events of as many students lie in all of them. Of ids that the bucket has, the
groups they are in are read, which is the same as all where there are many."""

KEPT_BYTES = 256 << 20
"""Of filters and ids that stay in memory: those of 100 million events and more."""

FORGET_FROM = 256
"""Files of several buckets whose ids stay in memory, and twice as many as there are, before those that went are
forgotten."""

ID = ["event_id_hi", LO := "event_id_lo"]

NONE = -1


@dataclass(frozen=True)
class Known:
    """k rows that a bucket has; one for each revision of an event.

    Attributes:
        hi, lo: int64[k]. Their ids.
        body: int64[k]. Their body hashes.
        ingest: int64[k]. Numbers of the ingests that brought them; `NOBODY` where that is not known.
    """

    hi: Int64s
    lo: Int64s
    body: Int64s
    ingest: Int64s

    def __add__(self, other: Known) -> Known:
        return Known(
            np.concatenate([self.hi, other.hi]),
            np.concatenate([self.lo, other.lo]),
            np.concatenate([self.body, other.body]),
            np.concatenate([self.ingest, other.ingest]),
        )

    def where(self, chosen: npt.NDArray[np.bool_]) -> Known:
        """Return the chosen rows, bool[k]."""
        return Known(self.hi[chosen], self.lo[chosen], self.body[chosen], self.ingest[chosen])


NOTHING_KNOWN = Known(*(np.empty(0, np.int64) for _ in range(4)))

NOBODY = 0
"""Number of no ingest: none was begun in 1970."""


@dataclass(frozen=True)
class _Summary:
    """What is remembered of one file.

    Attributes:
        ids: hi and lo of its rows, of a small one.
        footer: Its metadata and checksums, of others.
        filters: The Bloom filter of each row group, uint32[blocks x 8]; None where it has none.
    """

    ids: tuple[Int64s, Int64s] | None
    footer: tuple[pq.FileMetaData, Chunks | None] | None = None
    filters: tuple[npt.NDArray[np.uint32] | None, ...] = ()

    @property
    def bytes(self) -> int:
        own = () if self.ids is None else self.ids
        return 512 + sum(array.nbytes for array in (*own, *self.filters) if array is not None)


class KnownIds:
    """Finds ids in files, and holds what it has learnt of them. Files never change, so it never grows old."""

    def __init__(self, kept_bytes: int = KEPT_BYTES) -> None:
        self._kept_bytes = kept_bytes
        self._summaries: OrderedDict[str, _Summary] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()
        self._arrived: dict[int, list[str]] = {}  # second word of an id → the files that have it
        self._looked_into: set[str] = set()

    def find(self, place: TableLocation, table: Table, live: Sequence[File], hi: Int64s, lo: Int64s) -> Known:
        """Return the rows of some files whose id is one of those asked for.

        Args:
            place: Folder of the table.
            table: EVENTS or SUPERSEDED.
            live: The files.
            hi, lo: int64[n]. Ids; they may repeat.
        """
        found = NOTHING_KNOWN
        if not live:
            return found
        asked = _Asked(hi, lo)
        for file in live:
            if hi.size > FEW:
                found += _in_file(place, table, file.path, asked)
                continue
            summary = self._summary(place, table, file)
            if summary.ids is not None:
                if asked.rows(*summary.ids).size:
                    found += _in_file(place, table, file.path, asked)
                continue
            groups = [g for g, words in enumerate(summary.filters) if words is None or may_hold_any(words, lo)]
            if groups:
                found += _in_file(place, table, file.path, asked, summary.footer, groups)
        return found

    def find_arrived(self, place: TableLocation, table: Table, live: Sequence[File], hi: Int64s, lo: Int64s) -> Known:
        """Return the same of files with rows of several buckets. Of all of them together it is known in memory which
        ids they have: they are many and small, and there until their rows are distributed.
        """
        if not live:
            return NOTHING_KNOWN
        paths = {place.path(file.path): file.path for file in live}
        with self._lock:
            if len(self._looked_into) > FORGET_FROM + 2 * len(paths):
                self._arrived, self._looked_into = {}, set()
            for path in paths.keys() - self._looked_into:
                for one in files.read(place, table, [paths[path]], [LO])[LO].to_pylist():
                    self._arrived.setdefault(one, []).append(path)
                self._looked_into.add(path)
            hits = {path for one in lo.tolist() for path in self._arrived.get(one, ())}
        found = NOTHING_KNOWN
        for path in sorted(hits & paths.keys()):
            found += _in_file(place, table, paths[path], _Asked(hi, lo))
        return found

    def _summary(self, place: TableLocation, table: Table, file: File) -> _Summary:
        key = place.path(file.path)
        with self._lock:
            known = self._summaries.get(key)
            if known is not None:
                self._summaries.move_to_end(key)
                return known
        summary = _summary_of(place, table, file)
        with self._lock:
            if key not in self._summaries:
                self._summaries[key] = summary
                self._bytes += summary.bytes
            while self._bytes > self._kept_bytes and len(self._summaries) > 1:
                self._bytes -= self._summaries.popitem(last=False)[1].bytes
        return summary


def _summary_of(place: TableLocation, table: Table, file: File) -> _Summary:
    if file.rows < FILTERED_ROWS:
        ids = files.read(place, table, [file.path], ID)
        hi, lo = (ids[name].to_numpy() for name in ID)
        return _Summary((hi.copy(), lo.copy()))
    with files.opened(place, table, file.path) as opened:
        groups = range(opened.parquet.num_row_groups)
        filters = tuple(opened.filter(FILTERED_BY[table.name], group) for group in groups)
        return _Summary(None, (opened.parquet.metadata, opened.chunks), filters)


def _in_file(
    place: TableLocation,
    table: Table,
    path: str,
    asked: _Asked,
    footer: tuple[pq.FileMetaData, Chunks | None] | None = None,
    groups: Sequence[int | None] = (None,),
) -> Known:
    """Return the rows of a file, or of some of its row groups, whose id is one of those asked for."""
    found = NOTHING_KNOWN
    with files.opened(place, table, path, footer) as opened:
        for group in groups:
            ids = opened.read(ID, group)
            hi, lo = (ids[name].combine_chunks().to_numpy() for name in ID)
            rows = asked.rows(hi, lo)
            if rows.size:
                more = opened.read(["body_hash", "ingest"], group).combine_chunks()
                body, ingest = more["body_hash"].to_numpy(), more["ingest"].fill_null(NOBODY).to_numpy()
                found += Known(hi[rows], lo[rows], body[rows], ingest[rows])
    return found


class _Asked:
    """A hash table of the ids that are asked for."""

    def __init__(self, hi: Int64s, lo: Int64s) -> None:
        self._hi, self._lo = hi, lo
        self._slots = np.full(1 << max(3, int(2 * hi.size - 1).bit_length()), NONE, np.int32)
        _insert(hi, lo, self._slots)

    def rows(self, hi: Int64s, lo: Int64s) -> Int64s:
        """Return which of these ids are among them."""
        return np.flatnonzero(_asked(self._hi, self._lo, self._slots, hi, lo))


@kernel
def _insert(hi: Any, lo: Any, slots: Any) -> None:
    around = np.uint64(slots.size - 1)
    for r in range(hi.size):
        at = np.uint64(lo[r]) & around
        while slots[at] != NONE and not (hi[slots[at]] == hi[r] and lo[slots[at]] == lo[r]):
            at = (at + np.uint64(1)) & around
        slots[at] = r


@kernel
def _asked(hi: Any, lo: Any, slots: Any, their_hi: Any, their_lo: Any) -> Any:
    """Return bool[m]: whether each of their ids is one of those in `slots`."""
    around = np.uint64(slots.size - 1)
    out = np.zeros(their_hi.size, np.bool_)
    for k in range(their_hi.size):
        at = np.uint64(their_lo[k]) & around
        while slots[at] != NONE:
            r = slots[at]
            if hi[r] == their_hi[k] and lo[r] == their_lo[k]:
                out[k] = True
                break
            at = (at + np.uint64(1)) & around
    return out
