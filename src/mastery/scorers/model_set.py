"""A model set: everything that students share, under one version. Read-only while folding.

Parameters of every scorer, the observation rules, and what is known of topics and items. State belongs to a
student and a model set: another version is another fold, and both stand side by side until one is chosen.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mastery.arrays import Floats
from mastery.features.observations import RULES_VERSION
from mastery.scorers import SCORERS
from mastery.scorers.base import Model, defaults

Scoped = tuple[str, str]
"""(tenant, id): ids mean nothing without their tenant."""

LOGITS_PER_DIFFICULTY = 4.0
"""A difficulty estimate from 0 to 1 is spread over −2 to 2 logits: the easiest item is answered right by 88 % of
average students before guessing, the hardest by 12 %."""


@dataclass(frozen=True)
class ModelSet:
    """The parameters of one version.

    Attributes:
        version: Says everything below: two sets with the same version give the same scores.
        params: float64[K] by scorer name: the parameters of a topic nothing is known about.
        topic_difficulty: Logits of the mean item, by (tenant, topic_id).
        item_difficulty: Logits, by (tenant, item_id).
    """

    version: str
    params: Mapping[str, Floats]
    topic_difficulty: Mapping[Scoped, float]
    item_difficulty: Mapping[Scoped, float]

    def models(self, topics: Sequence[Scoped], items: Sequence[Scoped]) -> dict[str, Model]:
        """Return the model of every scorer, for a batch with these topics and items."""
        nan = float("nan")
        item_difficulty = np.array([self.item_difficulty.get(item, nan) for item in items], dtype=np.float64)
        found = {}
        for name, scorer in SCORERS.items():
            params = np.tile(self.params[name], (len(topics), 1))
            if "difficulty" in (p.name for p in scorer.parameters):
                column = scorer.column("difficulty")
                params[:, column] = [self.topic_difficulty.get(topic, params[0, column]) for topic in topics]
            found[name] = Model(params, item_difficulty)
        return found


def default_model_set(
    rules: Floats, topic_estimates: Mapping[Scoped, float], items: Mapping[Scoped, tuple[str | None, float]]
) -> ModelSet:
    """Return the set with default parameters: what scores rest on before anything is fitted.

    Args:
        rules: float64[K] parameters of rule_based, as its YAML says.
        topic_estimates: Difficulty 0 to 1 of each topic that has an estimate.
        items: (topic_id, difficulty 0 to 1) of each item that has a difficulty. A topic's mean item is the mean
            of these; its own estimate counts where no item has one.

    Raises:
        BadInput: a parameter is out of bounds.
    """
    params = {name: defaults(scorer, 1)[0] for name, scorer in SCORERS.items()}
    params["rule_based"] = np.asarray(rules, dtype=np.float64)
    for name, scorer in SCORERS.items():
        scorer.check(params[name][None, :])
    by_topic: dict[Scoped, list[float]] = {}
    for (tenant, _), (topic, difficulty) in sorted(items.items()):
        if topic is not None:
            by_topic.setdefault((tenant, topic), []).append(_logit(difficulty))
    topic_difficulty = {topic: _logit(estimate) for topic, estimate in sorted(topic_estimates.items())}
    topic_difficulty |= {topic: sum(all_of) / len(all_of) for topic, all_of in by_topic.items()}
    item_difficulty = {item: _logit(difficulty) for item, (_, difficulty) in sorted(items.items())}
    return ModelSet(
        version=f"default-{_digest(params, topic_difficulty, item_difficulty)}",
        params=params,
        topic_difficulty=topic_difficulty,
        item_difficulty=item_difficulty,
    )


def _logit(difficulty: float) -> float:
    return LOGITS_PER_DIFFICULTY * (difficulty - 0.5)


def _digest(
    params: Mapping[str, Floats], topic_difficulty: Mapping[Scoped, float], item_difficulty: Mapping[Scoped, float]
) -> str:
    content = [
        RULES_VERSION,
        sorted((name, SCORERS[name].version, row.tolist()) for name, row in params.items()),
        sorted(topic_difficulty.items()),
        sorted(item_difficulty.items()),
    ]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:12]
