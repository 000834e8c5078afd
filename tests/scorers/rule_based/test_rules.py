"""The YAML of the rule-based score: what is read, and what each mistake is told."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histories import monotone
from mastery.errors import BadInput
from mastery.scorers.rule_based import scorer as rule_based
from mastery.scorers.rule_based.rules import parse_rules, to_yaml
from mastery.scorers.rule_based.scorer import FACTORS, PARAMETERS
from mastery.scorers.scoring_rules import ScoringRules

GOOD = """
name: ours
version: 3
half_life_days: 20
factors:
  accuracy: {weight: 0.6, prior: 0.5, prior_weight: 1}
  hints: {weight: -0.1, full_at: 2}
"""


def value(rules: ScoringRules, name: str) -> float:
    return float(rules.params[rule_based.SCORER.column(name)])


def test_what_is_written_is_read_and_the_rest_is_default_or_weighs_nothing():
    rules = parse_rules(GOOD, "ours.yaml")
    assert (rules.name, rules.version) == ("ours", 3)
    assert (value(rules, "half_life_days"), value(rules, "forget_half_life_days")) == (20.0, 120.0)
    assert (value(rules, "accuracy_weight"), value(rules, "accuracy_prior")) == (0.6, 0.5)
    assert (value(rules, "hints_weight"), value(rules, "hints_full_at")) == (-0.1, 2.0)
    assert [value(rules, f"{factor}_weight") for factor in FACTORS if factor not in ("accuracy", "hints")] == [0.0] * 5


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("half_life_days", "half_live_days", "unknown key half_live_days (did you mean 'half_life_days'"),
        ("accuracy:", "acuracy:", "unknown key factors.acuracy (did you mean 'accuracy'"),
        ("full_at", "ful_at", "unknown key factors.hints.ful_at (did you mean 'full_at'"),
        ("-0.1", "0.1", "factors.hints.weight is 0.1; expected a number from -1 to 0"),
        ("0.6", "-0.6", "factors.accuracy.weight is -0.6; expected a number from 0 to 1"),
        ("0.6", "1.5", "factors.accuracy.weight is 1.5; expected a number from 0 to 1"),
        ("0.6", "'0.6'", "factors.accuracy.weight is '0.6'; expected a number"),
        ("0.6", "true", "factors.accuracy.weight is True; expected a number"),
        ("0.6", ".nan", "factors.accuracy.weight is nan; expected a number"),
        ("half_life_days: 20", "half_life_days: 0", "half_life_days is 0; expected a number from 0.1 to 36500"),
        ("weight: 0.6, ", "", "factors.accuracy needs a weight"),
        ("factors:", "factors: 3\nx:", "unknown key x"),
        ("version: 3", "version: three", "version is 'three'; expected a whole number"),
        ("  hints:", "  video: {weight: 0.5}\n  hints:", "the weights above 0 add up to 1.1; expected 1 at most"),
        ("  hints:", "  accuracy: {weight: 0.1}\n  hints:", "key 'accuracy' stands twice"),
        ("name: ours", "name: [", "not YAML"),
    ],
)
def test_each_mistake_is_named_with_its_file_and_what_was_expected(old, new, message):
    assert old in GOOD
    with pytest.raises(BadInput) as caught:
        parse_rules(GOOD.replace(old, new), "ours.yaml")
    assert str(caught.value).startswith("ours.yaml: ")
    assert message in str(caught.value)


@pytest.mark.parametrize("text", ["", "- 1", "name: x", "factors: {}", "factors: [accuracy]"])
def test_a_file_without_factors_says_what_is_missing(text):
    with pytest.raises(BadInput, match="factors"):
        parse_rules(text, "ours.yaml")


@given(seed=st.integers(0, 2**32 - 1))
def test_rules_written_and_read_again_are_the_same(seed):
    params = monotone(rule_based.SCORER, np.random.default_rng(seed))
    weights = [rule_based.SCORER.column(f"{factor}_weight") for factor in FACTORS]
    for k in range(rule_based.SCORE_AT, len(PARAMETERS)):  # the scale and the interval: no rules file says them
        params[k] = PARAMETERS[k].default
    params[weights] /= max(1.0, params[weights].clip(0.0).sum())
    rules = parse_rules(to_yaml(ScoringRules("drawn", 7, params)), "drawn.yaml")
    assert (rules.name, rules.version) == ("drawn", 7)
    weighs = {factor for factor, k in zip(FACTORS, weights, strict=True) if params[k] != 0.0}
    for k, parameter in enumerate(PARAMETERS):
        factor = parameter.name.removesuffix("_weight").removesuffix("_prior").removesuffix("_full_at")
        if factor not in FACTORS or factor in weighs:
            assert rules.params[k] == params[k], parameter.name
