"""What is counted of the rows of files, and which of them are refused for what is known already."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mastery.arrays import Int64s

COUNTS = 9
ACCEPTED, REVISED_ROWS, DUPLICATES, REJECTED_ROWS, CONTRADICTING, FILLED, LEFT, SHARING, TOGETHER = range(COUNTS)
"""Columns of the counts of rows, of which the first four add up to those that were read. Of those there are also: rows
that differ from an earlier row of these files; revisions that only add to what was known; rows that say something other
than what is known, which was left as it is; of files with precise time stamps, events that share their moment; and
rows that are one answer with others, though nothing names it."""


@dataclass(frozen=True)
class Refused:
    """Rows that say something other than what is known of their events, where such are to be rejected.

    Attributes:
        file: int64[n]. Number of each one's file.
        line: int64[n].
        content: int64[n]. A hash of what the row says.
    """

    file: Int64s
    line: Int64s
    content: Int64s


NONE_REFUSED = Refused(*(np.empty(0, np.int64) for _ in range(3)))
