"""A model set: everything that students share, under one version. Read-only while folding.

Parameters of every scorer, the observation rules, and what is known of topics and items. State belongs to a
student and a model set: another version is another fold, and both stand side by side until one is chosen.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mastery.arrays import Floats
from mastery.features.observations import OBSERVATION_VERSION
from mastery.school_days import UTC_DAYS, SchoolDays
from mastery.scorers import DERIVED, SCORERS, SPECS, in_order, unfitted, written
from mastery.scorers.base import Model, width
from mastery.scorers.interval import by_parameter
from mastery.scorers.parameters import KeyedRows, Parameters, Scoped, no_rows
from mastery.scorers.spec import ScorerSpec, Starter

LOGITS_PER_DIFFICULTY = 4.0
"""A difficulty estimate from 0 to 1 is spread over −2 to 2 logits: the easiest item is answered right by 88 % of
average students before guessing, the hardest by 12 %."""


@dataclass(frozen=True, eq=False)
class ModelSet:
    """The parameters of one version, and the days that they are folded by.

    Attributes:
        version: Stands for all parameters: two sets with the same version, and of the same days, give the same scores.
        scorers: Parameters by name of the scorer, in the order of the registry, in whatever order they come: records
            and tables of one version are the same bytes then. A scorer that is not in it gives no scores under this
            version.
        days: Into which time is cut: the schools' own.
    """

    version: str
    scorers: Mapping[str, Parameters]
    days: SchoolDays = UTC_DAYS

    def __post_init__(self) -> None:
        object.__setattr__(self, "scorers", {name: self.scorers[name] for name in in_order(self.scorers)})

    def models(self, topics: Sequence[Scoped], items: Sequence[Scoped]) -> dict[str, Model]:
        """Return the model of every scorer that folds, for a batch with these topics and items."""
        return {name: mine.model(topics, items) for name, mine in self.scorers.items() if name in SCORERS}

    @property
    def folding(self) -> ModelSet:
        """The same set without scorers that only predict: all that a fold reads, and less to send to whoever folds."""
        mine = {name: one for name, one in self.scorers.items() if name in SCORERS or name in DERIVED}
        return replace(self, scorers=mine)


def default_model_set(
    rules: Floats, topic_estimates: Mapping[Scoped, float], items: Mapping[Scoped, tuple[str | None, float]]
) -> ModelSet:
    """Return the starter set: what scores rest on before anything is fitted.

    Args:
        rules: float64[K] parameters of the scorer that people write rules for, as its YAML says.
        topic_estimates: Difficulty 0 to 1 of each topic that has an estimate, 0.5 being that of the starter.
        items: (topic_id, difficulty 0 to 1) of each item that has a difficulty. A topic's mean item is the mean
            of these; its own estimate counts where no item has one.

    Raises:
        BadInput: a parameter is out of bounds.
    """
    starting = {name: starter_parameters(SPECS[name], SPECS[name].starter) for name in unfitted()}
    starting[written()[0].name] = _plain(np.asarray(rules, dtype=np.float64), SPECS[written()[0].name])
    for name, mine in starting.items():
        check = SPECS[name].load_check()
        if check is not None:
            check(mine.model([("", "")], []))
    by_topic: dict[Scoped, list[float]] = {}
    for (tenant, _), (topic, difficulty) in sorted(items.items()):
        if topic is not None:
            by_topic.setdefault((tenant, topic), []).append(_logit(difficulty))
    topic_difficulty = {topic: _logit(estimate) for topic, estimate in sorted(topic_estimates.items())}
    topic_difficulty |= {topic: sum(all_of) / len(all_of) for topic, all_of in by_topic.items()}
    item_difficulty = {item: _logit(difficulty) for item, (_, difficulty) in sorted(items.items())}
    for name, scorer in SCORERS.items():
        if name in starting and SPECS[name].has("difficulty"):
            row, column = starting[name].default, scorer.column("difficulty")
            topics, own = _with(row, column, topic_difficulty), starting[name].items
            if [parameter.name for parameter in scorer.item_parameters] == ["difficulty"]:
                values = row[column] + np.array([*item_difficulty.values()])
                own = KeyedRows(tuple(item_difficulty), values.reshape(-1, 1))
            starting[name] = replace(starting[name], topics=topics, items=own)
    return ModelSet(version_of("default", starting), starting)


def starter_parameters(spec: ScorerSpec, starter: Starter | None) -> Parameters:
    """Return what a scorer starts with, alike for all topics; defaults where nothing is said."""
    numbers = {} if starter is None else dict(starter.numbers)
    if spec.intervals is not None and spec.intervals.unfitted is not None:
        numbers |= by_parameter(spec.intervals.unfitted)
    row = np.concatenate([np.full(one.size, numbers.get(one.name, one.default)) for one in spec.parameters])
    shared = {} if starter is None else {name: np.array(values, np.float64) for name, values in starter.shared.items()}
    return replace(_plain(row, spec), shared=shared)


def _plain(row: Floats, spec: ScorerSpec) -> Parameters:
    return Parameters(row, no_rows(row.size), no_rows(0 if spec.scorer is None else width(spec.scorer.item_parameters)))


def meaning(name: str) -> int:
    """Return the version of what a scorer's numbers mean; 0 for one that no score is made of."""
    scorer = SCORERS.get(name, DERIVED.get(name))
    return 0 if scorer is None else scorer.version


def version_of(word: str, scorers: Mapping[str, Parameters]) -> str:
    """Return a version: the word, and a hash of the observation rules and of every number."""
    content = [
        OBSERVATION_VERSION,
        [(name, meaning(name), scorers[name].digest()) for name in sorted(scorers)],
    ]
    return f"{word}-{hashlib.sha256(json.dumps(content).encode()).hexdigest()[:12]}"


def _with(row: Floats, column: int, values: Mapping[Scoped, float]) -> KeyedRows:
    """Return one row of parameters for each key, alike but for what is added to one column."""
    rows = np.tile(row, (len(values), 1))
    rows[:, column] += [*values.values()]
    return KeyedRows(tuple(values), rows)


def _logit(difficulty: float) -> float:
    return LOGITS_PER_DIFFICULTY * (difficulty - 0.5)
