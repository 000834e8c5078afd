"""Ingests of the same rows at the same moment, in processes of their own: every event is written once."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from mastery.directory.pseudonyms import Pseudonyms
from mastery.lake import Lake
from mastery.lake import location as location_module
from mastery.pipelines.ingest.ingest import ingest
from mastery.tables import EVENTS, REJECTED, TOPICS

INGEST = """
import json, sys
from datetime import UTC, datetime
from mastery.directory.pseudonyms import Pseudonyms
from mastery.lake import Lake
from mastery.pipelines.ingest.ingest import ingest
root, warm, *files = sys.argv[1:]
options = {"pseudonyms": Pseudonyms(bytes(32)), "tenant": "default", "now": datetime(2025, 1, 1, tzinfo=UTC)}
ingest([warm], lake=Lake.open(root + "-warm-" + warm[-5], buckets=4), **options)  # compile the kernels
lake = Lake.open(root, buckets=4)
print("ready", flush=True)
sys.stdin.readline()
report = ingest(files, lake=lake, **options)
print(json.dumps(report.as_dict()))
"""
ROWS = 60_000


@pytest.mark.slow
def test_the_same_file_ingested_by_three_processes_at_once_is_written_once(tmp_path):
    quiz = tmp_path / "quiz.csv"
    lines = [f"S{n % 97},Q{n},T{n % 7},{n % 2},2024-05-06T07:08:09Z,1" for n in range(ROWS)]
    quiz.write_text("student_id,question_id,topic_id,is_correct,timestamp,attempt_number\n" + "\n".join(lines) + "\n")
    topics = []
    for number in range(3):
        file = tmp_path / f"topics{number}.csv"
        file.write_text(f"topic_id,title,chapter,subject,course\nT{number},Title,Chapter,Subject,Course\n")
        topics.append(file)
    root = str(tmp_path / "lake")
    Lake.open(root, buckets=4)
    running = [
        subprocess.Popen(
            [sys.executable, "-c", INGEST, root, str(one), str(quiz), str(one)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for one in topics
    ]
    for process in running:
        assert process.stdout.readline() == "ready\n"
    for process in running:
        process.stdin.write("go\n")
        process.stdin.flush()
    reports = [json.loads(process.communicate()[0]) for process in running]
    assert sum(report["accepted"] for report in reports) == ROWS + len(topics)
    assert sum(report["duplicates"] for report in reports) == 2 * ROWS
    lake = Lake.open(root)
    assert lake.count(EVENTS) == ROWS
    assert sorted(lake.scan(TOPICS)["topic_id"].to_pylist()) == ["T0", "T1", "T2"]


MANY = """
import json, sys
from datetime import UTC, datetime, timedelta
from mastery.directory.pseudonyms import Pseudonyms
from mastery.lake import Lake
from mastery.pipelines.ingest.ingest import ingest
root, locked, day, compacts = sys.argv[1:]
if locked == "unlocked":  # as on an object store: what Delta refuses is all there is
    from contextlib import nullcontext
    Lake.one_committer = lambda self, waiting=None: nullcontext()
lake, now = Lake.open(root), datetime(2025, 1, 1, tzinfo=UTC) + timedelta(days=int(day))
print("ready", flush=True)
for line in sys.stdin:
    lake = Lake.open(root)
    report = ingest([line.strip()], lake=lake, pseudonyms=Pseudonyms(bytes(32)), tenant="default", now=now)
    if compacts == "compacts":
        lake.compact()
    print(json.dumps(report.as_dict()), flush=True)
"""
COUNTS = ("read", "accepted", "revised", "duplicates", "rejected")
ROUNDS = 10


def answers(first: int, last: int, seconds: int) -> str:
    """Rows first … last − 1, each hundredth of them of no use, each seventh with a body of its reader's own."""
    lines = [
        f"S{n % 97},Q{n},T{n % 7},{n % 2 if n % 100 else 'perhaps'},2024-05-06T07:08:09Z,{seconds if n % 7 == 0 else 1}"
        for n in range(first, last)
    ]
    return "student_id,question_id,topic_id,is_correct,timestamp,time_spent_sec\n" + "\n".join(lines) + "\n"


@contextmanager
def readers(root: str, locked: str, *, compacts: bool):
    """Yield two processes that read files into one lake, a day apart by their clocks."""
    running = [
        subprocess.Popen(
            [sys.executable, "-c", MANY, root, locked, str(day), "compacts" if compacts and day else ""],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for day in range(2)
    ]
    try:
        for process in running:
            assert process.stdout.readline() == "ready\n"
        yield running
    finally:
        for process in running:
            process.communicate()


@pytest.mark.slow
@pytest.mark.parametrize("locked", ["locked", "unlocked"])
@pytest.mark.parametrize("compacts", [False, True], ids=["", "compacts"])
def test_two_that_ingest_overlapping_files_at_once_leave_what_they_leave_one_after_the_other(
    tmp_path, locked, compacts
):
    files = []
    for number in range(ROUNDS):
        both = [tmp_path / f"{number}-{day}.csv" for day in range(2)]
        both[0].write_text(answers(number * 500, number * 500 + 800, 2))
        both[1].write_text(answers(number * 500 + 300, number * 500 + 1_200, 3))
        files.append(both)
    at_once, in_turn = str(tmp_path / "at-once"), Lake.open(str(tmp_path / "in-turn"), buckets=4)
    Lake.open(at_once, buckets=4)
    sums = dict.fromkeys(COUNTS, 0)
    with readers(at_once, locked, compacts=compacts) as running:
        for both in files:
            for process, file in zip(running, both, strict=True):
                process.stdin.write(f"{file}\n")
                process.stdin.flush()
            for process in running:
                report = json.loads(process.stdout.readline())
                for name in COUNTS:
                    sums[name] += report[name]
    assert sums["read"] == ROUNDS * 1_700 == sum(sums[name] for name in COUNTS[1:])
    expected = dict.fromkeys(COUNTS, 0)
    for both in files:
        for day, file in enumerate(both):
            now = datetime(2025, 1, 1 + day, tzinfo=UTC)
            report = ingest([file], lake=in_turn, pseudonyms=Pseudonyms(bytes(32)), tenant="default", now=now)
            for name in COUNTS:
                expected[name] += report.as_dict()[name]
    assert sums == expected
    lake = Lake.open(at_once)
    for of in (counting, rejected, superseded):
        assert of(lake) == of(in_turn)


def counting(lake: Lake) -> list[tuple]:
    rows = lake.scan(EVENTS, ["event_id_hi", "event_id_lo", "body_hash"])
    return sorted(tuple(row.values()) for row in rows.to_pylist())


def superseded(lake: Lake) -> list[tuple]:
    rows = lake.superseded(["event_id_hi", "event_id_lo", "body_hash"])
    return sorted(tuple(row.values()) for row in rows.to_pylist())


def rejected(lake: Lake) -> list[int]:
    return sorted(lake.scan(REJECTED, ["content_hash"])["content_hash"].to_pylist())


def test_an_ingest_that_waits_for_another_to_commit_says_so_once(tmp_path, monkeypatch):
    monkeypatch.setattr(location_module, "WAITING_S", 0.05)
    file = tmp_path / "answers.csv"
    file.write_text(answers(0, 20, 1))
    lake, said = Lake.open(str(tmp_path / "lake"), buckets=2), []
    with lake.one_committer():
        waits = threading.Event()

        def waiting() -> None:
            said.append("waits")
            waits.set()

        options = {"pseudonyms": Pseudonyms(bytes(32)), "tenant": "default", "now": datetime(2025, 1, 1, tzinfo=UTC)}
        other = Lake.open(lake.root)
        reading = threading.Thread(target=lambda: ingest([file], lake=other, waiting=waiting, **options))
        reading.start()
        assert waits.wait(60)
        assert lake.count(EVENTS) == 0
    reading.join()
    assert said == ["waits"]
    assert lake.count(EVENTS) == 19
