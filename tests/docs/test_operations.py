"""docs/operations.md names every metric, and every metric that it names exists."""

from __future__ import annotations

import re
from enum import Enum
from pathlib import Path

from mastery.apps.metrics import Metrics
from mastery.pipelines.live.watch import NO_RECORD, OVERTAKEN
from mastery.pipelines.scoring.continue_record import Refold

PAGE = Path(__file__).parents[2] / "docs" / "operations.md"


def rows(head: str) -> list[list[str]]:
    """Return the cells of the table under a head."""
    lines = PAGE.read_text("utf-8").split(f"\n| {head} |", 1)[1].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("|"))] for line in lines]


def test_every_metric_is_documented_with_its_kind_and_no_other():
    documented = {name: row[1] for row in rows("metric") for name in re.findall(r"`(\w+)`", row[0])}
    served = {one.name + ("_total" if one.type == "counter" else ""): one.type for one in Metrics().registry.collect()}
    assert documented == served


def test_expressions_of_alerts_name_metrics_that_there_are():
    documented = {name for row in rows("metric") for name in re.findall(r"`(\w+)`", row[0])}
    named = {name for row in rows("alert") for name in re.findall(r"\b(?:mastery|process)_\w+", row[1])}
    assert {re.sub("_bucket$", "", name) for name in named} <= documented


def test_every_reason_of_a_fold_is_documented():
    assert issubclass(Refold, Enum)
    reasons = {NO_RECORD, OVERTAKEN} | {why.name.lower() for why in Refold}
    assert {name for row in rows("`reason`") for name in re.findall(r"`(\w+)`", row[0])} == reasons
