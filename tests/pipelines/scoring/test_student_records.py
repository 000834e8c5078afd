"""What a reader has of one student while the state store has not been told of all events: all of theirs, cheaply."""

from __future__ import annotations

import json
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mastery.lake import Lake
from mastery.pipelines.ingest.ingests import entries
from mastery.pipelines.ingest.undo import undo
from mastery.pipelines.scoring.catch_up import catch_up
from mastery.pipelines.scoring.fold import fold_events
from mastery.pipelines.scoring.records import record_of
from mastery.pipelines.scoring.student_records import MOST_COMMITS, NOTED_AFTER_S, Found, StudentRecords
from mastery.state import NOWHERE, Record, encode
from mastery.tables import EVENTS
from school import KEY, NOW, NOW_US, Deployment

START = datetime(2026, 3, 2, 8, tzinfo=UTC)


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.s = 0.0

    def __call__(self) -> float:
        return self.s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def school(tmp_path: Path) -> Deployment:
    """A school where S1 and S2 have three answers each and records that have them; all lie in one bucket."""
    deployment = Deployment.at(tmp_path / "home", buckets=1)
    ingest(deployment, *(answer(student, n) for student in ("S1", "S2") for n in range(3)))
    deployment.recompute()
    return deployment


@pytest.fixture
def records(school: Deployment, clock: Clock) -> StudentRecords:
    return StudentRecords(school.lake, school.state, clock)


def answer(student: str, n: int, **other: object) -> dict[str, object]:
    return {
        "student_id": student,
        "question_id": f"q{n % 5}",
        "topic_id": f"t{n % 3}",
        "is_correct": n % 4 > 0,
        "timestamp": (START + timedelta(hours=n)).isoformat(),
        "attempt_id": f"{student}-{n}",
    } | other


def ingest(school: Deployment, *rows: dict[str, object]) -> None:
    """Write events to the lake, and tell the state store nothing: as a writer who has come this far."""
    file = Path(school.lake.root).parent / f"{rows[0]['attempt_id']}-{rows[0]['timestamp']}.ndjson".replace(":", "")
    file.write_text("\n".join(map(json.dumps, rows)))
    school.ingest(file)


def found(school: Deployment, records: StudentRecords, student: str) -> Found:
    return records.find(KEY.student("default", student), school.reader.metadata().model_set)


def of_fold(school: Deployment, student: str) -> bytes:
    """Return the student's record folded from all that is in the lake."""
    events = school.lake.read_student(EVENTS, KEY.student("default", student))
    return body(record_of(events, fold_events(events, school.reader.metadata().model_set, 2**62, history=False)))


def body(record: Record | None) -> bytes:
    assert record is not None
    return encode(replace(record, seen=NOWHERE, version=0))


def test_a_record_goes_on_with_events_of_which_the_store_was_not_told(school, records):
    before = school.state.known_lake()
    ingest(school, answer("S1", 3))
    ingest(school, answer("S1", 4), answer("S2", 3))
    for student in ("S1", "S2"):
        one = found(school, records, student)
        assert body(one.record) == of_fold(school, student)
        assert one.seen is None, "whoever brought them is about to write it"
    assert school.state.known_lake() == before, "and tells the store"


def test_a_student_without_new_events_has_the_record_that_is_stored(school, records, monkeypatch):
    ingest(school, answer("S2", 3))
    monkeypatch.setattr(type(school.lake), "read_files", lambda *_: pytest.fail("it reads those of everybody"))
    one = found(school, records, "S1")
    monkeypatch.undo()
    assert body(one.record) == of_fold(school, "S1")
    assert one.record is not None and one.record.version == 1


@pytest.mark.parametrize(
    "changed",
    [
        answer("S1", 3, timestamp=(START - timedelta(days=1)).isoformat()),
        answer("S1", 1, is_correct=False, version=2),
        answer("S1", 1, is_correct=False, version=2, timestamp=(START + timedelta(days=9)).isoformat()),
    ],
    ids=["late", "revised", "revised to a later moment"],
)
def test_what_changes_the_past_is_folded_from_the_lake(school, records, changed):
    ingest(school, changed)
    one = found(school, records, "S1")
    assert (one.record, one.seen) == (None, None)
    assert one.events == school.lake.snapshot(EVENTS)
    shown = school.reader.student(KEY.student("default", "S1"), tenant="default", as_of_us=NOW_US)
    counted = school.lake.read_student(EVENTS, KEY.student("default", "S1")).num_rows
    assert sum(topic.evidence_count for topic in shown.topics) == counted


def test_what_was_taken_back_is_in_no_record(school, records):
    ingest(school, answer("S1", 3))
    undo(school.lake, entries(school.lake)[0], now=NOW)
    one = found(school, records, "S1")
    assert one.record is None and one.seen is not None
    assert school.state.version(KEY.student("default", "S1"), school.reader.metadata().model_set.version) == 1


def test_files_that_are_gone_keep_nobody_from_an_answer(school, records):
    """As they are after a compaction, and a vacuum, before anybody was told."""
    ingest(school, answer("S1", 3))
    version = school.lake.version(EVENTS)
    school.lake.compact()
    for path in school.lake.files_added(EVENTS, version - 1, version):
        (Path(school.lake.root) / "events" / path).unlink()
    one = found(school, records, "S1")
    assert one.record is None
    assert school.lake.read_student(EVENTS, KEY.student("default", "S1"), at=one.events).num_rows == 4


def test_a_store_that_no_writer_tells_is_told_by_a_reader(school, records, clock):
    ingest(school, answer("S1", 3))
    found(school, records, "S2")
    clock.s += NOTED_AFTER_S / 2
    before = school.state.known_lake()
    found(school, records, "S2")
    assert school.state.known_lake() == before
    clock.s += NOTED_AFTER_S
    one = found(school, records, "S1")
    assert school.state.known_lake() != before
    assert one.record is None and one.seen is not None, "it is folded once, and written"


def test_a_writer_who_gets_on_is_left_to_it(school, records, clock):
    """Whenever a reader looks the store lags behind, each time by another commit."""
    for n in range(3, 9):
        ingest(school, answer("S1", n))
        found(school, records, "S2")
        clock.s += NOTED_AFTER_S * 0.6
        behind = school.state.known_lake()
        assert body(found(school, records, "S1").record) == of_fold(school, "S1")
        assert school.state.known_lake() == behind
        catch_up(school.lake, school.state)
        school.reader.student(KEY.student("default", "S1"), tenant="default", as_of_us=NOW_US)  # and its record


def test_many_commits_are_told_at_once(school, records):
    for _ in range(MOST_COMMITS + 1):
        school.lake.append(EVENTS, school.lake.scan(EVENTS).slice(0, 1))
    before = school.state.known_lake()
    found(school, records, "S2")
    assert school.state.known_lake() != before


def test_while_one_reader_tells_the_store_the_others_are_answered(school, records, clock, monkeypatch):
    ingest(school, answer("S1", 3))
    found(school, records, "S2")
    clock.s += NOTED_AFTER_S
    telling, go_on = threading.Event(), threading.Event()
    note_events = type(school.state).note_events

    def slowly(*arguments):
        telling.set()
        assert go_on.wait(60)
        note_events(*arguments)

    monkeypatch.setattr(type(school.state), "note_events", slowly)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(found, school, records, "S2")
        assert telling.wait(60)
        try:
            assert body(found(school, records, "S1").record) == of_fold(school, "S1")
        finally:
            go_on.set()
        assert body(first.result().record) == of_fold(school, "S2")


def test_a_lake_that_was_put_back_is_noticed(school, records, tmp_path):
    backup = tmp_path / "backup"
    shutil.copytree(school.lake.root, backup)
    ingest(school, answer("S1", 3))
    assert body(found(school, records, "S1").record) == of_fold(school, "S1")
    shutil.rmtree(school.lake.root)
    shutil.copytree(backup, school.lake.root)
    again = Deployment(Lake.open(school.lake.root), school.state, school.reader)
    ingest(again, answer("S2", 3))
    one = found(school, records, "S1")
    assert one.record is not None and one.record.events_folded == 3
