"""Read one student's rows: a row group or so of each file of the bucket, found through cached footers."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from mastery.events.identity import murmur
from mastery.lake import files
from mastery.lake.layout import layout
from mastery.lake.location import TableLocation
from mastery.lake.seal import Chunks
from mastery.tables import Table

STUDENT = "student_id"

FOOTERS_KEPT = 2_048
"""Footers of 64 buckets with 32 files; about 60 KB each for a sorted file of 20 row groups."""


@dataclass(frozen=True)
class Footer:
    """What is remembered of a file to find a student in it.

    Attributes:
        metadata: The Parquet footer.
        chunks: The checksums before it.
        bounds: Per row group the least and the greatest student_id; None where it names none.
        students: Of a file in order of arrival, whose bounds tell nothing: int64, the murmurs of its
            students, ascending. A fresh file without the student then costs nothing (with it 0.9 ms).
    """

    metadata: pq.FileMetaData
    chunks: Chunks | None
    bounds: tuple[tuple[str, str] | None, ...]
    students: npt.NDArray[np.int64] | None

    def groups(self, student_id: str, murmur_hi: np.int64) -> list[int]:
        """Return the row groups that may hold the student."""
        if self.students is not None:
            place = int(np.searchsorted(self.students, murmur_hi))
            if place == self.students.size or self.students[place] != murmur_hi:
                return []
        return [index for index, bound in enumerate(self.bounds) if bound is None or bound[0] <= student_id <= bound[1]]


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
            return files.encoded_schema(plan, wanted).empty_table()
        return files.contiguous(pa.concat_tables(found), plan, wanted)

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
        return [_rows_of(files.by_name(rows, table, columns), student_id) for rows in found]

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
        if files.is_fresh(path):
            ids = file.read([STUDENT]).column(STUDENT).unify_dictionaries()
            students = np.unique(murmur(ids)[0])
    column = next(i for i in range(metadata.num_columns) if metadata.schema.column(i).path == STUDENT)
    bounds: list[tuple[str, str] | None] = []
    for group in range(metadata.num_row_groups):
        statistics = metadata.row_group(group).column(column).statistics
        named = statistics is not None and statistics.has_min_max
        bounds.append((statistics.min, statistics.max) if named else None)
    return Footer(metadata, file.chunks, tuple(bounds), students)


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
