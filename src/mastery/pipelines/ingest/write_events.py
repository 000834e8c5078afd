"""Write prepared events into the lake: each once, and each further revision of one beside it.

All buckets are judged against the lake and their files written; then one commit names all files. Ingests meet only
there: rows that another one brought into a bucket since it was judged are refused by Delta, and that bucket is judged
again. So a kill leaves all of it or nothing, and running it again finds what was committed as known.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from deltalake.transaction import AddAction

from mastery.arrays import Int64s
from mastery.errors import Conflict
from mastery.events.places import in_their_places
from mastery.kernels import kernel
from mastery.lake import Lake, arrivals
from mastery.lake.snapshot import Snapshot
from mastery.pipelines.ingest.bucket_rows import BucketRows, Part
from mastery.pipelines.ingest.dedupe import NEW, REVISED, SAME, Verdicts
from mastery.pipelines.ingest.held_rows import Held
from mastery.pipelines.ingest.judge_rows import Group, IncomingRows, Judged, judge_rows
from mastery.pipelines.ingest.row_counts import Refused
from mastery.pipelines.ingest.rows_together import (
    ALONE,
    READ,
    FollowingRows,
    RowsTogether,
    files_of_one_answer,
    first_rows,
    following_rows,
)
from mastery.tables import EVENTS

WORKERS = 3
"""Buckets written at a time. Reading, judging and writing all run outside of Python's lock."""

WRITTEN_EARLY_BYTES = 1 << 20
"""Files from this size on are waited for one by one before the commit waits for all."""

SMALL_DICTIONARY = 512
"""Dictionaries up to this size stay as they are when a bucket takes its part of a chunk."""

ATTEMPTS = 20
"""How often buckets are judged again because other ingests were faster. On a folder, where they take turns, once."""

NOTHING_DECIDED: Mapping[int, bool] = {}

LONGEST_PAUSE_S = 2.0
"""Pauses between the attempts double up to this, and differ from one ingest to the other."""


@dataclass(frozen=True)
class _Part:
    """Buckets written together: what was found of their rows, the files written, and which of them these are for."""

    judged: Judged
    adds: tuple[AddAction, ...]
    into: Group


@dataclass(frozen=True)
class _Write:
    """What all buckets share: the arguments of `write_events`, and in `written` the files written so far."""

    lake: Lake
    pieces: Sequence[Held]
    columns: BucketRows
    files: int
    ingest: int | None
    replaced: Sequence[int]
    written: list[AddAction]
    on_revision: str
    together: RowsTogether
    keep: bool
    kept: dict[str, pa.Table]


class Written(NamedTuple):
    """What became of the rows of some files.

    Attributes:
        counts: int64[files, COUNTS].
        refused: Rows that were refused, of each bucket.
        repeats: Number of an ingest → how many of the events it brought were among the rows as they are.
        changed_by: Number of an ingest → how many rows say what was known of an event before it changed it.
        together: Number of a file → whether rows of it that are alike are one answer, as in `RowsTogether.whole`.
        verdicts: Of the rows of each piece.
        kept: Path of a file that was written → its rows; empty unless they were to be kept.
    """

    counts: Int64s
    refused: list[Refused]
    repeats: Counter[int]
    changed_by: Counter[int]
    together: Mapping[int, bool]
    verdicts: Sequence[Verdicts]
    kept: Mapping[str, pa.Table]


def write_events(
    lake: Lake,
    pieces: Sequence[Held],
    files: int,
    ingest: int | None,
    *,
    replaced: Sequence[int] = (),
    waiting: Callable[[], None] | None = None,
    on_revision: str = "replace",
    together: Mapping[int, bool] = NOTHING_DECIDED,
    keep: bool = False,
    one_file: bool = False,
) -> Written:
    """Write the new events, each with the number of the ingest, and return what became of the rows.

    Args:
        lake: Where.
        pieces: The rows, in the order they were read.
        files: Number of files.
        ingest: Number of the ingest. None: the rows say themselves who brought their events, and new ones are left out.
        replaced: Numbers of ingests that this one replaces: what they brought does not count as known.
        waiting: Called when another ingest has been committing for seconds.
        on_revision: What is done with rows that say something other than what is known of their events; see
            `mastery.events.revisions`. To `reject` them, the pieces have their lines.
        together: As earlier writes of these files decided it.
        keep: Whether to return what was written, too: for a few rows, that need not be read again then.
        one_file: Whether a few rows may be one file for all their buckets; see `mastery.lake.arrivals`.

    Raises:
        Conflict: Other ingests were faster every time; or what this one brings was taken back.
    """
    written: list[AddAction] = []
    columns = BucketRows([piece.rows for piece in pieces])
    filled = [b for b in range(lake.buckets) if any(p.offsets[b + 1] > p.offsets[b] for p in pieces)]
    groups: list[Group] = [(bucket,) for bucket in filled]
    few = sum(piece.rows.num_rows for piece in pieces) <= arrivals.MOST_ROWS and lake.buckets <= arrivals.MOST_BUCKETS
    if one_file and few and len(filled) > 1:
        groups = [tuple(filled)]
    rows_together = _rows_together(pieces, columns, groups, files, together)
    kept: dict[str, pa.Table] = {}
    write = _Write(lake, pieces, columns, files, ingest, replaced, written, on_revision, rows_together, keep, kept)
    at = lake.snapshot(EVENTS)
    with lake.discarding(EVENTS, written):
        parts = _judged(write, at, groups, {})
        with lake.one_committer(waiting):
            for attempt in range(ATTEMPTS):
                if attempt:
                    _pause(attempt)
                moved = lake.commit_judged({part.into: part.adds for part in parts.values() if part.adds}, at, ingest)
                if not moved:
                    every = [part.judged for part in parts.values()]
                    counts = np.sum([one.counts for one in every], axis=0)
                    repeats = sum((one.repeats for one in every), Counter[int]())
                    changed_by = sum((one.changed_by for one in every), Counter[int]())
                    refused = [one.refused for one in every if one.refused.file.size]
                    verdicts = _verdicts(pieces, parts)
                    return Written(counts, refused, repeats, changed_by, rows_together.whole, verdicts, kept)
                at = lake.snapshot(EVENTS)
                parts |= _judged(write, at, [group for group in parts if moved.intersection(group)], parts)
    raise Conflict(
        f"other ingests brought events into the same buckets {ATTEMPTS} times in a row, each time before this one had "
        "compared its rows with theirs; let fewer run at once, and run this again: what was written is a duplicate"
    )


def _parts(pieces: Sequence[Held], group: Group) -> list[Part]:
    """Return which rows are in these buckets, bucket by bucket."""
    if len(pieces) == 1 and len(group) > 1:  # all buckets that it has rows of: they lie one after the other
        return [(0, 0, pieces[0].rows.num_rows)]
    mine = [(p, int(one.offsets[b]), int(one.offsets[b + 1])) for b in group for p, one in enumerate(pieces)]
    return [part for part in mine if part[2] > part[1]]


def _verdicts(pieces: Sequence[Held], parts: Mapping[Group, _Part]) -> list[Verdicts]:
    """Return the verdicts on the rows of each piece."""
    found = [np.full(piece.rows.num_rows, SAME, np.uint8) for piece in pieces]
    for group, part in parts.items():
        first = 0
        for piece, start, stop in _parts(pieces, group):
            found[piece][start:stop] = part.judged.by_row[first : first + stop - start]
            first += stop - start
    return found


def _rows_together(
    pieces: Sequence[Held], columns: BucketRows, groups: Sequence[Group], files: int, before: Mapping[int, bool]
) -> RowsTogether:
    """Return which rows may be one answer, though nothing names it."""
    some = [piece for piece in pieces if piece.numbered.any()]
    if not some:
        return RowsTogether({}, before)
    timed = {file: any(piece.timed for piece in some if piece.file == file) for file in {piece.file for piece in some}}

    def of_group(group: Group) -> tuple[dict[int, FollowingRows], Int64s]:
        rows = IncomingRows(pieces, columns, group, _parts(pieces, group), files)
        found = following_rows(columns.rows(rows.parts, READ), rows.file_of(), rows.numbered(), timed)
        return found, first_rows(found, rows.file_of().size)

    with ThreadPoolExecutor(WORKERS) as pool:
        parts = list(pool.map(of_group, groups))
    first = {group: of_rows for group, (_, of_rows) in zip(groups, parts, strict=True) if (of_rows != ALONE).any()}
    return RowsTogether(first, files_of_one_answer([found for found, _ in parts], before))


def _judged(write: _Write, at: Snapshot, groups: Iterable[Group], before: Mapping[Group, _Part]) -> dict[Group, _Part]:
    """Judge some buckets against the lake as of `at`, and write their files; those of `before` stay where the verdicts
    do, as they do where another ingest had other events.
    """
    groups = sorted(groups)
    found: dict[Group, _Part] = {}
    with ThreadPoolExecutor(WORKERS) as pool:  # which starts no thread for a single one
        each = map if len(groups) == 1 else pool.map
        parts = each(lambda group: _write_group(write, at, group, before.get(group)), groups)
        for group, part in zip(groups, parts, strict=True):
            # This thread only waits; the disk writes while others encode. Small files it takes at once, at the commit.
            write.lake.write_out(EVENTS, [add for add in part.adds if add.size >= WRITTEN_EARLY_BYTES])
            found[group] = part
    return found


def _pause(attempt: int) -> None:
    time.sleep(min(LONGEST_PAUSE_S, 0.02 * 2**attempt) * random.uniform(0.5, 1.0))


def _write_group(write: _Write, at: Snapshot, group: Group, before: _Part | None) -> _Part:
    """Judge the rows of some buckets against the lake as of `at`, and write their files without a commit."""
    rows = IncomingRows(write.pieces, write.columns, group, _parts(write.pieces, group), write.files, write.together)
    judged = judge_rows(write.lake, at, rows, write.on_revision, write.replaced)
    if before is not None:
        if judged.says_the_same_as(before.judged):
            return replace(before, judged=judged)
        write.lake.discard(EVENTS, before.adds)
    adds: list[AddAction] = []
    into: Group = ()
    written = judged.verdicts == REVISED
    if write.ingest is not None:
        written |= judged.verdicts == NEW
    beside = (judged.verdicts == REVISED) | judged.replacing  # of events that the bucket has in other rows
    for revisions in (False, True):
        kept = np.flatnonzero(written & (beside == revisions))
        if kept.size:
            if judged.events is None:
                events = rows.taken(None if kept.size == judged.verdicts.size else kept)
            else:
                events = judged.events.take(pa.array(kept)).combine_chunks()
            events = in_their_places(events, judged.place[kept])
            if write.ingest is not None:
                number = pa.array(np.full(events.num_rows, write.ingest, np.int64))
                events = events.set_column(events.column_names.index("ingest"), "ingest", number)
            events = _compacted(events)
            filled = group if len(group) == 1 else tuple(np.unique(judged.bucket[kept]).tolist())
            into = tuple(sorted({*into, *filled}))
            bucket = filled[0] if len(filled) == 1 else filled
            adds.append(write.lake.write_file(EVENTS, events, bucket, revisions=revisions))
            write.written.append(adds[-1])
            if write.keep:
                write.kept[adds[-1].path] = events
    return _Part(judged, tuple(adds), into)


@kernel
def _renumber(codes: Any, place: Any, used: Any, out: Any) -> Any:
    """Set out to the places of the codes among those used, in order of appearance. Return the number of those."""
    count = 0
    for i in range(codes.size):
        code = codes[i]
        if code < 0:
            out[i] = 0
            continue
        if place[code] < 0:
            place[code] = count
            used[count] = code
            count += 1
        out[i] = place[code]
    return count


def _compacted(rows: pa.Table) -> pa.Table:
    """Return the rows with dictionaries of only the values in them.

    A chunk's dictionary has the students of all buckets, and a file written with it would have them too.
    """
    for number, field in enumerate(rows.schema):
        if not pa.types.is_dictionary(field.type):
            continue
        column = rows.column(number).chunk(0) if rows.column(number).num_chunks == 1 else None
        if column is None or len(column.dictionary) <= SMALL_DICTIONARY:
            continue
        codes = (column.indices.fill_null(-1) if column.null_count else column.indices).to_numpy()
        size = len(column.dictionary)
        place, used, out = np.full(size, -1, np.int32), np.empty(size, np.int32), np.empty(len(codes), np.int32)
        count = _renumber(codes, place, used, out)
        texts = column.dictionary.take(pa.array(used[:count]))
        nulls = codes < 0 if column.null_count else None
        rows = rows.set_column(number, field.name, pa.DictionaryArray.from_arrays(pa.array(out, mask=nulls), texts))
    return rows
