"""Merge the files of one bucket into one that is sorted, so that a student lies in one place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from deltalake.transaction import AddAction

from mastery.lake import files
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


def needed(bucket: Sequence[File], min_fresh_files: int) -> bool:
    """Tell whether a bucket is worth rewriting: enough fresh files, or more than one sorted."""
    fresh = sum(1 for file in bucket if files.is_fresh(file.path))
    return fresh >= max(min_fresh_files, 1) or len(bucket) - fresh > 1


def merge(
    place: TableLocation, table: Table, bucket: int | None, old: Sequence[File], width: int
) -> tuple[AddAction, pa.Table | None]:
    """Write one sorted file with the rows of all files of a bucket that count; nothing is committed.

    Returns the file, and the rows that were left out because another revision of their event counts; None for none.
    """
    rows, gone = files.read(place, table, [file.path for file in old]), None
    if has_revisions(table, old):
        lost = superseded(rows)
        rows, gone = rows.filter(pa.array(~lost)), rows.filter(pa.array(lost))
    rows = rows.take(pa.array(order(rows, sort_columns(table))))
    action = files.write(place, table, rows, bucket, width=width, in_order=True)
    action.data_change = False
    return action, gone


def publish(
    handle: Handle, work: Mapping[int | None, Sequence[File]], merged: Mapping[int | None, AddAction]
) -> Compaction:
    """Commit the merged files of those buckets whose old files are all still there, and say what came of it."""
    lost: set[int | None] = set()

    def plan(now: Snapshot) -> Change:
        live = set(now.files)
        lost.clear()
        lost.update(bucket for bucket, old in work.items() if not live.issuperset(old))
        kept = [bucket for bucket in work if bucket not in lost]
        return Change(
            [merged[bucket] for bucket in kept], [file for bucket in kept for file in work[bucket]], data_change=False
        )

    version = handle.commit("append", plan)
    for bucket in lost:
        handle.place.discard(merged[bucket].path)
    kept = [old for bucket, old in work.items() if bucket not in lost]
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
