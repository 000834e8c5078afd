"""From a CSV file of answers into an empty lake."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from benchmarks import school
from benchmarks.child import Stopwatch
from mastery.directory.pseudonyms import Pseudonyms
from mastery.pipelines.ingest.ingest import ingest
from mastery.simulation import simulate
from mastery.simulation.delivery import in_order
from mastery.simulation.text import header, lines
from mastery.tables import EVENTS

TABLE = "quiz_attempts"

ROWS_PER_STUDENT = 100
"""About; as many students are simulated as it takes."""


def write_csv(_: Stopwatch, file: str, rows: int) -> int:
    """Write exactly that many simulated answers, unless the file is there, and return its bytes."""
    path = Path(file)
    if not path.exists():
        plan = school.quiz_only(school.plan_of(2 * rows // ROWS_PER_STUDENT + 100))
        left, part = rows, path.with_suffix(".part")
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as out:
            for chunk in simulate(plan):
                answers = chunk.tables[TABLE].slice(0, left)
                if left == rows:
                    out.write(header(answers.schema, "csv"))
                out.write(lines(in_order(answers), "csv"))
                left -= answers.num_rows
                if left == 0:
                    break
        part.rename(path)
    return path.stat().st_size


def measure(watch: Stopwatch, file: str, warm_file: str, folder: str) -> dict[str, Any]:
    """Ingest the file into a new lake; kernels were loaded with another one before."""
    counts = {}
    for path, lake_folder in ((warm_file, Path(folder) / "warm"), (file, Path(folder) / "ingested")):
        shutil.rmtree(lake_folder, ignore_errors=True)
        lake, pseudonyms = school.lake_of(lake_folder), Pseudonyms(school.KEY)
        now = school.received(school.plan_of(1))
        if path == file:
            with watch:
                report = ingest([path], lake=lake, pseudonyms=pseudonyms, tenant=school.TENANT, now=now)
        else:
            report = ingest([path], lake=lake, pseudonyms=pseudonyms, tenant=school.TENANT, now=now)
        counts = {name: report.as_dict()[name] for name in ("read", "accepted", "revised", "duplicates", "rejected")}
        counts["in the lake"] = lake.count(EVENTS)
        shutil.rmtree(lake_folder)
    return counts
