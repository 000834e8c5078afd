"""Rows of one file that say something other than other rows of the same event, counted without a lake.

As an ingest counts them: rows that differ in topic alone are one answer on several topics, and points for each
criterion are answers of their own; see `mastery.events.several_topics`.
"""

from __future__ import annotations

import numpy as np

from mastery.arrays import Int64s
from mastery.events.identity import Blocks
from mastery.events.ties import Placed, Sharing
from mastery.events.values import Mask

HELD = 4_000_000
"""Rows that are compared with each other, the first of a file: about 160 MB."""


class Contradictions:
    """Counts the rows of one file, given piece by piece, of which another one of the same event counts."""

    def __init__(self) -> None:
        self._pieces: list[tuple[Int64s, Int64s, Int64s, Int64s, Mask]] = []
        self._held = 0

    def add(self, events: Sharing, body: Int64s, placed: Placed) -> None:
        """Hold n events with their body hashes, int64[n], and the places of those that share a moment."""
        if self._held >= HELD:
            return
        event = events.id_lo.copy()
        nth = np.zeros(event.size, np.int64)
        nth[placed.rows] = placed.nth
        again = nth > 0
        event[again] = Blocks(int(again.sum())).add(event[again], nth[again]).finish()[0]
        self._pieces.append((event, body, events.apart, events.outcome, events.own))
        self._held += event.size

    def count(self) -> int:
        """Return the number of such rows; equal ones count once."""
        if not self._held:
            return 0
        event, body, apart, outcome, own = (np.concatenate(columns) for columns in zip(*self._pieces, strict=True))
        order = np.argsort(event, kind="stable")
        alone = np.diff(event[order], prepend=event[order[:1]] + 1, append=event[order[-1:]] + 1) != 0
        among = order[~(alone[:-1] & alone[1:])]
        if not among.size:
            return 0
        event, body, apart, outcome, own = (column[among] for column in (event, body, apart, outcome, own))
        start = np.flatnonzero(np.diff(event, prepend=event[0] - 1))
        of = np.repeat(np.arange(start.size), np.diff(np.append(start, event.size)))
        agree = np.logical_and.reduceat(outcome == outcome[start][of], start)
        several = np.logical_or.reduceat(apart != apart[start][of], start)
        joined = (agree & several)[of]
        by_topic = (~agree & several & ~np.logical_or.reduceat(own, start))[of]
        event = np.where(by_topic, Blocks(event.size).add(event, apart).finish()[0], event)[~joined]
        says = Blocks(event.size).add(event, body[~joined]).finish()[0]
        return int(np.unique(says).size - np.unique(event).size)
