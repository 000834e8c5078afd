"""Which of some event ids a bucket has already, and with which bodies.

An open-addressing hash table over the ids that are asked for (few, so it stays in the processor's cache) is probed with
the ids of the bucket's files (many, read once in order). For 1 million ids against 20 million, probing takes 0.1 s;
reading the ids takes the rest. Body hashes are read only of files in which an id is found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mastery.arrays import Int64s
from mastery.kernels import kernel
from mastery.lake import files
from mastery.lake.location import TableLocation
from mastery.lake.snapshot import File
from mastery.tables import Table

NONE = -1


@dataclass(frozen=True)
class Known:
    """k rows that a bucket has; one for each revision of an event.

    Attributes:
        hi, lo: int64[k]. Their ids.
        body: int64[k]. Their body hashes.
    """

    hi: Int64s
    lo: Int64s
    body: Int64s

    def __add__(self, other: Known) -> Known:
        return Known(
            np.concatenate([self.hi, other.hi]),
            np.concatenate([self.lo, other.lo]),
            np.concatenate([self.body, other.body]),
        )


NOTHING_KNOWN = Known(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int64))


def find(place: TableLocation, table: Table, live: Sequence[File], hi: Int64s, lo: Int64s) -> Known:
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
    slots = _slots(hi.size)
    _insert(hi, lo, slots)
    for file in live:
        ids = files.read(place, table, [file.path], ["event_id_hi", "event_id_lo"])
        their_hi, their_lo = ids["event_id_hi"].to_numpy(), ids["event_id_lo"].to_numpy()
        rows = np.flatnonzero(_asked(hi, lo, slots, their_hi, their_lo))
        if rows.size:
            body = files.read(place, table, [file.path], ["body_hash"])["body_hash"].to_numpy()[rows]
            found += Known(their_hi[rows], their_lo[rows], body)
    return found


def _slots(n: int) -> npt.NDArray[np.int32]:
    return np.full(1 << max(3, int(2 * n - 1).bit_length()), NONE, np.int32)


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
