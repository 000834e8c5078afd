"""The engine takes ids and moments as a notebook has them, and refuses what it cannot use in one sentence."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pyarrow as pa
import pytest

import mastery as ms

ANSWERS = pa.table(
    {
        "student_id": pa.array([7, 7, 7, 9], pa.int64()),
        "topic_id": pa.array([1, 1, 2, 1], pa.int64()),
        "question_id": ["q1", "q2", "q3", "q1"],
        "is_correct": [True, False, True, True],
        "timestamp": [f"2026-01-0{day}T09:00:00Z" for day in (1, 2, 3, 4)],
    }
)


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    with ms.open(tmp_path_factory.mktemp("given") / "home") as engine:
        engine.ingest(ANSWERS, table="quiz_attempts")
        engine.recompute(as_of="latest")
        yield engine


def test_ids_may_be_numbers_as_in_the_frame_they_came_in(engine):
    assert engine.student(7, as_of="latest") == engine.student("7", as_of="latest")
    assert [one.topic_id for one in engine.student(7, topics=[1], as_of="latest").topics] == ["1"]
    assert [one.topic_id for one in engine.student(7, topics="2", as_of="latest").topics] == ["2"]
    assert engine.history(7, 1) == engine.history("7", "1")
    with pytest.raises(ms.BadInput, match="student is None; expected an id"):
        engine.student(None)


def test_moments_may_be_dates_and_datetimes(engine):
    assert engine.student(7, as_of=date(2026, 1, 3)).as_of == engine.student(7, as_of="2026-01-03").as_of
    at = datetime(2026, 1, 3, 12, tzinfo=UTC)
    assert engine.student(7, as_of=at).as_of == at
    assert engine.class_report(as_of=at)[0].as_of == at
    with pytest.raises(ms.BadInput, match="as_of is 5; expected a datetime, a date, or a text"):
        engine.recompute(as_of=5)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda engine: engine.recompute(workers=0), "workers is 0; expected a whole number, 1 or more"),
        (lambda engine: engine.recompute(workers="2"), "workers is '2'; expected a whole number, 1 or more"),
        (lambda engine: engine.ingest([1]), "a list of files holds 1; expected paths alone"),
        (lambda engine: engine.preview([ANSWERS]), "(?s)a list of files holds .*; expected paths alone"),
        (lambda engine: engine.ingest(ANSWERS, table=5), "table is 5; expected a text"),
        (lambda engine: engine.ingest(ANSWERS, units="ms"), "units is 'ms'; expected a mapping such as"),
        (lambda engine: engine.rejected(-1), "limit is -1; expected a whole number, 0 or more"),
        (lambda engine: engine.class_report(in_need=-1), "in_need is -1; expected a whole number, 0 or more"),
        (lambda engine: engine.in_need(limit=-1), "limit is -1; expected a whole number, 0 or more"),
        (lambda engine: engine.undo(None), "ingest is None; expected a text"),
        (lambda engine: engine.of(5), "tenant is 5; expected a text"),
        (lambda engine: engine.models.activate(None), "version is None; expected a text"),
        (lambda engine: engine.models.fit(simulate="no"), "simulate is 'no'; expected True or False"),
        (lambda engine: engine.models.fit(seed="x"), "seed is 'x'; expected a whole number, 0 or more"),
        (lambda engine: engine.models.fit(since="soon"), "^since 'soon' is not a moment"),
    ],
)
def test_what_cannot_be_used_is_refused(engine, call, expected):
    with pytest.raises(ms.BadInput, match=expected):
        call(engine)


def test_rejected_rows_are_listed_without_a_limit_being_given(engine):
    assert engine.rejected() == ([], 0) and engine.superseded() == ([], 0)


def test_a_join_of_one_column_and_one_value_alone_are_not_taken_for_letters(tmp_path):
    with ms.open(tmp_path / "home") as engine:
        report = engine.ingest(ANSWERS, only={"question_id": "q1"}, joined={"attempt_id": "question_id"})
    assert report.files[0].accepted == 2
