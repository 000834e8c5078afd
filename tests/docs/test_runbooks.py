"""The runbooks name what is there: messages that the engine writes, causes that reconcile tells, steps measured."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mastery.pipelines.scoring.reconcile import CAUSES

ROOT = Path(__file__).parents[2]
RUNBOOKS = ROOT / "docs" / "runbooks"
ENDS_OF_LITERALS = re.compile(r'"\s*\n\s*f?"')
"""Where one message is written as two literals on two lines."""


def rows(page: Path, head: str) -> list[list[str]]:
    """Return the cells of the table under a head."""
    lines = re.split(rf"\n *\| {re.escape(head)} \|", page.read_text("utf-8"), maxsplit=1)[1]
    return [[cell.strip() for cell in line.strip(" |").split("|")] for line in lines.split("\n\n")[0].splitlines()[2:]]


@pytest.mark.parametrize(("name", "head"), [("worker-down.md", "the log says"), ("from-folder-to-s3.md", "message")])
def test_messages_that_are_quoted_are_written_somewhere(name, head):
    written = "\n".join(
        ENDS_OF_LITERALS.sub("", path.read_text("utf-8")) for path in (ROOT / "src" / "mastery").rglob("*.py")
    )
    quoted = [text for row in rows(RUNBOOKS / name, head) for text in re.findall(r"`([^`]+)`", row[0])]
    assert quoted
    for text in quoted:
        for piece in re.split(r"[…()]|\b8\b", text):  # what stands there in place of values
            assert piece.strip() in written, f"{name}: no message says {piece.strip()!r}"


def test_every_cause_that_reconcile_tells_is_explained_and_no_other():
    explained = [row[0].replace(" ", "_") for row in rows(RUNBOOKS / "reconcile-differs.md", "cause")]
    assert explained == list(CAUSES)


def test_every_step_that_is_measured_is_looked_at_where_lag_grows():
    measured = {row[0].strip("`") for row in rows(ROOT / "docs" / "operations.md", "`step`")}
    named = {name for row in rows(RUNBOOKS / "lag-grows.md", "step") for name in re.findall(r"`(\w+)`", row[0])}
    assert named <= measured and measured - named == {"places"}  # it stores a few numbers
