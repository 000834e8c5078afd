"""Which of several revisions of one event counts. It is decided on reading, so a write never rewrites what is there.

A revision of an event that a bucket has already is written into a file whose name says so, and only a bucket with
such a file is looked at: without revisions nothing is read or compared. Compaction leaves only what counts.

Of two revisions that counts which is later by the source's own version, where it gives one; else the one received
later; of two received at the same moment the one with the smaller body hash. The order is total, so it does not
matter in which order files are read, or which of them are merged first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mastery.arrays import Int64s
from mastery.kernels import kernel
from mastery.lake.file_writer import holds_revisions
from mastery.lake.snapshot import File
from mastery.tables import EVENTS, Table

NEEDED = ("event_id_hi", "event_id_lo", "source_version", "received_at", "body_hash")
"""The columns of events by which it is decided."""

NEVER = np.iinfo(np.int64).min
"""Where the source gives no version, or nobody said when a row was received."""

NONE = -1


def has_revisions(table: Table, live: Sequence[File]) -> bool:
    """Tell whether some of these files of a bucket may hold more than one revision of an event."""
    return table is EVENTS and any(holds_revisions(file.path) for file in live)


def superseded(rows: pa.Table) -> npt.NDArray[np.bool_]:
    """Return bool[n]: which rows do not count, because another one is the later revision of the same event.

    Args:
        rows: n rows with the columns `NEEDED`: all rows of their events, in any order.
    """
    hi, lo, version, received, body = (_numbers(rows.column(name)) for name in NEEDED)
    slots = np.full(1 << max(3, int(2 * hi.size - 1).bit_length()), NONE, np.int64)
    out = np.zeros(hi.size, np.bool_)
    _mark(hi, lo, version, received, body, slots, out)
    return out


@kernel
def _mark(hi: Any, lo: Any, version: Any, received: Any, body: Any, slots: Any, out: Any) -> None:
    """Mark every row but the latest of its event; `slots` is an open-addressing table of those that are not marked."""
    around = np.uint64(slots.size - 1)
    for r in range(hi.size):
        at = np.uint64(lo[r]) & around
        while slots[at] != NONE and not (hi[slots[at]] == hi[r] and lo[slots[at]] == lo[r]):
            at = (at + np.uint64(1)) & around
        other = slots[at]
        if other == NONE:
            slots[at] = r
            continue
        if version[r] != version[other]:
            later = version[r] > version[other]
        elif received[r] != received[other]:
            later = received[r] > received[other]
        else:
            later = body[r] < body[other]
        out[other if later else r] = True
        if later:
            slots[at] = r


def _numbers(column: pa.ChunkedArray) -> Int64s:
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks != 1 else array.chunk(0)
    if pa.types.is_timestamp(array.type):
        array = array.view(pa.int64())
    return np.asarray(array.fill_null(NEVER).to_numpy(zero_copy_only=False), dtype=np.int64)
