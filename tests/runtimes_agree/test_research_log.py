"""A published research log, sent as it was lived, ends in the bits of one ingest and recompute."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from any_stream import STREAMS, AllRead
from mastery.lake import Lake
from mastery.pipelines.live.follow import Follower
from mastery.streams import connect, connect_sink, key_of
from mastery.tables import EVENTS, GOLD, HISTORY, Table
from runtimes_agree.test_live import OF_AN_INGEST, deployment, intake_of, nothing_to_reconcile, publisher, records
from runtimes_agree.test_streams import state_of
from school import RESEARCH, Deployment

LOG = RESEARCH / "assist2017_timed.parquet"
COLUMNS = ["student_id", "question_id", "topic_id", "is_correct", "timestamp", "order", "time_spent_sec"]

PART = 20
"""Students whose first answers are sent in any run of the tests; everybody's, and all, in the long one."""

EVER = 100 * 365
"""Days within which everybody has an event, and so a record."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not LOG.exists(), reason="the research data are not in shared/data beside the repository"),
]


def answers(students: int | None) -> pa.Table:
    """Return answers in the order in which they were given: all, or the first 100 of some students."""
    rows = pq.read_table(LOG, columns=COLUMNS)
    if students is not None:
        some = pc.unique(rows["student_id"])[:students]
        rows = rows.filter(pc.and_(pc.is_in(rows["student_id"], some), pc.less(rows["order"], 100)))
    return rows.sort_by([("timestamp", "ascending"), ("student_id", "ascending"), ("order", "ascending")])


def messages(rows: pa.Table) -> list[tuple[bytes, bytes]]:
    """Return key and value of a message for each row."""
    texts = rows.set_column(rows.column_names.index("timestamp"), "timestamp", pc.strftime(rows["timestamp"], "%FT%TZ"))
    return [
        (key_of("default", row["student_id"]), json.dumps({"table": "quiz_attempts"} | row).encode())
        for batch in texts.to_batches(max_chunksize=10_000)
        for row in batch.to_pylist()
    ]


def rows_of(lake: Lake, table: Table) -> pa.Table:
    """Return the rows of a table in an order of their own, without what says how they came."""
    rows = lake.scan(table)
    flat = [field.name for field in rows.schema if not pa.types.is_nested(field.type)]
    kept = [name for name in flat if name not in (*OF_AN_INGEST, "line")]
    rest = [name for name in rows.column_names if name not in flat]
    return rows.select([*kept, *rest]).sort_by([(name, "ascending") for name in kept]).combine_chunks()


def follow_all(of: list[Deployment], url: str, expected: int, batch: int) -> None:
    """Let workers share a stream to its end."""

    def work(mine: Deployment) -> None:
        source, intake = connect(url, "workers"), intake_of(mine)
        Follower(source, intake, mine.lake, mine.state, tenant="default", batch_s=0.1, batch_messages=batch).follow(
            AllRead(mine, expected)
        )
        intake.close()
        source.close()

    with ThreadPoolExecutor(len(of)) as pool:
        for working in [pool.submit(work, mine) for mine in of]:
            working.result()


@pytest.mark.parametrize(
    ("students", "kind", "fitted", "store", "workers"),
    [
        (PART, "kafka", False, "redis", 2),
        (PART, "memory", True, "postgresql", 2),
        *(
            pytest.param(None, *one, marks=pytest.mark.soak)
            for one in [
                ("memory", False, "sqlite", 1),
                ("kafka", True, "postgresql", 2),
                ("kafka", False, "redis", 2),
            ]
        ),
    ],
)
def test_a_research_log_through_a_stream(request, server, tmp_path, students, kind, fitted, store, workers):
    rows, state_url = answers(students), state_of(store, server)
    whole = deployment(tmp_path / "whole", fitted)
    file: Path = tmp_path / "quiz_attempts.parquet"
    pq.write_table(rows, file)
    report = whole.ingest(file)
    assert report.read == rows.num_rows
    publisher(whole)(whole.reader.metadata().model_set, active_days=EVER)

    live, through = deployment(tmp_path / "live", fitted, state_url), STREAMS[kind](request, tmp_path)
    sink = connect_sink(through.url)
    for key, value in messages(rows):
        sink.send(key, value)
    sink.flush()
    sink.close()
    with ExitStack() as until:
        homes = [Deployment.at(tmp_path / "live", state_url=state_url) for _ in range(workers)]
        for one in (live, whole, *homes):
            until.callback(one.state.close)
        follow_all(homes, through.url, rows.num_rows, 10_000 if students is None else 300)
        found, expected = records(live), records(whole)
        assert found.keys() == expected.keys() and None not in found.values()
        assert [student for student in expected if found[student] != expected[student]] == []
        assert nothing_to_reconcile(live)
        publisher(live)(live.reader.metadata().model_set, active_days=EVER)
        for table in (EVENTS, GOLD, HISTORY):
            found = rows_of(live.lake, table)
            assert found.num_rows and found.equals(rows_of(whole.lake, table)), table.name
