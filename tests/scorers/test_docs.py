"""The pages of docs/scorers say the numbers active."""

from __future__ import annotations

from pathlib import Path

import pytest

from mastery.features.observations import OBSERVATION_VERSION
from mastery.scorers import SCORERS
from mastery.scorers.base import Scorer
from mastery.scorers.rule_based.rules import parse_rules

PAGES = Path(__file__).parents[2] / "docs" / "scorers"

every_scorer = pytest.mark.parametrize("scorer", SCORERS.values(), ids=SCORERS)


def parameter_table(scorer: Scorer) -> str:
    """Return what the page of a scorer must hold. Paste it there when it has changed."""
    head = "| parameter | default | from | to | meaning |\n|---|---|---|---|---|\n"
    return head + "\n".join(
        f"| `{p.name}` | {p.default:g} | {p.low:g} | {p.high:g} | {p.doc} |" for p in scorer.parameters
    )


@every_scorer
def test_a_scorer_has_a_page_with_its_parameters(scorer):
    page = (PAGES / f"{scorer.name}.md").read_text("utf-8")
    assert parameter_table(scorer) in page


@every_scorer
def test_a_page_names_every_contribution(scorer):
    page = (PAGES / f"{scorer.name}.md").read_text("utf-8")
    assert [part for part in scorer.contributions if f"`{part}`" not in page] == []


def test_the_overview_names_every_scorer():
    page = (PAGES / "README.md").read_text("utf-8")
    assert [name for name in SCORERS if f"[{name}]({name}.md)" not in page] == []


def test_the_file_of_rules_on_the_page_can_be_read():
    page = (PAGES / "rule_based.md").read_text("utf-8")
    text = page.split("```yaml\n")[1].split("```")[0]
    assert parse_rules(text, "docs/scorers/rule_based.md").name == "ours"


def test_the_features_page_says_the_version_of_the_rules():
    assert f"version {OBSERVATION_VERSION}" in (PAGES.parent / "features.md").read_text("utf-8")
