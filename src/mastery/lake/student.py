"""Read the rows of one student or a few: some row groups of each file of the bucket, found through cached footers."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mastery.events.identity import murmur
from mastery.lake import files
from mastery.lake.columns import STUDENT, by_name, contiguous, encoded_schema
from mastery.lake.file_writer import is_fresh
from mastery.lake.layout import layout
from mastery.lake.location import TableLocation
from mastery.lake.seal import Chunks
from mastery.tables import Table

SOURCE = "score_source"

FOOTERS_KEPT = 2_048
"""Footers of 64 buckets with 32 files; about 60 KB each for a sorted file of 20 row groups."""


@dataclass(frozen=True)
class Footer:
    """What is remembered of a file to find a student in it.

    Attributes:
        metadata: The Parquet footer.
        chunks: The checksums before it.
        bounds: Per row group the least and the greatest student_id; None where it names none.
        sources: The same of score_source; None too in a table that has no such column.
        students: Of a file of one row group in order of arrival, whose bounds tell nothing: int64, the murmurs of its
            students, ascending. A fresh file without the student then costs nothing (with it 0.9 ms).
    """

    metadata: pq.FileMetaData
    chunks: Chunks | None
    bounds: tuple[tuple[str, str] | None, ...]
    sources: tuple[tuple[str, str] | None, ...]
    students: npt.NDArray[np.int64] | None

    def groups(self, student_id: str, murmur_hi: np.int64, source: str | None = None) -> list[int]:
        """Return the row groups that may hold the student, with a score by one scorer where it is named."""
        if self.students is not None:
            place = int(np.searchsorted(self.students, murmur_hi))
            if place == self.students.size or self.students[place] != murmur_hi:
                return []
        return [
            group
            for group, (mine, theirs) in enumerate(zip(self.bounds, self.sources, strict=True))
            if _within(mine, student_id) and (source is None or _within(theirs, source))
        ]


class StudentReader:
    """Holds the footers of files already met. Files never change, so a footer never grows old."""

    def __init__(self, kept: int = FOOTERS_KEPT) -> None:
        self._kept = kept
        self._footers: OrderedDict[str, Footer] = OrderedDict()
        self._lock = threading.Lock()

    def read(
        self, place: TableLocation, table: Table, paths: Sequence[str], student_id: str, columns: Sequence[str] | None
    ) -> pa.Table:
        """Return the student's rows of these files, file by file; strings dictionary-encoded."""
        plan = layout(table)
        wanted = plan.schema.names if columns is None else [name for name in columns if name in plan.schema.names]
        murmur_hi = murmur(pa.array([student_id]))[0][0]
        needed = list(dict.fromkeys([*wanted, STUDENT]))
        found = [
            rows
            for path in paths
            for rows in self._from_file(place, table, path, needed, student_id, murmur_hi)
            if rows.num_rows
        ]
        if not found:
            return encoded_schema(plan, wanted).empty_table()
        return contiguous(pa.concat_tables(found), plan, wanted)

    def read_some(
        self,
        place: TableLocation,
        table: Table,
        paths: Sequence[str],
        students: pa.Array,
        columns: Sequence[str] | None,
        source: str | None = None,
    ) -> pa.Table:
        """Return the rows of some students of these files, by one scorer where it is named, file by file; each row
        group is read once.
        """
        plan = layout(table)
        wanted = plan.schema.names if columns is None else [name for name in columns if name in plan.schema.names]
        needed = list(dict.fromkeys([*wanted, STUDENT]))
        hashes = dict(zip(students.to_pylist(), murmur(students)[0], strict=True))
        found = []
        for path in paths:
            footer = self._footer(place, table, path)
            groups = sorted({group for one, hi in hashes.items() for group in footer.groups(one, hi, source)})
            if groups:
                with files.opened(place, table, path, (footer.metadata, footer.chunks)) as file:
                    rows = [by_name(file.read(needed, group), table, needed) for group in groups]
                found += [_of(part, students, source) for part in rows]
        if not found:
            return encoded_schema(plan, wanted).empty_table()
        return contiguous(pa.concat_tables(found), plan, wanted)

    def _from_file(
        self,
        place: TableLocation,
        table: Table,
        path: str,
        columns: list[str],
        student_id: str,
        murmur_hi: np.int64,
    ) -> list[pa.Table]:
        footer = self._footer(place, table, path)
        groups = footer.groups(student_id, murmur_hi)
        if not groups:
            return []
        with files.opened(place, table, path, (footer.metadata, footer.chunks)) as file:
            found = [file.read(columns, group) for group in groups]
        return [_rows_of(by_name(rows, table, columns), student_id) for rows in found]

    def _footer(self, place: TableLocation, table: Table, path: str) -> Footer:
        key = place.path(path)
        with self._lock:
            known = self._footers.get(key)
            if known is not None:
                self._footers.move_to_end(key)
                return known
        footer = _read_footer(place, table, path)
        with self._lock:
            self._footers[key] = footer
            while len(self._footers) > self._kept:
                self._footers.popitem(last=False)
        return footer


def _read_footer(place: TableLocation, table: Table, path: str) -> Footer:
    with files.opened(place, table, path) as file:
        metadata = file.parquet.metadata
        students = None
        if is_fresh(path) and metadata.num_row_groups == 1:
            ids = file.read([STUDENT]).column(STUDENT).unify_dictionaries()
            students = np.unique(murmur(ids)[0])
    return Footer(metadata, file.chunks, _bounds(metadata, STUDENT), _bounds(metadata, SOURCE), students)


def _bounds(metadata: pq.FileMetaData, name: str) -> tuple[tuple[str, str] | None, ...]:
    """Return the least and the greatest value of a column in each row group; None where the file names none."""
    column = next((i for i in range(metadata.num_columns) if metadata.schema.column(i).path == name), None)
    if column is None:
        return (None,) * metadata.num_row_groups
    found = [metadata.row_group(group).column(column).statistics for group in range(metadata.num_row_groups)]
    return tuple((one.min, one.max) if one is not None and one.has_min_max else None for one in found)


def _within(bound: tuple[str, str] | None, value: str) -> bool:
    return bound is None or bound[0] <= value <= bound[1]


def _of(rows: pa.Table, students: pa.Array, source: str | None) -> pa.Table:
    mine = pc.is_in(rows[STUDENT], value_set=students)
    return rows.filter(mine if source is None else pc.and_(mine, pc.equal(rows[SOURCE], source)))


def _rows_of(rows: pa.Table, student_id: str) -> pa.Table:
    """Return the student's rows; a slice without copying where they lie together, as in a sorted file."""
    ids = rows.column(STUDENT).unify_dictionaries()
    if not ids.num_chunks:
        return rows
    code = ids.chunk(0).dictionary.index(student_id).as_py()
    if code < 0:
        return rows.slice(0, 0)
    mine = [np.asarray(chunk.indices.fill_null(-1)) == code for chunk in ids.chunks]
    places = np.flatnonzero(np.concatenate(mine))
    if places.size and places[-1] - places[0] + 1 == places.size:
        return rows.slice(int(places[0]), places.size)
    return rows.take(pa.array(places))
