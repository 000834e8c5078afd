"""Two ingests of the same rows at the same moment, in processes of their own: every event lands once."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from mastery.lake import Lake
from mastery.tables import EVENTS, TOPICS

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
