"""Rows that are one answer on several topics, though nothing names it, among those that are written at once.

Whether the rows of a file are is decided once, by all that are written with its first
(`mastery.events.unnamed_answers`); then each answer is one event with the id of its first row. A file with some of
these rows alone, of which nobody could say it, must not count them again: rows whose first one is known as an answer on
several topics are one answer too, and rows that are known one by one stay so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from mastery.arrays import Bools, Int64s
from mastery.events.unnamed_answers import Following, are_one_answer, following_in
from mastery.pipelines.ingest.dedupe import NEW, Verdicts

ALONE = -1

READ = (
    "student_id", "event_id_lo", "item_id", "topic_id", "occurred_at", "sequence", "attempts", "success_ppm",
    "source_version",
)  # fmt: skip
"""The columns of events that tell."""


@dataclass(frozen=True)
class FollowingRows:
    """Rows of one file in one bucket that may be one answer with others.

    Attributes:
        rows: int64[k]. Which of the bucket's rows they are, of repeats the first.
        following: Of these k rows.
    """

    rows: Int64s
    following: Following


@dataclass(frozen=True)
class RowsTogether:
    """Of the rows that are written at once:

    Attributes:
        first: Buckets that are judged together → int64[n], of each of their rows the first row of the answer that it
            may be, `ALONE` where it is an answer of its own. Those without any are left out.
        whole: Number of a file → whether those of it are one answer, of files with numbered rows.
    """

    first: Mapping[tuple[int, ...], Int64s]
    whole: Mapping[int, bool]


def following_rows(
    events: pa.Table, file: Int64s, numbered: Bools, timed: Mapping[int, bool]
) -> dict[int, FollowingRows]:
    """Return by file the rows of a bucket that may be one answer with others.

    Args:
        events: n identified events, columns `READ`.
        file: int64[n].
        numbered: bool[n]. Whether a row has an order of the source's own, and neither an id nor an interaction.
        timed: Of each file, whether moments mean something.
    """
    found = {}
    lo = events["event_id_lo"].to_numpy()
    for one in np.unique(file[numbered]).tolist():
        mine = np.flatnonzero(file == one)
        mine = mine[np.sort(np.unique(lo[mine], return_index=True)[1])]
        some = events.take(pa.array(mine))
        student = some["student_id"].combine_chunks().dictionary_encode().indices.to_numpy().astype(np.int64)
        following = following_in(some, student, numbered[mine], timed=timed[one])
        if following is not None:
            found[one] = FollowingRows(mine, following)
    return found


def first_rows(found: Mapping[int, FollowingRows], n: int) -> Int64s:
    """Return `RowsTogether.first` of a bucket of n rows."""
    first = np.full(n, ALONE, np.int64)
    for part in found.values():
        if not part.following.alike.any():
            continue
        of_each = part.following.first()
        several = np.bincount(of_each, minlength=of_each.size)[of_each] > 1
        first[part.rows[several]] = part.rows[of_each[several]]
    return first


def answers_known_apart(first: Int64s, verdicts: Verdicts) -> Bools:
    """Return bool[n]: of first rows, whether a later row of the answer is known as an event of its own."""
    apart = np.zeros(first.size, np.bool_)
    later = np.flatnonzero((first != ALONE) & (first != np.arange(first.size)))
    apart[first[later[verdicts[later] != NEW]]] = True
    return apart


def interactions(first: Int64s, kept: Bools, file: Int64s, id_lo: Int64s) -> Int64s:
    """Return int64[n]: hash of each row's answer, 0 where it is one of its own. Repeats have that of what they repeat.

    Args:
        first: int64[n], as in `RowsTogether`.
        kept: bool[n]. Of first rows, whether their answer is one.
        file: int64[n].
        id_lo: int64[n]. Second words of the ids.
    """
    n = first.size
    found = np.zeros(n, np.int64)
    among = np.flatnonzero(first != ALONE)
    among = among[kept[first[among]]]
    found[among] = np.where(id_lo[first[among]] == 0, 1, id_lo[first[among]])
    order = np.lexsort((np.arange(n), id_lo, file))
    new = np.concatenate([[True], (np.diff(file[order]) != 0) | (np.diff(id_lo[order]) != 0)])[:n]
    of_first = np.empty(n, np.int64)
    of_first[order] = order[np.flatnonzero(new)][np.cumsum(new) - 1]
    return found[of_first]


def files_of_one_answer(parts: Sequence[Mapping[int, FollowingRows]], before: Mapping[int, bool]) -> dict[int, bool]:
    """Return of the files of these buckets whether rows that are alike are one answer; `before` is decided already."""
    every = {file for part in parts for file in part} - before.keys()
    found = {file: are_one_answer(part[file].following for part in parts if file in part) for file in every}
    return {**before, **found}
