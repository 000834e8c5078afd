"""An ingest holds no more in memory for long lines, many rejected rows or long values in a file."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.parquet as pq
import pytest

from mastery.directory.pseudonyms import Pseudonyms
from mastery.errors import BadInput
from mastery.lake import Lake
from mastery.pipelines.ingest import files
from mastery.pipelines.ingest import ingest as ingesting
from mastery.pipelines.ingest.contents import of_path
from mastery.pipelines.ingest.csv_records import LONGEST
from mastery.pipelines.ingest.ingest import ingest
from mastery.tables import REJECTED

NOW = datetime(2025, 1, 1, tzinfo=UTC)
HEAD = b"student_id,question_id,topic_id,is_correct,timestamp\n"
MEASURED = """
import json, resource, sys
from datetime import UTC, datetime
from mastery.directory.pseudonyms import Pseudonyms
from mastery.lake import Lake
from mastery.pipelines.ingest.ingest import ingest
lake, key, now = Lake.open(sys.argv[1], buckets=2), Pseudonyms(bytes(32)), datetime(2025, 1, 1, tzinfo=UTC)
peaks = []
for file in sys.argv[2:]:
    report = ingest([file], lake=lake, pseudonyms=key, tenant="default", now=now)
    peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
print(json.dumps([peaks, [report.files[0].accepted, report.files[0].rejected]]))
"""


def row(number: int) -> bytes:
    return b"S1,Q%d,T1,1,2024-01-01T00:00:00Z\n" % number


def record(number: int, **more: str) -> bytes:
    values = {"student_id": "S1", "question_id": f"Q{number}", "topic_id": "T1", "is_correct": "1"}
    return json.dumps(values | {"timestamp": "2024-01-01T00:00:00Z"} | more).encode() + b"\n"


@pytest.fixture
def lake(tmp_path):
    return Lake.open(str(tmp_path / "lake"), buckets=2)


@pytest.fixture
def read(lake, tmp_path):
    def run(name: str, content: bytes):
        (tmp_path / name).write_bytes(content)
        report = ingest([tmp_path / name], lake=lake, pseudonyms=Pseudonyms(bytes(32)), tenant="default", now=NOW)
        kept = lake.scan(REJECTED).sort_by("line").to_pylist()
        return report.files[0], [(one["line"], one["code"]) for one in kept]

    return run


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="getrusage")
@pytest.mark.parametrize("ending", ["csv.gz", "ndjson.gz"])
def test_a_small_file_that_unpacks_to_one_endless_line_takes_no_more_memory_than_a_row(tmp_path, ending):
    small, large = tmp_path / f"small.{ending}", tmp_path / f"large.{ending}"
    lines = [HEAD + row(1), row(2)] if ending == "csv.gz" else [record(1), record(2)]
    endless = b"S1," if ending == "csv.gz" else b'{"student_id":"'
    small.write_bytes(gzip.compress(lines[0]))
    with gzip.open(large, "wb", compresslevel=1) as out:
        out.write(lines[0] + endless)
        for _ in range(400):
            out.write(b"x" * (1 << 20))
        out.write(b"\n" + lines[1])
    assert large.stat().st_size < 4 << 20
    command = [sys.executable, "-c", MEASURED, str(tmp_path / "lake"), str(small), str(large)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (before_mb, after_mb), (accepted, rejected) = json.loads(done.stdout)
    assert (accepted, rejected) == (1, 1)  # of the two whole rows the first one was known
    assert after_mb - before_mb < 250, "four times a block, whatever the line"


@pytest.mark.slow
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("size", [LONGEST + 1, files.BLOCK_BYTES + LONGEST, files.BLOCK_BYTES * 2 + 7])
def test_a_line_that_is_too_long_costs_itself_and_the_lines_keep_their_numbers(read, end, size):
    text = (
        (HEAD + row(1)).replace(b"\n", end) + b"S1," + b"x" * size + end + row(2).replace(b"\n", end) + b"S1,bad" + end
    )
    report, kept = read("long.csv", text)
    assert (report.read, report.accepted, report.rejected) == (4, 2, 2)
    assert kept == [(3, "long"), (5, "fields")]


@pytest.mark.parametrize("size", [LONGEST + 1, files.BLOCK_BYTES + LONGEST])
def test_a_long_line_of_ndjson_is_refused_unparsed(read, size):
    report, kept = read("long.ndjson", record(1) + record(2, note="x" * size) + record(3) + b"[]\n")
    assert (report.read, report.accepted, report.rejected) == (4, 2, 2)
    assert kept == [(2, "long"), (4, "json")]


def test_a_file_that_begins_with_a_line_that_is_too_long_says_so(read):
    with pytest.raises(BadInput, match=r"first\.ndjson: the first row is longer than 16 MiB"):
        read("first.ndjson", record(1, note="x" * (2 * LONGEST)) + record(2))


@pytest.mark.slow
@pytest.mark.parametrize("at", range(-2, 3))
def test_a_long_line_may_end_where_a_piece_of_the_file_does(read, at):
    begun = HEAD + row(1) + b"S1,"
    pieces = files.HEAD_BYTES + files.BLOCK_BYTES + LONGEST
    text = begun + b"x" * (pieces - len(begun) + at) + b"\r\n" + row(2)
    report, kept = read("long.csv", text)
    assert (report.accepted, kept) == (2, [(3, "long")])


@pytest.mark.parametrize("name", ["end.csv", "end.ndjson"])
def test_a_long_line_may_be_the_last_one(read, name):
    begun = HEAD + row(1) if name == "end.csv" else record(1)
    report, kept = read(name, begun + b"x" * (files.BLOCK_BYTES * 2))
    assert (report.accepted, len(kept)) == (1, 1)
    assert kept[0][1] == "long"


def test_rejected_rows_are_kept_as_they_come_and_counted_as_if_they_came_at_once(lake, tmp_path, monkeypatch):
    bad = b"S1,Q1,T1,1,never\n"
    (tmp_path / "quiz.csv").write_bytes(HEAD + row(1) + bad * 5 + b"broken\n" * 3)
    options = {"pseudonyms": Pseudonyms(bytes(32)), "tenant": "default", "now": NOW}
    ingest([tmp_path / "quiz.csv"], lake=lake, **options)
    monkeypatch.setattr(ingesting, "REJECTED_PER_WRITE", 1)
    monkeypatch.setattr(files, "HEAD_BYTES", 60)
    monkeypatch.setattr(files, "BLOCK_BYTES", 40)  # a row or two at a time
    again = Lake.open(str(tmp_path / "again"), buckets=2)
    report = ingest([tmp_path / "quiz.csv"], lake=again, **options).files[0]
    assert (report.read, report.accepted, report.rejected) == (9, 1, 8)
    assert again.version(REJECTED) > 1, "in several commits"
    columns = ["content_hash", "line", "code"]
    one, other = (kept.scan(REJECTED, columns).sort_by("line").to_pylist() for kept in (lake, again))
    assert one == other
    assert len({kept["content_hash"] for kept in one}) == 8
    ingest([tmp_path / "quiz.csv"], lake=again, **options)
    assert again.count(REJECTED) == 8


def test_long_values_are_taken_a_few_rows_at_a_time(tmp_path, monkeypatch):
    table = pa.table({"student_id": ["S1"] * 100, "note": ["x" * 1000] * 100})
    monkeypatch.setattr(files, "BATCH_BYTES", 10_000)
    pq.write_table(table, tmp_path / "long.parquet", use_dictionary=False, compression="none")
    for source in (files.TableInput(table), files.open_input(of_path(tmp_path / "long.parquet"))):
        chunks = [block.read() for block in source.blocks({"student_id": False, "note": False})]
        assert max(chunk.raw.num_rows for chunk in chunks) <= 10
        assert [line for chunk in chunks for line in chunk.lines] == list(range(1, 101))


PEAK_OF_ONE = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from mastery.directory.pseudonyms import Pseudonyms
from mastery.lake import Lake
from mastery.pipelines.ingest import files, ingest as ingesting
files.BLOCK_BYTES, ingesting.ROWS_PER_WRITE = 1 << 20, 250_000  # in few writes: many files would be merged
said = {"pseudonyms": Pseudonyms(bytes(32)), "tenant": "default", "now": datetime(2025, 1, 1, tzinfo=UTC)}
report = ingesting.ingest([sys.argv[1]], lake=Lake.open(sys.argv[2], buckets=4), **said)
status = Path("/proc/self/status").read_text()
print(report.accepted, next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="/proc/self")
def test_a_file_four_times_as_large_takes_no_more_memory(tmp_path):
    peaks_kib = []
    for rows in (400_000, 1_600_000):
        n = np.arange(rows)
        table = {name: n % count for name, count in (("student_id", 1009), ("question_id", 997), ("topic_id", 31))}
        at = pa.array(n * 1_000_000 + 1_700_000_000_000_000, pa.timestamp("us"))
        csv.write_csv(pa.table({**table, "is_correct": n % 2, "timestamp": at}), tmp_path / "answers.csv")
        command = [sys.executable, "-c", PEAK_OF_ONE, str(tmp_path / "answers.csv"), str(tmp_path / str(rows))]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        accepted, peak_kib = map(int, done.stdout.split())
        assert accepted == rows
        peaks_kib.append(peak_kib)
    assert peaks_kib[1] < 1.2 * peaks_kib[0], "to hold its events would take 90 MiB more"
