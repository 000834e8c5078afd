"""What has changed is published between two recomputes: the same rows, whoever else publishes meanwhile."""

from __future__ import annotations

import json
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from crash.commands import eager
from mastery.errors import Conflict, Stopped
from mastery.lake import Lake
from mastery.lake.publication import CHANGES, RECOMPUTE
from mastery.pipelines.ingest.ingests import entries
from mastery.pipelines.ingest.undo import undo
from mastery.pipelines.models.active import current_model_set, shadow_model_set
from mastery.pipelines.models.rules import load_rules
from mastery.pipelines.models.store import store_model_set
from mastery.pipelines.scoring import publish_changed
from mastery.pipelines.scoring.activate import activate, set_shadow
from mastery.pipelines.scoring.class_numbers import ClassNumbers
from mastery.pipelines.scoring.class_weakest import ClassWeakest
from mastery.pipelines.scoring.publish_changed import ChangesPublisher, PublishedChanges
from mastery.pipelines.scoring.recompute import recompute
from mastery.tables import (
    CLASS_STUDENTS,
    CLASS_TOPICS,
    CLASS_WEAKEST,
    FEATURES,
    GOLD,
    HISTORY,
    LEDGER,
    PUBLICATIONS,
    SHADOW,
)
from school import KEY, NOW, NOW_US, Deployment
from stream import files, stream

OF_STUDENTS = (LEDGER, FEATURES, GOLD, HISTORY)
STUDENTS = 9
RULES = load_rules("classic").params


class School:
    """A deployment into which a stream comes bit by bit, and who publishes."""

    def __init__(self, folder: Path, seed: int = 3) -> None:
        self.folder, self.of = folder, Deployment.at(folder)
        self.rows, self.taken = stream(seed, STUDENTS, 30), 0
        self.publisher = ChangesPublisher(self.of.lake, min_evidence=3)

    def take(self, n: int) -> None:
        """Ingest the next rows."""
        some = self.rows[self.taken : self.taken + n]
        self.taken += len(some)
        self.of.ingest(*files(some, self.folder / f"files-{self.taken}"))

    def recompute(self, as_of_us: int = NOW_US, **options) -> None:
        recompute(
            self.of.lake,
            self.of.reader.metadata().model_set,
            as_of_us=as_of_us,
            now_us=as_of_us,
            min_evidence=3,
            workers=1,
            state=self.of.state,
            **({"shadow": shadow_model_set(self.of.lake)} | options),
        )

    def publish(self, as_of_us: int, publisher: ChangesPublisher | None = None) -> PublishedChanges:
        return (publisher or self.publisher).publish(
            self.of.reader.metadata().model_set,
            as_of_us=as_of_us,
            now_us=as_of_us,
            shadow=shadow_model_set(self.of.lake),
        )

    def shown(self, *tables) -> dict[str, list[str]]:
        """Rows of each table as people see them, in no order."""
        lake = Lake.open(self.of.lake.root, create=False)
        return {
            table.name: sorted(json.dumps(row, default=str) for row in lake.scan(table).to_pylist())
            for table in tables or OF_STUDENTS
        }

    def of_a_recompute(self, as_of_us: int) -> dict[str, list[str]]:
        """What a recompute at this moment would show, of a copy of the lake."""
        other = self.folder.parent / f"{self.folder.name}-{self.taken}-{as_of_us}-{threading.get_ident()}"
        shutil.copytree(self.folder / "lake", other / "lake")
        of = Deployment.at(other)
        recompute(
            of.lake,
            of.reader.metadata().model_set,
            as_of_us=as_of_us,
            now_us=as_of_us,
            min_evidence=3,
            workers=1,
            shadow=shadow_model_set(of.lake),
        )
        copy = School.__new__(School)
        copy.of = of
        found = copy.shown(*OF_STUDENTS, SHADOW)
        shutil.rmtree(other)
        return found


class Resting(threading.Event):
    """An event that notes for how long it is waited for, and does not take that time; or is set meanwhile."""

    def __init__(self, *, then_set: bool = False) -> None:
        super().__init__()
        self.rests_s: list[float | None] = []
        self._then_set = then_set

    def wait(self, timeout: float | None = None) -> bool:
        self.rests_s.append(timeout)
        if self._then_set:
            self.set()
        return super().wait(0)


def by_student(rows: list[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(json.loads(row)["student_id"], []).append(row)
    return found


def class_agrees(school: School) -> None:
    """The class tables are those of gold as it is shown."""
    lake = Lake.open(school.of.lake.root, create=False)
    numbers, weakest = ClassNumbers(), ClassWeakest(3)
    for bucket in lake.shown(GOLD).buckets:
        rows = lake.read_bucket(GOLD, bucket)
        numbers.add(rows.combine_chunks())
        weakest.add(rows)
    by_place = [("score_source", "ascending"), ("place", "ascending")]
    assert lake.scan(CLASS_STUDENTS).sort_by(by_place).equals(numbers.student_rows(lake.buckets).sort_by(by_place))
    assert lake.scan(CLASS_WEAKEST).sort_by(by_place).equals(weakest.rows().sort_by(by_place))
    assert lake.scan(CLASS_TOPICS).to_pylist() == numbers.topic_rows().to_pylist()


@pytest.mark.slow
@pytest.mark.parametrize("other", [False, True], ids=["default", "with a shadow"])
def test_rows_of_changed_students_are_those_of_a_recompute_and_the_others_stay(tmp_path, other):
    school, rng = School(tmp_path / "school", seed=7), np.random.default_rng(7)
    school.take(60)
    if other:
        model_set = eager(current_model_set(school.of.lake, RULES))
        store_model_set(school.of.lake, model_set, NOW_US)
        activate(
            school.of.lake,
            RULES,
            model_set.version,
            NOW_US,
            lambda model_set, *, shadow, switch: recompute(
                school.of.lake,
                model_set,
                as_of_us=NOW_US,
                now_us=NOW_US,
                min_evidence=3,
                workers=1,
                state=school.of.state,
                switch=switch,
            ),
        )
        set_shadow(school.of.lake, RULES, "default", NOW_US)
    school.recompute()
    at_us = NOW_US
    for step in range(3):
        before = {name: by_student(rows) for name, rows in school.shown(*OF_STUDENTS, SHADOW).items()}
        events = school.of.lake.version(publish_changed.EVENTS)
        school.take(int(rng.integers(2, 40)))
        until = school.of.lake.version(publish_changed.EVENTS)
        news = school.of.lake.news(publish_changed.EVENTS, events, until)
        changed = set(publish_changed.students_of(school.of.lake, news, until))
        at_us += 60_000_000
        if step == 1:
            school.of.lake.compact(GOLD)
        if step == 2:
            school.publisher = ChangesPublisher(school.of.lake, min_evidence=3)  # as after a restart
        done = school.publish(at_us)
        assert done.students == len(changed) > 0
        assert done.generation is not None
        whole = {name: by_student(rows) for name, rows in school.of_a_recompute(at_us).items()}
        for name, rows in school.shown(*OF_STUDENTS, SHADOW).items():
            now = by_student(rows)
            expected = {student: rows for student, rows in before[name].items() if student not in changed}
            if name == SHADOW.name and not other:
                assert now == {}
                continue
            expected |= {student: rows for student, rows in whole[name].items() if student in changed}
            assert now == expected
        class_agrees(school)
        assert school.publish(at_us) == PublishedChanges()
    files_of = school.of.lake.shown(GOLD).own
    assert all(len(files) <= 2 for files in files_of.values())


@pytest.mark.slow
def test_without_any_recompute_everybody_is_published(tmp_path):
    school = School(tmp_path / "school")
    school.take(80)
    assert school.publish(NOW_US).generation is not None
    whole = school.of_a_recompute(NOW_US)
    assert school.shown() == {name: whole[name] for name in school.shown()}
    class_agrees(school)
    school.take(20)
    school.recompute(NOW_US + 1)
    assert school.shown() == {
        name: rows for name, rows in school.of_a_recompute(NOW_US + 1).items() if name != "shadow"
    }


@pytest.mark.slow
def test_a_recompute_is_not_held_up_and_those_who_came_in_meanwhile_are_published_again(tmp_path):
    school = School(tmp_path / "school")
    school.take(60)
    school.recompute()
    changes_meanwhile(school)
    last = school.of.lake.publication()
    assert last.action == RECOMPUTE, "a recompute publishes, though changes of later events were published meanwhile"
    assert last.changed_events is None
    assert school.publish(NOW_US + 2).students > 0
    whole = school.of_a_recompute(NOW_US + 2)["ledger"]
    assert school.shown()["ledger"] == whole
    class_agrees(school)


def changes_meanwhile(school: School) -> None:
    """Recompute, and publish changes of later events while it folds."""
    meanwhile = iter([lambda: (school.take(30), school.publish(NOW_US + 1))])

    def progress(_events: int) -> None:
        for publish in meanwhile:
            publish()

    school.recompute(NOW_US + 1, progress=progress)


@pytest.mark.slow
def test_a_recompute_that_publishes_first_wins_and_the_changes_come_with_the_next(tmp_path, monkeypatch):
    school = School(tmp_path / "school")
    school.take(60)
    school.recompute()
    school.take(30)
    write = ChangesPublisher._write_class

    def then_another(self, *given):
        monkeypatch.setattr(ChangesPublisher, "_write_class", write)
        school.recompute(NOW_US + 1)
        return write(self, *given)

    monkeypatch.setattr(ChangesPublisher, "_write_class", then_another)
    with pytest.raises(Conflict, match="published meanwhile"):
        school.publish(NOW_US + 1)
    assert school.publish(NOW_US + 2) == PublishedChanges()
    assert school.shown() == {
        name: rows for name, rows in school.of_a_recompute(NOW_US + 1).items() if name != "shadow"
    }


@pytest.mark.slow
def test_several_who_publish_and_compact_at_once_show_each_student_once(tmp_path):
    school = School(tmp_path / "school", seed=5)
    school.take(60)
    school.recompute()
    stop = threading.Event()

    def publishing(number: int) -> int:
        of = Deployment.at(school.folder)
        own = ChangesPublisher(of.lake, min_evidence=3)
        done = 0
        while not stop.is_set():
            try:
                done += (
                    own.publish(of.reader.metadata().model_set, as_of_us=NOW_US + 9, now_us=NOW_US + 9).generation
                    is not None
                )
            except Conflict:
                continue
            if number == 0:
                of.lake.compact(GOLD)
                of.lake.compact(HISTORY)
        return done

    with ThreadPoolExecutor(3) as pool:
        jobs = [pool.submit(publishing, number) for number in range(3)]
        for _ in range(5):
            school.take(20)
        school.recompute(NOW_US + 9)
        school.take(20)
        while school.of.lake.publication().changes_until < school.of.lake.version(publish_changed.EVENTS):
            for job in jobs:
                assert not job.done(), job.result()
            stop.wait(0.05)
        stop.set()
        assert sum(job.result() for job in jobs) > 0
    whole = school.of_a_recompute(NOW_US + 9)
    assert school.shown() == {name: whole[name] for name in school.shown()}
    class_agrees(school)


def test_what_is_shown_of_another_model_set_is_left_to_the_next_recompute(tmp_path):
    school = School(tmp_path / "school")
    school.take(30)
    school.recompute()
    (tmp_path / "topics.csv").write_text("topic_id,title,difficulty_estimate\nt1,Fractions,0.9\n")
    school.of.ingest(tmp_path / "topics.csv")
    school.take(10)
    before = school.shown()
    left = school.publish(NOW_US).left
    assert left is not None
    assert "what is shown is of model set default-" in left
    assert school.shown() == before
    school.recompute(NOW_US + 1)
    school.take(10)
    assert school.publish(NOW_US + 2).left is None


def test_students_whose_events_were_all_taken_back_are_shown_no_more(tmp_path):
    school = School(tmp_path / "school")
    school.take(30)
    school.recompute()
    file = tmp_path / "other.ndjson"
    file.write_text(
        '{"student_id": "new", "question_id": "q1", "topic_id": "t1", "is_correct": true, '
        '"timestamp": "2026-03-02T08:00:00Z"}\n'
    )
    school.of.ingest(file)
    school.publish(NOW_US)
    mine = KEY.student("default", "new")
    assert mine in by_student(school.shown()["gold"])
    undo(school.of.lake, entries(school.of.lake)[0], now=NOW, door="python", code_version="")
    assert school.publish(NOW_US).students == 1
    assert mine not in by_student(school.shown()["gold"])
    class_agrees(school)


def test_who_is_stopped_leaves_no_files_behind(tmp_path, monkeypatch):
    school = School(tmp_path / "school")
    school.take(60)
    school.recompute()
    school.take(30)
    before = sorted(tmp_path.rglob("*.parquet"))
    stop = threading.Event()
    publisher = ChangesPublisher(school.of.lake, min_evidence=3, stop=stop)
    fold = publish_changed.fold_bucket

    def last(*given):
        stop.set()
        return fold(*given)

    monkeypatch.setattr(publish_changed, "fold_bucket", last)
    with pytest.raises(Stopped):
        school.publish(NOW_US, publisher)
    assert sorted(tmp_path.rglob("*.parquet")) == before


def test_who_publishes_with_a_share_of_the_time_rests_between_buckets(tmp_path):
    school = School(tmp_path / "school")
    school.take(60)
    school.recompute()
    school.take(60)
    stop = Resting()
    publisher = ChangesPublisher(school.of.lake, min_evidence=3, stop=stop, share=0.01)
    done = school.publish(NOW_US, publisher)
    buckets = len(school.of.lake.snapshot(GOLD).buckets)
    assert done.students == STUDENTS
    assert len(stop.rests_s) >= 2 * buckets, "after each was read, and after each was written"
    assert all(rest_s > 0 for rest_s in stop.rests_s)
    made = school.of_a_recompute(NOW_US)
    assert school.shown() == {name: made[name] for name in school.shown()}


def test_who_rests_is_stopped_at_once(tmp_path):
    school = School(tmp_path / "school")
    school.take(60)
    stop = Resting(then_set=True)
    with pytest.raises(Stopped):
        school.publish(NOW_US, ChangesPublisher(school.of.lake, min_evidence=3, stop=stop, share=0.001))
    assert len(stop.rests_s) == 1


def test_files_that_were_written_again_are_deleted_when_nobody_reads_them_any_more(tmp_path, monkeypatch):
    school = School(tmp_path / "school")
    school.take(60)
    school.recompute()
    old = {file.path for file in school.of.lake.shown(GOLD)}
    school.take(30)
    school.publish(NOW_US)
    there = lambda: {path for path in old if (tmp_path / "school" / "lake" / "gold" / path).exists()}  # noqa: E731
    assert there() == old
    school.publish(NOW_US)
    assert there() == old
    monkeypatch.setattr(publish_changed, "KEPT_S", 0.0)
    school.publish(NOW_US)
    assert there() == old & {file.path for file in school.of.lake.shown(GOLD)}
    class_agrees(school)


def test_rows_of_changes_do_not_pile_up(tmp_path):
    school = School(tmp_path / "school")
    rows = school.of.lake.scan(PUBLICATIONS)
    one = pa.Table.from_pylist(
        [
            {"number": number, "action": action, "committed_at": at}
            for number, (action, at) in enumerate(
                [
                    (CHANGES, NOW.replace(year=2020)),
                    (RECOMPUTE, NOW.replace(year=2020)),
                    (CHANGES, NOW.replace(year=2099)),
                ]
            )
        ],
        schema=PUBLICATIONS.schema,
    )
    from mastery.lake.publication import worth_keeping

    assert worth_keeping(one)["number"].to_pylist() == [1, 2]
    assert worth_keeping(rows).num_rows == rows.num_rows
    assert pc.all(pc.is_valid(one["number"])).as_py()
