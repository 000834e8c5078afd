"""Another model set activated for the whole school, records of everybody and all."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import school
from benchmarks.child import Stopwatch
from benchmarks.parts.models import RULES, model_set
from benchmarks.parts.recompute import EVERYBODY_DAYS, STATE, forget
from mastery.pipelines.models.active import current_model_set
from mastery.pipelines.models.rules import load_rules
from mastery.pipelines.models.store import store_model_set
from mastery.pipelines.scoring.activate import activate
from mastery.pipelines.scoring.recompute import recompute
from mastery.state import connect

OTHER_RULES = "spaced"
"""Of the set that is activated; the one before it knows nothing of topics and items."""


def measure(watch: Stopwatch, home: str, warm_home: str, workers: int) -> dict[str, Any]:
    """Activate a set in a home where another has been activated before, so that records of three stand side by side and
    one of them goes. Kernels were loaded on another home. A recompute with records before all of it is the yardstick.
    """
    _activated(Stopwatch(), Path(warm_home), workers)
    return _activated(watch, Path(home), workers)


def _activated(watch: Stopwatch, home: Path, workers: int) -> dict[str, Any]:
    forget(home)
    lake, built, state = school.lake_of(home), school.built_in(home), connect(f"sqlite:{home / STATE}")
    if built is None:
        raise RuntimeError(f"{home} was not built to its end; delete it")
    now_us, rules = built.newest_us, load_rules(RULES).params
    how = {"as_of_us": now_us, "now_us": now_us, "min_evidence": 3, "workers": workers, "active_days": EVERYBODY_DAYS}
    publish = partial(recompute, lake, state=state, **how)
    before, after = model_set(), current_model_set(lake, load_rules(OTHER_RULES).params)
    for one in (before, after):
        store_model_set(lake, one, now_us)
    alone = Stopwatch()
    with alone:
        publish(current_model_set(lake, rules), shadow=None, switch=None)
    activate(lake, rules, before.version, now_us, publish)
    before_mb = _state_mb(home)
    with watch:
        report = activate(lake, rules, after.version, now_us, publish)
    found = {
        "recompute_s": sum(alone.laps),
        "recompute_cpu_s": alone.cpu_s,
        "events": report.events,
        "records": state.count(after.version),
        "sets": len(state.model_versions()),
        "before_mb": before_mb,
        "after_mb": _state_mb(home),
    }
    state.close()
    return found


def _state_mb(home: Path) -> float:
    """Return what the state store takes on the disk, its log included, MiB."""
    return sum(one.stat().st_size for one in home.glob(f"{STATE}*")) / 2**20
