"""linear_rnn: an epoch of its training, and its fold, by one thread."""

from __future__ import annotations

import statistics
from typing import Any

import numpy as np

from benchmarks.child import Stopwatch
from benchmarks.parts import bare
from benchmarks.parts.fold import school_batches
from mastery.arrays import Floats
from mastery.scorers.base import Model, Parameter, States, fold, start
from mastery.scorers.linear_rnn.fit import PLACES, Training, training_answers
from mastery.scorers.linear_rnn.scorer import ITEM_PARAMETERS, PARAMETERS, SCORER


def train(watch: Stopwatch, students: int, rounds: int) -> dict[str, Any]:
    """Train one start on simulated students; return answers per second and epoch."""
    batch = school_batches(students)[0][0]
    answers = training_answers(batch)
    training = Training(batch, answers, PLACES[0], 0.1, monotone=True, seed=0)
    training.learn()  # loads the kernel
    ratio = bare.by_turns(watch, training.learn, bare.pass_over([batch]), rounds)
    rates = [answers.y.size / lap_s for lap_s in watch.laps]
    return {"rate": statistics.median(rates), "best": max(rates), "answers": answers.y.size, "ratio": ratio}


def measure_fold(watch: Stopwatch, students: int, rounds: int) -> dict[str, Any]:
    """Fold batches of simulated students with drawn parameters, each round from the beginning; events per second."""
    batches, events, as_of_us = school_batches(students)
    rng = np.random.default_rng(0)
    models = [Model(_drawn(rng, PARAMETERS, len(batch.topics)), _drawn(rng, ITEM_PARAMETERS, batch.use_item.size))
              for batch in batches]  # fmt: skip
    touch, rates, ratios = bare.pass_over(batches), [], []
    for number in range(rounds + 1):
        states = [start(SCORER, model, batch) for model, batch in zip(models, batches, strict=True)]
        if number == 0:
            fold(SCORER, models[0], batches[0], states[0], as_of_us, history=False)
            continue

        def fold_all(states: list[States] = states) -> None:
            for model, batch, state in zip(models, batches, states, strict=True):
                fold(SCORER, model, batch, state, as_of_us, history=False)

        ratios.append(bare.by_turns(watch, fold_all, touch, 1))
        rates.append(events / watch.laps[-1])
    return {
        "rate": statistics.median(rates),
        "best": max(rates),
        "events": events,
        "ratio": statistics.median(ratios),
    }


def _drawn(rng: np.random.Generator, parameters: tuple[Parameter, ...], rows: int) -> Floats:
    columns = [
        np.clip(p.default + rng.normal(0.0, 0.1, (rows, p.size)), p.low, p.high)
        if p.size > 1
        else np.full((rows, 1), p.default)
        for p in parameters
    ]
    return np.column_stack(columns)
