"""Every benchmark at a two-thousandth of its size, within one process: does it run, and is what it counts right?"""

from __future__ import annotations

import json
import math
from dataclasses import fields
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from benchmarks.__main__ import run_all
from benchmarks.line import Line
from benchmarks.registry import benchmarks
from benchmarks.run import Run

from benchmarks import child

SCALE = 0.0005

NUMBERS = ("value", "ratio", "start_up_s", "cpu_s", "peak_mb")


@pytest.fixture(scope="module")
def research_logs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("logs")
    rows = 60
    log = {
        "student_id": [f"p{row % 11}" for row in range(rows)],
        "question_id": [f"q{row % 7}" for row in range(rows)],
        "topic_id": [f"t{row % 2}" for row in range(rows)],
        "is_correct": pa.array([int(row % 3 != 0) for row in range(rows)], pa.int8()),
        "order": list(range(rows)),
        "timestamp": pa.array([1_600_000_000_000 + 60_000 * row for row in range(rows)], pa.timestamp("ms", tz="UTC")),
    }
    pq.write_table(pa.table(log), folder / "assist2012.parquet")
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """One run for all: homes are built once, as in `make bench`."""
    return Run(tmp_path_factory.mktemp("bench"), SCALE, workers=2, rounds=1, say=lambda _: None, call=child.here)


NAMES = [name for name in benchmarks(Path("none")) if name != "responses"]


@pytest.mark.slow
@pytest.mark.parametrize("name", [*NAMES, "fit_all_assist2012", "responses_assist2012"])
def test_a_benchmark_writes_one_line_that_fits_the_schema(name, run, research_logs, tmp_path, request):
    if name.startswith("event_to_readable") or name == "worker_throughput":
        request.getfixturevalue("server")("kafka")  # skipped, or failed in CI, where there is none
    results = tmp_path / "lines.jsonl"
    known = benchmarks(research_logs)
    lines, not_run, failed = run_all([known[name]], run, results)
    assert (not_run, failed) == ({}, False)
    (written,) = [json.loads(text) for text in results.read_text().splitlines()]
    assert list(written) == [field.name for field in fields(Line)]
    assert written["name"] == name
    assert written["unit"] == known[name].unit
    assert written["value"] > 0
    assert (written["ratio"] is None) == (known[name].against is None)
    for number in NUMBERS:
        assert written[number] is None or (math.isfinite(written[number]) and written[number] >= 0)
    assert written["scale"] == SCALE
    for bar in known[name].bars:
        if bar.field == "ratio" and known[name].against is None:  # the peers are not installed here
            continue
        assert bar.holds(lines[0]) is not None
