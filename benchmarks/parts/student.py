"""One student out of all of them."""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from benchmarks import school
from benchmarks.child import Stopwatch
from mastery.directory.pseudonyms import Pseudonyms
from mastery.lake import Lake
from mastery.simulation.chunk import student_id
from mastery.tables import EVENTS

READS = 500
BARE_READS = 50
"""Reads of a row group, before the students and after."""


def measure(watch: Stopwatch, home: str, reads: int) -> dict[str, Any]:
    """Read students picked at random, all columns, and return the times in ms.

    The table is open: one other student of each bucket was read before, so the footers are known.
    """
    built = school.built_in(Path(home))
    assert built is not None
    lake, pseudonyms = school.lake_of(Path(home)), Pseudonyms(school.KEY)
    draw = np.random.default_rng(7)
    picked = draw.choice(built.students, min(built.students, reads + 8 * lake.buckets), replace=False)
    people = [pseudonyms.student(school.TENANT, student_id(int(number))) for number in picked]
    first_ms = [_read_ms(lake, person)[0] for person in people[reads:]]
    bare_ms = statistics.median(_bare_ms(Path(home)) for _ in range(BARE_READS))
    with watch:
        times_ms, spent_ms = zip(*(_read_ms(lake, person) for person in people[:reads]), strict=True)
    bare_ms = (bare_ms + statistics.median(_bare_ms(Path(home)) for _ in range(BARE_READS))) / 2
    rows = lake.read_student(EVENTS, people[0]).num_rows
    return {
        "p50_ratio": statistics.median(spent_ms) / bare_ms,
        "p99_ratio": float(np.quantile(spent_ms, 0.99)) / bare_ms,
        "p50_ms": statistics.median(times_ms),
        "p99_ms": float(np.quantile(times_ms, 0.99)),
        "first_ms": statistics.median(first_ms) if first_ms else 0.0,
        "reads": len(times_ms),
        "rows": rows,
    }


def _bare_ms(home: Path) -> float:
    """Return the ms of processor time of reading one row group of a file of events, all columns, by pyarrow alone."""
    path = max(home.glob(f"{school.LAKE}/events/*/*.parquet"), key=lambda file: file.stat().st_size)
    footer = pq.read_metadata(path)
    began = time.process_time()
    with pq.ParquetFile(path, metadata=footer) as file:
        file.read_row_group(0, use_threads=False)
    return (time.process_time() - began) * 1e3


def _read_ms(lake: Lake, person: str) -> tuple[float, float]:
    """Return the ms of one read, on the wall and of processor time."""
    began, spent_s = time.perf_counter(), time.process_time()
    lake.read_student(EVENTS, person)
    return (time.perf_counter() - began) * 1e3, (time.process_time() - spent_s) * 1e3
