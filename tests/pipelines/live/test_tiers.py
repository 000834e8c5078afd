"""The stream serves active students; of the others events are kept, and scores made when somebody reads them."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from mastery.pipelines.live.intake import Intake
from mastery.pipelines.live.watch import Watch
from mastery.state import NOWHERE, encode
from mastery.tables import EVENTS, GOLD
from pipelines.live.test_batch import START, answer
from school import KEY, NOW, NOW_US, Deployment


class Listening(Watch):
    def __init__(self) -> None:
        self.left = 0

    def inactive(self, students: int) -> None:
        self.left += students


def at(days: float, student: str, n: int) -> dict[str, object]:
    moment = (START + timedelta(days=days, minutes=n)).isoformat()
    return answer(n) | {"student_id": student, "timestamp": moment, "attempt_id": f"{student}-{n}"}


ROWS = [
    [at(0, "early", n) for n in range(5)],
    [at(50, "late", n) for n in range(5)],
    [at(1, "early", 7), at(51, "late", 7), at(2, "new", 8)],
    [at(52, "late", 9), at(3, "early", 10)],
]


def sent(of: Deployment, active_days: int | None) -> Listening:
    watch = Listening()
    intake = Intake(
        of.lake,
        of.state,
        lambda: of.reader.metadata().model_set,
        KEY,
        tenant="default",
        door="stream",
        now=lambda: NOW,
        active_days=active_days,
        watch=watch,
    )
    for rows in ROWS:
        intake.submit(intake.understand([json.dumps(row).encode() for row in rows])).result()
    intake.close()
    return watch


def record(of: Deployment, student: str) -> bytes | None:
    found = of.state.get(KEY.student("default", student), of.reader.metadata().model_set.version)
    return None if found is None else encode(replace(found, seen=NOWHERE))


@pytest.fixture
def two(tmp_path):
    """The same rows with tiers, and without."""
    tiers, all_served = Deployment.at(tmp_path / "tiers"), Deployment.at(tmp_path / "all")
    return tiers, all_served, sent(tiers, 30), sent(all_served, None)


def test_students_who_are_not_active_have_their_events_in_the_lake_and_no_record(two):
    tiers, all_served, watch, other = two
    assert tiers.lake.count(EVENTS) == all_served.lake.count(EVENTS) == 15
    assert record(tiers, "late") == record(all_served, "late") is not None
    assert record(tiers, "early") is None
    assert record(tiers, "new") is None
    assert watch.left == 3  # `early` twice, `new` once; `early` was active when nobody else was there
    assert other.left == 0


def test_whoever_reads_them_gets_the_same_bits_and_leaves_the_record(two):
    tiers, all_served, _, _ = two
    for student in ("early", "new", "late"):
        shown = [
            of.reader.student(KEY.student("default", student), tenant="default", as_of_us=NOW_US).model_dump_json()
            for of in (tiers, all_served)
        ]
        assert shown[0] == shown[1]
        assert record(tiers, student) == record(all_served, student) is not None


def test_an_event_that_makes_them_active_brings_them_up(two):
    tiers, all_served, _, _ = two
    back = [at(53, "early", 11)]
    for of, days in ((tiers, 30), (all_served, None)):
        intake = Intake(
            of.lake,
            of.state,
            lambda of=of: of.reader.metadata().model_set,
            KEY,
            tenant="default",
            door="stream",
            now=lambda: NOW,
            active_days=days,
        )
        intake.submit(intake.understand([json.dumps(row).encode() for row in back])).result()
        intake.close()
    assert record(tiers, "early") == record(all_served, "early") is not None


def test_a_recompute_ends_in_the_same_bits(two):
    tiers, all_served, _, _ = two
    for of in (tiers, all_served):
        of.recompute(NOW_US, active_days=900)
    assert [record(tiers, one) for one in ("early", "late", "new")] == [
        record(all_served, one) for one in ("early", "late", "new")
    ]
    key = [("student_id", "ascending"), ("topic_id", "ascending"), ("score_source", "ascending")]
    assert tiers.lake.scan(GOLD).sort_by(key).to_pylist() == all_served.lake.scan(GOLD).sort_by(key).to_pylist()
