"""A small school whose answers depend on ability, and what is fitted on it: for tests of scorers that read others."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from histories import many
from mastery.features.batch import Batch, make_batch
from mastery.features.columns import ASSIGNMENT, FEEDBACK, PRACTICE, QUIZ
from mastery.scorers import SCORERS
from mastery.scorers.base import defaults
from mastery.scorers.blend import scorer as blend
from mastery.scorers.boosting import fit as fitting
from mastery.scorers.fits import Fit
from mastery.scorers.model_set import ModelSet, default_model_set
from mastery.scorers.parameters import Parameters, no_rows


def school(students: int = 300, events: int = 40, topics: int = 4, seed: int = 5) -> Batch:
    """Return a batch of students who differ in ability, and learn a little from every answer."""
    rng = np.random.default_rng(seed)
    columns = many(rng, students, events, topics)
    n = columns.student.size
    ability = rng.normal(0.0, 1.2, (students, topics)) + rng.normal(0.0, 1.0, (students, 1))
    place = np.tile(np.arange(events), students)
    hard = np.random.default_rng(99).normal(0.0, 1.0, 50)[columns.item]  # the same items in every school
    probability = 0.2 + 0.7 / (1.0 + np.exp(hard - 0.03 * place - ability[columns.student, columns.topic]))
    right = (rng.random(n) < probability) * 1_000_000
    share = np.where(columns.kind == QUIZ, right, (probability * 1e6).astype(np.int64))
    graded = np.isin(columns.kind, (QUIZ, PRACTICE, ASSIGNMENT, FEEDBACK))
    success = np.where(graded, share * columns.attempts, columns.success_ppm)
    named = replace(
        columns,
        success_ppm=success.astype(np.int64),
        topics=[("a", f"t{t}") for t in range(topics)],
        items=[("a", f"i{i}") for i in range(50)],
    )
    return make_batch(named)


@cache
def shipped() -> ModelSet:
    """Return the starter set, with rules of which an index stands for itself."""
    return default_model_set(defaults(SCORERS["rule_based"], 1)[0], {}, {})


@cache
def fitted() -> Fit:
    """Return ml, fitted on the school with bkt and elo as shipped."""
    given = {name: shipped().scorers[name] for name in ("bkt", "elo")}
    return fitting.fit(school(), given=given, seed=1)


def of_ml_and_bkt() -> Parameters:
    """Return a blend of ml and bkt that is bent a little by its calibration."""
    mixture = blend.Mixture(
        ("bkt", "ml"), np.array([0.3, 0.8]), -0.1, np.array([-3.0, 0.0, 3.0]), np.array([-2, 0.2, 3])
    )
    default = np.array([parameter.default for parameter in blend.PARAMETERS])
    return Parameters(default, no_rows(default.size), no_rows(0), mixture.shared())


@cache
def model_set() -> ModelSet:
    """Return a set with scorers that fold, ml, and a blend."""
    scorers = dict(shipped().scorers) | {"ml": fitted().parameters, "blend": of_ml_and_bkt()}
    return ModelSet("test-1", scorers)
