"""Compiling beforehand, and being told of it when nobody has."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from mastery.apps.cli.compiling import KERNELS, Compiled, Notice
from mastery.kernels import warm
from mastery.kernels.cache import write_kept

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
    began = os.times()
    assert json.loads(run(MAIN, "warm-up", "--json", tmp_path=tmp_path))["compiled"] == 0
    again = os.times()
    assert "nothing to compile: every kernel is in " in run(MAIN, "warm-up", tmp_path=tmp_path)
    sample = ROOT / "data" / "sample"
    for right in (0, 1):  # an answer, and another revision of it
        row = f"S,q,t,{right},2026-03-01T10:00:00Z"
        (tmp_path / f"{right}.csv").write_text(f"student_id,question_id,topic_id,is_correct,timestamp\n{row}\n")
    steps = (
        f"ingest {sample}",
        f"ingest {tmp_path / '0.csv'}",
        f"ingest {tmp_path / '1.csv'}",
        "recompute --as-of latest",
        "class-report",
        "show S000014 --as-of latest",
        "tune",
        "fit",
    )
    assert run(COUNTED, new_home, *steps, tmp_path=tmp_path) == "0\n"
    used = os.times()
    # What is known to be there is not gone through again: six commands together take more than twice as long.
    spent = [end.children_user - begin.children_user for begin, end in ((began, again), (again, used))]
    assert 2 * spent[0] < spent[1]


@pytest.mark.slow
def test_a_warm_up_sees_that_a_kernel_is_gone_or_damaged(monkeypatch, tmp_path):
    folder = tmp_path / "cache"
    monkeypatch.setattr(warm, "folders", lambda: (folder,))
    monkeypatch.setattr(warm, "USED", {"one", "two"})
    assert not warm.is_warm()
    for name in ("one", "two"):
        write_kept(folder / name, b"machine code")
    warm.note_warm()
    assert warm.is_warm()
    (folder / "one").write_bytes(b"torn")
    assert not warm.is_warm()
    write_kept(folder / "one", b"machine code")
    assert warm.is_warm()
    (folder / "two").unlink()
    assert not warm.is_warm()


def test_a_warm_up_of_another_version_does_not_count(monkeypatch, tmp_path):
    package = tmp_path / "mastery"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "kernels.py").write_text("RATE = 0.1\n")
    monkeypatch.setattr(warm, "folders", lambda: (tmp_path / "cache",))
    monkeypatch.setattr(warm, "USED", set())
    monkeypatch.setattr(warm, "mastery", SimpleNamespace(__file__=str(package / "__init__.py")))
    warm.note_warm()
    assert warm.is_warm()
    (package / "kernels.py").write_text("RATE = 0.2\n")
    assert not warm.is_warm()


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
