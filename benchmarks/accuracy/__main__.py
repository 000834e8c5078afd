"""`python -m benchmarks.accuracy [NAME…]`: predict answers on public data; keep and print how well."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks import child
from benchmarks.accuracy import docs
from benchmarks.accuracy.line import RESULTS, AccuracyLine, append, read
from benchmarks.accuracy.measure import measure
from benchmarks.accuracy.rows import ROWS, Row
from benchmarks.accuracy.table import show
from benchmarks.child import Measured
from benchmarks.line import ROOT
from benchmarks.machine import cores, machine
from mastery.errors import did_you_mean

DATA = ROOT.parent / "shared" / "data"
"""Research logs, which the repository does not hold."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Evaluate the data sets that the arguments name; return 0, or 1 when one could not be evaluated."""
    parser = _parser()
    chosen = parser.parse_args(arguments)
    for name in chosen.names:
        if name not in ROWS:
            parser.error(f"no data set is called {name!r}{did_you_mean(name, list(ROWS))}; known: {', '.join(ROWS)}")
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)
    if chosen.write_docs:
        written = docs.write(read(chosen.results))
        console.print(f"docs/evaluation.md: {len(written)} of {len(ROWS)} data sets have been measured")
        return 0
    failed = False
    lines: list[AccuracyLine] = []
    for name in chosen.names or ROWS:
        try:
            mine = _evaluate(ROWS[name], chosen)
        except RuntimeError as error:
            console.print(f"{name}: failed: {error}", style="yellow", markup=False, soft_wrap=True)
            failed = True
            continue
        if mine is None:
            console.print(
                f"{name}: left out: there is no {DATA.name}/{name}.parquet beside the repository", style="yellow"
            )
            continue
        append(mine, chosen.results)
        lines += mine
        show(console, mine)
    return 1 if failed else 0


def _evaluate(row: Row, chosen: argparse.Namespace) -> list[AccuracyLine] | None:
    path = chosen.data / f"{row.name}.parquet"
    if not path.exists():
        return None
    found = (child.here if chosen.here else child.run)(
        measure,
        path=path,
        split=row.split,
        folds=chosen.folds if row.folds is not None and chosen.folds is not None else row.folds,
        clock=row.clock,
        scorers=chosen.scorers,
        unfitted=chosen.unfitted,
        seed=chosen.seed,
        threads=chosen.threads,
        out=None if chosen.out is None else chosen.out / row.name,
    )
    return lines_of(row, found, fitted=not chosen.unfitted)


def lines_of(row: Row, found: Measured, *, fitted: bool) -> list[AccuracyLine]:
    """Return a line for each scorer of an evaluation."""
    document: dict[str, Any] = found.result
    at, said = datetime.now(UTC).isoformat(timespec="seconds"), machine()
    return [
        AccuracyLine(
            data=row.name,
            split=document["split"],
            folds=len(document["folds"]),
            scorer=name,
            n=got["n"],
            auc=got["auc"],
            auc_low=got["intervals_95"]["auc"][0],
            auc_high=got["intervals_95"]["auc"][1],
            **{key: got[key] for key in ("accuracy", "rmse", "logloss", "ece", "ece_perfect", "ece_perfect_95")},
            fitted=fitted,
            seed=document["seed"],
            seconds=round(found.wall_s, 1),
            peak_mb=round(found.peak_mb),
            machine=said,
            at=at,
        )
        for name, got in document["scorers"].items()
    ]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accuracy", description=main.__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"data sets, all when left out: {', '.join(ROWS)}")
    parser.add_argument("--folds", type=int, help="the number of tests where a data set has several")
    parser.add_argument("--scorers", metavar="NAMES", help="names with commas; all when left out")
    parser.add_argument("--unfitted", action="store_true", help="the starter set; such lines never come into the docs")
    parser.add_argument("--seed", type=int, default=0, help="of splits, fits and intervals")
    parser.add_argument("--threads", type=int, default=cores(), help="that fits may use")
    parser.add_argument("--here", action="store_true", help="measure within this process, for a profiler")
    parser.add_argument("--data", type=Path, default=DATA, metavar="DIR", help="folder with the logs")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="write each evaluation's report into a folder in this one"
    )
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FILE", help="where lines are appended")
    parser.add_argument("--write-docs", action="store_true", help="write the newest numbers into docs/evaluation.md")
    return parser


if __name__ == "__main__":
    sys.exit(main())
