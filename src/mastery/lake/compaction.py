"""Merge the files of one bucket into few that are sorted, so that a student lies in few places.

How much is rewritten depends on what came in, and not on what is there: the new files of a bucket are merged, and with
them those sorted files that are not `STEP` times as large, or that stay below `LITTLE_ROWS` with them, so that each row
is rewritten about once for each power of `STEP` by which its bucket has grown. Where somebody asks for a compaction, a
bucket of up to `WHOLE_ROWS` rows becomes one file. No file gets more than `MOST_ROWS` rows, which is what one merge
holds in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from deltalake.transaction import AddAction

from mastery.lake import files
from mastery.lake.file_writer import is_fresh, write
from mastery.lake.handle import Change, Handle
from mastery.lake.layout import sort_columns
from mastery.lake.location import TableLocation
from mastery.lake.revisions import has_revisions, superseded
from mastery.lake.snapshot import File, Snapshot
from mastery.tables import Table


@dataclass(frozen=True)
class Compaction:
    """What one compaction did.

    Attributes:
        version: The commit; the version before where there was nothing to do.
        buckets: Buckets rewritten.
        files_before: Files those buckets had.
        rows: Rows rewritten.
        skipped: Buckets that another writer rewrote in the meantime; their turn comes next time.
    """

    version: int
    buckets: int
    files_before: int
    rows: int
    skipped: int


WHOLE_ROWS = 262_144
"""A bucket of up to this many rows is merged whole when somebody asks for it: a third of a second."""

LITTLE_ROWS = 4_096
"""Up to this many rows are merged whatever came in: opening and writing a file costs more than they do."""

STEP = 4

MOST_ROWS = 1_048_576
"""Rows of the largest file; some 300 MB in memory while it is made."""


@dataclass(frozen=True)
class Merged:
    """What the chosen files of a bucket became.

    Attributes:
        old: The files.
        adds: What takes their place; nothing is committed.
        gone: Rows that were left out because another revision of their event counts; None for none.
    """

    old: Sequence[File]
    adds: Sequence[AddAction]
    gone: pa.Table | None


def chosen(bucket: Sequence[File], min_fresh_files: int, whole_rows: int) -> list[File]:
    """Return which files of a bucket are worth merging now; none where there are too few.

    Args:
        bucket: Its files.
        min_fresh_files: How many in order of arrival are needed, or more than one sorted file that could be merged.
        whole_rows: All are merged where they have no more rows than this.
    """
    fresh = [file for file in bucket if is_fresh(file.path)]
    in_order = sorted((file for file in bucket if not is_fresh(file.path)), key=lambda file: file.rows)
    if fresh and len(fresh) < min_fresh_files:
        return []
    total = sum(file.rows for file in fresh)
    whole = total + sum(file.rows for file in in_order) <= whole_rows
    found = list(fresh)
    for file in in_order:
        together = total + file.rows
        worth = whole or not found or file.rows <= STEP * total or together <= LITTLE_ROWS
        if together > MOST_ROWS or not worth:
            break
        found.append(file)
        total += file.rows
    return [] if len(found) == 1 and not fresh else found


def merge(
    place: TableLocation, table: Table, bucket: int | None, old: Sequence[File], whole: bool, width: int
) -> Merged:
    """Write sorted files with the rows of some files of a bucket that count; nothing is committed.

    Args:
        whole: Whether they are all files of the bucket, so that no other revision of their events can be elsewhere.
    """
    adds: list[AddAction] = []
    gone: list[pa.Table] = []
    revised = has_revisions(table, old)
    for rows in _runs(place, table, old):
        if revised:
            lost = superseded(rows)
            gone.append(rows.filter(pa.array(lost)))
            rows = rows.filter(pa.array(~lost))
        rows = rows.take(pa.array(order(rows, sort_columns(table))))
        still = revised and not (whole and sum(file.rows for file in old) <= MOST_ROWS)
        adds.append(write(place, table, rows, bucket, width=width, in_order=True, revisions=still))
        adds[-1].data_change = False
    return Merged(old, adds, pa.concat_tables(gone) if gone else None)


def _runs(place: TableLocation, table: Table, old: Sequence[File]) -> Iterator[pa.Table]:
    """Yield the rows of some files, up to `MOST_ROWS` at a time: files together that fit, a larger one in parts."""
    waiting: list[str] = []
    rows = 0
    for file in old:
        if waiting and rows + file.rows > MOST_ROWS:
            yield files.read(place, table, waiting)
            waiting, rows = [], 0
        if file.rows > MOST_ROWS:
            yield from files.in_parts(place, table, file.path, MOST_ROWS)
        else:
            waiting.append(file.path)
            rows += file.rows
    if waiting:
        yield files.read(place, table, waiting)


def publish(handle: Handle, merged: Mapping[int | None, Merged]) -> Compaction:
    """Commit what was merged of those buckets whose old files are all still there, and say what came of it."""
    lost: set[int | None] = set()

    def plan(now: Snapshot) -> Change:
        live = set(now.files)
        lost.clear()
        lost.update(bucket for bucket, one in merged.items() if not live.issuperset(one.old))
        kept = [one for bucket, one in merged.items() if bucket not in lost]
        return Change(
            [add for one in kept for add in one.adds], [file for one in kept for file in one.old], data_change=False
        )

    version = handle.commit("append", plan)
    for bucket in lost:
        for add in merged[bucket].adds:
            handle.place.discard(add.path)
    kept = [one.old for bucket, one in merged.items() if bucket not in lost]
    return Compaction(
        version=version,
        buckets=len(kept),
        files_before=sum(len(old) for old in kept),
        rows=sum(file.rows for old in kept for file in old),
        skipped=len(lost),
    )


def order(rows: pa.Table, columns: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return int64[n], the stable order of the rows by these columns; null comes first.

    The first two columns sort everything and the others only the rows that tie on them: 60 ms for
    312,500 events against 190 for a sort by all five.
    """
    keys = [_sortable(rows.column(name)) for name in columns]
    first = np.lexsort(keys[:2][::-1])
    if len(keys) <= 2 or rows.num_rows < 2:
        return first
    same = np.ones(rows.num_rows - 1, dtype=bool)
    for key in keys[:2]:
        ordered = key[first]
        same &= ordered[1:] == ordered[:-1]
    tied = np.flatnonzero(np.concatenate(([False], same)) | np.concatenate((same, [False])))
    run = np.cumsum(np.concatenate(([True], ~same)))[tied]
    places = first[tied]
    first[tied] = places[np.lexsort([key[places] for key in keys[:1:-1]] + [run])]
    return first


def distinct(rows: pa.Table, columns: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return the first row of each combination of these columns, ascending."""
    keys = [_sortable(rows.column(name)) for name in columns]
    by_key = np.lexsort(keys)
    repeats = np.ones(max(rows.num_rows - 1, 0), bool)
    for key in keys:
        repeats &= key[by_key][1:] == key[by_key][:-1]
    return np.sort(by_key[np.concatenate(([True], ~repeats))[: rows.num_rows]])


def _sortable(column: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """Return int64[n] that sorts as the column does; null sorts first."""
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = array.chunk(0) if array.num_chunks == 1 else pa.concat_arrays(array.chunks)
    if pa.types.is_string(array.type):
        array = array.dictionary_encode()
    if pa.types.is_dictionary(array.type):
        rank = pc.rank(array.dictionary, sort_keys="ascending", tiebreaker="dense").to_numpy().astype(np.int64)
        codes = array.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        return np.where(codes < 0, -1, rank[codes] if rank.size else -1)
    if not pa.types.is_integer(array.type):
        array = array.view(pa.int32() if pa.types.is_date32(array.type) else pa.int64())
    lowest = pa.scalar(np.iinfo(np.int32).min if array.type == pa.int32() else np.iinfo(np.int64).min, array.type)
    return np.asarray(array.fill_null(lowest).to_numpy(zero_copy_only=False), dtype=np.int64)
