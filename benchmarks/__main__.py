"""`python -m benchmarks [NAME…]`: run benchmarks, keep their numbers, print them beside their bars."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from benchmarks import docs, table
from benchmarks.benchmark import Benchmark
from benchmarks.child import here
from benchmarks.child import run as run_apart
from benchmarks.line import LATEST, Line, append
from benchmarks.machine import cores, machine
from benchmarks.registry import benchmarks
from benchmarks.run import Run, Skip, temporary
from mastery.errors import did_you_mean


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the arguments name; return 0, or 1 when a benchmark could not be run to its end."""
    parser = _parser()
    chosen = parser.parse_args(arguments)
    known = benchmarks()
    # A log has no width of its own; what is piped is not to be cut at 80.
    for name in chosen.names:
        if name not in known:
            parser.error(f"no benchmark is called {name!r}{did_you_mean(name, list(known))}; --list lists them")
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)
    if chosen.list:
        for one in known.values():
            console.print(f"{one.name:32} {one.unit:10} {one.doc}", soft_wrap=True, markup=False)
        return 0
    if chosen.write_docs:
        written = list(docs.write(known))
        console.print(f"docs/benchmarks.md: {len(written)} of {len(known)} benchmarks have been measured in full")
        return 0
    with contextlib.ExitStack() as stack:
        folder = chosen.keep if chosen.keep is not None else Path(stack.enter_context(temporary()))
        folder.mkdir(parents=True, exist_ok=True)
        errors = Console(stderr=True, highlight=False)

        def say(text: str) -> None:
            errors.print(text, soft_wrap=True, markup=False, style="bright_black")

        run = Run(
            folder.resolve(), chosen.scale, chosen.workers, chosen.rounds, say, here if chosen.here else run_apart
        )
        names = chosen.names or list(known)
        lines, not_run, failed = run_all([known[name] for name in names], run, chosen.results)
    table.show(console, lines, known, not_run)
    return 1 if failed else 0


def run_all(chosen: Sequence[Benchmark], run: Run, results: Path) -> tuple[list[Line], dict[str, str], bool]:
    """Run benchmarks one after the other; return their lines, why others have none, and whether one failed.

    A line is written as soon as it is measured, and one that fails does not keep the others from running.
    """
    lines, not_run, failed = [], {}, False
    said = machine()
    for one in chosen:
        run.say(f"{one.name}: {one.doc}")
        try:
            found = one.measure(run)
        except Skip as reason:
            not_run[one.name] = f"left out: {reason}"
            continue
        except (RuntimeError, OSError, ValueError) as error:
            not_run[one.name], failed = f"failed: {error}", True
            run.say(not_run[one.name])
            continue
        line = Line(
            name=one.name,
            value=found.value,
            unit=one.unit,
            ratio=found.ratio,
            against=one.against,
            machine=said,
            start_up_s=found.start_up_s,
            cpu_s=found.cpu_s,
            peak_mb=found.peak_mb,
            scale=run.scale,
            at=datetime.now(UTC).isoformat(timespec="seconds"),
            note=found.note,
        )
        append(line, results)
        lines.append(line)
    return lines, not_run, failed


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=main.__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="all when left out")
    parser.add_argument("--list", action="store_true", help="list the benchmarks and what each measures")
    parser.add_argument("--scale", type=_share, default=1.0, help="share of the full size, for development")
    parser.add_argument("--workers", type=_count, default=cores(), help="workers of a recompute, threads of DuckDB")
    parser.add_argument("--rounds", type=_count, default=3, help="how often each time is taken; the median counts")
    parser.add_argument("--here", action="store_true", help="measure within this process, for a profiler")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the simulated homes here, for the next run")
    parser.add_argument("--results", type=Path, default=LATEST, metavar="FILE", help="where lines are appended")
    parser.add_argument("--write-docs", action="store_true", help="write the newest numbers into docs/benchmarks.md")
    return parser


def _share(text: str) -> float:
    share = float(text)
    if not 0.0 < share <= 10.0:
        raise argparse.ArgumentTypeError(f"{text}: expected a number above 0, such as 0.01; 1 is the full size")
    return share


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError(f"{text}: expected a whole number of at least 1")
    return count


if __name__ == "__main__":
    sys.exit(main())
