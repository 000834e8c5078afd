"""`mastery work`, as a process of its own over a folder in which files appear."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mastery.engine import Engine
from mastery.errors import BadInput, NotFound
from mastery.settings import load_settings
from mastery.tables import EVENTS

SRC = Path(__file__).parents[2] / "src"
LINE = "from mastery.apps.cli import main; main()"


def row(n: int) -> str:
    return json.dumps(
        {"student_id": "S1", "question_id": f"q{n}", "topic_id": "t1", "is_correct": True, "attempt_id": f"a{n}",
         "timestamp": f"2026-03-02T08:00:{n:02}Z"}
    )  # fmt: skip


@pytest.fixture
def school(new_home, tmp_path):
    """A home with one tenant, and the folder that is followed."""
    (tmp_path / "topics.csv").write_text("topic_id,title\nt1,Fractions\n")
    (tmp_path / "first.ndjson").write_text(row(0) + "\n")
    with Engine.connect(load_settings(home=new_home, environ={}).settings) as engine:
        engine.ingest([str(tmp_path / "topics.csv"), str(tmp_path / "first.ndjson")])
    (tmp_path / "incoming").mkdir()
    return new_home, tmp_path / "incoming"


def begun(home: Path, folder: Path, *more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", LINE, "--home", str(home), "work", "--from", f"folder:{folder}", *more],
        env=os.environ | {"PYTHONPATH": str(SRC)},
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


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_events_are_taken_until_the_worker_is_stopped_and_from_there_when_it_starts_again(school, number):
    home, folder = school
    (folder / "a.ndjson").write_text("".join(row(n) + "\n" for n in range(1, 4)))
    for first in (1, 4):
        worker = begun(home, folder)
        lines = until_written(worker, 3 if first == 1 else 2)
        assert {"level": "info", "message": "batch", "duplicates": 0}.items() <= lines[-1].items()
        worker.send_signal(number)
        rest = worker.communicate()[1]
        assert worker.returncode == 0, rest
        (folder / "b.ndjson").write_text("".join(row(n) + "\n" for n in range(4, 6)))
    with Engine.connect(load_settings(home=home, environ={}).settings) as engine:
        assert engine.lake.scan(EVENTS).num_rows == 6
        (score,) = engine.student("S1", as_of="latest").topics
        assert score.evidence_count == 6
        doors = {entry.door for entry in engine.ingests()}
    assert f"folder:{folder}" in doors


def test_what_cannot_be_worked_on_is_named(mastery, tmp_path):
    for arguments, error, said in [
        (("--from", "folder:" + str(tmp_path / "none")), BadInput, "there is no folder"),
        (("--from", "kafak:a"), BadInput, "unknown stream 'kafak'"),
        (("--from", f"folder:{tmp_path}", "--batch-s", "0"), BadInput, "expected more than 0 of both"),
        (("--from", f"folder:{tmp_path}", "--tenant", "nobody"), NotFound, "nobody"),
    ]:
        done = mastery("work", *arguments)
        assert isinstance(done.exception, error), done.output
        assert said in str(done.exception)
