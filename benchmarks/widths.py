"""`python -m benchmarks.widths [NAME…]`: whether intervals contain the truth in simulated schools, band by band.

Of each school 200 students are fitted to, as `mastery fit` does it (half widths on simulated schools like it), and 400
others are scored at three times in the term; beside it the starter set, which is fitted to nothing. No number of the
engine was found on these schools.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Console

from benchmarks.line import ROOT
from mastery.features.batch import make_batch
from mastery.features.columns import event_columns
from mastery.fitting.fit_all import fit_all
from mastery.pipelines.evaluation.deployment_intervals import READ_AT, Readings, coverage, fit_deployment, reading
from mastery.pipelines.evaluation.simulated import truth_of
from mastery.pipelines.models.rules import load_rules
from mastery.pipelines.scoring.fold import fold_events
from mastery.pipelines.simulation.events import simulated_events
from mastery.scorers import best_first
from mastery.scorers.model_set import ModelSet, default_model_set
from mastery.scorers.parameters import Parameters
from mastery.simulation import SchoolPlan, check_schools

RESULTS = ROOT / "benchmarks" / "results" / "widths.json"

FITTED, SCORED = 200, 400
"""Students."""

ENOUGH = 300
"""Of fewer scores no share is told."""


SCHOOLS = check_schools(FITTED + SCORED, 961)


def fitted(plan: SchoolPlan) -> Mapping[str, Parameters]:
    """Return what a fit of the school's first students finds."""
    batch = make_batch(event_columns(simulated_events(plan, SCORED, SCORED + FITTED)[0]))
    found = fit_all(batch, rules=load_rules("classic").params, seed=0, threads=1, held_out=False).scorers
    return fit_deployment(batch, found, [*found], seed=0)[0]


def read(plan: SchoolPlan, scorers: Mapping[str, Parameters]) -> dict[str, Readings]:
    """Return what every scorer says of the students who are scored."""
    events, truth = simulated_events(plan, 0, SCORED)
    found: dict[str, list[Readings]] = {}
    for week in sorted({max(1, round(plan.days // 7 * share)) for share in READ_AT}):
        end = plan.start + timedelta(days=7 * week)
        as_of_us = int(datetime.combine(end, time(), UTC).timestamp() * 1e6)
        folded = fold_events(events, ModelSet("read", scorers), as_of_us, history=False)
        told = truth.filter(pc.equal(truth["day"], pa.scalar(end - timedelta(days=1), pa.date32())))
        true = truth_of(folded.batch, told)
        for name, got in folded.scores().items():
            one = reading(got, true, folded.counters)
            found.setdefault(name, []).append(one.take(np.isfinite(true)))
    return {name: Readings.together(some) for name, some in found.items()}


def measure(names: Sequence[str]) -> dict[str, dict[str, dict[str, list[dict[str, object]]]]]:
    """Return coverage by set (starter, fitted), school and scorer."""
    starter = default_model_set(load_rules("classic").params, {}, {}).scorers
    found: dict[str, dict[str, dict[str, list[dict[str, object]]]]] = {"starter": {}, "fitted": {}}
    for name in names:
        for which, scorers in (("starter", starter), ("fitted", fitted(SCHOOLS[name]))):
            got = read(SCHOOLS[name], scorers)
            found[which][name] = {scorer: [one.model_dump() for one in coverage(rows)] for scorer, rows in got.items()}
    return found


def markdown(found: Mapping[str, Mapping[str, list[dict[str, object]]]], scorer: str) -> str:
    """Return a table of one scorer: by school the share of intervals that contain the truth, by class the bias too."""
    groups = list(dict.fromkeys(one["group"] for school in found.values() for one in school[scorer]))
    heads = [str(group).replace("_", " ") for group in groups]
    lines = [f"| school | {' | '.join(heads)} |", f"|---|{'---:|' * len(heads)}"]
    for name, scorers in found.items():
        told = {one["group"]: one for one in scorers[scorer] if int(str(one["scores"])) >= ENOUGH}
        lines.append(f"| {name} | {' | '.join(_cell(told.get(group)) for group in groups)} |")
    return "\n".join(lines)


def _cell(one: Mapping[str, object] | None) -> str:
    if one is None:
        return "–"
    share = f"{100.0 * float(str(one['share'])):.1f}"
    bias = f"{float(str(one['bias'])):+.3f}".replace("-", "−")
    return f"{share} ({bias})" if str(one["group"]).startswith(("all", "evidence")) else share


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, keep the numbers and print tables; return 0."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.widths", description=main.__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"schools, all when left out: {', '.join(SCHOOLS)}")
    parser.add_argument("--scorer", metavar="NAME", help="the scorer shown when left out")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FILE", help="where the numbers are kept")
    chosen = parser.parse_args(arguments)
    unknown = [name for name in chosen.names if name not in SCHOOLS]
    if unknown:
        parser.error(f"no school is called {unknown[0]!r}; known: {', '.join(SCHOOLS)}")
    found = measure(chosen.names or [*SCHOOLS])
    chosen.results.parent.mkdir(parents=True, exist_ok=True)
    chosen.results.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 240)
    for which, schools in found.items():
        scorer = chosen.scorer or best_first(next(iter(schools.values())))[0]
        console.print(f"{which}, {scorer}: per cent of 90 % intervals that contain the truth (mean of score − truth)\n")
        console.print(markdown(schools, scorer) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
