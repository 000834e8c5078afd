"""The active model set: the one that was activated last, or parameters as shipped with what the lake knows of
topics and items.
"""

from __future__ import annotations

from mastery.arrays import Floats
from mastery.errors import Conflict
from mastery.lake import Lake
from mastery.pipelines.models.activations import DEFAULT, active_choice
from mastery.pipelines.models.store import load_model_set
from mastery.scorers.model_set import ModelSet, default_model_set
from mastery.tables import ITEMS, TOPICS


def current_model_set(lake: Lake, rules: Floats) -> ModelSet:
    """Return the default set for the topics and items of the lake. `rules`: float64[K], as the rules' YAML says."""
    topics = lake.scan(TOPICS, ["tenant", "topic_id", "difficulty_estimate"])
    items = lake.scan(ITEMS, ["tenant", "item_id", "topic_id", "difficulty"])
    estimates = {
        (row["tenant"], row["topic_id"]): row["difficulty_estimate"]
        for row in topics.to_pylist()
        if row["difficulty_estimate"] is not None
    }
    known = {
        (row["tenant"], row["item_id"]): (row["topic_id"], row["difficulty"])
        for row in items.to_pylist()
        if row["difficulty"] is not None
    }
    return default_model_set(rules, estimates, known)


def named_model_set(lake: Lake, rules: Floats, version: str | None) -> ModelSet:
    """Return a set by its version; None, and the word `default`, stand for the default set of today.

    Raises:
        NotFound: no set has this version.
        Conflict: this engine cannot use it.
    """
    return current_model_set(lake, rules) if version in (None, DEFAULT) else load_model_set(lake, str(version))


def active_model_set(lake: Lake, rules: Floats) -> ModelSet:
    """Return the active set."""
    return named_model_set(lake, rules, active_choice(lake).active)


def shadow_model_set(lake: Lake) -> ModelSet | None:
    """Return the set that runs in shadow; None when there is none.

    Raises:
        Conflict: this engine cannot use it.
    """
    version = active_choice(lake).shadow
    try:
        return None if version is None else load_model_set(lake, version)
    except Conflict as error:
        raise Conflict(f"{error}; it runs in shadow, and 'mastery models shadow off' ends that") from None
