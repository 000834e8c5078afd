"""A command killed at any moment and run again leaves what an uninterrupted run leaves, bit for bit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from crash.commands import COMMANDS

ROOT = Path(__file__).parents[2]
FEW = 6


FEW_MOMENTS, MOMENTS = 3, 50


def kills(name: str, folder: Path, most: int, moments: int = 0) -> list[dict[str, object]]:
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT / "tests")])
    done = subprocess.run(
        [sys.executable, "-m", "crash.server", name, str(folder), str(most), str(moments)],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_killed_at_some_writes_and_run_again_it_leaves_what_an_uninterrupted_run_leaves(name, tmp_path):
    check(name, kills(name, tmp_path, FEW), FEW)


@pytest.mark.soak
@pytest.mark.parametrize("name", COMMANDS)
def test_killed_at_every_write_and_run_again_it_leaves_what_an_uninterrupted_run_leaves(name, tmp_path):
    results = kills(name, tmp_path, 0)
    check(name, results, results[0]["of"])


@pytest.mark.slow
@pytest.mark.parametrize("moments", [FEW_MOMENTS, pytest.param(MOMENTS, marks=pytest.mark.soak)])
@pytest.mark.parametrize("name", ["intake", "work"])
def test_killed_at_random_moments_and_run_again_it_leaves_what_an_uninterrupted_run_leaves(name, moments, tmp_path):
    check(name, kills(name, tmp_path, 0, moments), moments)


def check(name: str, results: list[dict[str, object]], tried: object) -> None:
    assert len(results) == tried
    assert all(one["killed"] for one in results)
    assert {one["point"]: one["differs"] for one in results if one["differs"]} == {}
    for one in results if COMMANDS[name].shows else ():
        # and before it was run again, every door showed the scores of one model set and one moment
        assert len({version for versions in one["sets"].values() for version in versions}) == 1, one
        assert 1 <= len(one["moments"]) <= COMMANDS[name].moments, one
