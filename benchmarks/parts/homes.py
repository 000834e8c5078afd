"""Homes are made in processes of their own too: the memory it takes is then given back."""

from __future__ import annotations

import json
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


def compact(_: Stopwatch, home: str, to: str, workers: int) -> dict[str, int]:
    """Make a second home of the same events, compacted and recomputed, records and all, unless it is there."""
    done = Path(to) / "compacted.json"
    if done.exists() and school.built_in(Path(to)) == school.built_in(Path(home)):
        return dict(json.loads(done.read_text()))
    school.copy(Path(home), Path(to))
    lake = school.lake_of(Path(to))
    compaction = lake.compact(EVENTS)
    published(Stopwatch(), Path(to), workers, with_state=True)
    found = {"rows": compaction.rows, "files": len(lake.snapshot(EVENTS).files)}
    done.write_text(json.dumps(found) + "\n")
    return found
