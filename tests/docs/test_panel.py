"""The panel of explanations is what is said now, of every scorer and every band."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import pytest

from mastery.insight.bands import BANDS
from mastery.scorers import with_scores

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_panel_is_what_is_said_now_and_covers_every_scorer_and_band():
    spec = importlib.util.spec_from_file_location("explanations_panel", ROOT / "scripts" / "explanations_panel.py")
    script = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = script  # dataclasses look for their module there
    spec.loader.exec_module(script)
    page = script.panel()
    titles = [line for line in page.splitlines() if line.startswith("**")]
    assert len(titles) == script.MOST
    assert all(any(f", {scorer}: " in title for title in titles) for scorer in with_scores())
    assert all(any(title.endswith(f", {band.replace('_', ' ')}") for title in titles) for band in BANDS)
    for entry in page.split("\n**")[1:]:  # what was done on several topics at once is listed too
        days, done = re.search(r"(\d+) days of work\)", entry), re.search(r"^`(.+)`$", entry, re.MULTILINE)
        if days and done and not done[1].startswith("…"):
            assert done[1].count(";") + 1 == int(days[1]), entry
    assert page == script.PAGE.read_text("utf-8"), "run .venv/bin/python scripts/explanations_panel.py"
