"""Events that were read and wait until there are enough to be written.

Rows that stand next to each other may be one answer on several topics (`mastery.events.several_topics`), and are joined
where they are written at once. So what is written while a file goes on ends before the last answer; its rows wait.
"""

from __future__ import annotations

import numpy as np

from mastery.pipelines.ingest.held_rows import Held


class Waiting:
    """The events that wait, in the order they were read.

    Attributes:
        pieces: At least one event in each.
        rows, bytes: How many they are, and how much memory they take.
    """

    def __init__(self) -> None:
        self.pieces: list[Held] = []
        self.rows = self.bytes = 0

    def add(self, piece: Held) -> None:
        """Let some more events wait."""
        self.pieces.append(piece)
        self.rows += piece.rows.num_rows
        self.bytes += piece.bytes

    def taken(self, *, ended: bool) -> list[Held]:
        """Return the events to be written now: all, or where the last file goes on (not `ended`), all that no row of
        it to come can belong to.
        """
        pieces, kept = self.pieces, []
        self.pieces, self.rows, self.bytes = [], 0, 0
        while not ended and pieces:
            last = pieces.pop()
            if last.tail.size < last.rows.num_rows:
                kept.append(last.take(last.tail))
                before = np.ones(last.rows.num_rows, np.bool_)
                before[last.tail] = False
                pieces.append(last.take(np.flatnonzero(before)))
                break
            kept.append(last)
            if not pieces or pieces[-1].file != last.file:
                break
        for piece in reversed(kept):
            self.add(piece)
        return pieces
