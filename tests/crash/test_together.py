"""All at once on one home: what is read meanwhile is right, and all ends as if one had come after the other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import combinations_with_replacement
from pathlib import Path
from typing import Any

import pytest

from crash.one_home import WRITERS

ROOT = Path(__file__).parents[2]
ALL = "ingest,ingest,recompute,recompute,fit,activate,compact,cli,http"
TWO_OF_EACH = [f"{name},{name},cli" for name in WRITERS]
PAIRS = [f"{one},{other},cli" for one, other in combinations_with_replacement(WRITERS, 2)]


def together(folder: Path, seconds: float, files: int, kills: bool, *groups: str) -> dict[str, Any]:
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT / "tests")])
    ours = {name: value for name, value in os.environ.items() if not name.startswith("MASTERY_")}
    done = subprocess.run(
        [sys.executable, "-m", "crash.together", folder, str(seconds), str(files), str(int(kills)), *groups],
        env=ours | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["wrong"] == [], done.stderr[-5000:]
    assert found["differs"] == {}
    return found


@pytest.mark.slow
def test_all_at_once_for_seconds_killed_copied_and_put_back_ends_as_an_uninterrupted_run(tmp_path):
    found = together(tmp_path, 10, 6, True, ALL)
    assert found["kills"] and found["copies"] and found["put_back"]


@pytest.mark.soak
def test_all_at_once_for_two_minutes_killed_copied_and_put_back_ends_as_an_uninterrupted_run(tmp_path):
    found = together(tmp_path, 120, 40, True, ALL)
    assert found["kills"] > 100 and found["copies"] > 2 and found["put_back"] > 2


@pytest.mark.slow
def test_two_of_each_at_once_end_as_one_after_the_other(tmp_path):
    assert together(tmp_path, 2, 5, False, *TWO_OF_EACH)["files"] > 1


@pytest.mark.soak
def test_any_two_at_once_end_as_one_after_the_other(tmp_path):
    assert together(tmp_path, 10, 30, False, *PAIRS)["files"] > 1
