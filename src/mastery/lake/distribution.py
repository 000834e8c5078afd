"""Distribute rows that lie in files of several buckets to their buckets, in a commit that changes nothing that counts.

Each bucket gets a file with its rows as they came, and one more with revisions where there are some; `compaction` then
goes on with these as with any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
from deltalake.transaction import AddAction

from mastery.events.identity import buckets as bucket_of
from mastery.lake import files
from mastery.lake.columns import STUDENT
from mastery.lake.file_writer import holds_revisions, write
from mastery.lake.handle import Change, Handle
from mastery.lake.object_store import Unreachable
from mastery.lake.snapshot import File, Snapshot


def distribute(handle: Handle, old: Sequence[File], buckets: int, width: int, workers: int) -> bool:
    """Take files of several buckets away and add one for each bucket; tell whether it was done.

    It was not where somebody else has taken one of them away meanwhile.

    Args:
        handle: Of the events.
        old: The files.
        buckets: Of the lake.
        width: Digits of a bucket in its folder's name.
        workers: Threads that write.
    """
    adds: list[AddAction] = []
    done = False

    def plan(now: Snapshot) -> Change:
        nonlocal done
        done = set(now.files).issuperset(old)
        return Change(adds, old, data_change=False) if done else Change(())

    try:
        for revisions in (False, True):
            some = [file.path for file in old if holds_revisions(file.path) == revisions]
            if some:
                _write(handle, files.read(handle.place, handle.table, some), buckets, width, workers, revisions, adds)
        handle.commit("append", plan)
    except BaseException as error:
        if not isinstance(error, Unreachable):  # a commit that was sent may reach an object store later
            _discard(handle, adds)
        raise
    if not done:
        _discard(handle, adds)
    return done


def _discard(handle: Handle, adds: Sequence[AddAction]) -> None:
    """Delete files that were written, but for those that a commit names."""
    live = {file.path for file in handle.snapshot().files}
    for add in adds:
        if add.path not in live:
            handle.place.discard(add.path)


def _write(
    handle: Handle, rows: pa.Table, buckets: int, width: int, workers: int, revisions: bool, adds: list[AddAction]
) -> None:
    """Write the rows, a file for each bucket that has some; each goes into `adds` as well."""
    bucket = bucket_of(rows[STUDENT], buckets)
    rows = rows.take(pa.array(np.argsort(bucket, kind="stable"))).combine_chunks()
    ends = np.cumsum(np.bincount(bucket, minlength=buckets))

    def of(one: int) -> None:
        first = int(ends[one - 1]) if one else 0
        mine = rows.slice(first, int(ends[one]) - first)
        add = write(handle.place, handle.table, mine, one, width=width, revisions=revisions)
        add.data_change = False
        adds.append(add)

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(of, np.unique(bucket).tolist()))
