"""docs/explanations.md under test: it lists what there is, and its examples are what is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from mastery.insight.bands import BANDS
from mastery.insight.rollups import EVIDENCE_CAP
from mastery.insight.tags import STRENGTHS, WEAKNESSES
from mastery.scorers import DERIVED, SCORERS
from mastery.tables import CONTRIBUTIONS

PAGE = (Path(__file__).parents[2] / "docs" / "explanations.md").read_text("utf-8")


def rows(section):
    """The rows of the tables under a heading, by their first cell."""
    text = PAGE.split(f"\n## {section}\n")[1].split("\n## ")[0]
    table = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| `")]
    return {cells[0].strip("`"): cells[1:] for cells in table}


@pytest.mark.parametrize(
    ("section", "names"), [("Factors", CONTRIBUTIONS), ("Bands", BANDS), ("Tags", [*WEAKNESSES, *STRENGTHS])]
)
def test_every_part_band_and_tag_has_its_row_and_nothing_else_has(section, names):
    assert sorted(rows(section)) == sorted(names)


@pytest.mark.parametrize("part", CONTRIBUTIONS)
def test_each_part_names_the_scorers_that_have_it(part):
    said = rows("Factors")[part][0]
    scorers = {name: scorer.contributions for name, scorer in SCORERS.items()}
    scorers |= {name: scorer.contributions for name, scorer in DERIVED.items()}
    having = {name for name, parts in scorers.items() if part in parts}
    assert (set(scorers) if said == "all" else set(said.split(", "))) == having


def test_the_cap_on_the_page_is_the_one_used():
    assert f"w = min(evidence of topic, {EVIDENCE_CAP})" in PAGE
