"""One Parquet file: write it, and say in its name and for Delta's log what is in it. Knows nothing of the log itself.

Nothing here touches delta-rs, so threads and forked processes may all use it.
"""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake.transaction import AddAction

from mastery.errors import BadInput
from mastery.lake import arrivals, seal
from mastery.lake.columns import conform, with_used_values
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

PLAIN = re.compile(rf"(?:^|/)(?:{FRESH}|{SORTED})-(?:in[0-9a-f]+-)?[0-9a-f]{{32}}(?:-[0-9a-f]{{8}})?\.parquet$")
"""The name of a file without revisions, sealed or not."""


def is_fresh(path: str) -> bool:
    """Tell whether a file's rows lie as they came, from its name."""
    return path.rpartition("/")[2].partition("-")[0] in (FRESH, REVISIONS)


def holds_revisions(path: str) -> bool:
    """Tell from its name whether a file may hold revisions of events that lie in other rows of the bucket: also one
    that another program has merged, whose name does not say what was in the files that it was made of.
    """
    return PLAIN.search(path) is None


def write(
    place: TableLocation,
    table: Table,
    rows: pa.Table,
    bucket: int | Sequence[int] | None,
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
        bucket: The partition; None for a table without. Several of rows that have still to be distributed to them;
            see `mastery.lake.arrivals`.
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
        bucket: int | Sequence[int] | None,
        *,
        width: int = 2,
        in_order: bool = False,
        revisions: bool = False,
    ) -> None:
        """Begin a file; see `write`."""
        self._place, self._table = place, table
        word = (SORTED_REVISIONS if revisions else SORTED) if in_order else REVISIONS if revisions else FRESH
        name = f"{uuid.uuid4().hex}.parquet"
        self._filtered_by = FILTERED_BY.get(table.name)
        self._partition: dict[str, str | None] = {}
        if bucket is None:
            self._path = f"{word}-{name}"
        elif isinstance(bucket, int):
            self._path = f"bucket={bucket:0{width}d}/{word}-{name}"
            self._partition = {"bucket": str(bucket)}
        else:
            self._path = f"{arrivals.FOLDER}/{word}-{arrivals.word(bucket)}-{name}"
            self._partition = {"bucket": None}
            self._filtered_by = None  # it is not there for long, and its ids stay in memory
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
                if self._filtered_by is not None and body.num_rows >= FILTERED_ROWS:
                    filtered = {"ndv": min(self._step, body.num_rows), "fpp": FALSE_POSITIVES}
                    self._options["bloom_filter_options"] = {self._filtered_by: filtered}
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
            size = self._place.size(path)
        return AddAction(
            path=path,
            size=size,
            partition_values=self._partition,
            modification_time=int(time.time() * 1000),
            data_change=True,
            stats=_statistics(self._footer[0], layout(self._table)),
        )

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Name a full disk, and leave no file that is not whole."""
        with self._place.writing(f"table {self._table.name!r}"):
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
