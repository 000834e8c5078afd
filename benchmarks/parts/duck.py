"""The same work by DuckDB: what our times stand beside. Its own best settings, nothing held back."""

from __future__ import annotations

import glob
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.child import Stopwatch
from benchmarks.machine import free_bytes

MEMORY_SHARE = 0.75
"""Of the memory that is free: it then sorts 20 million events without writing any of them out."""


def _connect(threads: int, folder: Path) -> duckdb.DuckDBPyConnection:
    folder.mkdir(parents=True, exist_ok=True)
    settings: dict[str, Any] = {
        "threads": threads,
        "memory_limit": f"{int(free_bytes() * MEMORY_SHARE)}B",
        "temp_directory": str(folder / "spilled"),
    }
    connection = duckdb.connect(config=settings)
    # Nobody asks for the order of the file it reads, and a sort has its own (there it makes no difference).
    connection.execute("SET preserve_insertion_order = false")
    return connection


def _parquet(files: str) -> str:
    return f"read_parquet({sorted(glob.glob(files))!r}, hive_partitioning = false)"  # noqa: PTH207 - a pattern


def read_sort_write(watch: Stopwatch, files: str, folder: str, threads: int) -> dict[str, int]:
    """Read all columns of the files, sort by student and time, write one Parquet file."""
    connection, out = _connect(threads, Path(folder)), Path(folder) / "sorted.parquet"
    with watch:
        connection.execute(
            f"COPY (SELECT * FROM {_parquet(files)} ORDER BY student_id, occurred_at) "
            f"TO '{out}' (FORMAT parquet, COMPRESSION snappy)"
        )
    return _written(out)


def csv_to_parquet(watch: Stopwatch, file: str, folder: str, threads: int) -> dict[str, int]:
    """Read a CSV file and write it as one Parquet file."""
    connection, out = _connect(threads, Path(folder)), Path(folder) / "rows.parquet"
    with watch:
        connection.execute(f"COPY (SELECT * FROM read_csv('{file}')) TO '{out}' (FORMAT parquet, COMPRESSION snappy)")
    return _written(out)


def anti_join(watch: Stopwatch, files: str, incoming: str, folder: str, threads: int) -> dict[str, int]:
    """Count the rows of `incoming` whose event ids are not in the files."""
    connection = _connect(threads, Path(folder))
    connection.execute(f"CREATE TABLE incoming AS SELECT * FROM read_parquet('{incoming}')")
    with watch:
        found = connection.execute(
            f"SELECT count(*) FROM incoming ANTI JOIN {_parquet(files)} USING (event_id_hi, event_id_lo)"
        ).fetchone()
    assert found is not None
    return {"new": int(found[0])}


def _written(out: Path) -> dict[str, int]:
    rows = duckdb.sql(f"SELECT count(*) FROM read_parquet('{out}')").fetchone()
    assert rows is not None
    size = out.stat().st_size
    out.unlink()
    return {"rows": int(rows[0]), "bytes": size}
