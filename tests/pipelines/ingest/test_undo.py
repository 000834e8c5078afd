"""An ingest is registered, and what it brought is taken back: whole, by file, beside others, and off the disk."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from mastery.errors import BadInput, Conflict, NotFound
from mastery.pipelines.ingest import ingest as ingesting
from mastery.pipelines.ingest.ingests import entries, id_of, named
from mastery.pipelines.ingest.undo import Undone, undo
from mastery.tables import EVENTS, INGESTS, REJECTED, SUPERSEDED
from school import KEY, NOW, NOW_US, Deployment

pytestmark = pytest.mark.slow  # homes are recomputed several times

HEADER = "attempt_id,student_id,question_id,topic_id,is_correct,timestamp,time_spent_sec\n"
DAY = timedelta(days=1)


def rows(*answers: tuple[str, str, int]) -> str:
    """Answers by id, student and seconds."""
    return HEADER + "".join(f"{one},{student},Q1,T1,1,2026-05-01T08:00:00Z,{s}\n" for one, student, s in answers)


def put(one: Deployment, folder: Path, name: str, text: str, day: int = 0, **options):
    file = folder / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    return one.ingest(file, now=NOW + DAY * day, **options)


def take_back(one: Deployment, ingest: str, day: int = 9, **options) -> Undone:
    return undo(one.lake, named(entries(one.lake), ingest), now=NOW + DAY * day, **options)


def seconds(one: Deployment) -> list[int]:
    return sorted(value // 1000 for value in one.lake.scan(EVENTS, ["duration_ms"])["duration_ms"].to_pylist())


def test_an_ingest_is_registered_with_what_was_read_and_what_came_of_it(tmp_path):
    one = Deployment.at(tmp_path)
    report = put(one, tmp_path, "a.csv", rows(("A1", "S1", 10), ("A2", "S2", 20)), door="command line")
    (entry,) = entries(one.lake)
    assert (entry.id, entry.kind, entry.status, entry.events) == (report.ingest, "ingest", "finished", 2)
    assert (entry.door, entry.at, entry.finished_at is not None) == ("command line", NOW, True)
    assert entry.as_dict()["files"] == [
        {
            "name": "a.csv", "table": "quiz_attempts", "size": (tmp_path / "a.csv").stat().st_size,
            "read": 2, "accepted": 2, "revised": 0, "duplicates": 0, "rejected": 0,
        }
    ]  # fmt: skip
    assert set(one.lake.scan(EVENTS, ["ingest"])["ingest"].to_pylist()) == {entry.number}


def test_what_is_registered_names_no_folder(tmp_path):
    one = Deployment.at(tmp_path)
    put(one, tmp_path, "a.csv", rows(("A1", "S1", 10)))
    assert str(tmp_path.name) not in repr(one.lake.scan(INGESTS).to_pylist())


def test_ids_sort_as_the_ingests_were_begun_and_two_of_one_moment_have_two(tmp_path):
    one = Deployment.at(tmp_path)
    ids = [put(one, tmp_path, f"{n}.csv", rows((f"A{n}", "S1", n)), day).ingest for n, day in enumerate((0, 0, 0, 1))]
    assert ids == sorted(set(ids))
    assert ids[0] == "20260601-000000-0000" == id_of(NOW_US)
    assert [id_of(NOW_US + us) for us in (31, 32, 999_999)] == [
        f"20260601-000000-{end}" for end in ("000z", "0010", "yghz")
    ]


def test_ingests_at_once_have_ids_of_their_own(tmp_path):
    one, ids = Deployment.at(tmp_path), []

    def read(number: int) -> None:
        ids.append(put(one, tmp_path, f"{number}.csv", rows((f"A{number}", "S1", number))).ingest)

    threads = [threading.Thread(target=read, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(ids)) == 6
    assert len(set(one.lake.scan(EVENTS, ["ingest"])["ingest"].to_pylist())) == 6


def test_events_of_an_undone_ingest_are_gone_and_others_stay(tmp_path):
    one = Deployment.at(tmp_path)
    put(one, tmp_path, "a.csv", rows(("A1", "S1", 10)))
    second = put(one, tmp_path, "b.csv", rows(("A1", "S1", 10), ("A2", "S1", 20), ("A3", "S2", 30)), day=1)
    done = take_back(one, second.ingest)
    assert (done.events, done.undoes, seconds(one)) == (2, second.ingest, [10])
    statuses = {entry.id: entry.status for entry in entries(one.lake)}
    assert statuses[second.ingest] == "undone"
    assert statuses[done.id] == "finished"


@pytest.mark.parametrize("compacted", [False, True])
def test_the_revision_that_was_replaced_counts_again(tmp_path, compacted):
    one = Deployment.at(tmp_path)
    put(one, tmp_path, "a.csv", rows(("A1", "S1", 10)))
    second = put(one, tmp_path, "b.csv", rows(("A1", "S1", 20)), day=1)
    if compacted:
        one.lake.compact(EVENTS)
        assert one.lake.count(SUPERSEDED) == 1
    take_back(one, second.ingest)
    assert seconds(one) == [10]
    assert one.lake.superseded(["duration_ms"]).num_rows == 0


def test_a_superseded_revision_of_an_undone_ingest_does_not_come_back(tmp_path):
    one = Deployment.at(tmp_path)
    first = put(one, tmp_path, "a.csv", rows(("A1", "S1", 10)))
    second = put(one, tmp_path, "b.csv", rows(("A1", "S1", 20)), day=1)
    one.lake.compact(EVENTS)
    take_back(one, first.ingest)
    assert (seconds(one), one.lake.count(SUPERSEDED)) == ([20], 0)
    take_back(one, second.ingest)
    assert seconds(one) == []


def test_a_revision_that_came_back_once_and_did_not_count_comes_back_once(tmp_path):
    one = Deployment.at(tmp_path, buckets=1)
    put(one, tmp_path, "a.csv", rows(("A1", "S1", 10)))
    later = [put(one, tmp_path, f"{s}.csv", rows(("A1", "S1", s)), day=s).ingest for s in (1, 2)]
    one.lake.compact(EVENTS)
    third = put(one, tmp_path, "3.csv", rows(("A1", "S1", 3)), day=3).ingest
    take_back(one, later[1])
    take_back(one, third)
    assert seconds(one) == [1]
    assert one.lake.count(EVENTS) == 2
    take_back(one, later[0])
    assert seconds(one) == [10]
    assert one.lake.superseded(["duration_ms"]).num_rows == 0


def test_a_student_who_is_shown_is_right_at_once(tmp_path):
    one = Deployment.at(tmp_path)

    def shown(student: str):
        return one.reader.student(KEY.student("default", student), tenant="default", as_of_us=NOW_US)

    put(one, tmp_path, "a.csv", rows(("A1", "S1", 10), ("A2", "S2", 10)))
    before = shown("S1")
    second = put(one, tmp_path, "b.csv", rows(("A3", "S1", 20), ("A4", "S3", 30)), day=1)
    one.recompute()
    assert shown("S1") != before
    assert shown("S3").topics
    take_back(one, second.ingest)
    assert shown("S1") == before
    with pytest.raises(NotFound):
        shown("S3")
    version = one.reader.metadata().model_set.version
    assert one.state.get(KEY.student("default", "S2"), version) is not None  # nobody else is folded again
    assert any("were taken back" in note for note in one.reader.class_scores(tenant="default").notes)
    one.recompute()
    assert not any("since these scores" in note for note in one.reader.class_scores(tenant="default").notes)


def test_undoing_twice_changes_nothing_and_says_so(tmp_path):
    one = Deployment.at(tmp_path)
    first = put(one, tmp_path, "a.csv", rows(("A1", "S1", 10)))
    take_back(one, first.ingest)
    version, registered = one.lake.version(EVENTS), one.lake.count(INGESTS)
    again = take_back(one, first.ingest)
    assert (again.id, again.events) == (None, 0)
    assert (one.lake.version(EVENTS), one.lake.count(INGESTS)) == (version, registered)


def test_after_an_undo_the_file_is_accepted_again(tmp_path):
    one = Deployment.at(tmp_path)
    text = rows(("A1", "S1", 10), ("A2", "S2", 20)) + "A3,S1,Q1,T1,perhaps,2026-05-01T08:00:00Z,1\n"
    first = put(one, tmp_path, "a.csv", text)
    assert take_back(one, first.ingest).rejected == 1
    assert (seconds(one), one.lake.count(REJECTED)) == ([], 0)
    again = put(one, tmp_path, "a.csv", text, day=1)
    assert (again.accepted, again.duplicates, again.rejected) == (2, 0, 1)
    assert again.ingest != first.ingest
    assert (seconds(one), one.lake.count(REJECTED)) == ([10, 20], 1)


def test_it_says_which_later_ingest_read_the_same_events(tmp_path):
    one = Deployment.at(tmp_path)
    first = put(one, tmp_path, "a.csv", rows(("A1", "S1", 10), ("A2", "S2", 20), ("A3", "S3", 30)))
    second = put(one, tmp_path, "b.csv", rows(("A2", "S2", 20), ("A2", "S2", 20), ("A3", "S3", 31)), day=1)
    assert second.duplicates == 2
    assert take_back(one, first.ingest).read_again == {second.ingest: 1}
    assert put(one, tmp_path, "b.csv", rows(("A2", "S2", 20), ("A3", "S3", 31)), day=2).accepted == 1


def test_one_file_of_an_ingest_can_be_taken_back(tmp_path):
    one = Deployment.at(tmp_path)
    files = [tmp_path / "a.csv", tmp_path / "b.csv"]
    for number, file in enumerate(files):
        file.write_text(rows((f"A{number}", "S1", 10 + number)))
    first = one.ingest(*files)
    with pytest.raises(BadInput, match=r"read no file 'c.csv'; it read a.csv, b.csv"):
        take_back(one, first.ingest, sources=("c.csv",))
    take_back(one, first.ingest, sources=("a.csv",))
    assert seconds(one) == [11]
    assert named(entries(one.lake), first.ingest).status == "partly undone"
    assert take_back(one, first.ingest, sources=("a.csv",)).id is None
    take_back(one, first.ingest)
    assert seconds(one) == []


def test_an_id_may_be_shortened_and_an_undo_is_none(tmp_path):
    one = Deployment.at(tmp_path)
    first = put(one, tmp_path, "a.csv", rows(("A1", "S1", 10)))
    second = put(one, tmp_path, "b.csv", rows(("A2", "S1", 10)), day=1)
    every = entries(one.lake)
    assert named(every, "20260602").id == second.ingest
    with pytest.raises(BadInput, match="begins the ids of 2 ingests"):
        named(every, "2026")
    with pytest.raises(NotFound, match=f"no ingest '{first.ingest}x' .did you mean '{first.ingest}'"):
        named(every, f"{first.ingest}x")
    done = take_back(one, first.ingest)
    with pytest.raises(BadInput, match="is an undo"):
        named(entries(one.lake), done.id)


@contextmanager
def killed_before(monkeypatch: pytest.MonkeyPatch, name: str) -> Iterator[None]:
    """The body ends where it comes to a step of the ingest, as after Ctrl-C."""

    def killed(*_given: object, **_named: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(ingesting, name, killed)
        with pytest.raises(KeyboardInterrupt):
            yield


def test_an_ingest_that_was_killed_is_not_finished_and_reading_the_file_again_finishes_it(tmp_path, monkeypatch):
    one = Deployment.at(tmp_path)
    text = rows(("A1", "S1", 10), ("A2", "S2", 20))
    with killed_before(monkeypatch, "finish"):
        put(one, tmp_path, "a.csv", text)
    (entry,) = entries(one.lake)
    assert (entry.status, entry.events) == ("not finished", None)
    other = put(one, tmp_path, "b.csv", rows(("A3", "S1", 30)), day=1)
    again = put(one, tmp_path, "a.csv", text, day=2)
    assert (again.accepted, again.duplicates) == (0, 2)
    assert again.ingest == entry.id != other.ingest
    after = named(entries(one.lake), entry.id)
    assert (after.status, after.events, after.repeats) == ("finished", 2, {})
    take_back(one, entry.id)
    assert seconds(one) == [30]


def test_one_that_was_killed_can_be_taken_back_and_is_not_gone_on_with(tmp_path, monkeypatch):
    one = Deployment.at(tmp_path)
    text = rows(("A1", "S1", 10))
    with killed_before(monkeypatch, "finish"):
        put(one, tmp_path, "a.csv", text)
    (entry,) = entries(one.lake)
    take_back(one, entry.id)
    again = put(one, tmp_path, "a.csv", text, day=1)
    assert (again.accepted, again.ingest != entry.id) == (1, True)


def test_nothing_is_registered_of_files_that_cannot_be_used(tmp_path):
    one = Deployment.at(tmp_path)
    with pytest.raises(BadInput, match="has no usable value"):
        put(one, tmp_path, "a.csv", HEADER + "A1,S1,Q1,T1,1,yesterday,1\n" * 2)
    assert entries(one.lake) == []


def test_an_ingest_that_is_taken_back_while_it_runs_commits_nothing_more(tmp_path, monkeypatch):
    one = Deployment.at(tmp_path)
    monkeypatch.setattr(ingesting, "ROWS_PER_WRITE", 1)
    files = [tmp_path / name for name in ("a.csv", "b.csv")]
    for number, file in enumerate(files):
        file.write_text(rows((f"A{number}", "S1", 10)))
    real, calls = ingesting.write_events, []

    def taken_back_in_between(*given, **named_):
        calls.append(1)
        if len(calls) == 2:
            take_back(one, entries(one.lake)[0].id)
        return real(*given, **named_)

    monkeypatch.setattr(ingesting, "write_events", taken_back_in_between)
    with pytest.raises(Conflict, match="was taken back while it was running"):
        one.ingest(*files)
    assert seconds(one) == []


def test_a_duplicate_of_what_is_taken_back_meanwhile_is_accepted(tmp_path, monkeypatch):
    """An ingest compares its rows with the lake, and before it commits these are taken out."""
    one = Deployment.at(tmp_path)
    first = put(one, tmp_path, "a.csv", rows(("A1", "S1", 10), ("A2", "S1", 20)))
    real, calls = one.lake.commit_judged, []

    def after_an_undo(*given):
        calls.append(1)
        if len(calls) == 1:
            take_back(one, first.ingest)
        return real(*given)

    monkeypatch.setattr(one.lake, "one_committer", lambda _waiting=None: nullcontext())  # as on an object store
    monkeypatch.setattr(one.lake, "commit_judged", after_an_undo)
    second = put(one, tmp_path, "b.csv", rows(("A1", "S1", 10), ("A3", "S1", 30)), day=1)
    assert (second.accepted, second.duplicates) == (2, 0)
    assert seconds(one) == [10, 30]


def test_undo_beside_ingests_and_compactions_loses_nothing_of_them(tmp_path):
    one = Deployment.at(tmp_path, buckets=2)
    first = put(one, tmp_path, "a.csv", rows(*((f"A{n}", f"S{n}", 1) for n in range(40))))
    errors: list[BaseException] = []

    def work(what) -> None:
        try:
            what()
        except BaseException as error:  # noqa: BLE001 - told below
            errors.append(error)

    def read(number: int) -> None:
        here = Deployment.at(tmp_path, buckets=2)
        put(here, tmp_path, f"{number}.csv", rows(*((f"B{number}.{n}", f"S{n}", 2) for n in range(20))), day=number)

    jobs = [
        *(threading.Thread(target=work, args=(lambda n=n: read(n),)) for n in range(1, 5)),
        threading.Thread(target=work, args=(lambda: take_back(one, first.ingest),)),
        threading.Thread(target=work, args=(lambda: Deployment.at(tmp_path, buckets=2).lake.compact(EVENTS),)),
    ]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    assert errors == []
    assert seconds(one) == [2] * 80


def test_vacuum_drops_what_was_taken_back(tmp_path):
    one = Deployment.at(tmp_path, buckets=1)
    first = put(one, tmp_path, "a.csv", rows(("A1", "S1", 10)))
    put(one, tmp_path, "b.csv", rows(("A2", "S2", 20)), day=1)
    one.lake.compact(EVENTS)
    take_back(one, first.ingest)
    old = 8 * 86_400
    for path in (tmp_path / "lake" / "events").rglob("*"):
        if path.is_file():
            os.utime(path, (path.stat().st_mtime - old, path.stat().st_mtime - old))
    handle = one.lake._handle(EVENTS)
    handle.vacuum(0)
    left = [pq.read_table(path, partitioning=None) for path in (tmp_path / "lake" / "events").rglob("*.parquet")]
    students = {
        student for table in left if "student_id" in table.column_names for student in table["student_id"].to_pylist()
    }
    assert students == {KEY.student("default", "S2")}


# --replace


def test_a_file_replaces_what_it_had_brought(tmp_path):
    one = Deployment.at(tmp_path)
    first = put(one, tmp_path, "a.csv", rows(("A1", "S1", 10), ("A2", "S2", 20)) + "A9,S1,Q1,T1,perhaps,x,1\n")
    other = put(one, tmp_path, "b.csv", rows(("A3", "S3", 30)), day=1)
    second = put(one, tmp_path, "a.csv", rows(("A1", "S1", 10), ("A4", "S2", 40)), day=2, replace=True)
    assert (second.accepted, second.revised, second.duplicates) == (2, 0, 0)
    assert [(undone.undoes, undone.events) for undone in second.replaced] == [(first.ingest, 2)]
    assert seconds(one) == [10, 30, 40]
    assert one.lake.count(REJECTED) == 0
    assert {entry.id: entry.status for entry in entries(one.lake)}[other.ingest] == "finished"


def test_rows_that_are_rejected_again_stay_in_the_list(tmp_path):
    one = Deployment.at(tmp_path)
    text = rows(("A1", "S1", 10)) + "A9,S1,Q1,T1,perhaps,2026-05-01T08:00:00Z,1\n"
    put(one, tmp_path, "a.csv", text)
    put(one, tmp_path, "a.csv", text, day=1, replace=True)
    assert one.lake.count(REJECTED) == 1


def test_a_file_is_known_by_its_bytes_wherever_it_lies_and_not_by_its_name(tmp_path):
    one = Deployment.at(tmp_path)
    first = put(one, tmp_path / "x", "a.csv", rows(("A1", "S1", 10)))
    moved = put(one, tmp_path / "y", "b.csv", rows(("A1", "S1", 10)), day=1, replace=True)
    assert [undone.undoes for undone in moved.replaced] == [first.ingest]
    strange = put(one, tmp_path / "z", "b.csv", rows(("A2", "S1", 20)), day=2, replace=True)
    assert strange.replaced == ()
    assert any("nothing was replaced" in note for note in strange.notes)
    assert seconds(one) == [10, 20]


def test_of_an_ingest_of_several_files_only_the_replaced_ones_go(tmp_path):
    one = Deployment.at(tmp_path)
    for number, name in enumerate(("a.csv", "b.csv")):
        (tmp_path / name).write_text(rows((f"A{number}", "S1", 10 + number)))
    first = one.ingest(tmp_path / "a.csv", tmp_path / "b.csv")
    put(one, tmp_path, "a.csv", rows(("A7", "S1", 70)), day=1, replace=True)
    assert seconds(one) == [11, 70]
    assert named(entries(one.lake), first.ingest).taken_back == ("a.csv",)


def test_two_files_of_one_name_in_one_ingest_are_not_told_apart(tmp_path):
    one = Deployment.at(tmp_path)
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.csv").write_text(rows((f"A{folder}", "S1", 10)))
    one.ingest(tmp_path / "x" / "a.csv", tmp_path / "y" / "a.csv")
    with pytest.raises(Conflict, match=r"several files called 'a.csv'"):
        put(one, tmp_path / "x", "a.csv", rows(("A7", "S1", 70)), day=1, replace=True)
    assert seconds(one) == [10, 10]


def test_a_replacing_ingest_that_is_killed_leaves_what_there_was_or_both(tmp_path, monkeypatch):
    one = Deployment.at(tmp_path)
    put(one, tmp_path, "a.csv", rows(("A1", "S1", 10), ("A2", "S2", 20)))
    with killed_before(monkeypatch, "undo"):
        put(one, tmp_path, "a.csv", rows(("A1", "S1", 11), ("A3", "S2", 30)), day=1, replace=True)
    assert seconds(one) == [11, 20, 30]
    put(one, tmp_path, "a.csv", rows(("A1", "S1", 11), ("A3", "S2", 30)), day=2, replace=True)
    assert seconds(one) == [11, 30]


def test_a_file_that_was_read_under_another_zone_is_replaced(tmp_path):
    one = Deployment.at(tmp_path)
    text = HEADER.removeprefix("attempt_id,") + "".join(
        f"S1,Q{n},T1,1,2026-05-{n + 1:02d}T08:00:0{n},{n + 1}\n" for n in range(9)
    )
    put(one, tmp_path, "a.csv", text, zone="UTC")
    with pytest.raises(BadInput, match="--replace"):
        put(one, tmp_path, "a.csv", text, day=1, zone="Asia/Tokyo")
    assert put(one, tmp_path, "a.csv", text, day=2, zone="Asia/Tokyo", replace=True).accepted == 9
    assert one.lake.count(EVENTS) == 9


@pytest.mark.parametrize("compacted", [False, True])
def test_rows_of_before_a_correction_say_which_ingest_to_take_back_and_then_count_again(tmp_path, compacted):
    one = Deployment.at(tmp_path)
    before = rows(("A1", "S1", 10), ("A2", "S1", 20), ("A3", "S2", 30))
    put(one, tmp_path, "a.csv", before)
    wrong = put(one, tmp_path, "rev.csv", rows(("A1", "S1", 11), ("A2", "S1", 21)), day=1)
    assert wrong.revised == 2 and not any("earlier version" in note for note in wrong.notes)
    if compacted:
        one.lake.compact()
    again = put(one, tmp_path, "a.csv", before, day=2)
    assert (again.duplicates, seconds(one)) == (3, [11, 21, 30])
    (note,) = (note for note in again.notes if "earlier version" in note)
    assert note.startswith("2 rows are earlier versions") and f"`mastery ingests undo {wrong.ingest}`" in note
    take_back(one, wrong.ingest)
    assert seconds(one) == [10, 20, 30]
    last = put(one, tmp_path, "a.csv", before, day=12)
    assert last.duplicates == 3 and not any("earlier version" in note for note in last.notes)


def test_a_file_with_an_event_in_two_versions_is_read_again_without_a_word(tmp_path):
    one = Deployment.at(tmp_path)
    text = rows(("A1", "S1", 10), ("A1", "S1", 20))
    put(one, tmp_path, "a.csv", text)
    assert not any("earlier version" in note for note in put(one, tmp_path, "a.csv", text, day=1).notes)
