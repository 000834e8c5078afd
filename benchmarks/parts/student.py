"""One student out of all of them."""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import school
from benchmarks.child import Stopwatch
from mastery.directory.pseudonyms import Pseudonyms
from mastery.lake import Lake
from mastery.simulation.chunk import student_id
from mastery.tables import EVENTS

READS = 500


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
    first_ms = [_read_ms(lake, person) for person in people[reads:]]
    with watch:
        times_ms = [_read_ms(lake, person) for person in people[:reads]]
    rows = lake.read_student(EVENTS, people[0]).num_rows
    return {
        "p50_ms": statistics.median(times_ms),
        "p99_ms": float(np.quantile(times_ms, 0.99)),
        "first_ms": statistics.median(first_ms) if first_ms else 0.0,
        "reads": len(times_ms),
        "rows": rows,
    }


def _read_ms(lake: Lake, person: str) -> float:
    began = time.perf_counter()
    lake.read_student(EVENTS, person)
    return (time.perf_counter() - began) * 1e3
