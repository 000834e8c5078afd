"""Take what an ingest brought out of a bucket again: its rows go, and the revisions that they replaced come back.

Files with such rows are written again without them. That is a rewrite and not a mark, so that the rows are gone from
the disk with the next vacuum, and nobody who reads has to ask which ingests still count. What compaction had moved to
SUPERSEDED of the same events is brought back beside what is left; which revision counts is decided on reading.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from deltalake.transaction import AddAction

from mastery.arrays import Int64s
from mastery.lake import compaction, file_writer, files
from mastery.lake.location import TableLocation
from mastery.lake.snapshot import File
from mastery.tables import EVENTS, SUPERSEDED

NEEDED = ("ingest", "source")
"""The columns by which rows of an ingest are told from others."""

ID = ("event_id_hi", "event_id_lo")

ROW = (*ID, "body_hash", "ingest")
"""What tells a row of events or superseded from any other."""

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Brought:
    """What one ingest brought, or some of its files did.

    Attributes:
        ingest: Its number.
        sources: Names of files; None for all of it.
    """

    ingest: int
    sources: tuple[str, ...] | None = None

    def of(self, rows: pa.Table) -> Bools:
        """Return bool[n]: which of the rows (columns `NEEDED`) it brought."""
        mine = pc.equal(rows["ingest"], self.ingest).fill_null(False)
        if self.sources is not None and pc.any(mine).as_py():
            names = rows["source"].cast(pa.string())
            mine = pc.and_(mine, pc.is_in(names, value_set=pa.array(self.sources, pa.string())))
        return np.asarray(mine.to_numpy(), bool)


def brought_by(what: Sequence[Brought], rows: pa.Table) -> Bools:
    """Return bool[n]: which of the rows one of these brought."""
    found = np.zeros(rows.num_rows, bool)
    for one in what:
        found |= one.of(rows)
    return found


class Places(NamedTuple):
    """One bucket, where its events lie and where what they superseded.

    Attributes:
        events, superseded: Folders of the two tables.
        bucket: Its number.
        live, gone: The files of the bucket in the two, but for those with rows of others too.
        width: Digits of the bucket in the folder's name.
    """

    events: TableLocation
    superseded: TableLocation
    bucket: int
    live: Sequence[File]
    gone: Sequence[File]
    width: int


class Without(NamedTuple):
    """A bucket without what some ingests brought.

    Attributes:
        removes: The files that had rows of them.
        adds: What takes their place; nothing is committed.
    """

    removes: list[File]
    adds: list[AddAction]


def rewrite(places: Places, what: Sequence[Brought], written: list[AddAction]) -> Without:
    """Write the files of one bucket again without some ingests' rows; each file goes into `written` as well."""
    removes, adds, ids = [], [], []

    def add(rows: pa.Table, *, in_order: bool, revisions: bool, moved: bool) -> None:
        if rows.num_rows:
            to, width = places.bucket, places.width
            made = file_writer.write(
                places.events, EVENTS, rows, to, width=width, in_order=in_order, revisions=revisions
            )
            made.data_change = not moved
            adds.append(made)
            written.append(made)

    for file in places.live:
        mine = brought_by(what, files.read(places.events, EVENTS, [file.path], NEEDED))
        if not mine.any():
            continue
        rows = files.read(places.events, EVENTS, [file.path])
        ids.append(rows.select(ID).filter(pa.array(mine)))
        removes.append(file)
        kept = rows.filter(pa.array(~mine))
        add(
            kept,
            in_order=not file_writer.is_fresh(file.path),
            revisions=file_writer.holds_revisions(file.path),
            moved=True,
        )
    if ids:
        there = files.read(places.events, EVENTS, [file.path for file in places.live], ROW)
        add(_back(places, what, pa.concat_tables(ids), there), in_order=False, revisions=True, moved=False)
    return Without(removes, adds)


def remaining(rows: pa.Table, places: Places, what: Sequence[Brought]) -> pa.Table:
    """Return the rows of a bucket, all revisions, as they would be without what some ingests brought.

    Args:
        rows: All rows of the bucket, columns `ROW`, `NEEDED` and others.
        places: Where what they superseded lies.
        what: The ingests.
    """
    mine = brought_by(what, rows)
    back = _back(places, what, rows.select(ID).filter(pa.array(mine)), rows)
    both = pa.concat_tables([rows.filter(pa.array(~mine)), back.select(rows.column_names)])
    return both.unify_dictionaries().combine_chunks()


def cleared(rows: pa.Table, counting: pa.Table, what: Sequence[Brought]) -> pa.Table:
    """Return the rows of a bucket of SUPERSEDED that stay there: none of these ingests, and none that count again.

    Args:
        rows: All rows of the bucket in SUPERSEDED.
        counting: The rows of the bucket in EVENTS that count, columns `ROW`.
    """
    gone = brought_by(what, rows) | _among(rows, counting, ROW)
    return rows.filter(pa.array(~gone))


def _back(places: Places, what: Sequence[Brought], ids: pa.Table, there: pa.Table) -> pa.Table:
    """Return the superseded rows of these events that no such ingest brought and that do not lie in EVENTS as well.

    `there` are all rows of the bucket in EVENTS, columns `ROW` and others.
    """
    rows = files.read(places.superseded, SUPERSEDED, [file.path for file in places.gone])
    if not rows.num_rows or not ids.num_rows:
        return rows.slice(0, 0)
    rows = rows.filter(pa.array(_among(rows, ids, ID) & ~brought_by(what, rows)))
    if not rows.num_rows:
        return rows
    return rows.filter(pa.array(~_among(rows, there, ROW)))


def _among(rows: pa.Table, others: pa.Table, key: Sequence[str]) -> Bools:
    """Return bool[n]: which of the rows have a key that one of the others has."""
    if not others.num_rows or not rows.num_rows:
        return np.zeros(rows.num_rows, bool)
    both = pa.concat_tables([others.select(key), rows.select(key)])
    number = _numbered(both, key)
    return np.isin(number[others.num_rows :], number[: others.num_rows])


def _numbered(rows: pa.Table, key: Sequence[str]) -> Int64s:
    """Return int64[n]: the same number for rows with the same key."""
    order = compaction.order(rows, key)
    differs = np.zeros(rows.num_rows, bool)
    for name in key:
        values = rows[name].combine_chunks().fill_null(0).to_numpy(zero_copy_only=False)[order]
        differs[1:] |= values[1:] != values[:-1]
    found = np.empty(rows.num_rows, np.int64)
    found[order] = np.cumsum(differs)
    return found
