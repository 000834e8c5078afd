"""ml, the monotone form, fitted: XGBoost under monotone constraints, on what was known before each answer.

Labels (docs/scorers/ml.md):

* every quiz answer, right or wrong, with the features as they stood before its event;
* the accuracy of the coming week: the first answer of a week on a topic, once more, with the mean of that topic's
  answers in the seven days from it; only where the log spans more than a week;
* a teacher's score, as the probability of a right answer that it stands for on the shared scale.

How many trees: by early stopping on held-out students, with trees of the other students' answers before a date; then
all answers of all students, with that many trees. Nothing is ever split by row.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from mastery.arrays import Floats
from mastery.features.answer_log import Clock
from mastery.features.batch import Batch
from mastery.features.counters import initial_counters
from mastery.log_odds import sigmoid, sigmoid_of
from mastery.scorers import SCORERS, source_of
from mastery.scorers.base import Model, place_of
from mastery.scorers.boosting import scorer as ml
from mastery.scorers.boosting.features import FEATURES, MEMBERS, slot_features
from mastery.scorers.boosting.training_rows import (
    WEEK_US,
    Bases,
    Labelled,
    held_out_cv_folds,
    labelled,
    opinions_as_questions,
    own_cv_fold,
    probabilities_before,
)
from mastery.scorers.boosting.trees import Trees, dumped, no_trees
from mastery.scorers.fits import Fit
from mastery.scorers.item_codes import rows_of_items
from mastery.scorers.parameters import KeyedRows, Parameters
from mastery.sums import dot

HELD_OUT = 10
"""One student in this many is held out to choose the number of trees."""

EARLIER = 0.8
"""Share of the log's time whose answers the trees learn from while their number is chosen."""

MOST_TREES, PATIENCE, FEWEST_TREES = 200, 20, 10

BOOSTING: Mapping[str, float | int | str] = {
    "objective": "binary:logistic",
    "tree_method": "hist",
    "max_depth": 4,
    "eta": 0.1,
    "min_child_weight": 20.0,
    "lambda": 10.0,
    "subsample": 0.8,
    "colsample_bytree": 0.6,
    "max_bin": 128,
    "eval_metric": "logloss",
}


def fit(
    batch: Batch,
    *,
    given: Mapping[str, Parameters],
    seed: int = 0,
    threads: int = 1,
    predicted: Mapping[str, Floats] | None = None,
    boosting: Mapping[str, float | int | str] = BOOSTING,
    most_trees: int = MOST_TREES,
) -> Fit:
    """Fit the trees.

    Args:
        batch: Training students.
        given: Parameters of the scorers that are read; guess, slip and half-life are of the one that tells guess.
        seed: Of the boosting.
        threads: How many the boosting may use.
        predicted: By scorer, float64[n]: its probability of a right answer before each row, by parameters that have
            not seen the row's student. A scorer that is given and is not among these predicts with its own parameters.
        boosting: Settings of XGBoost.
        most_trees: The largest number of trees.
    """
    notes: list[str] = []
    members = [name for name in MEMBERS if name in given and name in SCORERS]
    asked = opinions_as_questions(batch)
    probabilities = {name: probabilities_before(name, batch, asked, given[name], predicted) for name in members}
    sums = Bases.of(batch, held_out_cv_folds(batch))
    parameters = _scale(batch, given, sums)
    rows = labelled(batch, asked, probabilities, sums, parameters)
    if predicted is None and members:
        notes.append(f"{', '.join(members)}: predicted by parameters that had seen the same students; cross-fit them")
    measures: dict[str, float | str] = {"rows": float(rows.label.size), "members": ", ".join(members)}
    if not rows.label.size:
        notes.append("there is no answer to learn from: the score is the topic's share of right answers")
        return Fit(_finished(parameters, no_trees(), 0.0, members, batch, given), tuple(notes), measures)
    count, found = _trees_needed(batch, rows, boosting, most_trees, seed, threads)
    measures |= found
    if "held_out_log_loss" not in found:
        notes.append(f"too few students to hold any out: {count} trees, a number nothing was measured for")
    base = _base(rows)
    trees = _boost(rows, None, count, base, boosting, seed, threads)[0]
    finished = _finished(parameters, trees, base, members, batch, given)
    measures |= {"trees": float(count), "nodes": float(trees.feature.size)}
    return Fit(finished, tuple(notes), measures)


def fit_to_probabilities(
    batch: Batch,
    probabilities: Mapping[str, Floats],
    *,
    given: Mapping[str, Parameters],
    clock: Clock,
    seed: int,
    threads: int,
) -> Fit:
    """See Stage.PROBABILITIES. The form that people see is made of no time of day, so the clock says nothing to it."""
    return fit(batch, given=given, seed=seed, threads=threads, predicted=probabilities)


def _scale(batch: Batch, given: Mapping[str, Parameters], sums: Bases) -> Parameters:
    """Return parameters without trees: bases, and the scale that all scorers share, as far as found."""
    default = np.array([parameter.default for parameter in ml.PARAMETERS])
    params = np.tile(default, (len(batch.topics), 1))
    params[:, ml.BASE] = sums.topic[-1]
    default[ml.BASE] = float(sums.topic[-1].mean()) if params.size else 0.0
    source = source_of("guess")
    if source.name in given:
        known = given[source.name]
        rows = known.model(batch.topics, ()).params
        for name in ("guess", "slip", "half_life_days"):
            mine, theirs = place_of(ml.PARAMETERS, name), place_of(source.parameters, name)
            params[:, mine] = rows[:, theirs]
            default[mine] = known.default[theirs]
    items = rows_of_items(batch, sums.seen.astype(np.float64), sums.item[-1].reshape(-1, 1))
    return Parameters(default, KeyedRows(tuple(batch.topics), params), items)


def _finished(
    parameters: Parameters, trees: Trees, base: float, members: list[str], batch: Batch, given: Mapping[str, Parameters]
) -> Parameters:
    """Return the parameters with trees, and with the score of a student nobody has seen as each topic's prior."""
    shared: dict[str, npt.NDArray[Any]] = dict(trees.shared())
    shared["start"] = np.array([base])
    shared["members"] = np.array([int(name in members) for name in MEMBERS], np.int64)
    params = np.vstack([parameters.topics.values, parameters.default])
    topics = params.shape[0]
    slots = np.arange(topics, dtype=np.int32)
    probabilities = np.full((len(MEMBERS), topics), np.nan)
    for name in members:
        scorer = SCORERS[name]
        model = Model(given[name].model(batch.topics, ()).params, np.zeros((0, 0)), given[name].shared)
        model = replace(model, params=np.vstack([model.params, given[name].default]))
        states = scorer.start_slots(model.params, slots), scorer.start_students(model.params, topics)
        score = scorer.read_slots(*states, slots, slots, model.params, 0).score
        guess, slip = (model.params[:, scorer.column(word)] for word in ("guess", "slip"))
        probabilities[MEMBERS.index(name)] = guess + (1.0 - guess - slip) * score
    features = slot_features(
        slots, slots, initial_counters(topics), np.ascontiguousarray(params[:, ml.BASE]), probabilities
    )
    margins = base + trees.margins(features)
    for t in range(topics):
        low, high = ml.PARAMETERS[ml.PRIOR].low, ml.PARAMETERS[ml.PRIOR].high
        params[t, ml.PRIOR] = min(high, max(low, ml.mastery(margins[t], params[t, ml.GUESS], params[t, ml.SLIP])))
    return Parameters(params[-1], KeyedRows(parameters.topics.keys, params[:-1]), parameters.items, shared)


def _base(rows: Labelled) -> float:
    share = min(0.99, max(0.01, dot(rows.weight, rows.label) / float(rows.weight.sum())))
    return math.log(share / (1.0 - share))


def _trees_needed(
    batch: Batch,
    rows: Labelled,
    boosting: Mapping[str, float | int | str],
    most: int,
    seed: int,
    threads: int,
) -> tuple[int, dict[str, float | str]]:
    """Return how many trees held-out students ask for, and how well those do on them."""
    away = own_cv_fold(batch.students, HELD_OUT, 0)[rows.student]
    first, last = int(rows.at_us.min()), int(rows.at_us.max())
    until = first + int(EARLIER * (last - first)) if last - first > 2 * WEEK_US else last
    learnt, judged = rows.take(~away & (rows.at_us <= until)), rows.take(away & rows.answer)
    if not learnt.label.size or judged.label.size < HELD_OUT:
        return FEWEST_TREES, {}
    base = _base(learnt)
    trees, count = _boost(learnt, judged, most, base, boosting, seed, threads)
    found: dict[str, float | str] = {}
    for name, some in (("held_out", np.ones(judged.label.size, bool)), ("held_out_later", judged.at_us > until)):
        if some.any():
            p = sigmoid_of(base + trees.margins(judged.features[some]))
            y, w = judged.label[some], judged.weight[some]
            found[f"{name}_log_loss"] = float(-np.average(y * np.log(p) + (1 - y) * np.log(1 - p), weights=w))
            found[f"{name}_answers"] = float(y.size)
    return max(FEWEST_TREES, count), found


def _boost(
    rows: Labelled,
    judged: Labelled | None,
    count: int,
    base: float,
    boosting: Mapping[str, float | int | str],
    seed: int,
    threads: int,
) -> tuple[Trees, int]:
    """Return the trees, up to the best one where there is something to judge them by, and how many they are."""
    import xgboost as xgb  # takes 1.5 s, and only a fit needs it

    settings = dict(boosting) | {
        "monotone_constraints": tuple(feature.sign for feature in FEATURES),
        "base_score": sigmoid(base),
        "seed": seed,
        "nthread": threads,
    }
    binned: dict[str, Any] = {"nthread": threads, "max_bin": int(boosting.get("max_bin", 256))}
    train = xgb.QuantileDMatrix(rows.features, rows.label, weight=rows.weight, **binned)
    if judged is None:
        booster = xgb.train(settings, train, count, verbose_eval=False)
    else:
        judge = xgb.QuantileDMatrix(judged.features, judged.label, weight=judged.weight, ref=train, **binned)
        booster = xgb.train(
            settings, train, count, evals=[(judge, "held_out")], early_stopping_rounds=PATIENCE, verbose_eval=False
        )
        booster = booster[: booster.best_iteration + 1]
    model = json.loads(bytes(booster.save_raw("json")))["learner"]["gradient_booster"]["model"]
    return dumped(model), len(model["trees"])
