"""The daily recompute of the whole school."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from benchmarks import school
from benchmarks.child import Stopwatch
from benchmarks.parts.models import model_set_of
from mastery.lake import Lake
from mastery.pipelines.scoring.recompute import recompute
from mastery.scorers.model_set import ModelSet
from mastery.state import StateStore, connect
from mastery.tables import CLASS_STUDENTS, CLASS_TOPICS, FEATURES, GOLD, HISTORY, LEDGER, MODEL_PARAMS, PUBLICATIONS

PUBLISHED = (LEDGER, FEATURES, GOLD, HISTORY, CLASS_STUDENTS, CLASS_TOPICS, MODEL_PARAMS)

STATE = f"state/{school.TENANT}.db"

EVERYBODY_DAYS = 36_500
"""A student with an event within this many days is active: all of them."""


def measure(
    watch: Stopwatch, home: str, warm_home: str, workers: int, with_state: bool = False, derived_history: bool = False
) -> dict[str, Any]:
    """Recompute the home as of its newest event; kernels were loaded on another one before."""
    published(Stopwatch(), Path(warm_home), workers, with_state, derived_history)
    return published(watch, Path(home), workers, with_state, derived_history)


def published(
    watch: Stopwatch, home: Path, workers: int, with_state: bool, derived_history: bool = False
) -> dict[str, Any]:
    """Recompute a home as if for the first time, with or without its state store, and with or without the history of
    scorers that fold nothing; time all but opening lake and store.
    """
    forget(home)
    lake, built = school.lake_of(home), school.built_in(home)
    if built is None:
        raise RuntimeError(f"{home} was not built to its end; delete it")
    models, state = model_set_of(lake), connect(f"sqlite:{home / STATE}") if with_state else None
    with watch:
        found = _recompute(lake, models, built.newest_us, workers, state, derived_history)
    found |= {table.name: lake.count(table) for table in PUBLISHED}
    if state is not None:
        found["records"] = state.count()
        state.close()
    return found


def _recompute(
    lake: Lake, models: ModelSet, as_of_us: int, workers: int, state: StateStore | None, derived_history: bool
) -> dict[str, Any]:
    report = recompute(
        lake,
        models,
        as_of_us=as_of_us,
        now_us=as_of_us,
        min_evidence=3,
        workers=workers,
        state=state,
        active_days=EVERYBODY_DAYS,
        derived_history=derived_history,
    )
    return {"events": report.events, "students": report.students, "student_topics": report.student_topics}


def forget(home: Path) -> None:
    """Take away what an earlier recompute wrote, so that each begins with the same."""
    for table in (*PUBLISHED, PUBLICATIONS):
        shutil.rmtree(home / school.LAKE / table.name, ignore_errors=True)
    for one in home.glob(f"{STATE}*"):
        one.unlink()
