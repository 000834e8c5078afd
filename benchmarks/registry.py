"""Every benchmark by name: what it measures, against what, and where its bar lies.

Adding one: a function of (watch, …) in `parts/`, one that makes an `Outcome` of it in `suites/`, and a line there.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.benchmark import Benchmark
from benchmarks.line import ROOT
from benchmarks.suites.commands import COMMANDS, responses_of
from benchmarks.suites.fits import FITS, fits_of
from benchmarks.suites.folds import FOLDS
from benchmarks.suites.intake import INTAKE
from benchmarks.suites.lake import LAKE
from benchmarks.suites.live import LIVE

DATA = ROOT.parent / "shared" / "data"
"""Research logs, which the repository does not hold."""


def benchmarks(data: Path = DATA) -> dict[str, Benchmark]:
    """Return every benchmark by name; those on research logs where the logs are there."""
    every = (*FOLDS, *FITS, *fits_of(data), *LAKE, *INTAKE, *LIVE, *COMMANDS, *responses_of(data))
    return {one.name: one for one in every}
