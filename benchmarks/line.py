"""One measured number as a line of JSON, and the file that keeps them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent

LATEST = ROOT / "benchmarks" / "results" / "latest.jsonl"


@dataclass(frozen=True)
class Line:
    """What one benchmark came to. docs/benchmarks.md says more; a field that says nothing is null.

    Attributes:
        name: Which benchmark.
        value: Ours, the median where it was measured several times.
        unit: Of `value`: `events/s`, `rows/s`, `records/s`, `s` or `ms`.
        ratio: `value` beside that of `against`, measured in the same run. Of times: ours / theirs.
        against: What `ratio` compares with.
        machine: Processor, cores, memory and versions; names nobody's computer.
        start_up_s: Seconds from the start of the process until it was ready; not in `value`.
        cpu_s: Seconds of processor time of all threads in the measured part.
        peak_mb: Most memory that the process ever held, in MiB.
        scale: Share of the full size; numbers at another scale than 1 are for development.
        at: When, ISO 8601 in UTC.
        note: Counts, and what else helps to read the number.
    """

    name: str
    value: float
    unit: str
    ratio: float | None
    against: str | None
    machine: str
    start_up_s: float | None
    cpu_s: float | None
    peak_mb: float | None
    scale: float
    at: str
    note: str


def append(line: Line, path: Path = LATEST) -> None:
    """Add the line to the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps({name: _short(value) for name, value in asdict(line).items()}) + "\n")


def read(path: Path = LATEST) -> list[Line]:
    """Return the lines of the file in the order in which they were written; none where there is no file."""
    if not path.exists():
        return []
    names = {field.name for field in fields(Line)}
    lines = []
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        found = json.loads(text)
        if set(found) != names:
            odd = ", ".join(sorted(set(found) ^ names))
            raise ValueError(f"{path}, line {number}: fields missing or unknown: {odd}; delete the file, run again")
        lines.append(Line(**found))
    return lines


def newest(lines: list[Line], scale: float = 1.0) -> dict[str, Line]:
    """Return the last line of each name at this scale."""
    return {line.name: line for line in lines if line.scale == scale}


def _short(value: Any) -> Any:
    """Return a number with six significant digits: more is noise."""
    return float(f"{value:.6g}") if isinstance(value, float) else value
