"""`mastery simulate` and the bar that goes with it."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mastery.apps.cli import build
from mastery.errors import BadInput

SRC = Path(__file__).parents[2] / "src"


def simulate(*arguments: str):
    return CliRunner().invoke(build(), ["simulate", "--students", "3", "--days", "10", *arguments])


def test_the_files_are_written_and_counted(tmp_path):
    done = simulate("--out", str(tmp_path / "school"), "--json")
    assert done.exit_code == 0
    rows = json.loads(done.stdout)["rows"]
    lines = (tmp_path / "school" / "quiz_attempts.csv").read_text().splitlines()
    assert rows["quiz_attempts"] == len(lines) - 1 > 0


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    for name, seed in [("one", "5"), ("two", "5"), ("three", "6")]:
        assert simulate("--out", str(tmp_path / name), "--seed", seed).exit_code == 0
    one, two, three = ((tmp_path / name / "quiz_attempts.csv").read_bytes() for name in ("one", "two", "three"))
    assert one == two
    assert one != three


def test_nothing_is_replaced_unless_asked(tmp_path):
    assert simulate("--out", str(tmp_path)).exit_code == 0
    error = simulate("--out", str(tmp_path)).exception
    assert isinstance(error, BadInput)
    assert "--overwrite to replace them" in str(error)
    assert simulate("--out", str(tmp_path), "--overwrite").exit_code == 0


def test_an_unknown_format_is_refused(tmp_path):
    assert isinstance(simulate("--out", str(tmp_path), "--format", "cvs").exception, BadInput)


def terminal(program: str, tmp_path: Path) -> str:
    """Run a program with a terminal as both outputs and return what it showed."""
    ours, theirs = pty.openpty()
    environment = os.environ | {"PYTHONPATH": str(SRC), "TERM": "xterm", "COLUMNS": "120"}
    process = subprocess.Popen([sys.executable, "-c", program], stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 65_536)
        except OSError:  # what Linux says when the other end has gone
            break
        if not part:
            break
        shown += part
    process.wait()
    os.close(ours)
    return shown.decode("utf-8", "replace")


WORK = """
import threading
from mastery.apps.progress import progress
with progress("Reading rows", total=4, {options}) as report:
    report.advance(2)
    threading.Event().wait({work_s})
    report.advance(1)
    threading.Event().wait({work_s})
"""


@pytest.mark.slow
def test_long_work_on_a_terminal_shows_a_bar(tmp_path):
    shown = terminal(WORK.format(options="quiet_s=0.0", work_s=0.5), tmp_path)
    assert "Reading rows" in shown
    assert "3/4" in shown


def test_short_work_on_a_terminal_shows_nothing(tmp_path):
    assert "Reading rows" not in terminal(WORK.format(options="quiet_s=30.0", work_s=0.01), tmp_path)


def piped(program: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(SRC)}
    return subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_long_work_in_a_pipe_writes_a_line_now_and_then_to_standard_error():
    done = piped(WORK.format(options="line_s=0.2", work_s=0.5))
    assert (done.returncode, done.stdout) == (0, "")
    lines = done.stderr.splitlines()
    assert 3 <= len(lines) <= 5
    assert lines[0] == "Reading rows: 2 of 4, 0 s so far"
    assert lines[-1] == "Reading rows: 3 of 4, 1 s so far"


@pytest.mark.slow
def test_the_total_grows_where_more_is_done_than_there_was(tmp_path):
    more = WORK.replace("report.advance(1)", "report.advance(2_417)")
    lines = piped(more.format(options="line_s=0.2", work_s=0.5)).stderr.splitlines()
    assert lines[0].startswith("Reading rows: 2 of 4,")
    assert lines[-1].startswith("Reading rows: 2,419 of 2,419,")
    assert "2419/2419" in terminal(more.format(options="quiet_s=0.0", work_s=0.5), tmp_path)


COMPILES = """
import logging, threading
from mastery.apps.progress import progress
kernels = logging.getLogger("mastery.kernels")
kernels.setLevel(logging.INFO)
with progress("Folding events", total=4, {options}) as report:
    kernels.info("compiling fold")
    threading.Event().wait(0.5)
    report.advance(4)
    threading.Event().wait(0.5)
"""


@pytest.mark.slow
def test_work_that_waits_for_kernels_says_so_until_it_goes_on(tmp_path):
    lines = piped(COMPILES.format(options="line_s=0.3")).stderr.splitlines()
    assert lines[0] == "Folding events, compiling kernels (once): 0 of 4, 0 s so far"
    assert lines[-1].startswith("Folding events: 4 of 4, ")
    shown = terminal(COMPILES.format(options="quiet_s=0.0"), tmp_path)
    assert "Folding events, compiling kernels (once)" in shown
    assert "compiling" not in shown[shown.rindex("Folding events") :]


def test_short_work_in_a_pipe_writes_nothing():
    done = piped(WORK.format(options="", work_s=0.01))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
