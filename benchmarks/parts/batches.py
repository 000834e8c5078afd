"""Many small batches of events into a lake that is large already, as a stream brings them."""

from __future__ import annotations

import shutil
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv

from benchmarks import school
from benchmarks.child import Stopwatch
from mastery.directory.pseudonyms import Pseudonyms
from mastery.pipelines.ingest.ingest import ingest
from mastery.tables import EVENTS

BATCH = 500
"""Events."""

ENDS = 10
"""Batches at the beginning, and at the end, whose medians are compared."""


def measure(watch: Stopwatch, file: str, rows: int, batches: int, folder: str) -> dict[str, Any]:
    """Ingest `rows` of a CSV file picked at random at once, and then `batches` batches of the others.

    The first batches load kernels and tables; they are not counted.
    """
    home = Path(folder) / "batches"
    shutil.rmtree(home, ignore_errors=True)
    lake, pseudonyms, now = school.lake_of(home), Pseudonyms(school.KEY), school.received(school.plan_of(1))
    texts = pacsv.ConvertOptions(column_types=dict.fromkeys(_names(file), pa.string()), strings_can_be_null=True)
    answers = pacsv.read_csv(file, convert_options=texts)
    answers = answers.take(pa.array(np.random.default_rng(7).permutation(answers.num_rows)))  # the file is by student

    def take(first: int, count: int) -> None:
        ingest([answers.slice(first, count)], lake=lake, pseudonyms=pseudonyms, tenant=school.TENANT, now=now)

    take(0, rows)
    first = rows
    for _ in range(ENDS):
        take(first, BATCH)
        first += BATCH
    spent_s = []
    with watch:
        for _ in range(batches):
            began = time.process_time()
            take(first, BATCH)
            spent_s.append(time.process_time() - began)
            first += BATCH
    found = {
        "first_ms": statistics.median(spent_s[:ENDS]) * 1e3,
        "last_ms": statistics.median(spent_s[-ENDS:]) * 1e3,
        "mean_ms": statistics.fmean(spent_s) * 1e3,
        "files": len(lake.snapshot(EVENTS).files),
        "events": lake.count(EVENTS),
        "expected": first,
    }
    shutil.rmtree(home)
    return found


def _names(file: str) -> list[str]:
    with Path(file).open("rb") as opened:
        return opened.readline().decode().strip().split(",")
