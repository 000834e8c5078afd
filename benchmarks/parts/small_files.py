"""From a folder of small CSV files, as of a platform that writes one for each student, into an empty lake."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow.csv

from benchmarks.child import Stopwatch
from benchmarks.parts import ingest

ROWS = 50
"""Answers in each file."""


def write_files(_: Stopwatch, file: str, folder: str) -> int:
    """Cut a CSV of answers into files of `ROWS` answers each, unless they are there, and return how many there are."""
    to = Path(folder)
    if not to.exists():
        part = to.with_suffix(".part")
        part.mkdir(parents=True, exist_ok=True)
        with Path(file).open("rb") as source:
            header = next(source)
            for number in range(10**6):
                rows = b"".join(islice(source, ROWS))
                if not rows:
                    break
                (part / f"answers-{number:06d}.csv").write_bytes(header + rows)
        part.rename(to)
    return sum(1 for _ in to.iterdir())


def measure(watch: Stopwatch, files: str, warm_file: str, folder: str) -> dict[str, Any]:
    """Ingest the files of a folder into a new lake."""
    return ingest.measure(watch, files, warm_file, folder)


def read_alone(watch: Stopwatch, files: str) -> dict[str, int]:
    """Read each file of the folder as a table by pyarrow alone, by one thread, as small files are read by us."""
    options = pyarrow.csv.ReadOptions(use_threads=False)
    with watch:
        rows = sum(pyarrow.csv.read_csv(path, options).num_rows for path in sorted(Path(files).iterdir()))
    return {"rows": rows}
