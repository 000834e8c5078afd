"""A page of a class out of a whole school, as the API reads it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from benchmarks import school
from benchmarks.child import Stopwatch
from benchmarks.parts.models import RULES
from benchmarks.parts.recompute import STATE
from mastery.pipelines.models.rules import load_rules
from mastery.pipelines.queries.class_view import SHOWN
from mastery.pipelines.queries.reader import Reader
from mastery.state import connect
from mastery.tables import GOLD

STUDENTS = 100
"""On a page."""

PAGES = 20


def measure(watch: Stopwatch, home: str) -> dict[str, Any]:
    """Read pages at random places in the order of means, and return the times in ms.

    The first one finds the index of the class and the footers of all files; the others are what a page costs.
    """
    lake, state = school.lake_of(Path(home)), connect(f"sqlite:{Path(home) / STATE}")
    reader = Reader(lake, state, load_rules(RULES).params, min_evidence=3, default_scorer=None)
    first_ms, _ = _ms(lambda: reader.class_scores(tenant=school.TENANT, limit=STUDENTS))
    students = reader.class_scores(tenant=school.TENANT, limit=1).totals.students
    draw = np.random.default_rng(7)
    offsets = [int(one) for one in draw.integers(0, max(1, students - STUDENTS), PAGES)]
    bare_ms = [_bare_ms(Path(home)) for _ in range(PAGES)]
    with watch:
        times = [
            _ms(lambda at=at: reader.class_scores(tenant=school.TENANT, limit=STUDENTS, offset=at)) for at in offsets
        ]
    state.close()
    return {
        "ms": statistics.median(wall for wall, _ in times),
        "ratio": statistics.median(spent for _, spent in times) / statistics.median(bare_ms),
        "first_ms": first_ms,
        "students": students,
    }


def _ms(read: Callable[[], object]) -> tuple[float, float]:
    """Return the ms of one read, on the wall and of processor time."""
    began, spent_s = time.perf_counter(), time.process_time()
    read()
    return (time.perf_counter() - began) * 1e3, (time.process_time() - spent_s) * 1e3


def _bare_ms(home: Path) -> float:
    """Return the ms of processor time of reading a row group of gold for each student of a page, by pyarrow alone."""
    path = max(home.glob(f"{school.LAKE}/{GOLD.name}/*/*.parquet"), key=lambda file: file.stat().st_size)
    footer = pq.read_metadata(path)
    began = time.process_time()
    with pq.ParquetFile(path, metadata=footer) as file:
        for number in range(STUDENTS):
            file.read_row_group(number % footer.num_row_groups, list(SHOWN), use_threads=False)
    return (time.process_time() - began) * 1e3
