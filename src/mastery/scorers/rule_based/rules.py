"""The YAML of the rule-based score: read, checked, written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import yaml

from mastery.arrays import Floats
from mastery.errors import BadInput, did_you_mean
from mastery.scorers.rule_based.scorer import FACTORS, INDEXES, PARAMETERS
from mastery.scorers.scoring_rules import ScoringRules

TOP_KEYS = ("half_life_days", "forget_half_life_days", "recency_half_life_days", "spaced_gap_days")
FACTOR_KEYS = ("weight", "prior", "full_at", "prior_weight")
SCALE_KEYS = ("guess", "slip", "score_at")
ABOUT = ("name", "version", "doc")

_PARAMETER = {parameter.name: k for k, parameter in enumerate(PARAMETERS)}
_SCORES = tuple(name for name in _PARAMETER if name.startswith("score_at_"))


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice: YAML's last one wins, and the first is what people look at."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key {key.value!r} stands twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def parse_rules(text: str, source: str) -> ScoringRules:
    """Return the rules in a YAML text. A factor that is not named weighs nothing.

    Raises:
        BadInput: not YAML, an unknown key, a value that is no number or out of bounds, weights over 1 in all.
    """
    try:
        tree = yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise BadInput(f"{source}: not YAML: {error}") from error
    if not isinstance(tree, dict):
        raise BadInput(f"{source}: expected keys such as half_life_days and factors; see docs/scorers/rule_based.md")
    _known(tree, (*ABOUT, *TOP_KEYS, "factors", "scale"), source, "")
    params = np.array([parameter.default for parameter in PARAMETERS])
    for factor in FACTORS:
        params[_PARAMETER[f"{factor}_weight"]] = 0.0
    for key in TOP_KEYS:
        if key in tree:
            _set(params, key, tree[key], source, key)
    factors = tree.get("factors")
    if not isinstance(factors, dict) or not factors:
        raise BadInput(f"{source}: factors is missing; expected some of {', '.join(FACTORS)}, each with a weight")
    _known(factors, FACTORS, source, "factors.")
    for factor, given in factors.items():
        if not isinstance(given, dict) or "weight" not in given:
            raise BadInput(f"{source}: factors.{factor} needs a weight, as in '{factor}: {{weight: 0.1}}'")
        _known(given, FACTOR_KEYS, source, f"factors.{factor}.")
        for key, value in given.items():
            _set(params, f"{factor}_{key}", value, source, f"factors.{factor}.{key}")
    total = sum(max(0.0, params[_PARAMETER[f"{factor}_weight"]]) for factor in FACTORS)
    if total > 1.0 + 1e-9:
        raise BadInput(f"{source}: the weights above 0 add up to {total:g}; expected 1 at most: lower some of them")
    if "scale" in tree:
        _set_scale(params, tree["scale"], source)
    version = tree.get("version", 1)
    if not isinstance(version, int) or isinstance(version, bool):
        raise BadInput(f"{source}: version is {version!r}; expected a whole number")
    return ScoringRules(str(tree.get("name", source)), version, params)


def to_yaml(rules: ScoringRules) -> str:
    """Return the rules as a YAML text that `parse_rules` reads back."""
    factors: dict[str, dict[str, float]] = {}
    for factor in FACTORS:
        values = {key: float(rules.params[_PARAMETER[f"{factor}_{key}"]]) for key in FACTOR_KEYS}
        if values["weight"] != 0.0:
            factors[factor] = values
    tree: dict[str, Any] = {"name": rules.name, "version": rules.version}
    tree |= {key: float(rules.params[_PARAMETER[key]]) for key in TOP_KEYS}
    tree["factors"] = factors
    scale = {key: float(rules.params[_PARAMETER[key]]) for key in ("guess", "slip")}
    scores = [float(rules.params[_PARAMETER[name]]) for name in _SCORES]
    if scores != list(INDEXES) or any(scale.values()):
        tree["scale"] = {**scale, "score_at": scores}
    text: str = yaml.safe_dump(tree, sort_keys=False)
    return text


def _set_scale(params: Floats, given: Any, source: str) -> None:
    """Take over which score each index stands for; see `mastery.scorers.rule_based.scorer.INDEXES`."""
    if not isinstance(given, dict) or not isinstance(given.get("score_at"), list):
        raise BadInput(
            f"{source}: scale is {given!r}; expected guess, slip and score_at, a list of the scores that indexes of "
            f"{', '.join(f'{index:g}' for index in INDEXES)} stand for; without scale an index is the score"
        )
    _known(given, SCALE_KEYS, source, "scale.")
    for key in ("guess", "slip"):
        if key in given:
            _set(params, key, given[key], source, f"scale.{key}")
    scores = given["score_at"]
    if len(scores) != len(INDEXES):
        raise BadInput(
            f"{source}: scale.score_at has {len(scores)} scores; expected {len(INDEXES)}, one for each of the indexes "
            f"{', '.join(f'{index:g}' for index in INDEXES)}"
        )
    for number, (name, score) in enumerate(zip(_SCORES, scores, strict=True)):
        _set(params, name, score, source, f"scale.score_at, number {number + 1},")
        if number and score < scores[number - 1]:
            raise BadInput(
                f"{source}: scale.score_at falls from {scores[number - 1]:g} to {score:g}; expected scores that never "
                "fall: more evidence must not cost"
            )


def _known(given: Mapping[Any, Any], known: tuple[str, ...], source: str, place: str) -> None:
    for key in given:
        if key not in known:
            raise BadInput(
                f"{source}: unknown key {place}{key}{did_you_mean(str(key), list(known))}; known: {', '.join(known)}"
            )


def _set(params: Floats, name: str, value: Any, source: str, place: str) -> None:
    parameter = PARAMETERS[_PARAMETER[name]]
    if isinstance(value, bool) or not isinstance(value, int | float) or not parameter.low <= value <= parameter.high:
        raise BadInput(
            f"{source}: {place} is {value!r}; expected a number from {parameter.low:g} to {parameter.high:g} "
            f"({parameter.doc})"
        )
    params[_PARAMETER[name]] = float(value)
