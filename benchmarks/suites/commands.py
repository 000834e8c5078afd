"""The command line, a process each time."""

from __future__ import annotations

import statistics
from functools import partial
from pathlib import Path

from benchmarks import school
from benchmarks.benchmark import Bar, Benchmark
from benchmarks.parts import command
from benchmarks.run import Outcome, Run, Skip


def _show(run: Run) -> Outcome:
    students = run.scaled(school.STUDENTS)
    home = run.compacted(students)
    found = run.child(command.show, home=home, students=students, runs=2 * run.rounds + 1)
    got = found.result
    note = f"median of {len(found.laps)}; the first of all {got['first_s']:.2f} s; bare {got['bare_s']:.2f} s of CPU"
    return Outcome(
        statistics.median(found.laps),
        ratio=found.result["ratio"],
        cpu_s=found.result["cpu_s"],
        peak_mb=found.result["peak_mb"],
        note=note,
    )


def _response(file: Path, run: Run) -> Outcome:
    import pyarrow.parquet as pq

    who = pq.read_table(file, columns=["student_id"])["student_id"][0].as_py()
    home = run.spare("responses") / file.stem
    found = run.child(command.responses, file=file, student=who, home=home)
    counts = found.result["counts"]
    told = ", ".join(f"{count:,} {name}" for name, count in counts.items())
    rows = pq.read_metadata(file).num_rows
    if not rows == counts["read"] == counts["accepted"] + counts["revised"] + counts["duplicates"] + counts["rejected"]:
        raise RuntimeError(f"{file.name} has {rows} rows, which do not add up to what ingest says: {told}")
    steps = ", ".join(f"{name} {s:.1f} s" for name, s in zip(("ingest", "recompute", "show"), found.laps, strict=True))
    return Outcome(found.wall_s, cpu_s=found.result["cpu_s"], peak_mb=found.result["peak_mb"], note=f"{told}; {steps}")


def responses_of(data: Path) -> list[Benchmark]:
    """Return a benchmark for each research log that is there."""
    doc = "ingest, recompute and show, a process each, of"
    files = sorted(data.glob("*.parquet"))
    if not files:
        return [Benchmark("responses", "s", f"{doc} the research logs", partial(_no_logs, data))]
    return [Benchmark(f"responses_{file.stem}", "s", f"{doc} {file.name}", partial(_response, file)) for file in files]


def _no_logs(data: Path, _: Run) -> Outcome:
    raise Skip(f"there are no research logs in {data}; put Parquet files with the columns of `responses` there")


COMMANDS: tuple[Benchmark, ...] = (
    Benchmark(
        "show",
        "s",
        "`mastery show STUDENT`: start of the process to its end, scores printed",
        _show,
        "CPU seconds of an interpreter that imports numpy and pyarrow, by turns",
        (Bar("ratio", "≤", 6.5),),
    ),
)
