"""Homes are made in processes of their own too: the memory it takes is then given back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks import school
from benchmarks.child import Stopwatch
from benchmarks.parts.recompute import published
from mastery.tables import EVENTS


def build(_: Stopwatch, home: str, students: int) -> dict[str, Any]:
    """Make the home of the school, unless it is there."""
    built = school.build(Path(home), students, progress=_nobody)
    return {"students": built.students, "events": built.events}


def _nobody(_: str) -> None:
    """Tell nobody."""


def compact(watch: Stopwatch, home: str, to: str, workers: int) -> dict[str, int]:
    """Make a second home of the same events, compacted, unless it is there; recompute it, records and all."""
    if school.built_in(Path(to)) != school.built_in(Path(home)):
        school.copy(Path(home), Path(to))
    lake = school.lake_of(Path(to))
    lake.compact(EVENTS)
    # Also where it was kept: what states and records are made of changes more often than events do.
    published(watch, Path(to), workers, with_state=True)
    return {"files": len(lake.snapshot(EVENTS).files)}
