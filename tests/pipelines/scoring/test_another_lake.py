"""Records of another lake are never shown: one put back from a backup, made again, or copied from another home."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mastery.instants import DAY_US
from mastery.tables import EVENTS
from school import KEY, NOW_US, Deployment

HEADER = "student_id,question_id,topic_id,is_correct,time_spent_sec,attempt_number,timestamp\n"


def answers(deployment: Deployment, student: str, count: int, day: str) -> None:
    """Ingest right answers of one student, a minute apart from noon on."""
    file = Path(deployment.lake.root).parent / f"{student}-{day}-{count}.csv"
    lines = [f"{student},Q{k},algebra,1,10,1,{day}T12:{k:02d}:00Z" for k in range(count)]
    file.write_text(HEADER + "\n".join(lines) + "\n")
    deployment.ingest(file)


def shown(deployment: Deployment, student: str) -> int:
    """Return how many graded answers the score counts that is shown of a student."""
    document = deployment.reader.student(KEY.student("default", student), tenant="default", as_of_us=NOW_US + DAY_US)
    return document.topics[0].evidence_count


def folded(deployment: Deployment, student: str) -> int:
    """Return the same from the lake alone."""
    rows = deployment.lake.read_student(EVENTS, KEY.student("default", student))
    return rows.num_rows


def opened_again(deployment: Deployment) -> Deployment:
    deployment.state.close()
    return Deployment.at(Path(deployment.lake.root).parent)


def as_it_is(deployment: Deployment) -> Deployment:
    return deployment


def recomputed(deployment: Deployment) -> Deployment:
    deployment.recompute()
    return deployment


every_door = pytest.mark.parametrize("door", [as_it_is, opened_again, recomputed])
Door = Callable[[Deployment], Deployment]


@pytest.fixture
def home(tmp_path: Path) -> Deployment:
    """A home whose lake was backed up when S1 and S2 had four answers, and has got on since."""
    deployment = Deployment.at(tmp_path / "home")
    answers(deployment, "S1", 4, "2026-05-01")
    answers(deployment, "S2", 4, "2026-05-01")
    shutil.copytree(deployment.lake.root, tmp_path / "backup")
    answers(deployment, "S1", 5, "2026-05-02")
    assert (shown(deployment, "S1"), shown(deployment, "S2")) == (9, 4)
    return deployment


def put_in_place(lake: Path, deployment: Deployment) -> None:
    shutil.rmtree(deployment.lake.root)
    shutil.copytree(lake, deployment.lake.root)


@pytest.mark.slow
@every_door
@pytest.mark.parametrize("others", [0, 1, 2, 3])
def test_a_backup_that_is_put_back_and_gets_other_events(home: Deployment, tmp_path: Path, door: Door, others: int):
    put_in_place(tmp_path / "backup", home)
    for day in range(others):
        answers(home, "S2", 3, f"2026-05-1{day}")
    home = door(home)
    assert (shown(home, "S1"), shown(home, "S2")) == (4, 4 + 3 * others)
    assert shown(home, "S2") == folded(home, "S2")


@pytest.mark.slow
@every_door
def test_a_backup_that_is_put_back_and_gets_the_same_events_again_in_other_files(
    home: Deployment, tmp_path: Path, door: Door
):
    put_in_place(tmp_path / "backup", home)
    answers(home, "S1", 2, "2026-05-02")
    home = door(home)
    assert (shown(home, "S1"), shown(home, "S2")) == (6, 4)


@pytest.mark.slow
@every_door
def test_a_lake_that_is_deleted_and_made_again(home: Deployment, door: Door):
    shutil.rmtree(home.lake.root)
    another_process = Deployment.at(Path(home.lake.root).parent)
    for student, count in (("S1", 1), ("S2", 2), ("S3", 3)):
        answers(another_process, student, count, "2026-05-03")
    home = door(home)
    assert [shown(home, student) for student in ("S1", "S2", "S3")] == [1, 2, 3]


@pytest.mark.slow
@every_door
def test_another_home_s_lake_that_is_copied_in(home: Deployment, tmp_path: Path, door: Door):
    other = Deployment.at(tmp_path / "other")
    for student, count in (("S1", 7), ("S2", 6), ("S3", 5), ("S1", 8)):
        answers(other, student, count, f"2026-05-0{count}")
    put_in_place(Path(other.lake.root), home)
    home = door(home)
    assert [shown(home, student) for student in ("S1", "S2", "S3")] == [15, 6, 5]


def test_a_copy_that_went_on_from_the_same_lake_keeps_its_records(home: Deployment, tmp_path: Path, caplog):
    shutil.copytree(home.lake.root, tmp_path / "copy" / "lake")
    answers(Deployment.at(tmp_path / "copy"), "S1", 6, "2026-05-04")
    put_in_place(tmp_path / "copy" / "lake", home)
    model = home.reader.metadata().model_set.version
    assert (shown(home, "S1"), shown(home, "S2")) == (15, 4)
    assert home.state.version(KEY.student("default", "S2"), model) == 1, "not folded again"
    assert caplog.messages == []


def titled(deployment: Deployment, title: str) -> None:
    """Ingest course metadata."""
    file = Path(deployment.lake.root).parent / "topics.csv"
    file.write_text(f"topic_id,title\nalgebra,{title}\n")
    deployment.ingest(file)


@pytest.mark.slow
def test_titles_and_classes_of_the_lake_before_are_not_shown_under_the_same_numbers_of_versions(
    home: Deployment, tmp_path: Path
):
    titled(home, "Before")
    home.recompute()
    who = KEY.student("default", "S1")

    def title() -> str | None:
        return home.reader.student(who, tenant="default", as_of_us=NOW_US).topics[0].title

    def published() -> list[int]:
        return sorted(row.evidence_count for row in home.reader.class_scores(tenant="default").scores)

    assert (title(), published()) == ("Before", [4, 9])
    put_in_place(tmp_path / "backup", home)
    another_process = Deployment.at(Path(home.lake.root).parent)
    titled(another_process, "After")
    answers(another_process, "S2", 1, "2026-05-02")
    another_process.recompute()
    assert (title(), published()) == ("After", [4, 5])


def test_it_is_said_once_in_one_line(home: Deployment, tmp_path: Path, caplog):
    put_in_place(tmp_path / "backup", home)
    for _ in range(3):
        shown(home, "S1")
        shown(home, "S2")
    (line,) = caplog.messages
    assert "is not the one that students' records were made of" in line and "\n" not in line


def test_a_fold_of_the_lake_before_that_ends_late_is_not_believed(home: Deployment, tmp_path: Path):
    who, model_set = KEY.student("default", "S1"), home.reader.metadata().model_set
    late = home.state.get(who, model_set.version)
    assert late is not None and late.events_folded == 9
    put_in_place(tmp_path / "backup", home)
    assert shown(home, "S2") == 4
    home.state.put(late, home.state.version(who, model_set.version))
    assert shown(home, "S1") == 4
