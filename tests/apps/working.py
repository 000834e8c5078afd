"""`mastery work` as a process of its own over a folder in which files appear."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

SRC = Path(__file__).parents[2] / "src"
LINE = "from mastery.apps.cli import main; main()"


def row(n: int) -> str:
    return json.dumps(
        {"student_id": "S1", "question_id": f"q{n}", "topic_id": "t1", "is_correct": True, "attempt_id": f"a{n}",
         "timestamp": f"2026-03-02T08:00:{n:02}Z"}
    )  # fmt: skip


def begun(home: Path, folder: Path, *more: str, **settings: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", LINE, "--home", str(home), "work", "--from", f"folder:{folder}", *more],
        env=os.environ | {"PYTHONPATH": str(SRC)} | settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def until_written(worker: subprocess.Popen[str], events: int) -> list[dict]:
    """Return the lines of the log up to the one by which this many events were accepted."""
    lines, accepted = [], 0
    while accepted < events:
        line = worker.stderr.readline()
        assert line, f"ended with {worker.wait()}"
        lines.append(json.loads(line))
        accepted += lines[-1].get("accepted", 0)
    return lines


def until_logged(worker: subprocess.Popen[str], message: str) -> dict:
    """Return the next line of the log with this message."""
    while True:
        line = worker.stderr.readline()
        assert line, f"ended with {worker.wait()}"
        said = json.loads(line)
        if said["message"] == message:
            return said
