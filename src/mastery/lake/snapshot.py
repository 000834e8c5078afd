"""Which files a table consists of at one version, and how many rows lie in them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from operator import attrgetter
from typing import NamedTuple

import pyarrow as pa
from deltalake import DeltaTable
from propcache import cached_property

from mastery.lake.arrivals import buckets_in, is_unnamed
from mastery.tables import Table


@dataclass(frozen=True)
class File:
    """One live Parquet file.

    Attributes:
        path: Relative to the table's folder.
        rows: Number of rows, from the Delta log.
        size: Bytes.
        bucket: The partition; None for a table without, and of a file with rows of several buckets.
        any_of: The number of the lake's buckets where it may have rows of any: another program has merged files of
            several. Else 0.
    """

    path: str
    rows: int
    size: int
    bucket: int | None
    any_of: int = 0

    @property
    def buckets(self) -> tuple[int, ...]:
        """The buckets that it has rows of, ascending; none for a table without."""
        if self.any_of:
            return tuple(range(self.any_of))
        return buckets_in(self.path) if self.bucket is None else (self.bucket,)


@dataclass(frozen=True)
class Snapshot:
    """The files of one table at one version. A plain value: it may be sent to other processes.

    Attributes:
        version: Delta's version; -1 when the table has no commit yet.
        files: Every live file, by path.
    """

    version: int
    files: tuple[File, ...]

    @property
    def rows(self) -> int:
        return sum(file.rows for file in self.files)

    @cached_property
    def own(self) -> dict[int | None, tuple[File, ...]]:
        """The files with rows of one bucket alone, by bucket; under None those of a table without buckets."""
        grouped: dict[int | None, list[File]] = {}
        for file in self.files:
            if file.bucket is not None or not file.buckets:
                grouped.setdefault(file.bucket, []).append(file)
        return {bucket: tuple(files) for bucket, files in grouped.items()}

    @cached_property
    def arrivals(self) -> tuple[File, ...]:
        """The files with rows of several buckets, by path; see `mastery.lake.arrivals`."""
        return tuple(file for file in self.files if file.bucket is None and file.buckets)

    @property
    def buckets(self) -> list[int]:
        """The buckets that have rows, ascending."""
        found = {bucket for bucket in self.own if bucket is not None}
        return sorted(found.union(*(file.buckets for file in self.arrivals)))

    def after(self, version: int, adds: Iterable[File], removes: Collection[str]) -> Snapshot:
        """Return the files of a later version, which a commit has made of these."""
        live = {file.path: file for file in self.files if file.path not in removes}
        live |= {file.path: file for file in adds}
        return Snapshot(version, tuple(sorted(live.values(), key=attrgetter("path"))))

    def bucket(self, bucket: int | None) -> tuple[File, ...]:
        """Return the files with rows of a bucket, those of several buckets last."""
        return self.own.get(bucket, ()) + tuple(file for file in self.arrivals if bucket in file.buckets)

    def rows_of(self, bucket: int | None) -> int:
        """Return about how many rows a bucket has; of all buckets together exactly all: a file of several is counted
        with the first of them.
        """
        return sum(file.rows for file in self.bucket(bucket) if file.bucket == bucket or file.buckets[0] == bucket)

    def __iter__(self) -> Iterator[File]:
        return iter(self.files)


NOTHING = Snapshot(-1, ())


class TableVersion(NamedTuple):
    """A version of one table, told from the same number of another: of a backup put back, a copy, one made again.

    Attributes:
        table_id: Delta's id of the table; empty when there is none yet.
        version: As in `Snapshot`.
        fingerprint: Of what the log says of the version; see `mastery.lake.log.fingerprint`. Empty for no version.
    """

    table_id: str
    version: int
    fingerprint: str


def take(table: Table, delta: DeltaTable, lake_buckets: int) -> Snapshot:
    """Return what the handle sees, of a table that is cut into this number of buckets. About 2 ms for 64 files, so
    callers keep it until the version moves.
    """
    actions = pa.table(delta.get_add_actions(flatten=True))
    paths = actions.column("path").to_pylist()
    sizes = actions.column("size_bytes").to_pylist()
    rows = actions.column("num_records").to_pylist()
    buckets = actions.column("partition.bucket").to_pylist() if table.partition_by else [None] * len(paths)
    files = sorted(zip(paths, rows, sizes, buckets, strict=True), key=lambda file: file[0])
    return Snapshot(
        delta.version(),
        tuple(
            File(path, n, size, bucket, lake_buckets if bucket is None and is_unnamed(path) else 0)
            for path, n, size, bucket in files
        ),
    )
