"""Decide which incoming rows are new, known, or contradict a known one. Exact, bucket by bucket.

An open-addressing hash table over the incoming rows (few, so it stays in the processor's cache) is probed with the
ids of the lake (many, read once in order). For 1 million rows against 20 million, probing takes 0.1 s; reading the ids
takes the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mastery.arrays import Int64s
from mastery.kernels import kernel

NEW, SAME, LOST, WON = range(4)
"""Verdict on a row: its id is new; known with the same body; known with a smaller body hash; with a larger one."""

NONE = -1


@kernel
def _insert(hi: Any, lo: Any, slots: Any, distinct: Any, first: Any) -> Any:
    """Number the distinct ids: distinct[r] of each row, and the first row of each. Return their number."""
    around = np.uint64(slots.size - 1)
    count = 0
    for r in range(hi.size):
        at = np.uint64(lo[r]) & around
        while slots[at] != NONE and not (hi[first[slots[at]]] == hi[r] and lo[first[slots[at]]] == lo[r]):
            at = (at + np.uint64(1)) & around
        if slots[at] == NONE:
            slots[at] = count
            first[count] = r
            count += 1
        distinct[r] = slots[at]
    return count


@kernel
def _probe(hi: Any, lo: Any, slots: Any, first: Any, known_hi: Any, known_lo: Any, known_row: Any) -> Any:
    """Set known_row of each distinct id that the lake has. Return the number of them."""
    around = np.uint64(slots.size - 1)
    found = 0
    for k in range(known_hi.size):
        at = np.uint64(known_lo[k]) & around
        while slots[at] != NONE:
            r = first[slots[at]]
            if hi[r] == known_hi[k] and lo[r] == known_lo[k]:
                found += known_row[slots[at]] == NONE
                known_row[slots[at]] = k
                break
            at = (at + np.uint64(1)) & around
    return found


@kernel
def _judge(
    body: Any, distinct: Any, known_row: Any, known_body: Any, verdict: Any, loser: Any, holder: Any, held: Any
) -> None:
    """Judge the rows in order of arrival; holder is the row kept for each id so far, held its body hash."""
    for r in range(body.size):
        d = distinct[r]
        if holder[d] == NONE and known_row[d] == NONE:
            verdict[r], holder[d], held[d] = NEW, r, body[r]
            continue
        if holder[d] == NONE:
            held[d] = known_body[known_row[d]]
            holder[d] = -2 - known_row[d]
        if body[r] == held[d]:
            verdict[r] = SAME
        elif body[r] > held[d]:
            verdict[r], loser[r] = LOST, r
        else:
            verdict[r], loser[r] = WON, holder[d]
            holder[d], held[d] = r, body[r]


@dataclass(frozen=True)
class Verdicts:
    """Verdicts on n incoming rows, in order of arrival, against the m rows of the lake.

    Attributes:
        verdict: uint8[n]. `NEW`, `SAME`, `LOST` or `WON`; the last two are conflicts.
        loser: int64[n]. In a conflict, the row that is not kept: one of the n, or -2 - k for row k of the lake.
        kept: int64. The rows that go into the lake, ascending.
        replaced: int64. Rows of the lake that are replaced by one of `kept`.
    """

    verdict: npt.NDArray[np.uint8]
    loser: Int64s
    kept: Int64s
    replaced: Int64s


def judge(
    hi: Int64s,
    lo: Int64s,
    body: Int64s,
    known_hi: Int64s,
    known_lo: Int64s,
    known_body: Callable[[], Int64s],
) -> Verdicts:
    """Return the verdicts. Of two bodies under one id the one with the smaller hash is kept, in any order of arrival.

    Args:
        hi, lo, body: int64[n]. Ids and body hashes of the incoming rows.
        known_hi, known_lo: int64[m]. Ids in the lake.
        known_body: Reads the body hashes in the lake, int64[m]; called only when some id is known.
    """
    n = hi.size
    slots = np.full(1 << max(3, int(2 * n - 1).bit_length()), NONE, np.int32)
    distinct, first = np.empty(n, np.int32), np.empty(n, np.int32)
    count = _insert(hi, lo, slots, distinct, first)
    known_row = np.full(count, NONE, np.int64)
    found = _probe(hi, lo, slots, first, known_hi, known_lo, known_row)
    bodies = known_body() if found else np.empty(0, np.int64)
    verdict, loser = np.empty(n, np.uint8), np.full(n, NONE, np.int64)
    holder, held = np.full(count, NONE, np.int64), np.empty(count, np.int64)
    _judge(body, distinct, known_row, bodies, verdict, loser, holder, held)
    kept = np.sort(holder[holder >= 0])
    replaced = known_row[(holder >= 0) & (known_row != NONE)]
    return Verdicts(verdict, loser, kept, replaced)
