"""Events through every stream, cut at random, end in the bits of one ingest and recompute, also after kills."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from itertools import product
from uuid import uuid4

import pytest

from any_stream import STREAMS, AllRead, Stream
from mastery.pipelines.live.rows import object_of
from mastery.state import STORES, url_of
from mastery.streams import SOURCES, connect, key_of
from mastery.tables import EVENTS, GOLD, HISTORY, REJECTED
from runtimes_agree.following import follow
from runtimes_agree.test_live import STUDENTS, deployment, nothing_to_reconcile, publisher, records, rows_of, shown
from school import ROOT, Deployment
from stream import files, stream


def sent(through: Stream, rows: list[tuple[str, bytes]]) -> int:
    """Send the rows as messages; return what the places behind all of them add up to."""
    by_key: dict[bytes, list[bytes]] = defaultdict(list)
    for table, row in rows:
        fields = object_of(row)
        student = None if fields is None else fields["student_id"]
        by_key[key_of("default", str(student))].append(
            row if fields is None else json.dumps({"table": table} | fields).encode()
        )
    for key, values in by_key.items():
        through.send(*values, key=key)
    if through.url.startswith("folder:"):
        return sum(len(value) + 1 for values in by_key.values() for value in values)
    return len(rows)


def agree(live, whole):
    assert records(live) == records(whole)
    assert None not in records(live).values()
    assert nothing_to_reconcile(live)
    assert rows_of(live, EVENTS) == rows_of(whole, EVENTS)
    publisher(live)(live.reader.metadata().model_set)
    assert shown(live) == shown(whole)
    assert rows_of(live, GOLD) == rows_of(whole, GOLD)
    assert rows_of(live, HISTORY) == rows_of(whole, HISTORY)


def whole_of(rows, tmp_path, fitted=False):
    whole = deployment(tmp_path / "whole", fitted)
    report = whole.ingest(*files(rows, tmp_path / "files"))
    publisher(whole)(whole.reader.metadata().model_set)
    return whole, report


def cases(kinds, *short):
    """Return (stream, whether the model set is a fitted one, state store): some in any run, all in the long one."""
    long = [one for one in product(kinds, [False, True], STORES) if one not in short]
    return [
        *short,
        *(pytest.param(*one, marks=pytest.mark.soak) for one in long),
    ]


def state_of(store, server):
    """Return the URL of a store of its own; None for the default one."""
    return None if store == "sqlite" else url_of(server(store), uuid4().hex)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "fitted", "store"),
    cases(
        SOURCES,
        *((kind, False, "sqlite") for kind in SOURCES),
        ("kafka", True, "redis"),
    ),
)
def test_a_stream_ends_in_the_bits_of_one_ingest_and_recompute(request, server, tmp_path, kind, fitted, store):
    rows = stream(11, STUDENTS)
    whole, report = whole_of(rows, tmp_path, fitted)
    live = deployment(tmp_path / "live", fitted, state_of(store, server))
    through = STREAMS[kind](request, tmp_path)
    dead = f"memory:{uuid4().hex}"
    follow(live, through.url, AllRead(live, sent(through, rows)), 11, "workers", dead)
    agree(live, whole)
    live.state.close()

    buried = connect(dead, "readers")
    buried.start(lambda _: {})
    assert len(buried.poll(1_000, 0.0).messages) == report.rejected > 0
    rejected = live.lake.scan(REJECTED).to_pylist()
    assert rejected and all(row["source"].startswith(f"{kind}:") for row in rejected)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "fitted", "store"),
    cases(
        ["kafka", "memory"],
        ("kafka", False, "sqlite"),
        ("memory", False, "sqlite"),
        ("kafka", True, "postgresql"),
    ),
)
def test_two_workers_who_share_a_stream_while_one_comes_and_one_goes_end_in_the_same_bits(
    request, server, tmp_path, kind, fitted, store
):
    rows, state_url = stream(13, STUDENTS), state_of(store, server)
    whole, _ = whole_of(rows, tmp_path, fitted)
    live, through = deployment(tmp_path / "live", fitted, state_url), STREAMS[kind](request, tmp_path)
    expected = sent(through, rows)

    def worker(until: int, seed: int) -> Future[None]:
        of = Deployment.at(tmp_path / "live", state_url=state_url)
        ended.callback(of.state.close)
        return workers.submit(follow, of, through.url, AllRead(of, until), seed, f"workers-{tmp_path}")

    with ExitStack() as ended, ThreadPoolExecutor(2) as workers:
        first = worker(expected * 2 // 3, 13)
        while not sum(live.state.stream_offsets().values()):
            time.sleep(0.01)
        second = worker(expected, 14)
        first.result()
        second.result()
    agree(live, whole)
    live.state.close()


@pytest.mark.slow
@pytest.mark.parametrize("fitted", [False, pytest.param(True, marks=pytest.mark.soak)], ids=["default", "fitted"])
@pytest.mark.parametrize("kind", [kind for kind in SOURCES if kind != "memory"])  # which ends with the process
def test_a_worker_that_is_killed_and_started_again_ends_in_the_same_bits(request, tmp_path, kind, fitted):
    rows = stream(12, STUDENTS)
    whole, _ = whole_of(rows, tmp_path, fitted)
    live, through = deployment(tmp_path / "live", fitted), STREAMS[kind](request, tmp_path)
    line = [
        sys.executable,
        "-m",
        "runtimes_agree.following",
        tmp_path / "live",
        through.url,
        sent(through, rows),
        12,
        5,
    ]
    paths = os.pathsep.join([str(ROOT / "src"), str(ROOT / "tests")])
    done = subprocess.run(
        list(map(str, line)), env=os.environ | {"PYTHONPATH": paths}, capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 2
    agree(live, whole)
