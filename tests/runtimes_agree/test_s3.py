"""A lake on an S3 server ends in the bits of one in a folder, whoever writes at once and whatever is stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.fs as pafs
import pytest

import services
import small_sets
from any_stream import AllRead
from forwarder import Forwarder
from mastery.errors import Conflict
from mastery.lake import conditional_put, object_store
from mastery.lake.object_store import Unreachable
from mastery.pipelines.live.batch import ACCEPTED
from mastery.pipelines.models.store import store_model_set
from mastery.pipelines.scoring.activate import activate
from mastery.scorers.model_set import version_of
from mastery.tables import EVENTS, GOLD, HISTORY
from on_s3 import Home, home_on
from runtimes_agree.test_live import (
    RULES,
    STUDENTS,
    deployment,
    intake_of,
    nothing_to_reconcile,
    posted,
    publisher,
    records,
    rows_of,
    shown,
)
from school import KEY, NOW_US, ROOT, Deployment
from stream import files, stream

pytestmark = pytest.mark.slow

MOST_STOPS = 5
"""How often a server is stopped and started again while something is written to it."""


def agree(live: Deployment, whole: Deployment) -> None:
    assert records(live) == records(whole)
    assert None not in records(live).values()
    assert nothing_to_reconcile(live)
    assert rows_of(live, EVENTS) == rows_of(whole, EVENTS)
    publisher(live)(live.reader.metadata().model_set)
    assert shown(live) == shown(whole)
    assert rows_of(live, GOLD) == rows_of(whole, GOLD)
    assert rows_of(live, HISTORY) == rows_of(whole, HISTORY)
    live.state.close()
    whole.state.close()


def whole_of(rows: list[tuple[str, bytes]], folder: Path) -> Deployment:
    whole = deployment(folder / "whole", False)
    whole.ingest(*files(rows, folder / "files"))
    publisher(whole)(whole.reader.metadata().model_set)
    return whole


def test_batches_through_the_intake_and_a_compaction_end_in_the_bits_of_a_folder(server, tmp_path):
    rows, rng = stream(21, STUDENTS), np.random.default_rng(21)
    home = home_on(server("s3"), tmp_path)
    live = home.deployment()
    first, half = 0, len(rows) // 2
    live.ingest(*files(rows[:half], tmp_path / "first"))
    live.lake.compact(EVENTS)
    intake, first = intake_of(live), half
    while first < len(rows):
        size = int(rng.choice([7, 40]))
        posted(intake, rows[first : first + size])
        first += size
    intake.close()
    agree(live, whole_of(rows, tmp_path))
    left = home.files.get_file_info(pafs.FileSelector(home.bucket, recursive=True))
    assert not [one.path for one in left if conditional_put.FOLDER in one.path]


def test_stopped_and_started_again_under_load_the_server_loses_nothing(tmp_path):
    rows = stream(22, STUDENTS)
    with ExitStack() as until:
        server = services.found_or_skipped(lambda: services.started("s3", until))
        assert isinstance(server, services.S3)
        live = home_on(server.url, tmp_path).deployment()
        intake = intake_of(live)

        def post() -> None:
            for first in range(0, len(rows), 25):
                while True:
                    try:
                        posted(intake, rows[first : first + 25])
                        break
                    except Conflict:
                        time.sleep(0.05)

        with ThreadPoolExecutor(1) as pool:
            writing, stops = pool.submit(post), 0
            while not writing.done() and stops < MOST_STOPS:
                stops += 1
                if server.keeps:
                    server.kill()
                    time.sleep(0.6)
                    server.start()
                elif server.process is not None:
                    server.process.send_signal(signal.SIGSTOP)
                    time.sleep(0.6)
                    server.process.send_signal(signal.SIGCONT)
                time.sleep(0.4)
            writing.result()
        assert stops > 1
        intake.close()
        agree(live, whole_of(rows, tmp_path))


def said_once(rows: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    """The rows without second bodies of an event: which of those counts is a matter of when they were received."""
    own_ids = ("attempt_id", "session_id", "video_id", "assignment_id")
    found: dict[object, tuple[str, bytes]] = {}
    for number, (table, row) in enumerate(rows):
        try:
            fields = json.loads(row)
        except ValueError:
            continue
        ids = [fields[name] for name in own_ids if name in fields] if isinstance(fields, dict) else []
        found.setdefault((table, fields["student_id"], *ids) if ids else number, (table, row))
    return list(found.values())


def by_student(rows: list[tuple[str, bytes]], ways: int) -> list[list[tuple[str, bytes]]]:
    """The rows in as many parts, all of a student in one of them."""
    parts: dict[int, list[tuple[str, bytes]]] = defaultdict(list)
    for table, row in rows:
        fields = json.loads(row)
        student = str(fields["student_id"]) if isinstance(fields, dict) else "S0"
        parts[int(student[1:]) % ways if student[1:].isdigit() else 0].append((table, row))
    return [parts[part] for part in range(ways)]


class Commands:
    """The command line, in processes of their own, on a home on S3."""

    def __init__(self, home: Home) -> None:
        self._folder = home.folder
        paths = {"PYTHONPATH": str(ROOT / "src")}
        self._environ = (
            {name: value for name, value in os.environ.items() if not name.startswith(("MASTERY_", "AWS_"))}
            | paths
            | home.options
            | {
                "MASTERY_LAKE": home.lake,
                "MASTERY_STATE": f"sqlite:{home.folder / 'state'}",
                "MASTERY_PSEUDONYM_KEY": bytes(range(32)).hex(),
                "MASTERY_ACTIVE_DAYS": "900",
                "MASTERY_HOME": str(home.folder / "home"),
            }
        )

    def start(self, *words: object) -> subprocess.Popen[bytes]:
        line = [sys.executable, "-c", "from mastery.apps.cli import main; main()", *map(str, words)]
        with self.log(*words).open("wb") as log:
            return subprocess.Popen(line, env=self._environ, stdout=log, stderr=log, cwd="/")

    def log(self, *words: object) -> Path:
        """What the last one of these commands has said."""
        return self._folder / f"{words[0]}.log"

    def run(self, *words: object) -> None:
        """Run a command to its end; again where others wrote at the same time and it says so."""
        for _ in range(5):
            code = self.start(*words).wait()
            if code != 4:
                break
        assert code == 0, f"{words}: {self.log(*words).read_text()}"


def test_intake_worker_ingest_compaction_recompute_and_activation_at_once_end_in_the_bits_of_a_folder(server, tmp_path):
    rows = said_once(stream(23, STUDENTS, 40))
    home = home_on(server("s3"), tmp_path)
    live, fitted = home.deployment(), small_sets.even().scorers
    model_set = replace(small_sets.even(), version=version_of("fit", fitted))
    store_model_set(live.lake, model_set, NOW_US)
    live.lake.commit_key(KEY.check)
    live.lake.keep_key(KEY.check)
    followed, ingested, posted_rows = by_student(rows, 3)
    stream_folder = tmp_path / "stream"
    stream_folder.mkdir()
    commands = Commands(home)
    worker = commands.start("work", "--from", f"folder:{stream_folder}", "--batch-s", 0.05, "--batch-messages", 20)

    def follow() -> None:
        size = 0
        for first in range(0, len(followed), 30):
            lines = [
                json.dumps({"table": table} | json.loads(row)) + "\n" for table, row in followed[first : first + 30]
            ]
            part = stream_folder / f"{first:05}.part"
            part.write_text("".join(lines))
            size += part.stat().st_size
            part.rename(stream_folder / f"{first:05}.ndjson")
            time.sleep(0.05)
        all_read = AllRead(live, size)
        while not all_read.is_set():
            assert worker.poll() is None, commands.log("work").read_text()
            time.sleep(0.05)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait() == 0

    def post() -> None:
        mine = home.deployment()
        intake = intake_of(mine)
        for first in range(0, len(posted_rows), 15):
            posted(intake, posted_rows[first : first + 15])
        intake.close()
        mine.state.close()

    def ingest() -> None:
        for number in range(2):
            commands.run("ingest", *files(ingested[number::2], tmp_path / f"ingested-{number}"))

    def tidy() -> None:
        commands.run("compact")
        commands.run("recompute")

    def switch() -> None:
        commands.run("models", "activate", model_set.version, "--force")

    try:
        with ThreadPoolExecutor(5) as pool:
            for done in [pool.submit(work) for work in (follow, post, ingest, tidy, switch)]:
                done.result()
    finally:
        if worker.poll() is None:
            worker.kill()
            worker.wait()
    commands.run("recompute", "--as-of", "2026-06-01T00:00:00Z")
    commands.run("reconcile")

    whole = deployment(tmp_path / "whole", False)
    store_model_set(whole.lake, model_set, NOW_US)
    whole.ingest(*files(rows, tmp_path / "files"))
    activate(whole.lake, RULES, model_set.version, NOW_US, publisher(whole))
    agree(home.deployment(), whole)
    live.state.close()


def test_a_commit_that_reaches_the_server_late_finds_its_files_there(tmp_path, monkeypatch):
    """Its writer has given up by then, and has found no such commit in the log."""
    for name, value in {"timeout": "1s", "max_retries": "0"}.items():
        monkeypatch.setitem(object_store.PATIENCE, name, value)
    rows = stream(24, STUDENTS, 20)
    with ExitStack() as until:
        server = services.found_or_skipped(lambda: services.started("s3", until))
        network = until.enter_context(Forwarder(server.port))
        live = home_on(f"http://127.0.0.1:{network.port}", tmp_path).deployment()
        until.callback(live.state.close)
        intake = intake_of(live)
        posted(intake, rows[:40])
        network.hold(rb"PUT [^ ]*/events/_delta_log/")
        with pytest.raises(Unreachable):
            posted(intake, rows[40:80])
        before = live.lake.version(EVENTS)
        network.forward()
        while live.lake.version(EVENTS) == before:
            time.sleep(0.05)
        for first in range(40, len(rows), 40):
            posted(intake, rows[first : first + 40])
        intake.close()
        monkeypatch.undo()
        agree(live, whole_of(rows, tmp_path))


@pytest.mark.soak
def test_a_commit_whose_answer_is_lost_is_known_for_what_it_is(tmp_path, monkeypatch):
    """The client sends it again, and hears that another one has its number: itself."""
    for name, value in {"timeout": "500ms", "max_retries": "10"}.items():
        monkeypatch.setitem(object_store.PATIENCE, name, value)
    rows = stream(25, STUDENTS, 12)
    with ExitStack() as until:
        server = services.found_or_skipped(lambda: services.started("s3", until))
        network = until.enter_context(Forwarder(server.port))
        live = home_on(f"http://127.0.0.1:{network.port}", tmp_path).deployment()
        intake = intake_of(live)
        posted(intake, rows[:3])
        network.keep_answer_to(rb"PUT [^ ]*/_delta_log/")
        first = len(rows) // 2
        taken = [*posted(intake, rows[3:first]), *posted(intake, rows[first:])]
        intake.close()
        assert sum(one.count(ACCEPTED) for one in taken) > 0.8 * len(rows)
        live.lake.compact(EVENTS)
        live.lake.compact(EVENTS)
        publisher(live)(live.reader.metadata().model_set)
        network.forward()
        monkeypatch.undo()
        agree(live, whole_of(rows, tmp_path))
