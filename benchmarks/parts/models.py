"""The model set of a new deployment: what everything is scored with here."""

from __future__ import annotations

from mastery.lake import Lake
from mastery.pipelines.models.active import current_model_set
from mastery.pipelines.models.rules import load_rules
from mastery.scorers.model_set import ModelSet, default_model_set

RULES = "classic"


def model_set_of(lake: Lake) -> ModelSet:
    """Return the model set for the topics and items of a lake."""
    return current_model_set(lake, load_rules(RULES).params)


def model_set() -> ModelSet:
    """Return the model set that knows nothing of topics and items."""
    return default_model_set(load_rules(RULES).params, {}, {})
