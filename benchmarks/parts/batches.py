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
from mastery.lake import Lake
from mastery.pipelines.ingest.ingest import ingest
from mastery.tables import EVENTS

BATCH = 500
"""Events."""

ENDS = 10
"""Batches at the end, and as many of the first, whose medians are compared."""


def measure(watch: Stopwatch, file: str, rows: int, batches: int, folder: str) -> dict[str, Any]:
    """Ingest `rows` of a CSV file picked at random at once, and then `batches` batches of the others.

    The last are compared with the first as these would be at the end: by turns with them, into a copy of the lake as it
    was before the first. What else the machine does meets both alike. A few batches before them load kernels and
    tables; they are not counted.
    """
    home, young = Path(folder) / "batches", Path(folder) / "young"
    for one in (home, young):
        shutil.rmtree(one, ignore_errors=True)
    pseudonyms, now = Pseudonyms(school.KEY), school.received(school.plan_of(1))
    texts = pacsv.ConvertOptions(column_types=dict.fromkeys(_names(file), pa.string()), strings_can_be_null=True)
    answers = pacsv.read_csv(file, convert_options=texts)
    answers = answers.take(pa.array(np.random.default_rng(7).permutation(answers.num_rows)))  # the file is by student

    def take(lake: Lake, first: int, count: int) -> float:
        """Ingest some rows, and return the ms of processor time that it took."""
        began = time.process_time()
        ingest([answers.slice(first, count)], lake=lake, pseudonyms=pseudonyms, tenant=school.TENANT, now=now)
        return (time.process_time() - began) * 1e3

    lake = school.lake_of(home)
    take(lake, 0, rows)
    firsts = range(rows, rows + (ENDS + batches) * BATCH, BATCH)
    for first in firsts[:ENDS]:
        take(lake, first, BATCH)
    school.link_tree(home, young)
    with watch:
        spent_ms = [take(lake, first, BATCH) for first in firsts[ENDS:-ENDS]]
    as_first, first_ms = school.lake_of(young), []
    for first in firsts[ENDS : 2 * ENDS]:
        take(as_first, first, BATCH)
    for first, at_first in zip(firsts[-ENDS:], firsts[2 * ENDS : 3 * ENDS], strict=True):
        with watch:
            spent_ms.append(take(lake, first, BATCH))
        first_ms.append(take(as_first, at_first, BATCH))
    found = {
        "first_ms": statistics.median(first_ms),
        "last_ms": statistics.median(spent_ms[-ENDS:]),
        "mean_ms": statistics.fmean(spent_ms),
        "files": len(lake.snapshot(EVENTS).files),
        "events": lake.count(EVENTS),
        "expected": rows + (ENDS + batches) * BATCH,
    }
    for one in (home, young):
        shutil.rmtree(one)
    return found


def _names(file: str) -> list[str]:
    with Path(file).open("rb") as opened:
        return opened.readline().decode().strip().split(",")
