"""A bucket folded: the same wherever it runs, from arguments that can be sent anywhere, in bounded memory."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from functools import reduce
from operator import add
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from mastery.features.columns import READ
from mastery.lake import Lake
from mastery.lake.files import Only
from mastery.pipelines.models.rules import load_rules
from mastery.pipelines.models.store import load_model_set, store_model_set
from mastery.pipelines.scoring.fold_bucket import BucketCounts, BucketOptions, FoldedBucket, fold_bucket
from mastery.pipelines.scoring.recompute import parts
from mastery.scorers.model_set import ModelSet, default_model_set, version_of
from mastery.tables import EVENTS, HISTORY, Table
from ml_school import model_set as with_ml
from school import NOW_US, SAMPLE, Deployment

ROOT = Path(__file__).parents[3]
MIB = 1 << 20


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> pa.Table:
    deployment = Deployment.at(tmp_path_factory.mktemp("school"), buckets=1)
    deployment.ingest(SAMPLE)
    return deployment.lake.read_bucket(EVENTS, 0, [*READ, "body_hash"])


def options(events: pa.Table, **others: object) -> BucketOptions:
    newest = max(events["occurred_at"].cast(pa.int64()).to_pylist())
    return BucketOptions(newest, NOW_US, 3, active_days=36_500, **others)  # type: ignore[arg-type]


def everything(folded: FoldedBucket) -> tuple[list[tuple[Table, list[str]]], bytes, BucketCounts]:
    """Return all that comes of it, so that equal means equal bit for bit; rows in an order of their own."""
    assert folded.records is not None
    tables = [(table, sorted(map(repr, rows.to_pylist()))) for table, rows in folded.tables]
    return tables, folded.records.buffer.tobytes(), folded.counts


ELSEWHERE = """
import pickle, sys
from mastery.pipelines.scoring.fold_bucket import fold_bucket

tables, records, counts = fold_bucket(*pickle.load(sys.stdin.buffer))
pickle.dump((list(tables), records, counts), sys.stdout.buffer)
"""


def program(lines: str, *arguments: str, given: bytes = b"") -> bytes:
    """Return what lines of Python print in a process of their own."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run([sys.executable, "-c", lines, *arguments], input=given, env=environment, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


@pytest.mark.slow
def test_a_bucket_folded_in_another_process_comes_back_bit_for_bit(events):
    arguments = (events, with_ml(), options(events, shadow=with_ml()))
    told = pickle.loads(program(ELSEWHERE, given=pickle.dumps(arguments)))
    assert everything(FoldedBucket(*told)) == everything(fold_bucket(*arguments))


def test_counts_of_parts_add_up_to_those_of_all(events):
    model_set, how = with_ml(), options(events)
    each = [fold_bucket(part, model_set, how).counts for part in parts(events, 200)]
    assert len(each) > 3
    assert reduce(add, each, BucketCounts()) == fold_bucket(events, model_set, how).counts


def large(topics: int = 300, items: int = 10_000) -> ModelSet:
    return default_model_set(
        load_rules("classic").params,
        {("default", f"topic-{n}"): n / topics for n in range(topics)},
        {("default", f"item-{n}"): (f"topic-{n % topics}", n % 97 / 97) for n in range(items)},
    )


@pytest.mark.parametrize("make", [large, with_ml], ids=["300 topics and 10,000 items", "with ml and blend"])
def test_a_model_set_is_pickled_small_and_comes_back_bit_for_bit(make: Callable[[], ModelSet], tmp_path):
    lake = Lake.open(str(tmp_path / "lake"))
    model_set = make()
    store_model_set(lake, model_set, NOW_US)
    stored = load_model_set(lake, model_set.version)  # whose items are still in the lake
    sent = pickle.dumps(stored, protocol=5)
    assert len(sent) < MIB
    there = pickle.loads(sent)
    assert there.version == model_set.version
    assert version_of("", there.scorers) == version_of("", model_set.scorers)
    for name, mine in model_set.scorers.items():
        other = there.scorers[name]
        assert other.digest() == mine.digest()
        assert {key: array.dtype for key, array in other.shared.items()} == {
            key: array.dtype for key, array in mine.shared.items()
        }


def test_a_set_without_what_only_predicts_folds_to_the_same_bits(events):
    whole = with_ml()
    padded = ModelSet(whole.version, {**whole.scorers, "ml_unconstrained": whole.scorers["ml"]})
    assert padded.folding.scorers.keys() == whole.scorers.keys()
    assert everything(fold_bucket(events, padded.folding, options(events))) == everything(
        fold_bucket(events, padded, options(events))
    )


def test_only_some_students_and_scorers_of_a_bucket_are_read_and_ranges_meet_nowhere(tmp_path, events):
    lake = Lake.open(str(tmp_path / "lake"), buckets=1)
    whole = events.append_column("bucket", pa.array(np.zeros(events.num_rows, np.int32)))
    missing = [field for field in EVENTS.schema if field.name not in whole.column_names]
    for field in missing:
        whole = whole.append_column(field, pa.nulls(whole.num_rows, field.type))
    half = whole.num_rows // 2
    lake.append(EVENTS, whole.slice(0, half))
    lake.compact(EVENTS)
    lake.append(EVENTS, whole.slice(half))  # one file in order, one as the rows came
    at = lake.snapshot(EVENTS)
    ranges = lake.student_ranges(EVENTS, 0, 300, at)
    assert len(ranges) > 5
    assert lake.student_ranges(EVENTS, 0, whole.num_rows, at) == [None]
    read = [lake.read_bucket(EVENTS, 0, READ, at, Only(one)) for one in ranges]
    assert max(rows.num_rows for rows in read) < 600
    students = [set(rows["student_id"].to_pylist()) for rows in read]
    assert sum(map(len, students)) == len(set.union(*students))
    expected = sorted(map(repr, whole.select(READ).to_pylist()))
    assert sorted(repr(row) for rows in read for row in rows.to_pylist()) == expected
    quiz = lake.read_bucket(EVENTS, 0, ["sequence"], at, Only(column="kind", values=("quiz", "nothing")))
    assert quiz.num_rows == whole["kind"].to_pylist().count("quiz") < whole.num_rows


MANY = """
import sys
from pathlib import Path
from mastery.lake import Lake
from mastery.pipelines.models.active import current_model_set
from mastery.pipelines.models.rules import load_rules
from mastery.pipelines.scoring import recompute as module
from mastery.state import connect
from mastery.tables import EVENTS

home, read_rows = Path(sys.argv[1]), int(sys.argv[2])
lake, state = Lake.open(str(home / "lake"), create=False), connect(f"sqlite:{home / 'state.db'}")
if read_rows:
    module.READ_ROWS, module.PART_ROWS = read_rows, read_rows // 3
newest = lake.newest(EVENTS, "occurred_at")
report = module.recompute(
    lake, current_model_set(lake, load_rules("classic").params), as_of_us=newest, now_us=newest, min_evidence=3,
    workers=1, state=state, active_days=36_500,
)
status = Path("/proc/self/status").read_text()  # getrusage would count the peak of the parent before the fork
print(report.events, int(status.split("VmHWM:")[1].split()[0]) * 1024)
"""


def peak(folder: Path, events: pa.Table, copies: int, read_rows: int = 0) -> int:
    """Return the peak of a process that recomputes one bucket of that many copies of a school, of other students."""
    lake = Lake.open(str(folder / "lake"), buckets=1)
    missing = [field for field in EVENTS.schema if field.name not in (*events.column_names, "bucket")]
    for field in missing:
        events = events.append_column(field, pa.nulls(events.num_rows, field.type))
    at_once = max(1, 1_000_000 // events.num_rows)
    for first in range(0, copies, at_once):
        some = [copied(events, number) for number in range(first, min(first + at_once, copies))]
        lake.append(EVENTS, pa.concat_tables(some).sort_by("occurred_at"))
    folded, bytes_ = map(int, program(MANY, str(folder), str(read_rows)).split())
    assert folded == copies * events.num_rows
    assert len(lake.shown(HISTORY).files) == 1, "a file for each bucket, whatever the number of parts"
    return bytes_


def copied(events: pa.Table, number: int) -> pa.Table:
    ids = pa.array([f"{one}-{number}" for one in events["student_id"].to_pylist()], pa.string())
    moved = np.asarray(events["event_id_lo"].to_numpy()) ^ np.int64(number << 20)
    rows = events.set_column(events.column_names.index("student_id"), "student_id", ids)
    plain = {name: rows[name].cast(EVENTS.schema.field(name).type) for name in rows.column_names}
    return pa.table(plain | {"event_id_lo": pa.array(moved)})


@pytest.mark.slow
def test_memory_hardly_grows_with_the_rows_of_a_bucket(events, tmp_path):
    small, large = (max(1, rows // events.num_rows) for rows in (150_000, 600_000))
    first = peak(tmp_path / "small", events, small, read_rows=60_000)
    second = peak(tmp_path / "large", events, large, read_rows=60_000)
    assert second - first < 90 * MIB


@pytest.mark.soak
def test_three_million_rows_in_a_bucket_take_less_than_a_gibibyte(events, tmp_path):
    assert peak(tmp_path, events, -(-3_000_000 // events.num_rows)) < 1024 * MIB
