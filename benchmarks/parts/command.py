"""The command line as people use it: a new process each time, from its start to what it prints.

Nothing large is imported here: Linux counts the memory of a parent as a child's, so this one stays small.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.child import Stopwatch, environment

COMMAND = (sys.executable, "-c", "from mastery.apps.cli import main; main()")
"""What the script `mastery` of an installation does."""

WARM_RUNS = 2


@dataclass(frozen=True)
class Ran:
    """One run of the command: what it printed, and the most memory it held, MiB."""

    printed: str
    wall_s: float
    peak_mb: float


def run(home: Path | str, *arguments: str) -> Ran:
    """Run `mastery --home HOME ARGUMENTS` to its end.

    Raises:
        RuntimeError: It ended with another code than 0; the message holds what it said.
    """
    began = time.monotonic()
    process = subprocess.Popen(
        [*COMMAND, "--home", str(home), *arguments],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    assert process.stdout is not None
    with process.stdout:
        printed = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"mastery {' '.join(arguments)} ended with {process.returncode}:\n{printed[-2000:]}")
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return Ran(printed, time.monotonic() - began, usage.ru_maxrss / unit)


def show(watch: Stopwatch, home: str, students: int, runs: int) -> dict[str, Any]:
    """Print the scores of students picked at random, a process each; the first runs only warm the disk's cache."""
    draw = random.Random(11)
    people = [f"S{draw.randrange(students) + 1:06d}" for _ in range(WARM_RUNS + runs)]
    first_s = [run(home, "show", person, "--as-of", "latest").wall_s for person in people[:WARM_RUNS]]
    peak_mb, lines = 0.0, 0
    for person in people[WARM_RUNS:]:
        with watch:
            ran = run(home, "show", person, "--as-of", "latest")
        peak_mb, lines = max(peak_mb, ran.peak_mb), ran.printed.count("\n")
    return {"first_s": first_s[0], "lines": lines, "peak_mb": peak_mb}


def responses(watch: Stopwatch, file: str, student: str, home: str) -> dict[str, Any]:
    """Ingest a research log into a new home, recompute, and show one of its students."""
    with watch:
        ingested = run(home, "ingest", "--as", "responses", file, "--json")
    with watch:
        recomputed = run(home, "recompute", "--as-of", "latest")
    with watch:
        shown = run(home, "show", student, "--as-of", "latest", "--json")
    counts = json.loads(ingested.printed)
    return {
        "counts": {name: int(counts[name]) for name in ("read", "accepted", "duplicates", "rejected")},
        "topics": len(json.loads(shown.printed)["topics"]),
        "peak_mb": max(ran.peak_mb for ran in (ingested, recomputed, shown)),
    }
