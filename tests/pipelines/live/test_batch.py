"""Records go on with all that the lake has brought since, whoever brought it, and with nothing that is not there."""

from __future__ import annotations

import json
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mastery.features.recent import KEPT
from mastery.instants import DAY_US
from mastery.lake import Brought, Lake
from mastery.pipelines.ingest.ingests import UNDO, IngestEntry, entries
from mastery.pipelines.ingest.ingests import begin as begin_entry
from mastery.pipelines.ingest.undo import undo
from mastery.pipelines.live.batch import ACCEPTED, DUPLICATE, REVISED_ROW
from mastery.pipelines.live.intake import TIDIED_EVERY, Intake
from mastery.pipelines.live.records import Begun, begin, bring_up
from mastery.pipelines.live.rows import cut_rows, field_of
from mastery.pipelines.queries.undo_preview import undo_preview
from mastery.pipelines.scoring.catch_up import catch_up
from mastery.pipelines.scoring.fold import fold_events
from mastery.pipelines.scoring.records import record_of
from mastery.state import NOWHERE, encode, find_blocks
from mastery.tables import EVENTS, GOLD, INGESTS
from school import KEY, NOW, Deployment

START = datetime(2026, 3, 2, 8, tzinfo=UTC)
S1 = KEY.student("default", "S1")


def answer(n: int, **other: object) -> dict[str, object]:
    return {
        "student_id": "S1",
        "question_id": f"q{n % 5}",
        "topic_id": f"t{n % 3}",
        "is_correct": n % 4 > 0,
        "timestamp": (START + timedelta(hours=n)).isoformat(),
        "attempt_id": f"a{n}",
    } | other


def intake_of(school: Deployment, now: datetime = NOW) -> Intake:
    return Intake(
        school.lake,
        school.state,
        lambda: school.reader.metadata().model_set,
        KEY,
        tenant="default",
        door="http",
        now=lambda: now,
    )


def post(intake: Intake, *rows: dict[str, object]):
    return intake.submit(intake.understand([json.dumps(row).encode() for row in rows])).result()


def ingest(school: Deployment, *rows: dict[str, object]) -> None:
    file = Path(school.lake.root).parent / f"{rows[0]['attempt_id']}.ndjson"
    file.write_text("\n".join(map(json.dumps, rows)))
    school.ingest(file)


def has_all(school: Deployment) -> bool:
    """Tell whether the student's record is current, and that of a fold of all events in the lake."""
    model_set = school.reader.metadata().model_set
    events = school.lake.read_student(EVENTS, S1)
    whole = record_of(events, fold_events(events, model_set, 2**62, history=False))
    record = school.state.get(S1, model_set.version)
    return record is not None and encode(replace(record, seen=NOWHERE)) == encode(whole)


@pytest.fixture
def school(tmp_path):
    return Deployment.at(tmp_path / "home")


@pytest.fixture
def intake(school):
    made = intake_of(school)
    yield made
    made.close()


def test_a_record_goes_on_with_events_that_another_brought_in_between(school, intake):
    post(intake, answer(0), answer(1))
    model_set = school.reader.metadata().model_set
    begun = begin(school.lake, school.state, [S1], model_set)
    ingest(school, answer(2))
    ingest(school, answer(3))
    bring_up(school.lake, school.state, model_set, begun, {S1}, {})
    assert has_all(school)


def test_rows_are_taken_while_small_files_are_merged(school, intake, monkeypatch):
    begun, go_on = threading.Event(), threading.Event()
    tidy = Lake.tidy

    def slowly(lake: Lake) -> None:
        begun.set()
        assert go_on.wait(60)
        tidy(lake)

    monkeypatch.setattr(Lake, "tidy", slowly)
    for n in range(TIDIED_EVERY):
        post(intake, answer(n))
    assert begun.wait(60)
    try:
        assert post(intake, answer(TIDIED_EVERY)).count(ACCEPTED) == 1
    finally:
        go_on.set()
    intake.close()
    assert len(school.lake.snapshot(EVENTS).files) < TIDIED_EVERY
    assert has_all(school)


def of_each(n: int, **other: object) -> list[dict[str, object]]:
    """Return an answer of each of some students."""
    return [answer(n, student_id=f"S{k}", attempt_id=f"a{n}-{k}", **other) for k in range(1, 9)]


def test_a_batch_of_several_students_is_one_file_and_what_it_brought_is_known_revised_and_taken_back(school, intake):
    for n in range(3):
        assert post(intake, *of_each(n)).count(ACCEPTED) == 8
    at = school.lake.snapshot(EVENTS)
    assert len(at.files) == len(at.arrivals) == 3
    assert has_all(school)
    assert post(intake, *of_each(1)).count(DUPLICATE) == 8
    first = entries(school.lake)[-1]
    intake.close()
    later = intake_of(school, NOW + timedelta(days=1))
    revised = post(later, *of_each(1, time_spent_sec=30), *of_each(3))
    later.close()
    assert (revised.count(REVISED_ROW), revised.count(ACCEPTED)) == (8, 8)
    assert has_all(school)
    before = school.lake.scan(EVENTS, ["event_id_hi", "duration_ms"]).num_rows
    assert before == 32
    model_set = school.reader.metadata().model_set
    second = next(one for one in entries(school.lake) if one.number != first.number)
    shown = undo_preview(school.lake, second, model_set, "rule_based", 2**52)
    assert (shown.events, shown.events_back, shown.students) == (16, 8, 8)
    undo(school.lake, second, now=NOW + timedelta(days=2))
    assert school.lake.scan(EVENTS, ["duration_ms"])["duration_ms"].null_count == 24
    undo(school.lake, first, now=NOW + timedelta(days=2))
    assert school.lake.scan(EVENTS, ["tenant"]).num_rows == 0


def test_files_of_several_buckets_are_distributed_now_and_then(school, intake):
    for n in range(TIDIED_EVERY):
        post(intake, *of_each(n))
    intake.close()
    at = school.lake.snapshot(EVENTS)
    assert not at.arrivals
    assert at.rows == 8 * TIDIED_EVERY
    assert len(at.buckets) > 1
    assert has_all(school)


def test_a_recompute_has_what_lies_in_files_of_several_buckets(school, intake):
    post(intake, *of_each(0), *of_each(1))
    whole = Deployment.at(Path(school.lake.root).parent.parent / "whole")
    ingest(whole, *of_each(0), *of_each(1))
    for one in (school, whole):
        one.recompute()
    mine, theirs = (
        one.lake.scan(GOLD).sort_by([(name, "ascending") for name in ("student_id", "topic_id", "score_source")])
        for one in (school, whole)
    )
    assert mine.num_rows
    assert mine.drop_columns(["computed_at"] if "computed_at" in mine.column_names else []).equals(
        theirs.drop_columns(["computed_at"] if "computed_at" in theirs.column_names else [])
    )


def test_rows_are_taken_where_no_thread_can_be_had_to_merge_small_files(school, intake, monkeypatch, caplog):
    start = threading.Thread.start

    def unless_it_merges(thread: threading.Thread) -> None:
        if thread.name.startswith("tidy-"):
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", unless_it_merges)
    for n in range(TIDIED_EVERY + 1):
        assert post(intake, answer(n)).count(ACCEPTED) == 1
    assert "are merged later" in caplog.text
    assert has_all(school)


def test_rows_that_come_again_after_a_kill_bring_up_the_record_that_it_prevented(school, intake):
    post(intake, answer(0))
    ingest(school, answer(1), answer(2))  # as far as the lake, like a batch that is killed before its records
    assert not has_all(school)
    assert post(intake, answer(1), answer(2)).count(DUPLICATE) == 2
    assert has_all(school)


def test_a_record_that_another_reader_has_put_right_in_between_stands(school, intake):
    post(intake, answer(0), answer(1))
    model_set = school.reader.metadata().model_set
    begun = begin(school.lake, school.state, [S1], model_set)
    ingest(school, answer(2))
    catch_up(school.lake, school.state)
    school.reader.student(S1, tenant="default", as_of_us=int(NOW.timestamp()) * 1_000_000)
    version = school.state.version(S1, model_set.version)
    bring_up(school.lake, school.state, model_set, begun, {S1}, {})
    assert school.state.version(S1, model_set.version) == version
    assert has_all(school)


def test_what_was_taken_back_in_between_is_in_no_record(school, intake):
    ingest(school, answer(5))
    post(intake, answer(6))
    model_set = school.reader.metadata().model_set
    begun = begin(school.lake, school.state, [S1], model_set)
    ingest(school, answer(7))
    first = next(one for one in entries(school.lake) if one.files[0].name == "a5.ndjson")
    undo(school.lake, first, now=NOW)
    bring_up(school.lake, school.state, model_set, begun, {S1}, {})
    assert has_all(school)


def test_a_record_of_a_lake_that_was_put_back_goes_on_with_nothing_of_the_one_before(school, intake):
    lake, backup = Path(school.lake.root), Path(school.lake.root).parent / "backup"
    post(intake, answer(0))
    shutil.copytree(lake, backup)
    for n in (1, 2, 3):
        post(intake, answer(n))
    model_set = school.reader.metadata().model_set
    before = begin(school.lake, school.state, [S1], model_set)
    shutil.rmtree(lake)
    shutil.copytree(backup, lake)
    ingest(school, answer(10))
    school.reader.student(S1, tenant="default", as_of_us=int(NOW.timestamp()) * 1_000_000)
    found = find_blocks(school.state, [S1], model_set.version)
    assert found.current == {S1}
    for n in (11, 12, 13, 14):
        ingest(school, answer(n))
    bring_up(school.lake, school.state, model_set, Begun(before.view, found), {S1}, {})
    assert has_all(school)
    record = school.state.get(S1, model_set.version)
    assert record is not None and record.events_folded == 6


def test_a_revision_of_an_event_that_is_not_remembered_any_more_is_not_taken_for_a_new_one(school, intake):
    for n in range(KEPT + 8):
        post(intake, answer(n))
    later = (START + timedelta(days=30)).isoformat()
    assert post(intake, answer(0, timestamp=later, version=2)).count(ACCEPTED) == 0
    assert has_all(school)


def test_two_intakes_that_write_the_same_student_at_once_lose_nothing(school, intake):
    other = intake_of(Deployment.at(Path(school.lake.root).parent), NOW)
    with ThreadPoolExecutor(4) as pool:
        taken = list(pool.map(lambda n: post((intake, other)[n % 2], answer(n)), range(24)))
    other.close()
    assert [one.count(ACCEPTED) for one in taken] == [1] * 24
    school.reader.student(S1, tenant="default", as_of_us=int(NOW.timestamp()) * 1_000_000)
    assert has_all(school)


def test_events_are_kept_and_shown_where_the_state_store_cannot_be_used(tmp_path, caplog):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "state.db").write_bytes(b"no database" * 1000)
    school = Deployment.at(tmp_path / "home")
    intake = intake_of(school)
    assert post(intake, answer(0), answer(1)).count(ACCEPTED) == 2
    assert "Until then scores are computed from the events in the lake" in caplog.text
    shown = school.reader.student(S1, tenant="default", as_of_us=int(NOW.timestamp()) * 1_000_000)
    assert sum(topic.evidence_count for topic in shown.topics) == 2
    intake.close()


def test_an_intake_is_one_ingest_a_day_and_after_it_was_taken_back_another(school):
    intake = intake_of(school)
    post(intake, answer(0))
    post(intake, answer(1), answer(0), answer(2, is_correct="perhaps"))
    intake.close()
    (entry,) = entries(school.lake)
    assert (entry.status, entry.door, entry.events) == ("finished", "http", 2)
    assert entry.files[0].counts == {"read": 4, "accepted": 2, "revised": 0, "duplicates": 1, "rejected": 1}

    post(intake, answer(3))
    running = entries(school.lake)[0]
    undo(school.lake, running, now=NOW)
    assert post(intake, answer(3)).count(ACCEPTED) == 1
    assert post(intake, answer(3)).count(DUPLICATE) == 1
    assert len({one.number for one in entries(school.lake) if one.kind == "ingest"}) == 3
    tomorrow = intake_of(school, NOW + timedelta(microseconds=DAY_US))
    post(tomorrow, answer(4))
    tomorrow.close()
    intake.close()
    assert has_all(school)
    assert all(one.status != "not finished" for one in entries(school.lake))


def test_an_intake_that_was_killed_goes_on_with_its_ingest(school):
    post(intake_of(school), answer(0))
    again = intake_of(school)
    post(again, answer(1))
    again.close()
    assert len(entries(school.lake)) == 1
    assert school.lake.count(INGESTS) == 2


def test_rows_keep_how_numbers_and_texts_are_written():
    body = b'\xef\xbb\xbf [\n {"a": 1.10,\n "b": "x\\ny, ]"} , [1], "z" ]\n'
    assert cut_rows(body) == [b'{"a": 1.10,  "b": "x\\ny, ]"}', b"[1]", b'"z"']
    assert cut_rows(b'{"a": 1}\n\n {"b": \r\n') == [b'{"a": 1}', b' {"b": \r']


def test_the_register_counts_what_was_brought_before_a_kill(school):
    first = intake_of(school)
    post(first, answer(0), answer(1), answer(1), {"student_id": "S1"})
    post(first, answer(0, is_correct=False, version=2))
    second = intake_of(school, NOW + timedelta(minutes=5))  # the first one never ended
    post(second, answer(1), answer(2))
    second.close()
    (entry,) = entries(school.lake)
    counts = entry.files[0].counts
    assert counts == {"read": 6, "accepted": 4, "revised": 0, "duplicates": 1, "rejected": 1}
    assert entry.events == 4
    assert counts["read"] == sum(counts[name] for name in ("accepted", "revised", "duplicates", "rejected"))


@pytest.mark.parametrize("first_to_end", [0, 1])
def test_two_processes_with_one_door_are_one_ingest_with_the_rows_of_both(school, first_to_end):
    one, other = (
        intake_of(school),
        intake_of(replace(school, lake=Lake.open(school.lake.root)), NOW + timedelta(hours=1)),
    )
    post(one, answer(0), answer(1), answer(1), {"student_id": "S1"})
    post(other, answer(1), answer(2), {"student_id": "S2"})
    post(one, answer(3), answer(2), answer(0, is_correct=True, version=2))
    post(other, answer(4))
    for intake in (one, other) if first_to_end == 0 else (other, one):
        intake.close()
    (entry,) = entries(school.lake)
    assert entry.files[0].counts == {"read": 11, "accepted": 5, "revised": 1, "duplicates": 3, "rejected": 2}
    assert (entry.status, entry.events) == ("finished", 6)


def test_what_is_taken_back_of_a_door_that_writes_is_all_that_it_had_brought(school):
    intake, stop, accepted = intake_of(school), threading.Event(), []

    def answers() -> None:
        number = 0
        while not stop.is_set():
            accepted.append(post(intake, answer(number)).count(ACCEPTED))
            number += 1

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(answers)
        undone = 0
        for _ in range(3):
            until = len(accepted) + 20
            while len(accepted) < until and not writing.done():
                time.sleep(0.01)
            undone += undo(
                school.lake, next(one for one in entries(school.lake) if one.kind == "ingest"), now=NOW
            ).events
        stop.set()
        writing.result()
    intake.close()
    assert sum(accepted) == len(accepted) == undone + school.lake.count(EVENTS)
    registered = entries(school.lake)
    assert sum(one.events for one in registered if one.kind == "undo") == undone
    assert has_all(school)


def test_a_door_does_not_go_on_with_what_is_just_being_taken_back(school):
    intake = intake_of(school)
    post(intake, answer(0))
    (running,) = entries(school.lake)
    undoing = IngestEntry("default", UNDO, NOW, "http", "", undoes=running.number, events=1)
    begin_entry(school.lake, undoing)
    school.lake.undo([Brought(running.number)])  # and the process ends before it says so
    assert post(intake, answer(0)).count(ACCEPTED) == 1
    intake.close()
    assert undo(school.lake, running, now=NOW).events == 1
    assert (school.lake.count(EVENTS), has_all(school)) == (1, True)


def test_a_row_that_cannot_be_told_costs_itself_alone():
    """One of them in a request, and the answer was 500 however often it was sent again."""
    many = b"1" * 5_000
    assert cut_rows(b'[{"a": ' + many + b'}, {"a": 2}]') == [b'{"a": ' + many + b"}", b'{"a": 2}']
    assert field_of(b'{"attempt_id": "x\\ud800"}', ["attempt_id"]) == "x?"
