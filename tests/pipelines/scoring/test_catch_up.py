from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from mastery.lake import Brought, Lake
from mastery.pipelines.scoring.catch_up import View, catch_up
from mastery.state import ORDER, RECORD_LEDGER, KnownLake, Record, StateStore, connect
from mastery.tables import COUNTERS, EVENTS


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(str(tmp_path / "lake"), buckets=2)


@pytest.fixture
def state(tmp_path: Path, lake: Lake) -> Iterator[StateStore]:
    store = connect(f"sqlite:{tmp_path / 'state.db'}")
    fold(catch_up(lake, store), store, *"abc")
    yield store
    store.close()


def record(student: str) -> Record:
    return Record(
        student, "default", "v1", "UTC", (), {}, {}, np.zeros((0, len(COUNTERS)), np.int64),
        np.zeros((0, len(RECORD_LEDGER)), np.int64), np.zeros((0, 2)), np.zeros((0, 3), np.int64),
        np.zeros(len(ORDER), np.int64), np.zeros((0, 2), np.int64), 0, 0,
    )  # fmt: skip


def fold(view: View, state: StateStore, *students: str) -> None:
    for student in students:
        state.put(replace(record(student), seen=view.seen), state.version(student, "v1"))


def events(*students: str) -> pa.Table:
    rows = {field.name: pa.nulls(len(students), field.type) for field in EVENTS.schema if field.name != "bucket"}
    return pa.table({**rows, "student_id": pa.array(students, pa.string())})


def stale(state: StateStore) -> set[str]:
    return {student for student in "abc" if state.get(student, "v1") is None}


def known(lake: Lake, state: StateStore) -> bool:
    """Whether the state knows the lake as it is."""
    there = state.known_lake()
    return there is not None and KnownLake(there.lineage, *lake.identified(EVENTS)[1]) == there


def test_students_with_new_events_become_stale_and_the_others_do_not(lake: Lake, state: StateStore) -> None:
    before = catch_up(lake, state)
    assert stale(state) == set()
    lake.append(EVENTS, events("a", "a", "stranger"))
    view = catch_up(lake, state)
    assert stale(state) == {"a"}
    assert known(lake, state)
    assert view.events == lake.snapshot(EVENTS)
    assert before.seen < view.seen == catch_up(lake, state).seen
    fold(before, state, "a")
    assert stale(state) == {"a"}, "that fold has not seen the news"
    fold(view, state, "a")
    assert stale(state) == set()


def test_a_state_that_was_never_told_anything_believes_none_of_its_records(lake: Lake, tmp_path: Path) -> None:
    lake.append(EVENTS, events("a"))
    state = connect(f"sqlite:{tmp_path / 'other.db'}")
    state.put(record("a"), 0)
    catch_up(lake, state)
    assert stale(state) == set("abc")
    state.close()


def test_a_record_of_all_events_is_current_though_another_writer_notes_them_with_later_ones(
    lake: Lake, state: StateStore
) -> None:
    before = catch_up(lake, state)
    version = lake.append(EVENTS, events("a"))
    lake.append(EVENTS, events("b"))
    catch_up(lake, state)  # as the writer of "b" does, who knows of neither
    fold(replace(before, seen=before.seen._replace(version=version)), state, "a", "b")
    assert stale(state) == {"b"}


def test_compaction_makes_nobody_stale(lake: Lake, state: StateStore) -> None:
    lake.append(EVENTS, events("a", "b"))
    fold(catch_up(lake, state), state, "a", "b")
    lake.compact()
    catch_up(lake, state)
    assert stale(state) == set()
    assert known(lake, state)


def test_events_that_were_compacted_before_anyone_was_told_still_make_stale(lake: Lake, state: StateStore) -> None:
    lake.append(EVENTS, events("a"))
    lake.append(EVENTS, events("b"))
    lake.compact()
    catch_up(lake, state)
    assert stale(state) == {"a", "b"}


def test_when_the_added_files_are_gone_everybody_is_stale(lake: Lake, state: StateStore) -> None:
    lake.append(EVENTS, events("c"))
    fold(catch_up(lake, state), state, "c")
    version = lake.append(EVENTS, events("a"))
    lake.compact()
    for path in lake.files_added(EVENTS, version - 1, version) or []:
        (Path(lake.root) / "events" / path).unlink()
    fold(catch_up(lake, state), state, "b")
    assert stale(state) == {"a", "c"}


def test_a_mark_is_a_mark_whoever_comes_first(lake: Lake, state: StateStore, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.append(EVENTS, events("a"))
    note_events = type(state).note_events

    def and_meanwhile_another(self, students, at):  # type: ignore[no-untyped-def]
        monkeypatch.undo()
        lake.append(EVENTS, events("b"))
        catch_up(lake, self)
        note_events(self, students, at)

    monkeypatch.setattr(type(state), "note_events", and_meanwhile_another)
    assert catch_up(lake, state).seen.version == lake.version(EVENTS)
    assert stale(state) == {"a", "b"}
    assert known(lake, state)


def test_a_crash_between_lake_and_state_is_repaired_by_the_next_reader(lake: Lake, state: StateStore) -> None:
    lake.append(EVENTS, events("a"))  # and the process ends before it tells the state
    assert stale(state) == set()
    catch_up(Lake.open(lake.root), state)
    assert stale(state) == {"a"}


def test_a_crash_between_the_news_and_the_version_is_repaired_by_the_next_reader(
    lake: Lake, state: StateStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.append(EVENTS, events("a", "b"))

    def killed(_self, _now, _before):  # type: ignore[no-untyped-def]
        raise KeyboardInterrupt

    monkeypatch.setattr(type(state), "know_lake", killed)
    with pytest.raises(KeyboardInterrupt):
        catch_up(lake, state)
    monkeypatch.undo()
    assert stale(state) == set(), "news count from when their version is known, before anybody reads a record"
    assert not known(lake, state)
    catch_up(lake, state)
    assert stale(state) == {"a", "b"}
    fold(catch_up(lake, state), state, "a")
    assert stale(state) == {"b"}


def test_the_record_of_a_student_whom_an_undo_leaves_without_events_is_deleted(lake: Lake, state: StateStore) -> None:
    def brought(ingest: int, *students: str) -> pa.Table:
        rows = events(*students)
        number = pa.array([ingest] * len(students), pa.int64())
        return rows.set_column(rows.column_names.index("ingest"), "ingest", number)

    lake.append(EVENTS, brought(1, "a"))
    lake.append(EVENTS, brought(2, "a", "b"))
    fold(catch_up(lake, state), state, *"abc")
    late = replace(record("b"), seen=catch_up(lake, state).seen)
    lake.undo([Brought(2)])
    view = catch_up(lake, state)
    assert [state.version(student, "v1") for student in "abc"] == [2, 0, 2]
    assert stale(state) == {"a", "b"}
    state.put(late, 0)
    assert state.get("b", "v1") is None, "a fold of before the undo is not believed"
    assert known(lake, state) and view.seen == catch_up(lake, state).seen
