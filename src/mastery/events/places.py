"""The order of answers of one moment in files with precise time stamps: the rows of their file.

Such a file hardly has any, and they may stand anywhere in it: an export by question has the answers that were handed in
at once as far apart as it has students. So they are found among all rows that are written at once, a bucket at a time,
which costs a hash table that the processor's cache has room for. Files with coarse time stamps: `mastery.events.ties`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from mastery.arrays import Int32s, Int64s
from mastery.events.values import Mask
from mastery.kernels import kernel
from mastery.splitmix import G1, XXHASH_2, finalised


class Places(NamedTuple):
    """Of n rows of several files:

    Attributes:
        place: int64[n]. Place among the events of its student, moment and file, from 0; a repeat has that of what it
            repeats.
        sharing: int64[files]. Number of events of each file that are not the only ones of their student's moment.
    """

    place: Int64s
    sharing: Int64s


def places(file: Int64s, student: Int64s, at_us: Int64s, id_lo: Int64s, unplaced: Mask, files: int) -> Places:
    """Return the places of rows, in the order of their files.

    Args:
        file: int64[n]. Number of each one's file.
        student: int64[n]. A code or hash of each one's student.
        at_us: int64[n]. Microseconds since 1970 UTC.
        id_lo: int64[n]. Second word of their events' ids.
        unplaced: bool[n]. Which have no place yet, nor an order of the source's own; others have place 0.
        files: Number of files.
    """
    n = file.size
    found = Places(np.zeros(n, np.int64), np.zeros(files, np.int64))
    if unplaced.any():
        slots = 1 << max(3, int(2 * n - 1).bit_length())
        moments, answers = np.zeros(slots, np.int32), np.zeros(slots, np.int32)
        count = np.zeros(n, np.int32)
        _places(file, student, at_us, id_lo, unplaced, moments, answers, count, found.place, found.sharing)
    return found


def in_their_places(events: pa.Table, place: Int64s) -> pa.Table:
    """Return events with their places added to `sequence`. They are none of what a source says, so bodies stay."""
    if not place.any():
        return events
    number = events.column_names.index("sequence")
    return events.set_column(number, "sequence", pa.array(events["sequence"].to_numpy() + place))


@kernel
def _places(
    file: Int64s, student: Int64s, at_us: Int64s, id_lo: Int64s, unplaced: Any, moments: Int32s, answers: Int32s,
    count: Int32s, place: Int64s, sharing: Int64s,
) -> None:  # fmt: skip
    """Set places and numbers. The slots of `moments` have the first row of each, from 1, and those of `answers` the
    first row of each event but the first of its moment; `count` has, by the first row of a moment, its events.
    """
    around = np.uint64(moments.size - 1)
    for r in range(file.size):
        if not unplaced[r]:
            continue
        moment = finalised((np.uint64(student[r]) * G1) ^ (np.uint64(at_us[r]) * XXHASH_2) ^ np.uint64(file[r]))
        at = moment & around
        while moments[at] != 0 and not _together(moments[at] - 1, r, file, student, at_us):
            at = (at + np.uint64(1)) & around
        first = np.int64(moments[at]) - 1
        if first < 0:
            moments[at], count[r] = r + 1, 1
            continue
        if id_lo[first] == id_lo[r]:
            continue
        at = (moment ^ np.uint64(id_lo[r])) & around
        while answers[at] != 0 and not (
            id_lo[answers[at] - 1] == id_lo[r] and _together(answers[at] - 1, r, file, student, at_us)
        ):
            at = (at + np.uint64(1)) & around
        if answers[at] != 0:
            place[r] = place[answers[at] - 1]
            continue
        answers[at] = r + 1
        place[r] = count[first]
        count[first] += 1
        sharing[file[r]] += 2 if place[r] == 1 else 1


@kernel
def _together(a: int, b: int, file: Int64s, student: Int64s, at_us: Int64s) -> bool:
    """Whether two rows are of one moment of a student, in one file."""
    return student[a] == student[b] and at_us[a] == at_us[b] and file[a] == file[b]
