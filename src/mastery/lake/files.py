"""One Parquet file: write it, read it, say what is in it. Knows nothing of Delta's log.

Nothing here touches delta-rs, so threads and forked processes may all use it.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake.transaction import AddAction

from mastery.errors import BadInput, Conflict, writing
from mastery.lake import seal
from mastery.lake.layout import (
    FALSE_POSITIVES,
    FILTERED_BY,
    FILTERED_ROWS,
    FINER_ROW_GROUP_ROWS,
    ROW_GROUP_ROWS,
    SORTED_ROW_GROUP_ROWS,
    Layout,
    layout,
    sort_columns,
)
from mastery.lake.location import TableLocation
from mastery.tables import Table

FRESH, REVISIONS, SORTED, SORTED_REVISIONS = "part", "revisions", "sorted", "sorted_revisions"
"""First word of a file's name: rows as they came, or compacted and in order; of either kind with rows whose events the
bucket may have in another revision."""

STUDENT = "student_id"

BATCH_ROWS = 65_536
"""Rows that are decoded at a time where only some of a file are wanted."""

FEW_VALUES = 64
"""A dictionary smaller than this is written as it is."""


def is_fresh(path: str) -> bool:
    """Tell whether a file's rows lie as they came, from its name."""
    return path.rpartition("/")[2].partition("-")[0] in (FRESH, REVISIONS)


def holds_revisions(path: str) -> bool:
    """Tell whether a file holds revisions of events that lie in other rows of the bucket, from its name."""
    return path.rpartition("/")[2].partition("-")[0] in (REVISIONS, SORTED_REVISIONS)


def write(
    place: TableLocation,
    table: Table,
    rows: pa.Table,
    bucket: int | None,
    *,
    width: int = 2,
    in_order: bool = False,
    revisions: bool = False,
) -> AddAction:
    """Write one file and return the action that adds it to the table; nothing is committed.

    The commit waits until it is on the disk. A file that cannot be written whole is taken away again.

    Args:
        place: Folder of the table.
        table: Its definition.
        rows: Columns of the table in any order, with or without the partition column. Strings may be
            dictionary-encoded; other types are cast where no value is lost.
        bucket: The partition; None for a table without.
        width: Digits of the bucket in the folder's name.
        in_order: The rows are in `sort_columns` order: small row groups, and the file says so.
        revisions: The rows are revisions of events in other rows of the bucket, and the file says so.

    Raises:
        Unwritable: The disk is full, or may not be written to.
    """
    with FileWriter(place, table, bucket, width=width, in_order=in_order, revisions=revisions) as file:
        file.add(rows)
        return file.finish()


class FileWriter:
    """One file that is written in parts, each a row group of its own or more. Without `finish` nothing of it stays."""

    def __init__(
        self,
        place: TableLocation,
        table: Table,
        bucket: int | None,
        *,
        width: int = 2,
        in_order: bool = False,
        revisions: bool = False,
    ) -> None:
        """Begin a file; see `write`."""
        self._place, self._table, self._bucket = place, table, bucket
        word = (SORTED_REVISIONS if revisions else SORTED) if in_order else REVISIONS if revisions else FRESH
        name = f"{word}-{uuid.uuid4().hex}.parquet"
        self._path = name if bucket is None else f"bucket={bucket:0{width}d}/{name}"
        self._options = dict(layout(table).options)
        self._step = FINER_ROW_GROUP_ROWS.get(table.name, ROW_GROUP_ROWS)
        if in_order:
            self._step = SORTED_ROW_GROUP_ROWS
            self._options["sorting_columns"] = pq.SortingColumn.from_ordering(
                layout(table).schema, [(column, "ascending") for column in sort_columns(table)]
            )
        self._footer: list[pq.FileMetaData] = []
        self._writer: pq.ParquetWriter | None = None
        self._finished = self._broken_off = False

    def __enter__(self) -> FileWriter:
        return self

    def add(self, rows: pa.Table) -> None:
        """Write some rows."""
        body = conform(self._table, rows)
        with self._writing():
            if self._writer is None:
                if self._table.name in FILTERED_BY and body.num_rows >= FILTERED_ROWS:
                    filtered = {"ndv": min(self._step, body.num_rows), "fpp": FALSE_POSITIVES}
                    self._options["bloom_filter_options"] = {FILTERED_BY[self._table.name]: filtered}
                self._place.make_folder(self._path)
                self._writer = pq.ParquetWriter(
                    self._place.path(self._path),
                    body.schema,
                    filesystem=self._place.filesystem,
                    metadata_collector=self._footer,
                    **self._options,
                )
            for start in range(0, body.num_rows, self._step):
                self._writer.write_table(with_used_values(body.slice(start, self._step)), row_group_size=self._step)

    def __exit__(self, *_error: object) -> None:
        if not self._finished:
            self._break_off()

    def finish(self) -> AddAction:
        """Return the action that adds the file to the table. It is on the disk once it is committed, or settled."""
        path = self._path
        with self._writing():
            if self._writer is None:
                raise BadInput(f"a file of table {self._table.name!r} of no rows at all; add some, or write none")
            self._writer.close()
            self._finished = True
            if self._place.is_local:
                path = self._place.rename(path, seal.seal(Path(self._place.path(path)), self._footer[0]))
        return AddAction(
            path=path,
            size=self._place.size(path),
            partition_values={} if self._bucket is None else {"bucket": str(self._bucket)},
            modification_time=int(time.time() * 1000),
            data_change=True,
            stats=_statistics(self._footer[0], layout(self._table)),
        )

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Name a full disk, and leave no file that is not whole."""
        with writing(f"table {self._table.name!r}", self._place.uri):
            try:
                yield
            except BaseException:
                self._break_off()
                raise

    def _break_off(self) -> None:
        if self._broken_off:  # what could not be deleted has been told, as what it is
            return
        self._broken_off = True
        if self._writer is not None:
            self._writer.is_open = False  # or it is closed again when it is collected, and complains on standard error
        if self._place.exists(self._path):  # on a disk that may only be read there is none, and deleting it fails
            self._place.discard(self._path)


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


def by_name(rows: pa.Table, table: Table, wanted: Sequence[str]) -> pa.Table:
    """Return the rows of one file in the columns of this version: null where the file lacks one, also within a struct.
    What only the file has is left out.

    Raises:
        Conflict: A column is of a type that does not fit this version's.
    """
    schema = encoded_schema(layout(table), wanted)
    if rows.schema.equals(schema):
        return rows
    return pa.table([_of_type(rows, table, field) for field in schema], schema=schema)


def _of_type(rows: pa.Table, table: Table, field: pa.Field) -> pa.ChunkedArray:
    if field.name not in rows.column_names:
        return pa.chunked_array([pa.nulls(rows.num_rows, field.type)])
    column = rows.column(field.name)
    try:
        if pa.types.is_struct(field.type):
            return pa.chunked_array([_struct(chunk, field.type) for chunk in column.chunks], field.type)
        return column.cast(field.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise Conflict(
            f"table {table.name!r}, column {field.name!r}: {column.type} of another version does not fit "
            f"{field.type}; run 'mastery recompute', which makes the table again"
        ) from error


def _struct(values: pa.StructArray, kind: pa.StructType) -> pa.StructArray:
    have = {field.name for field in values.type}
    own = [
        values.field(field.name).cast(field.type) if field.name in have else pa.nulls(len(values), field.type)
        for field in kind
    ]
    return pa.StructArray.from_arrays(own, fields=list(kind), mask=values.is_null())


def contiguous(rows: pa.Table, plan: Layout, wanted: Sequence[str]) -> pa.Table:
    """Return the rows with one chunk per column, one dictionary per string column, and columns as wanted."""
    return rows.select(list(wanted)).unify_dictionaries().combine_chunks().cast(encoded_schema(plan, wanted))


def encoded_schema(plan: Layout, wanted: Sequence[str]) -> pa.Schema:
    """Return the schema in which rows are read: the table's, strings as dictionaries with int32 codes."""
    encoded = pa.dictionary(pa.int32(), pa.string())
    return pa.schema(
        [pa.field(name, encoded if name in plan.strings else plan.schema.field(name).type) for name in wanted]
    )


def conform(table: Table, rows: pa.Table) -> pa.Table:
    """Return the rows with exactly the columns of the table's files, in their order and types.

    Raises:
        BadInput: A column is missing or unknown, or a value does not fit its type.
    """
    plan = layout(table)
    have, want = set(rows.column_names), set(plan.schema.names)
    if have - set(table.partition_by) != want:
        missing, unknown = sorted(want - have), sorted(have - want - set(table.partition_by))
        raise BadInput(
            f"rows for table {table.name!r}: missing columns {missing}, unknown columns {unknown}; "
            "its columns are listed in mastery/tables.py"
        )
    columns = []
    for field in plan.schema:
        column = rows.column(field.name)
        kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
        if kind != field.type:
            try:
                column = column.cast(field.type)
            except pa.ArrowInvalid as error:
                raise BadInput(
                    f"rows for table {table.name!r}, column {field.name!r}: {kind} does not fit {field.type} ({error})"
                ) from error
        columns.append(column)
    # Arrow gives a dictionary up when a later chunk brings another one, so they are made one first.
    return pa.table(columns, names=plan.schema.names).unify_dictionaries()


def with_used_values(rows: pa.Table) -> pa.Table:
    """Return the rows with dictionaries that hold only values which occur in them.

    Arrow writes a dictionary whole: of a slice of a million rows, or a row group of a sorted file, it
    would store every student of the slice's parent (reading one student took 8 ms instead of 2).
    """
    for index, column in enumerate(rows.columns):
        if not pa.types.is_dictionary(column.type) or column.num_chunks != 1:
            continue
        array = column.chunk(0)
        n_values = len(array.dictionary)
        if n_values < FEW_VALUES:
            continue
        codes = array.indices.cast(pa.int64()).fill_null(n_values).to_numpy(zero_copy_only=False)
        used = np.zeros(n_values + 1, dtype=bool)
        used[codes] = True
        used[n_values] = False
        if used[:-1].all():
            continue
        own = np.cumsum(used, dtype=np.int32) - np.int32(1)
        indices = pa.array(own[codes], array.indices.type, mask=codes == n_values)
        values = array.dictionary.take(pa.array(np.flatnonzero(used)))
        rows = rows.set_column(index, rows.field(index), pa.DictionaryArray.from_arrays(indices, values))
    return rows


def _statistics(footer: pq.FileMetaData, plan: Layout) -> str:
    """Return Delta's statistics of one file as JSON, taken from its footer: no pass over the data."""
    names = [footer.schema.column(i).path for i in range(footer.num_columns)]
    low: dict[str, Any] = {}
    high: dict[str, Any] = {}
    nulls: dict[str, int] = {}
    for name in plan.statistics:
        found = [footer.row_group(g).column(names.index(name)).statistics for g in range(footer.num_row_groups)]
        if not found or any(one is None for one in found):
            continue
        nulls[name] = sum(one.null_count for one in found)
        bounded = [one for one in found if one.has_min_max]
        # A group without bounds is all null, unless it holds a value; then the file has no bounds either.
        if bounded and all(one.has_min_max or one.num_values == 0 for one in found):
            low[name] = _plain(min(one.min for one in bounded))
            high[name] = _plain(max(one.max for one in bounded))
    return json.dumps({"numRecords": footer.num_rows, "minValues": low, "maxValues": high, "nullCount": nulls})


def _plain(value: Any) -> Any:
    """Return a bound as Delta's JSON wants it: instants in UTC with a Z, days as YYYY-MM-DD."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    return value.item() if isinstance(value, np.generic) else value
