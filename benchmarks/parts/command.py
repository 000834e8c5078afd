"""The command line as people use it: a new process each time, from its start to what it prints.

Nothing large is imported here: Linux counts the memory of a parent as a child's, so this one stays small.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.child import Stopwatch, environment

COMMAND = (sys.executable, "-c", "from mastery.apps.cli import main; main()")
"""What the script `mastery` of an installation does."""

BARE = (sys.executable, "-c", "import numpy, pyarrow")
"""The yardstick of a short command: an interpreter with the two libraries that no command can do without."""

WARM_RUNS = 2


@dataclass(frozen=True)
class Ran:
    """One run of the command: its standard output, its seconds of processor time, the most memory it held in MiB."""

    printed: str
    wall_s: float
    cpu_s: float
    peak_mb: float


def run(home: Path | str, *arguments: str, **variables: str) -> Ran:
    """Run `mastery --home HOME ARGUMENTS` to its end, with some variables in its environment.

    Raises:
        RuntimeError: It ended with another code than 0; the message holds what it said.
    """
    return spent((*COMMAND, "--home", str(home), *arguments), **variables)


def spent(command: Sequence[str], **variables: str) -> Ran:
    """Run a program to its end; see `run`."""
    # What an installation runs is compiled to bytecode already; the first runs, which do not count, see to that here.
    env = {name: value for name, value in environment().items() if name != "PYTHONDONTWRITEBYTECODE"}
    env |= variables
    began = time.monotonic()
    with tempfile.TemporaryFile("w+", errors="replace") as said:  # apart: long work says how far it is, JSON or not
        process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=said, text=True, errors="replace")
        assert process.stdout is not None
        with process.stdout:
            printed = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            said.seek(0)
            told = f"{printed}{said.read()}"[-2000:]
            raise RuntimeError(f"{' '.join(command[2:])} ended with {process.returncode}:\n{told}")
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return Ran(printed, time.monotonic() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / unit)


def show(watch: Stopwatch, home: str, students: int, runs: int) -> dict[str, Any]:
    """Print the scores of students picked at random, a process each; the first runs only warm the disk's cache."""
    draw = random.Random(11)
    people = [f"S{draw.randrange(students) + 1:06d}" for _ in range(WARM_RUNS + runs)]
    warming = [run(home, "show", person, "--as-of", "latest") for person in people[:WARM_RUNS]]
    counted, bare = [], []
    for person in people[WARM_RUNS:]:
        bare.append(spent(BARE).cpu_s)
        with watch:
            counted.append(run(home, "show", person, "--as-of", "latest"))
    return {
        "ratio": statistics.median(ran.cpu_s for ran in counted) / statistics.median(bare),
        "bare_s": statistics.median(bare),
        "first_s": warming[0].wall_s,
        "cpu_s": statistics.median(ran.cpu_s for ran in counted),
        "peak_mb": max(ran.peak_mb for ran in counted),
    }


def responses(watch: Stopwatch, file: str, student: str, home: str) -> dict[str, Any]:
    """Ingest a research log into a new home, recompute, and show one of its students."""
    shutil.rmtree(home, ignore_errors=True)
    with watch:
        ingested = run(home, "ingest", "--as", "responses", file, "--json")
    with watch:
        recomputed = run(home, "recompute", "--as-of", "latest")
    with watch:
        shown = run(home, "show", student, "--as-of", "latest", "--json")
    shutil.rmtree(home)
    counts = json.loads(ingested.printed)
    return {
        "counts": {name: int(counts[name]) for name in ("read", "accepted", "revised", "duplicates", "rejected")},
        "topics": len(json.loads(shown.printed)["topics"]),
        "cpu_s": sum(ran.cpu_s for ran in (ingested, recomputed, shown)),
        "peak_mb": max(ran.peak_mb for ran in (ingested, recomputed, shown)),
    }


def fit(watch: Stopwatch, file: str, home: str) -> dict[str, Any]:
    """Ingest a research log into a new home and fit every scorer to it; only the fit is timed."""
    shutil.rmtree(home, ignore_errors=True)
    read = run(home, "ingest", "--as", "responses", file, "--json")
    with watch:
        fitted = run(home, "fit", "--json")
    shutil.rmtree(home)
    card = json.loads(fitted.printed)
    return {
        "answers": card["data"]["answers"],
        "students": card["data"]["students"],
        "fitted": sum(one["fitted"] for one in card["scorers"].values()),
        "scorers": len(card["scorers"]),
        "auc": card["scorers"]["blend_unconstrained"]["held_out"]["auc"],
        "ratio": fitted.cpu_s / read.cpu_s,
        "cpu_s": fitted.cpu_s,
        "peak_mb": fitted.peak_mb,
    }
