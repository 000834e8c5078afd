"""The learner-state store brought up to date: one record for every student of the school."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks import school
from benchmarks.child import Stopwatch
from benchmarks.parts.models import model_set_of
from mastery.features.columns import READ
from mastery.pipelines.scoring.fold import Folded, fold_events
from mastery.pipelines.scoring.records import record_block
from mastery.state import connect, encode_block
from mastery.tables import EVENTS

BLOBS_AT_ONCE = 3_000
"""Blobs in one transaction: about the students of a bucket."""


def measure(watch: Stopwatch, home: str, warm_home: str, workers: int) -> dict[str, Any]:
    """Make, encode and store the records of all students, `workers` buckets at a time.

    Only that is timed: the fold of each handful of buckets stands before its lap. Kernels were loaded on
    another home.
    """
    _store(Stopwatch(), Path(warm_home), workers)
    return _store(watch, Path(home), workers)


def insert_blobs(watch: Stopwatch, folder: str, count: int, size: int) -> dict[str, Any]:
    """Insert as many blobs into a table of its own, by sqlite3 alone: the yardstick of a store of records."""
    path, blob = Path(folder) / "blobs.db", bytes(size)
    _forget(path)
    with closing(sqlite3.connect(path)) as store:
        store.execute("PRAGMA journal_mode = WAL")
        store.execute("PRAGMA synchronous = NORMAL")
        store.execute("CREATE TABLE blobs (name TEXT PRIMARY KEY, body BLOB) WITHOUT ROWID")
        with watch:
            for first in range(0, count, BLOBS_AT_ONCE):
                rows = ((f"s_{number:032x}", blob) for number in range(first, min(first + BLOBS_AT_ONCE, count)))
                with store:
                    store.executemany("INSERT INTO blobs VALUES (?, ?)", rows)
    _forget(path)
    return {"records": count}


def _store(watch: Stopwatch, home: Path, workers: int) -> dict[str, Any]:
    lake, path, built = school.lake_of(home), home / "records-alone.db", school.built_in(home)
    if built is None:
        raise RuntimeError(f"{home} was not built to its end; delete it")
    _forget(path)
    store, models, at = connect(f"sqlite:{path}"), model_set_of(lake), lake.snapshot(EVENTS)

    def folded(bucket: int) -> tuple[pa.Table, Folded]:
        events = lake.read_bucket(EVENTS, bucket, (*READ, "body_hash"), at)
        return events, fold_events(events, models, built.newest_us)

    def put(fold: tuple[pa.Table, Folded]) -> int:
        everybody = np.arange(len(fold[1].batch.students))
        return store.put_many(encode_block(record_block(*fold, everybody)))

    with ThreadPoolExecutor(workers) as pool:
        for first in range(0, lake.buckets, workers):
            folds = list(pool.map(folded, range(first, min(first + workers, lake.buckets))))
            with watch:
                list(pool.map(put, folds))
    count = store.count()
    store.close()
    size = path.stat().st_size
    _forget(path)
    return {"records": count, "bytes": size}


def _forget(path: Path) -> None:
    for one in path.parent.glob(f"{path.name}*"):
        one.unlink()
