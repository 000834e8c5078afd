"""Parquet files, read: whole or some of their rows, each compared with its checksums first.

Nothing here touches delta-rs, so threads and forked processes may all use it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mastery.lake import seal
from mastery.lake.columns import STUDENT, by_name, contiguous, encoded_schema, with_used_values
from mastery.lake.layout import layout
from mastery.lake.location import TableLocation
from mastery.tables import Table

BATCH_ROWS = 65_536
"""Rows that are decoded at a time where only some of a file are wanted."""


def read(
    place: TableLocation,
    table: Table,
    paths: Sequence[str],
    columns: Sequence[str] | None = None,
    *,
    only: Only | None = None,
    threads: bool = False,
) -> pa.Table:
    """Return the rows of some files in the order of `paths`, one contiguous array per column; `only` some of them.

    String columns come back dictionary-encoded over one dictionary, other columns in the table's types;
    partition columns are left out. A file of another version of the engine is read by name; see `by_name`.
    """
    plan = layout(table)
    wanted = plan.schema.names if columns is None else [name for name in columns if name in plan.schema.names]
    if not paths:
        return encoded_schema(plan, wanted).empty_table()
    parts = []
    for path in paths:
        with opened(place, table, path) as file:
            if only is None:
                parts.append(by_name(file.read(wanted, threads=threads), table, wanted))
                continue
            needed = list(dict.fromkeys([*wanted, *only.columns]))
            some = (only.of(by_name(rows, table, needed)).select(wanted) for rows in file.batches(needed, only))
            parts += [with_used_values(rows.combine_chunks()) for rows in some if rows.num_rows]
    if not parts:
        return encoded_schema(plan, wanted).empty_table()
    return contiguous(pa.concat_tables(parts), plan, wanted)


def in_parts(place: TableLocation, table: Table, path: str, most: int) -> Iterator[pa.Table]:
    """Yield the rows of one file, whole row groups together up to about `most` rows."""
    plan = layout(table)
    names = plan.schema.names
    with opened(place, table, path) as file:
        metadata = file.parquet.metadata
        waiting: list[pa.Table] = []
        for group in range(metadata.num_row_groups):
            rows = sum(part.num_rows for part in waiting)
            if waiting and rows + metadata.row_group(group).num_rows > most:
                yield contiguous(pa.concat_tables(waiting), plan, names)
                waiting = []
            waiting.append(by_name(file.read(names, group), table, names))
        yield contiguous(pa.concat_tables(waiting), plan, names)


@dataclass(frozen=True)
class Only:
    """Which rows are read; the others are never held all at once.

    Attributes:
        students: First and last pseudonym; None for all.
        column, values: Those with one of these values in this column; None for all.
    """

    students: tuple[str, str] | None = None
    column: str | None = None
    values: tuple[str, ...] = ()

    @property
    def columns(self) -> list[str]:
        """The columns that it asks for."""
        return [name for name in (None if self.students is None else STUDENT, self.column) if name is not None]

    def may_be_in(self, low: str, high: str) -> bool:
        """Tell whether some of the students may lie between these two."""
        return self.students is None or (self.students[0] <= high and low <= self.students[1])

    def of(self, rows: pa.Table) -> pa.Table:
        """Return those of the rows."""
        if self.students is not None:
            first, last = self.students
            rows = _where(rows, STUDENT, lambda ids: pc.and_(pc.greater_equal(ids, first), pc.less_equal(ids, last)))
        if self.column is not None:
            values = pa.array(self.values, pa.string())
            rows = _where(rows, self.column, lambda names: pc.is_in(names, value_set=values))
        return rows


def _where(rows: pa.Table, column: str, test: Callable[[pa.Array], pa.Array]) -> pa.Table:
    """Return the rows whose value in a dictionary-encoded column passes a test, which each value is put to once."""
    mask = []
    for chunk in rows.column(column).chunks:
        passed = np.append(np.asarray(test(chunk.dictionary).fill_null(False)), False)
        mask.append(passed[chunk.indices.fill_null(len(chunk.dictionary)).to_numpy(zero_copy_only=False)])
    return rows.filter(pa.array(np.concatenate(mask))) if mask else rows


@dataclass(frozen=True)
class OpenFile:
    """A file that is open for reading. What is read is compared with its checksums first; see `mastery.lake.seal`."""

    place: TableLocation
    table: Table
    path: str
    parquet: pq.ParquetFile
    chunks: seal.Chunks | None

    @property
    def leaves(self) -> Sequence[str]:
        """The column that each of its Parquet columns belongs to; some tables may be of another version."""
        if not (self.table.published or self.table.grows):
            return layout(self.table).leaves
        schema = self.parquet.metadata.schema
        return [schema.column(number).path.partition(".")[0] for number in range(self.parquet.metadata.num_columns)]

    def read(self, columns: Sequence[str], group: int | None = None, *, threads: bool = False) -> pa.Table:
        """Return these columns, of one row group or of all, strings dictionary-encoded."""
        self._compare(columns, group)
        if group is None:
            return self.parquet.read(columns, use_threads=threads)
        return self.parquet.read_row_group(group, columns, use_threads=threads)

    def filter(self, column: str, group: int) -> npt.NDArray[np.uint32] | None:
        """Return the words of a row group's Bloom filter of a column; None where the file has none of it."""
        leaves = self.leaves
        chunk = self.parquet.metadata.row_group(group).column(leaves.index(column))
        if chunk.bloom_filter_offset is None:
            return None
        if self.chunks is not None:
            seal.compare(self.place, self.path, self.chunks, [self.parquet.num_row_groups * len(leaves) + group])
        words = 1 << (chunk.bloom_filter_length.bit_length() - 1)  # a power of two; a header of some bytes is before it
        with self.place.filesystem.open_input_file(self.place.path(self.path)) as file:
            file.seek(chunk.bloom_filter_offset + chunk.bloom_filter_length - words)
            return np.frombuffer(file.read(words), "<u4")

    def batches(self, columns: Sequence[str], only: Only) -> Iterator[pa.Table]:
        """Yield these columns a few rows at a time, of the row groups that may hold the students who are wanted."""
        for group in range(self.parquet.num_row_groups):
            statistics = self._statistics_of(STUDENT, group)
            if statistics is not None and not only.may_be_in(statistics.min, statistics.max):
                continue
            self._compare(columns, group)
            for batch in self.parquet.iter_batches(BATCH_ROWS, [group], list(columns), use_threads=False):
                yield pa.Table.from_batches([batch])

    def _statistics_of(self, column: str, group: int) -> pq.Statistics | None:
        """Return the bounds of a column in a row group; None where it has none."""
        if column not in self.leaves:
            return None
        found = self.parquet.metadata.row_group(group).column(list(self.leaves).index(column)).statistics
        return found if found is not None and found.has_min_max else None

    def _compare(self, columns: Sequence[str], group: int | None) -> None:
        if self.chunks is None:
            return
        leaves, named = self.leaves, set(columns)
        wanted = [number for number, name in enumerate(leaves) if name in named]
        groups = range(self.parquet.num_row_groups) if group is None else (group,)
        chosen = (one * len(leaves) + number for one in groups for number in wanted)
        seal.compare(self.place, self.path, self.chunks, chosen)


@contextmanager
def opened(
    place: TableLocation,
    table: Table,
    path: str,
    known: tuple[pq.FileMetaData, seal.Chunks | None] | None = None,
) -> Iterator[OpenFile]:
    """Open one file; `known` is what stands at its end, where that has been read before.

    Raises:
        DamagedFile: It does not hold what was written into it.
    """
    with seal.noticing(place, table, path):
        metadata, chunks = (None, seal.chunks_of(place, path)) if known is None else known
        strings = layout(table).strings
        try:
            found = _parquet(place, path, metadata, strings, check=chunks is None)
        except KeyError:  # a file of another version of the engine lacks one of them
            with _parquet(place, path, metadata, (), check=chunks is None) as one:
                metadata, there = one.metadata, set(one.schema_arrow.names)
            there_too = [name for name in strings if name in there]
            found = _parquet(place, path, metadata, there_too, check=chunks is None)
        with found as parquet:
            yield OpenFile(place, table, path, parquet, chunks)


def _parquet(
    place: TableLocation, path: str, metadata: pq.FileMetaData | None, strings: Sequence[str], *, check: bool
) -> pq.ParquetFile:
    return pq.ParquetFile(
        place.path(path),
        filesystem=place.filesystem,
        metadata=metadata,
        memory_map=place.is_local,
        read_dictionary=list(strings),
        pre_buffer=not place.is_local,
        page_checksum_verification=check,
    )
