"""The kernels alone: how many events one core folds in a second."""

from __future__ import annotations

import statistics
from functools import partial
from typing import Any

import numpy as np

from benchmarks import school
from benchmarks.child import Stopwatch
from benchmarks.parts import bare
from benchmarks.parts.models import model_set
from mastery.features.batch import Batch, make_batch
from mastery.features.columns import event_columns
from mastery.scorers import SCORERS
from mastery.scorers.base import States, fold, start

BATCHES = 4
"""Batches of a bucket's size, one after the other, as in a recompute: more than the processor's caches hold."""


def measure(watch: Stopwatch, students: int, scorer: str, history: bool, rounds: int) -> dict[str, Any]:
    """Fold batches of simulated students, each round from the beginning; return events per second."""
    batches, events, as_of_us = school_batches(students)
    models = model_set()
    made = [models.models(batch.topics, batch.uses)[scorer] for batch in batches]
    touch, rates, ratios = bare.pass_over(batches), [], []
    for number in range(rounds + 1):
        states = [start(SCORERS[scorer], model, batch) for batch, model in zip(batches, made, strict=True)]
        if number == 0:  # loads the kernel
            _fold(scorer, made, batches, states, as_of_us, history)
            continue
        ratios.append(bare.by_turns(watch, partial(_fold, scorer, made, batches, states, as_of_us, history), touch, 1))
        rates.append(events / watch.laps[-1])
    return {
        "rate": statistics.median(rates),
        "best": max(rates),
        "events": events,
        "ratio": statistics.median(ratios),
    }


def _fold(
    scorer: str, models: list[Any], batches: list[Batch], states: list[States], as_of_us: int, history: bool
) -> None:
    for model, batch, state in zip(models, batches, states, strict=True):
        fold(SCORERS[scorer], model, batch, state, as_of_us, history)


def school_batches(students: int) -> tuple[list[Batch], int, int]:
    """Return batches of simulated students, how many events they hold, and the time of the last one."""
    plan = school.plan_of(students)
    batches, events, as_of_us = [], 0, 0
    for number in range(BATCHES):
        first, last = students * number // BATCHES, students * (number + 1) // BATCHES
        columns = event_columns(school.events_of(plan, first, last))
        batches.append(make_batch(columns))
        # An assignment over three topics is three rows of the batch and one event.
        events += np.unique(columns.row).size
        as_of_us = max(as_of_us, int(columns.at_us.max()))
    return batches, events, as_of_us
