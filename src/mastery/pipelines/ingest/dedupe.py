"""Decide which incoming rows are new events, revisions of known ones, or known already. Exact, bucket by bucket."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mastery.arrays import Int64s
from mastery.kernels import kernel
from mastery.lake import Known

NEW, REVISED, SAME = range(3)
"""Verdict on a row: its id is new; known, but not with this body; known with this body."""

NONE = -1

Verdicts = npt.NDArray[np.uint8]
"""uint8[n]: `NEW`, `REVISED` or `SAME` of each incoming row."""


class Judged(NamedTuple):
    """What was found about n incoming rows and k known ones.

    Attributes:
        verdicts: Of the incoming rows.
        again: bool[k]. Which known rows came again as they are.
    """

    verdicts: Verdicts
    again: npt.NDArray[np.bool_]


def judge(hi: Int64s, lo: Int64s, body: Int64s, known: Known) -> Judged:
    """Judge rows in order of arrival; the first of a new id is `NEW`, an equal one after it `SAME`.

    Args:
        hi, lo, body: int64[n]. Ids and body hashes of the incoming rows.
        known: The rows with these ids that there are already; others do not matter.
    """
    n, m = hi.size, known.hi.size
    all_hi, all_lo = np.concatenate([known.hi, hi]), np.concatenate([known.lo, lo])
    event = np.empty(m + n, np.int32)
    slots = np.full(1 << max(3, int(2 * (m + n) - 1).bit_length()), NONE, np.int32)
    _number(all_hi, all_lo, slots, event)
    verdict = np.empty(m + n, np.uint8)
    again = np.zeros(m, np.bool_)
    slots[:] = NONE
    _judge(event, all_lo, np.concatenate([known.body, body]), slots, verdict, again)
    return Judged(verdict[m:], again)


@kernel
def _number(hi: Any, lo: Any, slots: Any, event: Any) -> None:
    """Set event[r] to the first row with the id of row r."""
    around = np.uint64(slots.size - 1)
    for r in range(hi.size):
        at = np.uint64(lo[r]) & around
        while slots[at] != NONE and not (hi[slots[at]] == hi[r] and lo[slots[at]] == lo[r]):
            at = (at + np.uint64(1)) & around
        if slots[at] == NONE:
            slots[at] = r
        event[r] = slots[at]


@kernel
def _judge(event: Any, lo: Any, body: Any, slots: Any, verdict: Any, again: Any) -> None:
    """Judge each row by those before it, of which the first are known. `slots` has the first row of each event and
    body.

    Many events may share a body (a class on one question, with dates alone), so a slot is chosen by the id too.
    """
    around = np.uint64(slots.size - 1)
    for r in range(event.size):
        at = np.uint64(lo[r] ^ body[r]) & around
        while slots[at] != NONE and not (event[slots[at]] == event[r] and body[slots[at]] == body[r]):
            at = (at + np.uint64(1)) & around
        if slots[at] != NONE:
            verdict[r] = SAME
            if r >= again.size and slots[at] < again.size:
                again[slots[at]] = True
            continue
        slots[at] = r
        verdict[r] = NEW if event[r] == r else REVISED
