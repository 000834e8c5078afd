"""After a recompute, whatever it was computed as of, a shown score counts every answer in the lake."""

from __future__ import annotations

from pathlib import Path

import pytest

from mastery.instants import DAY_US
from mastery.tables import EVENTS, GOLD
from school import KEY, Deployment

HEADER = "student_id,question_id,topic_id,is_correct,time_spent_sec,attempt_number,timestamp\n"


@pytest.fixture
def school(tmp_path: Path) -> Deployment:
    """A school where S1 has given four answers on 1 May, and has been shown with them."""
    deployment = Deployment.at(tmp_path / "home")
    answers(deployment, "S1", 4, "2026-05-01")
    assert shown(deployment, "S1") == 4
    return deployment


def answers(deployment: Deployment, student: str, count: int, day: str) -> None:
    """Ingest right answers of one student, a minute apart from noon on."""
    file = Path(deployment.lake.root).parent / f"{student}-{day}.csv"
    lines = [f"{student},Q{k},algebra,1,10,1,{day}T12:{k:02d}:00Z" for k in range(count)]
    file.write_text(HEADER + "\n".join(lines) + "\n")
    deployment.ingest(file)


def shown(deployment: Deployment, student: str) -> int:
    """Return how many graded answers the score counts that is shown of a student."""
    as_of_us = deployment.newest_us() + DAY_US
    document = deployment.reader.student(KEY.student("default", student), tenant="default", as_of_us=as_of_us)
    return document.topics[0].evidence_count


def test_students_who_are_not_active_any_more(school: Deployment) -> None:
    answers(school, "S1", 5, "2026-05-02")
    school.recompute(school.newest_us() + 60 * DAY_US)
    assert shown(school, "S1") == 9


def test_as_of_a_past_moment(school: Deployment) -> None:
    answers(school, "S1", 5, "2026-05-02")
    school.recompute(school.newest_us() - DAY_US)
    assert shown(school, "S1") == 9


def test_a_clock_that_was_set_back_before_all_events(school: Deployment) -> None:
    answers(school, "S1", 5, "2026-05-02")
    school.recompute(school.newest_us() - 365 * DAY_US)
    assert shown(school, "S1") == 9


@pytest.mark.slow
def test_a_classmates_event_minutes_ahead_of_the_clock(tmp_path: Path) -> None:
    deployment = Deployment.at(tmp_path / "home", buckets=1)
    answers(deployment, "S1", 4, "2026-05-01")
    assert shown(deployment, "S1") == 4
    answers(deployment, "S1", 5, "2026-05-02")
    answers(deployment, "S2", 10, "2026-05-02")
    deployment.recompute(deployment.newest_us() - 60_000_000)
    assert shown(deployment, "S1") == 9
    assert shown(deployment, "S2") == 10


def test_events_that_come_in_while_it_runs(school: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    read_bucket = school.lake.read_bucket
    late = iter(["2026-05-03"])

    def and_then_some_come_in(*arguments, **options):
        rows = read_bucket(*arguments, **options)
        for day in late:
            answers(school, "S1", 5, day)
            assert shown(school, "S1") == 14, "and they are asked for at once"
        return rows

    answers(school, "S1", 5, "2026-05-02")
    monkeypatch.setattr(type(school.lake), "read_bucket", lambda _self, *a, **k: and_then_some_come_in(*a, **k))
    school.recompute()
    assert shown(school, "S1") == 14


@pytest.mark.slow
def test_a_recompute_that_puts_its_records_late_hides_no_newer_ones(
    school: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_many = type(school.state).put_many
    kept: list[object] = []

    def keep_for_later(_self, block):
        kept.append(block)
        return 0

    monkeypatch.setattr(type(school.state), "put_many", keep_for_later)
    answers(school, "S2", 3, "2026-05-01")
    school.recompute()
    monkeypatch.undo()
    answers(school, "S1", 5, "2026-05-02")
    answers(school, "S2", 5, "2026-05-02")
    assert shown(school, "S1") == 9
    assert kept
    for block in kept:
        put_many(school.state, block)
    assert shown(school, "S1") == 9, "as it was shown before"
    assert shown(school, "S2") == 8, "whose record was not there yet"


def test_everything_the_state_needs_is_noted_before_a_recompute_folds(school: Deployment) -> None:
    answers(school, "S1", 5, "2026-05-02")
    school.recompute()
    known = school.state.known_lake()
    assert known is not None
    assert tuple(known)[1:] == school.lake.identified(EVENTS)[1]


def test_answers_of_one_moment_in_several_files_are_in_the_same_order_where_nothing_is_known_of_items(
    school: Deployment,
) -> None:
    """What events of one moment are ordered by has their items in it, also where no scorer knows any."""
    folder = Path(school.lake.root).parent
    for right in (0, 1):  # of each moment the right answer is in one file and the wrong one in the other
        lines = [f"S1,Q{2 * k + right},algebra,{right},10,1,2026-05-02T12:{k:02d}:07Z" for k in range(12)]
        (folder / f"{right}.csv").write_text(HEADER + "\n".join(lines) + "\n")
        school.ingest(folder / f"{right}.csv")
    before = scores_shown(school, "S1")
    school.recompute(school.newest_us() + DAY_US)
    rows = school.lake.scan(GOLD, ["score_source", "mastery_score"]).to_pylist()
    assert {row["score_source"]: row["mastery_score"] for row in rows} == before
    assert scores_shown(school, "S1") == before


def scores_shown(deployment: Deployment, student: str) -> dict[str, float]:
    """Return what each scorer says of a student's only topic a day after the newest event."""
    as_of_us = deployment.newest_us() + DAY_US
    document = deployment.reader.student(KEY.student("default", student), tenant="default", as_of_us=as_of_us)
    return {name: score.mastery_score for name, score in document.topics[0].scores.items()}
