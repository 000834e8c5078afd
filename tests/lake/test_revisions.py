"""Which revision of an event counts, as the lake reads it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from lake.conftest import Events
from mastery.lake import Lake, superseded
from mastery.lake.revisions import NEEDED
from mastery.tables import EVENTS

NOW = datetime(2025, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def test_the_version_of_the_source_counts_before_the_moment_of_arrival(tmp_path: Path, events: Events) -> None:
    lake = Lake.open(str(tmp_path / "lake"), buckets=1)
    one = events(1)

    def revision(version: int | None, day: int, body: int) -> pa.Table:
        changed = {
            "source_version": pa.array([version], pa.int64()),
            "received_at": pa.array([NOW + DAY * day], EVENTS.schema.field("received_at").type),
            "body_hash": pa.array([body], pa.int64()),
        }
        return pa.table({name: changed.get(name, one[name]) for name in one.column_names})

    for number, (version, day, body) in enumerate([(None, 9, 5), (2, 1, 7), (1, 8, 6), (2, 1, 4), (2, 0, 3)]):
        lake.commit(EVENTS, [lake.write_file(EVENTS, revision(version, day, body), 0, revisions=number > 0)])
    assert lake.scan(EVENTS, ["body_hash"])["body_hash"].to_pylist() == [4]
    lake.compact()
    assert lake.scan(EVENTS, ["body_hash"])["body_hash"].to_pylist() == [4]
    assert sorted(lake.superseded(["body_hash"])["body_hash"].to_pylist()) == [3, 5, 6, 7]


REVISIONS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 1) | st.none(), st.integers(0, 2) | st.none(), st.integers(0, 9)),
    unique_by=lambda row: (row[0], row[3]),
    max_size=30,
)


@given(REVISIONS)
def test_one_revision_of_each_event_counts_and_it_is_the_latest(
    rows: list[tuple[int, int | None, int | None, int]],
) -> None:
    def later(row: tuple[int, int | None, int | None, int]) -> tuple[int, int, int]:
        _, version, received, body = row
        return (-1 if version is None else version, -1 if received is None else received, -body)

    ids, versions, received, bodies = zip(*rows, strict=True) if rows else ((), (), (), ())
    columns = (ids, [-i for i in ids], versions, received, bodies)
    types = [EVENTS.schema.field(name).type for name in NEEDED]
    table = pa.table({n: pa.array(c, t) for n, c, t in zip(NEEDED, columns, types, strict=True)})
    best = {event: max((row for row in rows if row[0] == event), key=later) for event in set(ids)}
    assert superseded(table).tolist() == [row != best[row[0]] for row in rows]
