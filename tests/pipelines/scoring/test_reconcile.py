from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from mastery.lake import Lake
from mastery.pipelines.scoring.catch_up import catch_up
from mastery.state import RECORD_LEDGER, Record, StateStore, connect
from mastery.tables import COUNTERS, EVENTS

Marks = Callable[[], set[str]]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(str(tmp_path / "lake"), buckets=2)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[StateStore]:
    store = connect(f"sqlite:{tmp_path / 'state.db'}")
    for student in "abc":
        store.put(record(student), 0)
    yield store
    store.close()


def record(student: str) -> Record:
    return Record(
        student, "default", "v1", (), {}, {}, np.zeros((0, len(COUNTERS)), np.int64),
        np.zeros((0, len(RECORD_LEDGER)), np.int64), np.zeros((0, 2)), np.zeros((0, 3), np.int64), 0, 0,
    )  # fmt: skip


def events(*students: str) -> pa.Table:
    rows = {field.name: pa.nulls(len(students), field.type) for field in EVENTS.schema if field.name != "bucket"}
    return pa.table({**rows, "student_id": pa.array(students, pa.string())})


def stale(state: StateStore) -> set[str]:
    return {student for student in "abc" if state.get(student, "v1") is None}


def test_students_with_new_events_become_stale_and_the_others_do_not(lake: Lake, state: StateStore) -> None:
    assert catch_up(lake, state) == 0
    lake.append(EVENTS, events("a", "a", "stranger"))
    assert catch_up(lake, state) == 2
    assert stale(state) == {"a"}
    assert state.watermark() == lake.version(EVENTS)
    assert catch_up(lake, state) == 0


def test_a_state_that_was_never_told_anything_learns_of_everybody_in_the_lake(lake: Lake, state: StateStore) -> None:
    lake.append(EVENTS, events("a"))
    lake.append(EVENTS, events("b"))
    assert catch_up(lake, state) == 2
    assert stale(state) == {"a", "b"}


def test_compaction_makes_nobody_stale(lake: Lake, state: StateStore) -> None:
    lake.append(EVENTS, events("a", "b"))
    catch_up(lake, state)
    for student in "ab":
        state.put(record(student), state.version(student, "v1"))
    lake.compact()
    assert catch_up(lake, state) == 0
    assert stale(state) == set()
    assert state.watermark() == lake.version(EVENTS)


def test_events_that_were_compacted_before_anyone_was_told_still_make_stale(lake: Lake, state: StateStore) -> None:
    catch_up(lake, state)
    lake.append(EVENTS, events("a"))
    lake.append(EVENTS, events("b"))
    lake.compact()
    assert catch_up(lake, state) == 2
    assert stale(state) == {"a", "b"}


def test_when_the_added_files_are_gone_everybody_is_stale(lake: Lake, state: StateStore) -> None:
    lake.append(EVENTS, events("c"))
    catch_up(lake, state)
    state.put(record("c"), state.version("c", "v1"))
    version = lake.append(EVENTS, events("a"))
    lake.compact()
    for path in lake.files_added(EVENTS, version - 1, version) or []:
        (Path(lake.root) / "events" / path).unlink()
    catch_up(lake, state)
    assert stale(state) == {"a", "c"}


def test_a_watermark_of_another_lake_is_not_believed(lake: Lake, state: StateStore) -> None:
    state.note_events(99, [], after=None)
    lake.append(EVENTS, events("b"))
    assert catch_up(lake, state) == 1
    assert stale(state) == {"b"}
    assert state.watermark() == lake.version(EVENTS)


def test_a_crash_between_lake_and_state_is_repaired_by_the_next_reader(lake: Lake, state: StateStore) -> None:
    catch_up(lake, state)
    lake.append(EVENTS, events("a"))  # and the process ends before it tells the state
    assert stale(state) == set()
    catch_up(Lake.open(lake.root), state)
    assert stale(state) == {"a"}
