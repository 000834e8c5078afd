"""ml: scores of the trees that a fit finds, and exact contributions to them."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from typing import Any

from benchmarks import school
from benchmarks.child import Stopwatch
from benchmarks.parts import bare
from benchmarks.parts.fold import BATCHES
from mastery.features.batch import make_batch
from mastery.features.columns import event_columns
from mastery.fitting.fit_all import fit_all
from mastery.pipelines.models.rules import load_rules
from mastery.pipelines.scoring.fold import Folded, fold_events
from mastery.scorers.boosting import scorer as ml
from mastery.scorers.boosting.features import MEMBERS
from mastery.scorers.boosting.trees import trees_of
from mastery.scorers.model_set import ModelSet, version_of
from mastery.simulation import SchoolPlan

FITTED_ON = 400
"""Students that the trees are fitted on: enough that their number is chosen on held-out students."""

EXPLAINED = 1_000
"""Students whose scores are explained in bulk: about 20,000 student-topics."""

FEW = 50
"""Student-topics that are explained at once, as when one student's page is opened."""


def measure(watch: Stopwatch, students: int, threads: int, rounds: int) -> dict[str, Any]:
    """Score all student-topics of simulated students, then explain some of them."""
    plan = school.plan_of(students)
    model_set = _fitted(plan, min(students, FITTED_ON))
    cuts = [students * number // BATCHES for number in range(BATCHES + 1)]
    everybody = [_folded(plan, first, last, model_set) for first, last in pairwise(cuts)]
    some = _folded(plan, 0, min(students, EXPLAINED), model_set)
    few = _folded(plan, 0, max(1, round(FEW / (_slots(some) / min(students, EXPLAINED)))), model_set)
    for explain in (False, True):
        few.derived_scores(explain)  # loads the kernels

    touch = bare.pass_over([one.batch for one in everybody])

    def score(folded: Folded) -> None:
        replace(folded).derived_scores()  # a copy, because each keeps what it has come to

    with ThreadPoolExecutor(threads) as pool:
        scored, scored_s = _rate(watch, lambda: list(pool.map(score, everybody)), sum(map(_slots, everybody)), rounds)
    alone, _ = _rate(watch, lambda: [score(one) for one in everybody], sum(map(_slots, everybody)), rounds)
    explained, explained_s = _rate(watch, lambda: some.derived_scores(explain=True), _slots(some), rounds)
    few_explained, few_s = _rate(watch, lambda: few.derived_scores(explain=True), _slots(few), 10 * rounds)
    per_row_s = statistics.median(bare.cpu_s(touch) for _ in range(2 * rounds + 1)) / sum(
        one.batch.y.size for one in everybody
    )
    trees = trees_of(model_set.scorers[ml.NAME].shared)
    return {
        "rate": scored,
        "rate_alone": alone,
        "explained": explained,
        "few_ms": 1e3 * FEW / few_explained,
        "rate_ratio": scored_s / per_row_s,
        "explained_ratio": explained_s / per_row_s,
        "few_ms_ratio": few_s / per_row_s,
        "slots": sum(map(_slots, everybody)),
        "trees": trees.start.size - 1,
        "nodes": trees.feature.size,
    }


def _rate(watch: Stopwatch, job: Callable[[], object], slots: int, rounds: int) -> tuple[float, float]:
    """Return student-topics per second, and seconds of processor time for each; medians."""
    laps, spent = [], []
    for _ in range(rounds):
        before_s = watch.cpu_s
        with watch:
            job()
        laps.append(watch.laps[-1])
        spent.append(watch.cpu_s - before_s)
    return slots / statistics.median(laps), statistics.median(spent) / slots


def _slots(folded: Folded) -> int:
    return folded.batch.slot_topic.size


def _folded(plan: SchoolPlan, first: int, last: int, model_set: ModelSet) -> Folded:
    events = school.events_of(plan, first, last)
    newest_us = int(event_columns(events).at_us.max())
    return fold_events(events, model_set, newest_us, history=False)


def _fitted(plan: SchoolPlan, students: int) -> ModelSet:
    """Return a set of ml, fitted to the first students, and of the scorers it reads."""
    batch = make_batch(event_columns(school.events_of(plan, 0, students)))
    rules = load_rules("classic").params
    found = fit_all(batch, rules=rules, scorers=[*MEMBERS, ml.NAME]).scorers
    scorers = {name: found[name] for name in (*MEMBERS, ml.NAME)}
    return ModelSet(version_of("fit", scorers), scorers)
