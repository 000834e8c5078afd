"""Which files a table consists of at one version, and how many rows lie in them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from operator import attrgetter
from typing import NamedTuple

import pyarrow as pa
from deltalake import DeltaTable
from propcache import cached_property

from mastery.tables import Table


@dataclass(frozen=True)
class File:
    """One live Parquet file.

    Attributes:
        path: Relative to the table's folder.
        rows: Number of rows, from the Delta log.
        size: Bytes.
        bucket: The partition; None for a table without.
    """

    path: str
    rows: int
    size: int
    bucket: int | None


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
    def by_bucket(self) -> dict[int | None, tuple[File, ...]]:
        grouped: dict[int | None, list[File]] = {}
        for file in self.files:
            grouped.setdefault(file.bucket, []).append(file)
        return {bucket: tuple(files) for bucket, files in grouped.items()}

    @property
    def buckets(self) -> list[int]:
        """The buckets that have files, ascending."""
        return sorted(bucket for bucket in self.by_bucket if bucket is not None)

    def after(self, version: int, adds: Iterable[File], removes: Collection[str]) -> Snapshot:
        """Return the files of a later version, which a commit has made of these."""
        live = {file.path: file for file in self.files if file.path not in removes}
        live |= {file.path: file for file in adds}
        return Snapshot(version, tuple(sorted(live.values(), key=attrgetter("path"))))

    def bucket(self, bucket: int | None) -> tuple[File, ...]:
        return self.by_bucket.get(bucket, ())

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


def take(table: Table, delta: DeltaTable) -> Snapshot:
    """Return what the handle sees. About 2 ms for 64 files, so callers keep it until the version moves."""
    actions = pa.table(delta.get_add_actions(flatten=True))
    paths = actions.column("path").to_pylist()
    sizes = actions.column("size_bytes").to_pylist()
    rows = actions.column("num_records").to_pylist()
    buckets = actions.column("partition.bucket").to_pylist() if table.partition_by else [None] * len(paths)
    files = sorted(zip(paths, rows, sizes, buckets, strict=True), key=lambda file: file[0])
    return Snapshot(delta.version(), tuple(File(path, n, size, bucket) for path, n, size, bucket in files))
