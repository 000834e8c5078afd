"""What one scorer came to on one data set, as a line of JSON, and the file that keeps them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from benchmarks.line import ROOT

RESULTS = ROOT / "benchmarks" / "results" / "accuracy.jsonl"


@dataclass(frozen=True)
class AccuracyLine:
    """One scorer on one data set.

    Attributes:
        data, split, folds, scorer: What was measured; `folds` tests were made and averaged.
        n: Answers predicted, over all tests.
        auc, auc_low, auc_high: With its 95 % interval, students drawn with replacement.
        ece_perfect, ece_perfect_95: What exactly right predictions would show on the same sample, mean and 95th
            percentile.
        fitted: Whether the scorers were fitted; false for the starter set.
        seconds, peak_mb: Of the whole evaluation, all scorers together.
        machine, at: As in `benchmarks.line.Line`.
    """

    data: str
    split: str
    folds: int
    scorer: str
    n: int
    auc: float | None
    auc_low: float | None
    auc_high: float | None
    accuracy: float | None
    rmse: float | None
    logloss: float | None
    ece: float | None
    ece_perfect: float | None
    ece_perfect_95: float | None
    fitted: bool
    seed: int
    seconds: float
    peak_mb: float
    machine: str
    at: str


def append(lines: list[AccuracyLine], path: Path = RESULTS) -> None:
    """Add the lines to the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(asdict(line)) + "\n" for line in lines)


def read(path: Path = RESULTS) -> list[AccuracyLine]:
    """Return the lines of the file; none where there is no file.

    Raises:
        ValueError: a line has other fields.
    """
    if not path.exists():
        return []
    names = {field.name for field in fields(AccuracyLine)}
    lines = []
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        found = json.loads(text)
        if set(found) != names:
            odd = ", ".join(sorted(set(found) ^ names))
            raise ValueError(f"{path}, line {number}: fields missing or unknown: {odd}; delete the file, run again")
        lines.append(AccuracyLine(**found))
    return lines


def newest(lines: list[AccuracyLine]) -> dict[tuple[str, str], AccuracyLine]:
    """Return, by (data, scorer), the line of the last run in which fitted scorers were measured on most tests."""
    found: dict[tuple[str, str], AccuracyLine] = {}
    for line in lines:
        before = found.get((line.data, line.scorer))
        if line.fitted and (before is None or line.folds >= before.folds):
            found[line.data, line.scorer] = line
    return found
