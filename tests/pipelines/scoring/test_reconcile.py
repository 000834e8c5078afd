"""A reconciliation finds every way in which a record can be wrong, puts it right, and nothing else."""

from __future__ import annotations

import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from mastery.instants import DAY_US
from mastery.pipelines.live.batch import ACCEPTED
from mastery.pipelines.live.intake import Intake
from mastery.pipelines.models.rules import load_rules
from mastery.pipelines.queries.reader import Reader
from mastery.pipelines.scoring.compare_records import differences
from mastery.pipelines.scoring.reconcile import ReconcileReport, reconcile
from mastery.school_days import UTC_DAYS, school_days
from mastery.state import NOWHERE, Position, Record, connect, encode
from mastery.state.sqlite import SqliteStore
from mastery.tables import EVENTS, GOLD, PUBLICATIONS
from school import KEY, NOW, NOW_US, Deployment
from stored_fields import BODY, LINEAGE, NEWS, SEEN, change
from stream import files, stream

STUDENTS = 6
S = [KEY.student("default", f"S{number}") for number in range(STUDENTS)]
ACTIVE_DAYS = 900


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("school")
    of = Deployment.at(folder / "home")
    of.ingest(*files(stream(3, STUDENTS), folder / "files"))
    of.recompute(active_days=ACTIVE_DAYS)
    of.state.close()
    return folder / "home"


@pytest.fixture
def school(made: Path, tmp_path: Path) -> Iterator[Deployment]:
    of = Deployment.at(made)
    with closing(sqlite3.connect(made / "state.db")) as db:
        db.execute("VACUUM INTO ?", (str(tmp_path / "state.db"),))
    state = SqliteStore(str(tmp_path / "state.db"))
    yield replace(of, state=state)
    state.close()


def run(of: Deployment, **options: object) -> ReconcileReport:
    given = {"now_us": NOW_US, "workers": 2, "active_days": ACTIVE_DAYS} | options
    return reconcile(of.lake, of.state, of.reader.metadata().model_set, **given)  # type: ignore[arg-type]


def version_of(school: Deployment) -> str:
    return school.reader.metadata().model_set.version


def record(school: Deployment, student: str) -> Record:
    found = school.state.get(student, version_of(school))
    assert found is not None
    return found


def bits(school: Deployment) -> dict[str, bytes | None]:
    """The bytes of everybody's record, but for what it has seen; None of who has none that is current."""
    found = {student: school.state.get(student, version_of(school)) for student in S}
    return {name: None if one is None else encode(replace(one, seen=NOWHERE)) for name, one in found.items()}


def put(school: Deployment, changed: Record) -> None:
    assert school.state.put_each([changed]) == []


def turned(values: np.ndarray, place: tuple[int, ...]) -> np.ndarray:
    """The same with one bit of one number turned."""
    found = values.copy()
    found.view(np.uint64)[place] ^= np.uint64(1)
    return found


def one_bit_of_a_state(school: Deployment) -> Mapping[str, tuple[str, ...]]:
    found = record(school, S[1])
    state = turned(found.slot_states["bkt"], (2, 0))
    put(school, replace(found, slot_states=found.slot_states | {"bkt": state}))
    return {"state of bkt": (found.topics[2],)}


def one_bit_of_the_student(school: Deployment) -> Mapping[str, tuple[str, ...]]:
    found = record(school, S[1])
    put(
        school, replace(found, student_states=found.student_states | {"elo": turned(found.student_states["elo"], (0,))})
    )
    return {"state of elo": ()}


def a_counter_and_a_day(school: Deployment) -> Mapping[str, tuple[str, ...]]:
    found = record(school, S[1])
    ledger = found.ledger.copy()
    ledger[0, -2] += 1
    put(school, replace(found, counters=turned(found.counters, (1, 0)), ledger=ledger))
    return {"counters": (found.topics[1],), "ledger": (found.topics[int(ledger[0, 0])],)}


def a_recent_event(school: Deployment) -> Mapping[str, tuple[str, ...]]:
    found = record(school, S[1])
    put(school, replace(found, recent=found.recent[1:]))
    return {"recent events": ()}


def later_than_the_lake(school: Deployment) -> Mapping[str, tuple[str, ...]]:
    found = record(school, S[1])
    put(school, replace(found, seen=Position(found.seen.lineage, found.seen.version + 7)))
    return {"position": ()}


@pytest.mark.parametrize(
    "plant",
    [one_bit_of_a_state, one_bit_of_the_student, a_counter_and_a_day, a_recent_event, later_than_the_lake],
)
def test_other_bits_are_found_named_and_put_right(school, plant):
    right = bits(school)
    what = plant(school)
    only_compared = run(school, repair=False)
    found = run(school)
    assert only_compared.causes == found.causes == Counter(different=1)
    assert found.faults == 1 and found.same == STUDENTS - 1
    assert [(one.student_id, one.cause, one.what) for one in found.examples] == [(S[1], "different", what)]
    assert found.what == Counter(what.keys())
    assert found.repaired == found.causes and only_compared.repaired == Counter()
    again = run(school)
    assert (again.causes, again.same, bits(school)) == (Counter(), STUDENTS, right)


def gone(school: Deployment) -> None:
    assert school.state.drop_students([S[2]], Position(9, 0)) == 1


def damaged(school: Deployment, place: int = 300) -> None:
    _change_body(school, lambda body: body[:place] + bytes([body[place] ^ 4]) + body[place + 1 :])


def of_another_format(school: Deployment) -> None:
    _change_body(school, lambda body: body[:4] + bytes([body[4] - 1]) + body[5:])


def _change_body(school: Deployment, change) -> None:
    with closing(sqlite3.connect(school.state._path)) as db:
        head, body = db.execute(
            "SELECT b.id, b.body FROM bodies b JOIN heads h ON h.id = b.id WHERE h.student_id = ?", (S[2],)
        ).fetchone()
        db.execute("UPDATE bodies SET body = ? WHERE id = ?", (change(body), head))
        db.commit()


def under_another_set(school: Deployment) -> None:
    other = replace(record(school, S[2]), model_version="another", version=0)
    gone(school)
    put(school, other)


def by_other_days(school: Deployment) -> None:
    put(school, replace(record(school, S[2]), timezone="Asia/Kolkata"))


def of_nobody(school: Deployment) -> None:
    stranger = KEY.student("default", "nobody")
    put(school, replace(record(school, S[2]), student_id=stranger, version=0))


@pytest.mark.parametrize(
    ("plant", "cause"),
    [
        (gone, "missing"),
        (damaged, "damaged"),
        (of_another_format, "other_rules"),
        (under_another_set, "other_rules"),
        (by_other_days, "other_rules"),
        (of_nobody, "surplus"),
    ],
)
def test_each_cause_is_found_and_put_right(school, plant, cause):
    right, count = bits(school), school.state.count(version_of(school))
    plant(school)
    only_compared, found = run(school, repair=False), run(school)
    assert only_compared.causes == found.causes == found.repaired == Counter({cause: 1})
    assert found.faults == 1
    again = run(school)
    assert (again.causes, again.same, bits(school)) == (Counter(), STUDENTS, right)
    assert school.state.count(version_of(school)) == count


BESIDE = [
    (SEEN, 900, "different", {"position": ()}),
    (LINEAGE, 3, "different", {"position": ()}),
    (SEEN, -1, "different", {"position": ()}),
    (BODY, 0, "damaged", {}),
    (LINEAGE, 0, "behind", {}),
]
"""Field beside the bytes of a record, how far it is moved, and what a reconciliation calls that."""


@pytest.mark.parametrize(("field", "by", "cause", "what"), BESIDE)
def test_what_is_changed_beside_the_bytes_of_a_record_is_found_and_put_right(school, field, by, cause, what):
    right, there = bits(school), record(school, S[2])
    lineage = (there.seen.lineage + by) * (by != 0)
    change(school.state, S[2], field, lineage if field == LINEAGE else there.seen.version + by)
    only_compared, found = run(school, repair=False), run(school)
    assert only_compared.causes == found.causes == found.repaired == Counter({cause: 1})
    assert [(one.student_id, one.what) for one in found.examples] == [(S[2], what)]
    again = run(school)
    assert (again.causes, again.same, bits(school)) == (Counter(), STUDENTS, right)


@pytest.mark.parametrize(("field", "by"), [(SEEN, 900), (LINEAGE, 3), (SEEN, -1), (BODY, 0)])
def test_a_reader_makes_such_a_record_again_and_says_so(school, field, by, caplog):
    right, there = bits(school)[S[2]], record(school, S[2])
    change(school.state, S[2], field, by + (there.seen.lineage if field == LINEAGE else there.seen.version))
    rules = load_rules("classic").params
    reader = Reader(school.lake, school.state, rules, min_evidence=3, default_scorer="rule_based")
    read = partial(reader.student, S[2], tenant="default", as_of_us=NOW_US)
    expected = read()
    assert "a student's record cannot be read" in caplog.text
    assert bits(school)[S[2]] == right
    caplog.clear()
    assert read() == expected and not caplog.records


@pytest.mark.parametrize(("field", "by"), [(SEEN, 900), (LINEAGE, 3), (SEEN, -1), (BODY, 0), (NEWS, 900)])
def test_the_next_answer_of_such_a_student_is_in_the_record(tmp_path, field, by, caplog):
    of = live(tmp_path)
    of.recompute(active_days=ACTIVE_DAYS)
    there = record(of, S[2])
    change(of.state, S[2], field, by + (there.seen.lineage if field == LINEAGE else there.seen.version))
    intake = Intake(
        of.lake, of.state, lambda: of.reader.metadata().model_set, KEY, tenant="default", door="api", now=lambda: NOW
    )
    row = (
        b'{"student_id": "S2", "question_id": "q1", "topic_id": "t1", "timestamp": "2026-02-28T08:00:00Z", '
        b'"is_correct": 1, "attempt_id": "next"}'
    )
    assert intake.post([row]).result().count(ACCEPTED) == 1
    assert ("cannot be used" in caplog.text) is (field != NEWS)
    intake.close()
    assert of.state.get(S[2], version_of(of)) is not None
    found = run(of)
    assert (found.causes, found.same) == (Counter(), STUDENTS)
    of.state.close()


def test_a_comparison_alone_writes_no_record(school):
    damaged(school)
    one_bit_of_a_state(school)
    before = [*school.state.stored(version_of(school))]
    assert run(school, repair=False).faults == 2
    assert [*school.state.stored(version_of(school))] == before


def test_all_at_once_is_counted_once_each(school):
    right = bits(school)
    damaged(school)
    one_bit_of_a_state(school)
    school.state.drop_students([S[3]], Position(9, 0))
    found = run(school)
    assert found.causes == found.repaired == Counter(damaged=1, different=1, missing=1)
    assert found.same == STUDENTS - 3
    assert bits(school) == right


def test_a_student_who_was_not_active_needs_no_record(school):
    last = {student: record(school, student).last_event_us for student in S}
    longest_away = min(S, key=lambda student: last[student])
    days_away = (school.newest_us() - last[longest_away]) // DAY_US
    assert days_away > 0
    school.state.drop_students([longest_away], Position(9, 0))
    found = run(school, active_days=days_away)
    assert (found.causes, found.unmade) == (Counter(), 1)
    assert run(school, active_days=days_away + 1, repair=False).causes == Counter(missing=1)


def live(tmp_path: Path) -> Deployment:
    of = Deployment.at(tmp_path / "home")
    of.ingest(*files(stream(3, STUDENTS), tmp_path / "files"))
    return of


def test_answers_that_nobody_has_folded_yet_are_on_their_way_and_no_fault(tmp_path):
    of = live(tmp_path)
    never = run(of, repair=False)
    assert (never.causes, never.faults) == (Counter(behind=STUDENTS), 0)
    of.recompute(active_days=ACTIVE_DAYS)
    of.ingest(*files(stream(4, STUDENTS + 1), tmp_path / "more"))
    found = run(of)
    assert found.faults == 0 and found.causes == found.repaired == Counter(behind=STUDENTS + 1)
    assert run(of).causes == Counter()
    right = bits(of)
    of.recompute(active_days=ACTIVE_DAYS)
    assert bits(of) == right and None not in right.values()
    of.state.close()


def test_a_student_whose_every_answer_was_withdrawn_has_no_record_in_the_end(tmp_path):
    of = live(tmp_path)
    row = {"student_id": "W", "question_id": "q1", "topic_id": "t1", "timestamp": "2026-03-02T08:00:00Z"}
    (tmp_path / "w.csv").write_text(
        ",".join([*row, "is_correct", "attempt_id"]) + "\n" + ",".join([*row.values(), "1", "w1"]) + "\n"
    )
    of.ingest(tmp_path / "w.csv")
    of.recompute(active_days=ACTIVE_DAYS)
    (tmp_path / "x.csv").write_text(
        ",".join([*row, "is_correct", "attempt_id", "replaces"])
        + "\n"
        + ",".join([*row.values(), "", "w2", "w1"])
        + "\n"
    )
    of.ingest(tmp_path / "x.csv")
    found = run(of)
    assert found.faults == 0 and found.causes == found.repaired == Counter(behind=1)
    assert run(of).causes == Counter()
    of.state.close()


class Meanwhile(SqliteStore):
    """A store to which somebody else writes just before a record is put right."""

    def put_each(self, records):
        for one in records:
            there = self.get(one.student_id, one.model_version)
            assert there is not None
            super().put_each([there])
        return super().put_each(records)


def test_a_record_that_moved_on_meanwhile_is_not_overwritten(school):
    one_bit_of_a_state(school)
    wrong, version = bits(school)[S[1]], record(school, S[1]).version
    busy = replace(school, state=Meanwhile(school.state._path))
    found = run(busy)
    assert (found.overtaken, found.repaired, found.faults) == (1, Counter(), 1)
    assert bits(school)[S[1]] == wrong and record(school, S[1]).version == version + 1
    busy.state.close()


def test_nothing_published_is_touched(school):
    tables = (GOLD, PUBLICATIONS, EVENTS)
    before = [school.lake.version(table) for table in tables]
    one_bit_of_a_state(school)
    run(school)
    assert [school.lake.version(table) for table in tables] == before


@pytest.mark.slow
def test_while_answers_come_in_no_state_is_called_wrong(tmp_path):
    of = live(tmp_path)
    of.recompute(active_days=ACTIVE_DAYS)
    mine = Deployment.at(tmp_path / "home")
    intake = Intake(
        mine.lake, mine.state, lambda: mine.reader.metadata().model_set, KEY, tenant="default", door="http",
        now=lambda: NOW,
    )  # fmt: skip
    over = threading.Event()

    def post() -> None:
        for table, row in stream(5, STUDENTS)[:150]:
            intake.submit(intake.understand([row], table)).result()
        over.set()

    writer = threading.Thread(target=post)
    writer.start()
    reports = []
    while not over.is_set():
        reports.append(run(of))
    writer.join()
    intake.close()
    assert reports and [one.faults for one in reports] == [0] * len(reports), [one.examples for one in reports]
    last = run(of)
    assert (last.causes, last.same) == (Counter(), last.students)
    whole = replace(of, state=connect(f"sqlite:{tmp_path / 'whole.db'}"))
    whole.recompute(active_days=ACTIVE_DAYS)
    assert bits(whole) == bits(of)
    for one in (of, mine, whole):
        one.state.close()


def test_topics_in_another_order_are_a_difference(school):
    found = record(school, S[1])
    moved = replace(found, topics=found.topics[::-1])
    assert differences(moved, found) == {"topics": found.topics}


def test_the_days_of_the_tenant_are_those_that_count(school):
    assert run(school, repair=False, days=UTC_DAYS).faults == 0
    assert run(school, repair=False, days=school_days("Asia/Kolkata")).causes == Counter(other_rules=STUDENTS)
