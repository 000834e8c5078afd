"""The rows of a bucket out of files of several (`mastery.lake.arrivals`), each decoded once and kept for a while."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from mastery.arrays import Int64s
from mastery.events.identity import buckets as bucket_of
from mastery.lake import files
from mastery.lake.columns import STUDENT, with_used_values
from mastery.lake.files import Only
from mastery.lake.location import TableLocation
from mastery.tables import Table

KEPT_BYTES = 64 << 20
"""Of decoded rows that stay in memory: some 200,000 events."""


@dataclass(frozen=True)
class _Decoded:
    """Rows of one file, by bucket.

    Attributes:
        rows: n rows, those of a bucket together.
        starts: int64[buckets + 1]. Bucket b has rows starts[b]:starts[b + 1].
    """

    rows: pa.Table
    starts: Int64s


class ArrivedRows:
    """Holds the files met last. Files never change, so what is held never grows old."""

    def __init__(self, buckets: int, kept_bytes: int = KEPT_BYTES) -> None:
        """Hold up to `kept_bytes` of rows of a lake that has this number of buckets."""
        self._buckets, self._kept_bytes = buckets, kept_bytes
        self._decoded: OrderedDict[str, _Decoded] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def read(
        self,
        place: TableLocation,
        table: Table,
        path: str,
        bucket: int,
        columns: Sequence[str],
        only: Only | None = None,
    ) -> pa.Table:
        """Return one bucket's rows of a file, or `only` some of them, strings dictionary-encoded."""
        decoded = self._of(place, table, path)
        first, last = decoded.starts[bucket : bucket + 2].tolist()
        rows = decoded.rows.slice(first, last - first)
        if only is not None:
            rows = only.of(rows)
        return with_used_values(rows.select(list(columns)).combine_chunks())

    def _of(self, place: TableLocation, table: Table, path: str) -> _Decoded:
        key = place.path(path)
        with self._lock:
            known = self._decoded.get(key)
            if known is not None:
                self._decoded.move_to_end(key)
                return known
        decoded = self._decode(files.read(place, table, [path]))
        with self._lock:
            if key not in self._decoded:
                self._decoded[key] = decoded
                self._bytes += decoded.rows.nbytes
            while self._bytes > self._kept_bytes and len(self._decoded) > 1:
                self._bytes -= self._decoded.popitem(last=False)[1].rows.nbytes
        return decoded

    def _decode(self, rows: pa.Table) -> _Decoded:
        bucket = np.asarray(bucket_of(rows[STUDENT], self._buckets))
        if (np.diff(bucket) < 0).any():
            order = np.argsort(bucket, kind="stable")
            rows, bucket = rows.take(pa.array(order)).combine_chunks(), bucket[order]
        return _Decoded(rows, np.searchsorted(bucket, np.arange(self._buckets + 1)).astype(np.int64))
