"""`mastery work`, as a process of its own over a folder in which files appear."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack

import httpx
import pytest

import services
from apps.working import SRC, begun, row, until_logged, until_written
from mastery.engine import Engine
from mastery.errors import BadInput, NotFound
from mastery.settings import load_settings
from mastery.tables import EVENTS


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


@pytest.mark.slow
def test_a_class_moves_while_the_worker_runs(school):
    home, folder = school
    with Engine.connect(load_settings(home=home, environ={}).settings) as engine:
        engine.recompute()
        assert [one.evidence_count for one in engine.class_scores().scores] == [1]
        worker = begun(home, folder, MASTERY_WORK__PUBLISH_EVERY_S="1")
        for first in (1, 4):
            (folder / f"{first}.ndjson").write_text("".join(row(n) + "\n" for n in range(first, first + 3)))
            until_logged(worker, "published")
            document = engine.class_scores()
            assert [one.evidence_count for one in document.scores] == [first + 3]
            assert not document.notes
        worker.send_signal(signal.SIGTERM)
        worker.communicate()
    assert worker.returncode == 0


@pytest.mark.slow
def test_a_class_moves_while_two_apis_take_events_and_one_publishes_at_a_time(school):
    home, _ = school
    settings = {"MASTERY_HOME": str(home), "MASTERY_API__PUBLISH_EVERY_S": "1", "MASTERY_LOG_LEVEL": "warning"}
    settings |= {"PYTHONPATH": str(SRC), "PYTHONUNBUFFERED": "1"}
    ports = [services.free_port() for _ in range(2)]
    servers = [
        subprocess.Popen(
            [sys.executable, "-m", "mastery.apps.api"],
            env=os.environ | settings | {"MASTERY_API__PORT": str(port)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for port in ports
    ]
    try:
        for server in servers:
            assert server.stdout.readline().startswith("API")
        taken = [True]
        for number, port in enumerate((*ports, *ports), start=1):
            posted = httpx.post(f"http://127.0.0.1:{port}/v1/events", json=[json.loads(row(number))])
            assert posted.json()["accepted"] == 1
            taken.append(True)
            for one in ports:
                while evidence_in_class(one) < len(taken):
                    time.sleep(0.05)
                assert evidence_in_class(one) == len(taken)
    finally:
        for server in servers:
            server.send_signal(signal.SIGTERM)
        said = [server.communicate()[1] for server in servers]
    assert [server.returncode for server in servers] == [0, 0], said
    assert "tried again" not in "".join(said)


def evidence_in_class(port: int) -> int:
    """How many answers the class counts, as it is published; 0 where nothing is."""
    found = httpx.get(f"http://127.0.0.1:{port}/mastery")
    return 0 if found.status_code == 404 else sum(one["evidence_count"] for one in found.json()["scores"])


@pytest.mark.slow
def test_events_are_compacted_while_others_read_them(school):
    home, folder = school
    with Engine.connect(load_settings(home=home, environ={}).settings) as engine:
        old = engine.lake.snapshot(EVENTS)
        (folder / "a.ndjson").write_text("".join(row(n) + "\n" for n in range(1, 7)))
        worker = begun(home, folder, MASTERY_WORK__COMPACT_EVERY_S="1")
        until_logged(worker, "compacted")  # of the file that was there, and the batch's
        worker.send_signal(signal.SIGTERM)
        worker.communicate()
        assert worker.returncode == 0
        assert [one.path.rpartition("/")[2].startswith("sorted") for one in engine.lake.snapshot(EVENTS)] == [True]
        assert engine.lake.read_files(EVENTS, [one.path for one in old]).num_rows == 1  # still there for who reads it
        assert engine.lake.scan(EVENTS).num_rows == 7
        assert engine.student("S1", as_of="latest").topics[0].evidence_count == 7


@pytest.mark.slow
def test_a_worker_whose_store_hangs_ends_all_the_same_when_it_is_told_to(school):
    home, folder = school
    with ExitStack() as until:
        store = services.found_or_skipped(lambda: services.started("redis", until))
        worker = begun(home, folder, MASTERY_STATE=store.url)
        (folder / "a.ndjson").write_text(row(1) + "\n")
        until_written(worker, 1)
        store.process.send_signal(signal.SIGSTOP)
        until.callback(store.process.send_signal, signal.SIGCONT)
        (folder / "b.ndjson").write_text(row(2) + "\n")
        worker.send_signal(signal.SIGTERM)
        worker.communicate()
        assert worker.returncode == 0


def test_what_cannot_be_worked_on_is_named(mastery, tmp_path):
    for arguments, error, said in [
        (("--from", "folder:" + str(tmp_path / "none")), BadInput, "there is no folder"),
        (("--from", "kafak:a"), BadInput, "unknown stream 'kafak'"),
        (("--from", f"folder:{tmp_path}", "--batch-s", "0"), BadInput, "expected more than 0 of each"),
        (("--from", f"folder:{tmp_path}", "--batch-mb", "nan"), BadInput, "expected more than 0 of each"),
        (("--from", f"folder:{tmp_path}", "--tenant", "nobody"), NotFound, "nobody"),
    ]:
        done = mastery("work", *arguments)
        assert isinstance(done.exception, error), done.output
        assert said in str(done.exception)
