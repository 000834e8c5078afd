"""Which of a million rows that came in are in the lake already."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import school
from benchmarks.child import Stopwatch
from mastery.directory.pseudonyms import Pseudonyms
from mastery.pipelines.ingest.dedupe import NEW, REVISED, SAME
from mastery.pipelines.ingest.judge_rows import judge_bucket
from mastery.pipelines.ingest.write_events import WORKERS
from mastery.tables import EVENTS

KNOWN_SHARE = 0.1

KEYS = ["event_id_hi", "event_id_lo", "body_hash"]

Int64s = npt.NDArray[np.int64]


def write_incoming(_: Stopwatch, home: str, file: str, rows: int) -> dict[str, int]:
    """Write ids and body hashes of rows, by bucket: a tenth are the lake's own, the others of new students."""
    lake, draw = school.lake_of(Path(home)), np.random.default_rng(7)
    built = school.built_in(Path(home))
    assert built is not None
    known = round(rows * KNOWN_SHARE)
    by_bucket: list[list[pa.Table]] = [[] for _ in range(lake.buckets)]
    at = lake.snapshot(EVENTS)
    place = np.sort(draw.choice(at.rows, known, replace=False))
    before = 0
    for bucket in range(lake.buckets):
        there = lake.read_bucket(EVENTS, bucket, KEYS, at)
        mine = place[(place >= before) & (place < before + there.num_rows)] - before
        by_bucket[bucket].append(there.take(pa.array(mine)))
        before += there.num_rows
    left = rows - known
    plan = school.plan_of(built.students + 2 * left // 100 + 100)
    for piece in school.prepared(plan, Pseudonyms(school.KEY), lake.buckets, built.students, plan.students, 500):
        for bucket in range(lake.buckets):
            start, stop = int(piece.offsets[bucket]), int(piece.offsets[bucket + 1])
            took = piece.rows.slice(start, min(stop - start, left)).select(KEYS)
            by_bucket[bucket].append(took)
            left -= took.num_rows
        if left == 0:
            break
    parts = []
    for bucket, pieces in enumerate(by_bucket):
        part = pa.concat_tables(pieces)
        part = part.take(pa.array(draw.permutation(part.num_rows)))
        parts.append(part.append_column("bucket", pa.array(np.full(part.num_rows, bucket, np.int32))))
    table = pa.concat_tables(parts)
    pq.write_table(table, file)
    return {"rows": table.num_rows, "known": known}


def measure(watch: Stopwatch, home: str, incoming: str) -> dict[str, int]:
    """Judge the rows bucket by bucket, as an ingest does before it writes. The lake is open, its ids are not read."""
    rows = pq.read_table(incoming)
    offsets = np.searchsorted(rows["bucket"].to_numpy(), np.arange(school.BUCKETS + 1))
    hi, lo, body = (rows[name].to_numpy() for name in KEYS)
    lake = school.lake_of(Path(home))
    at = lake.snapshot(EVENTS)
    judge_bucket(lake, at, 0, hi[:9], lo[:9], body[:9])  # loads the kernels

    def verdicts(bucket: int) -> Int64s:
        part = slice(offsets[bucket], offsets[bucket + 1])
        return np.bincount(judge_bucket(lake, at, bucket, hi[part], lo[part], body[part]).verdicts, minlength=3)

    with watch, ThreadPoolExecutor(WORKERS) as pool:
        counts = np.sum(list(pool.map(verdicts, range(lake.buckets))), axis=0)
    return {"new": int(counts[NEW]), "same": int(counts[SAME]), "revised": int(counts[REVISED])}
