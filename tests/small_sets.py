"""Model sets that laws are tried with: as shipped, and fitted to a school of 60 students as `mastery fit` does it."""

from __future__ import annotations

from functools import cache

import numpy as np
import pyarrow as pa

from answers import answer_batch
from mastery.fitting.fit_all import fit_all
from mastery.log_odds import sigmoid_of
from mastery.pipelines.evaluation.deployment_intervals import fit_deployment
from mastery.pipelines.models.rules import load_rules
from mastery.scorers.model_set import ModelSet, default_model_set

RULES = load_rules("classic").params


@cache
def starter() -> ModelSet:
    return default_model_set(RULES, {}, {})


def of_a_school(right: float, differ: float = 1.0) -> ModelSet:
    """Fitted to some twenty answers of each student on each topic, of which about this share is right.

    differ: By how much students and topics do, in log-odds: the standard deviation of abilities.
    """
    rng = np.random.default_rng(8)
    who, topic = (np.repeat(np.arange(60), 60), np.tile(np.repeat(np.arange(3), 20), 60))
    ability = differ * (rng.normal(0.0, 1.0, 60)[who] + rng.normal(0.0, 0.5, (60, 3))[who, topic])
    log = pa.table({
        "student_id": [f"s{s}" for s in who], "topic_id": [f"t{t}" for t in topic],
        "question_id": [f"q{t}{k % 10}" for k, t in enumerate(topic)],
        "is_correct": (rng.random(who.size) < sigmoid_of(ability + np.log(right / (1.0 - right)))).astype(np.int8),
        "timestamp": pa.array(
            (1_700_000_000 + 7_200 * np.tile(np.arange(60), 60)) * 1_000, pa.timestamp("ms", "UTC")),
    })  # fmt: skip
    batch = answer_batch(log)
    found = fit_all(batch, rules=RULES, seed=1, threads=1, clock="start", held_out=False).scorers
    return ModelSet("fitted", fit_deployment(batch, found, [*found], seed=1)[0])


@cache
def even() -> ModelSet:
    return of_a_school(0.55)


@cache
def easy() -> ModelSet:
    return of_a_school(0.9)


@cache
def alike() -> ModelSet:
    """Of students who hardly differ, so that answers tell little of them."""
    return of_a_school(0.55, differ=0.3)
