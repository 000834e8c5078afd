"""Compiling beforehand, and being told of it when nobody has."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mastery.apps.cli.compiling import KERNELS, Compiled, Notice

ROOT = Path(__file__).parents[2]
MAIN = "from mastery.apps.cli import main; main()"
COUNTED = """
import sys
from mastery.apps.cli import build
from mastery.apps.cli.compiling import Compiled
from typer.testing import CliRunner
with Compiled() as compiled:
    for line in sys.argv[2:]:
        done = CliRunner().invoke(build(), ["--home", sys.argv[1], *line.split()], catch_exceptions=False)
        assert done.exit_code == 0, (line, done.output)
print(compiled.count)
"""


@pytest.fixture
def notice():
    made = Notice(quiet_s=0.0)
    KERNELS.addHandler(made)
    level = KERNELS.level
    KERNELS.setLevel(logging.INFO)
    yield made
    KERNELS.removeHandler(made)
    KERNELS.setLevel(level)


def run(*arguments, tmp_path):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MASTERY_")}
    environment |= {"PYTHONPATH": str(ROOT / "src"), "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME", "")}
    done = subprocess.run(
        [sys.executable, "-c", *map(str, arguments)], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_after_a_warm_up_nothing_is_compiled_by_another_school_and_the_next_warm_up_says_so(new_home, tmp_path):
    first = json.loads(run(MAIN, "warm-up", "--json", tmp_path=tmp_path))
    assert Path(first["folder"]).is_dir()
    assert list(tmp_path.iterdir()) == [new_home]
    assert json.loads(run(MAIN, "warm-up", "--json", tmp_path=tmp_path))["compiled"] == 0
    assert "nothing to compile: every kernel is in " in run(MAIN, "warm-up", tmp_path=tmp_path)
    sample = ROOT / "data" / "sample"
    steps = (
        f"ingest {sample}",
        "recompute --as-of latest",
        "class-report",
        "show S000014 --as-of latest",
        "tune",
        "fit",
    )
    assert run(COUNTED, new_home, *steps, tmp_path=tmp_path) == "0\n"


def test_compiling_that_takes_long_is_told_once(notice, capsys):
    for name in ("fold", "read", "encode", "decode"):
        KERNELS.info("compiling %s", name)
    assert capsys.readouterr().err == "compiling kernels, once for this version; `mastery warm-up` does it beforehand\n"


def test_compiling_that_is_soon_over_is_not_told(notice, capsys):
    KERNELS.info("compiling one")
    assert capsys.readouterr().err == ""


def test_a_warm_up_counts_and_is_not_told_to_do_what_it_does(notice, capsys):
    with Compiled() as compiled:
        for name in ("fold", "read", "encode"):
            KERNELS.info("compiling %s", name)
    assert compiled.count == 3
    assert capsys.readouterr().err == ""
    KERNELS.info("compiling one")
    assert notice in KERNELS.handlers
