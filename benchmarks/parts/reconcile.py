"""Every state of the school compared with the lake."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks import school
from benchmarks.child import Stopwatch
from benchmarks.parts.models import model_set_of
from benchmarks.parts.recompute import EVERYBODY_DAYS, STATE, published
from mastery.pipelines.scoring.reconcile import reconcile
from mastery.state import connect


def measure(watch: Stopwatch, home: str, warm_home: str, workers: int) -> dict[str, Any]:
    """Reconcile a home in which everybody has a record, just made; kernels were loaded on another one before."""
    _reconciled(Stopwatch(), Path(warm_home), workers)
    return _reconciled(watch, Path(home), workers)


def _reconciled(watch: Stopwatch, home: Path, workers: int) -> dict[str, Any]:
    published(Stopwatch(), home, workers, with_state=True)
    lake, built, state = school.lake_of(home), school.built_in(home), connect(f"sqlite:{home / STATE}")
    if built is None:
        raise RuntimeError(f"{home} was not built to its end; delete it")
    models = model_set_of(lake)
    with watch:
        found = reconcile(
            lake, state, models, now_us=built.newest_us, workers=workers, active_days=EVERYBODY_DAYS, repair=True
        )
    state.close()
    return {"events": found.events, "students": found.students, "same": found.same, "causes": dict(found.causes)}
