"""The rows of one bucket judged: which events they are, which of these are new or revisions, and what is counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mastery.arrays import Int64s
from mastery.events.identity import Blocks
from mastery.events.places import Places, places
from mastery.events.revisions import COMPARED, ELSE, LESS, MORE, compare
from mastery.events.several_topics import join_topics
from mastery.events.values import Mask, mask
from mastery.lake import Lake
from mastery.lake.files import Only
from mastery.lake.known_ids import NOBODY
from mastery.lake.snapshot import Snapshot
from mastery.pipelines.ingest.bucket_rows import BucketRows, Part
from mastery.pipelines.ingest.dedupe import NEW, REVISED, SAME, Verdicts, judge
from mastery.pipelines.ingest.held_rows import Held
from mastery.pipelines.ingest.row_counts import (
    ACCEPTED,
    CONTRADICTING,
    COUNTS,
    DUPLICATES,
    FILLED,
    LEFT,
    NONE_REFUSED,
    REJECTED_ROWS,
    REVISED_ROWS,
    SHARING,
    TOGETHER,
    Refused,
)
from mastery.pipelines.ingest.rows_together import ALONE, RowsTogether, answers_known_apart, interactions
from mastery.tables import EVENTS, SUPERSEDED

ID = ("event_id_hi", "event_id_lo")

Group = tuple[int, ...]
"""Buckets whose rows are judged and written together: one, or all that a small batch has rows of."""

FEW_STUDENTS = 1_000
"""Up to this many students, their rows of a bucket are looked for; of more, the bucket is read whole."""


@dataclass(frozen=True)
class IncomingRows:
    """n rows of one bucket, or of several that are judged at once.

    Attributes:
        pieces: All pieces that are written at once.
        columns: Their columns.
        group: The buckets.
        parts: Which of the pieces' rows are in them.
        files: Number of files.
        together: Which of all rows may be one answer though nothing names it; None where none may.
    """

    pieces: Sequence[Held]
    columns: BucketRows
    group: Group
    parts: Sequence[Part]
    files: int
    together: RowsTogether | None = None

    def numbers(self, name: str) -> Int64s:
        """Return int64[n] of a column of integers."""
        return self._joined(lambda piece: piece.rows.numbers(name))

    def buckets(self) -> Int64s:
        """Return int64[n]: the bucket of each row."""
        if len(self.group) == 1:
            return np.full(sum(stop - start for _, start, stop in self.parts), self.group[0])
        return self._joined(lambda piece: np.repeat(np.arange(piece.offsets.size - 1), np.diff(piece.offsets)))

    def file_of(self) -> Int64s:
        return np.concatenate([np.full(stop - start, self.pieces[piece].file) for piece, start, stop in self.parts])

    def own(self) -> Mask:
        return self._joined(lambda piece: piece.own)

    def numbered(self) -> Mask:
        return self._joined(lambda piece: piece.numbered)

    def unplaced(self) -> Mask:
        return self._joined(lambda piece: piece.unplaced)

    def places(self, rows: Int64s | None, id_lo: Int64s) -> Places:
        """Return the places of the events that these rows (None: all) begin."""
        unplaced = self.unplaced()
        if not unplaced.any():
            return Places(np.zeros(id_lo.size, np.int64), np.zeros(self.files, np.int64))
        file, student, at_us = self.file_of(), self.columns.codes("student_id", self.parts), self.numbers("occurred_at")
        if rows is not None:
            file, student, at_us, unplaced = file[rows], student[rows], at_us[rows], unplaced[rows]
        return places(file, student, at_us, id_lo, unplaced, self.files)

    def lines(self) -> Int64s:
        return self._joined(lambda piece: piece.lines)

    def interaction(self) -> Int64s | None:
        """Return int64[n]: hash of each one's student and interaction, 0 without one; None where no row has one."""
        if all(self.pieces[piece].interaction is None for piece, _, _ in self.parts):
            return None
        return self._joined(_interaction)

    def taken(self, kept: Int64s | None = None) -> pa.Table:
        """Return the kept rows (None: all)."""
        rows = self.columns.rows(self.parts)
        return rows if kept is None else rows.take(pa.array(kept)).combine_chunks()

    def _joined(self, values: Callable[[Held], npt.NDArray[Any]]) -> npt.NDArray[Any]:
        return np.concatenate([values(self.pieces[piece])[start:stop] for piece, start, stop in self.parts])


def _interaction(piece: Held) -> Int64s:
    return np.zeros(piece.rows.num_rows, np.int64) if piece.interaction is None else piece.interaction


@dataclass(frozen=True)
class Judged:
    """n rows as m events.

    Attributes:
        events: m events; None where each row is one, as it was read.
        bucket: int64[m]. Of the events.
        verdicts: Of the events.
        by_row: Of the rows; `SAME` too where a row is rejected.
        replacing: bool[m]. Of which events an ingest that is replaced had brought rows.
        place: int64[m]. What is added to `sequence`: the place among the student's events of the moment.
        counts: int64[files, COUNTS]. Of the rows.
        refused: Rows that are rejected for what is known of their events.
        repeats: Number of an ingest → how many of the events it brought came again as they are.
        changed_by: Number of an ingest → how many rows say what was known of an event before it changed it.
    """

    events: pa.Table | None
    bucket: Int64s
    verdicts: Verdicts
    by_row: Verdicts
    replacing: Mask
    place: Int64s
    counts: Int64s
    refused: Refused
    repeats: Counter[int]
    changed_by: Counter[int]

    def says_the_same_as(self, other: Judged) -> bool:
        """Tell whether the same rows are to be written, in the same files."""
        return np.array_equal(self.verdicts, other.verdicts) and np.array_equal(self.replacing, other.replacing)


class Compared(NamedTuple):
    """What n incoming rows are beside those that the lake has.

    Attributes:
        verdicts: Of the rows.
        replacing: bool[n]. Which are of an event that a replaced ingest had brought.
        repeats: Number of an ingest → how many of its events are among the rows as they are.
        changed: bool[n]. Of which events, known as the row says, more than one thing is known.
    """

    verdicts: Verdicts
    replacing: Mask
    repeats: Counter[int]
    changed: Mask


def judge_bucket(
    lake: Lake, at: Snapshot, bucket: Int64s, hi: Int64s, lo: Int64s, body: Int64s, replaced: Sequence[int] = ()
) -> Compared:
    """Compare the incoming rows, each of its bucket, with those that the lake has, but for those of replaced ingests.

    What was superseded is looked at after the events: a row that compaction moves meanwhile is in one of the two.
    """
    known = lake.known(EVENTS, bucket, hi, lo, at)
    replacing = np.zeros(hi.size, np.bool_)
    if replaced:
        theirs = np.isin(known.ingest, replaced)
        replacing = judge(hi, lo, body, known.where(theirs)).verdicts != NEW
        known = known.where(~theirs)
    judged = judge(hi, lo, body, known)
    revised = judged.verdicts == REVISED
    if revised.any():
        gone = lake.known(SUPERSEDED, bucket[revised], hi[revised], lo[revised])
        known += gone.where(~np.isin(gone.ingest, replaced)) if replaced else gone
        judged = judge(hi, lo, body, known)
    ids, times = np.unique(known.lo, return_counts=True)
    changed = (judged.verdicts == SAME) & np.isin(lo, ids[times > 1])
    return Compared(judged.verdicts, replacing, Counter[int](known.ingest[judged.again].tolist()), changed)


def judge_rows(lake: Lake, at: Snapshot, rows: IncomingRows, on_revision: str, replaced: Sequence[int] = ()) -> Judged:
    """Judge the rows of one bucket, or of several, against the lake as of `at`.

    Args:
        on_revision: What is done with rows that say something other than what is known of their events.
        replaced: Numbers of ingests whose rows do not count as known.
    """
    ids, bucket = [rows.numbers(name) for name in (*ID, "body_hash")], rows.buckets()
    compared = judge_bucket(lake, at, bucket, ids[0], ids[1], ids[2], replaced)
    verdicts = compared.verdicts
    file_of, interaction = rows.file_of(), rows.interaction()
    together = np.zeros(verdicts.size, np.int64)
    if rows.together is not None and rows.group in rows.together.first:
        together = _together(lake, at, bucket, rows, rows.together, verdicts, replaced)
        if together.any():
            interaction = together if interaction is None else np.where(together != 0, together, interaction)
    events, row = None, np.arange(verdicts.size)  # of each event its first row
    event_of_row, repeats = row, np.zeros(verdicts.size, np.bool_)
    if interaction is not None or ((verdicts != NEW).any() and np.unique(ids[1]).size < ids[1].size):
        joined = join_topics(rows.taken(), file_of, rows.own(), interaction)
        if joined is not None:
            events, row, event_of_row, repeats = joined.events, joined.rows, joined.event_of_row, joined.repeats
            ids, bucket = [events[name].to_numpy() for name in (*ID, "body_hash")], bucket[row]
            compared = judge_bucket(lake, at, bucket, ids[0], ids[1], ids[2], replaced)
            verdicts = compared.verdicts
    changed_by = Counter[int]()
    if compared.changed.any():
        some = np.flatnonzero(compared.changed)
        times = np.bincount(event_of_row, minlength=verdicts.size)[some]
        whole = rows.taken() if events is None else events
        changed_by = _changed_by(lake, at, bucket[some], whole.take(pa.array(some)), times, (ids[1], ids[2]), replaced)
    says = np.full(verdicts.size, ELSE, np.int8)
    revised = np.flatnonzero(verdicts == REVISED)
    if revised.size:
        says[revised] = _says(
            lake, at, bucket[revised], (rows.taken() if events is None else events).take(pa.array(revised)), replaced
        )
        verdicts[says == LESS] = SAME
    left = (verdicts == REVISED) & (says == ELSE) & (on_revision != "replace")
    verdicts[left] = SAME

    counts = np.zeros((rows.files, COUNTS), np.int64)
    by_row, left_row, says_row = verdicts, left, says
    if events is not None:
        by_row = np.where(repeats, np.uint8(SAME), verdicts[event_of_row])
        left_row, says_row = left[event_of_row], says[event_of_row]
    for place, which in (
        (ACCEPTED, by_row == NEW),
        (REVISED_ROWS, by_row == REVISED),
        (DUPLICATES, by_row == SAME),
        (FILLED, (by_row == REVISED) & (says_row == MORE)),
        (LEFT, left_row),
    ):
        if which.any():
            counts[:, place] = np.bincount(file_of[which], minlength=rows.files)
    placed = rows.places(None if events is None else row, ids[1])
    counts[:, SHARING] = placed.sharing
    counts[:, TOGETHER] = np.bincount(file_of[together != 0], minlength=rows.files)
    if counts[:, REVISED_ROWS].any():
        kept = np.flatnonzero(verdicts != SAME)
        _, first = np.unique(ids[1][kept], return_index=True)
        counts[:, CONTRADICTING] = np.bincount(np.delete(file_of[row[kept]], first), minlength=rows.files)
    refused = NONE_REFUSED
    if on_revision == "reject" and left.any():
        counts[:, REJECTED_ROWS], counts[:, LEFT] = counts[:, LEFT], 0
        counts[:, DUPLICATES] -= counts[:, REJECTED_ROWS]
        hi, lo, body = ids
        content = Blocks(hi.size).add(hi, lo).add(body, body).finish()[0]
        which = np.flatnonzero(left_row)
        refused = Refused(file_of[which], rows.lines()[which], content[event_of_row[which]])
    return Judged(
        events=events,
        bucket=bucket,
        verdicts=verdicts,
        by_row=by_row,
        replacing=compared.replacing,
        place=placed.place,
        counts=counts,
        refused=refused,
        repeats=compared.repeats,
        changed_by=changed_by,
    )


def _together(
    lake: Lake,
    at: Snapshot,
    bucket: Int64s,
    rows: IncomingRows,
    together: RowsTogether,
    verdicts: Verdicts,
    replaced: Sequence[int],
) -> Int64s:
    """Return int64[n]: a hash of the answer that a row is with others, though nothing names it; 0 where it is alone."""
    first, file = together.first[rows.group], rows.file_of()
    leads = np.unique(first[first != ALONE])
    kept = np.zeros(first.size, np.bool_)
    kept[leads] = [together.whole[number] for number in file[leads].tolist()]
    doubtful = leads[~kept[leads] & (verdicts[leads] == REVISED)]
    if doubtful.size:
        known, here = _counting(lake, at, bucket[doubtful], rows.taken(doubtful), ("other_topic_ids",), replaced)
        kept[doubtful[here]] = known["other_topic_ids"].is_valid().to_numpy()
    kept &= ~answers_known_apart(first, verdicts)
    return interactions(first, kept, file, rows.numbers("event_id_lo"))


def _says(lake: Lake, at: Snapshot, bucket: Int64s, events: pa.Table, replaced: Sequence[int]) -> npt.NDArray[np.int8]:
    """Return int8[k]: what events say beside what the lake knows of them; `ELSE` where it does not know them."""
    known, here = _counting(lake, at, bucket, events, COMPARED, replaced)
    says = np.full(events.num_rows, ELSE, np.int8)
    says[here] = compare(known, events.take(pa.array(here)))
    return says


def _changed_by(
    lake: Lake,
    at: Snapshot,
    bucket: Int64s,
    events: pa.Table,
    times: Int64s,
    incoming: tuple[Int64s, Int64s],
    replaced: Sequence[int],
) -> Counter[int]:
    """Return number of an ingest → how many rows say what was known of an event before that ingest changed it.

    Where the source's version decides, and where what counts now is among the incoming rows too, nobody is surprised:
    such rows are left out.

    Args:
        events: k events that are known as they are.
        times: int64[k]. The rows of each.
        incoming: The second words of the ids of all incoming events, and their body hashes.
    """
    known, here = _counting(lake, at, bucket, events, ("body_hash", "source_version"), replaced)
    body, ingest = known["body_hash"].to_numpy(), known["ingest"].fill_null(NOBODY).to_numpy()
    changed = (body != events["body_hash"].to_numpy()[here]) & mask(known["source_version"].is_null())
    changed &= ~np.isin(_paired(known["event_id_lo"].to_numpy(), body), _paired(*incoming))
    found = Counter[int]()
    for number, rows in zip(ingest[changed].tolist(), times[here][changed].tolist(), strict=True):
        found[number] += rows
    return found


def _paired(lo: Int64s, body: Int64s) -> Int64s:
    return Blocks(lo.size).add(lo, body).finish()[0]


def _counting(
    lake: Lake, at: Snapshot, bucket: Int64s, events: pa.Table, columns: Sequence[str], replaced: Sequence[int]
) -> tuple[pa.Table, Int64s]:
    """Return what counts of some events that the lake knows, with ids, `ingest` and these columns; and which they are.

    What replaced ingests brought is left out.
    """
    students = events["student_id"].cast(pa.string()).unique().to_pylist()
    only = Only(column="student_id", values=tuple(sorted(students))) if len(students) <= FEW_STUDENTS else None
    parts = [lake.read_bucket(EVENTS, one, [*ID, *columns, "ingest"], at, only) for one in np.unique(bucket).tolist()]
    known = pa.concat_tables(parts).unify_dictionaries().combine_chunks()
    known = known.filter(pa.array(~np.isin(known["ingest"].fill_null(NOBODY).to_numpy(), replaced)))
    there = {key: place for place, key in enumerate(_keys(known))}
    found = np.array([there.get(key, -1) for key in _keys(events)], np.int64)
    here = np.flatnonzero(found >= 0)
    return known.take(pa.array(found[here])), here


def _keys(events: pa.Table) -> list[tuple[int, int]]:
    return list(zip(*(events[name].to_pylist() for name in ID), strict=True))
