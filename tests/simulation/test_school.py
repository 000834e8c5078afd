"""The laws of the simulated school: determinism, students that do not meet, and what its tables hold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mastery.errors import BadInput
from mastery.simulation import SchoolPlan, course, simulate
from mastery.simulation.chunk import SCHEMAS
from mastery.simulation.rows import KINDS

PLAN = SchoolPlan(students=40, days=45, seed=3, topics=24, items_per_topic=6)


def whole(plan: SchoolPlan, **options) -> dict[str, pa.Table]:
    """All tables of the school, with ids as plain strings."""
    chunks = list(simulate(plan, **options))
    names = [*KINDS, "truth", "students"]
    parts = [chunk.tables | {"truth": chunk.truth, "students": chunk.students} for chunk in chunks]
    return {name: pa.concat_tables([plain(part[name]) for part in parts]) for name in names}


def plain(table: pa.Table) -> pa.Table:
    kinds = [field.type.value_type if pa.types.is_dictionary(field.type) else field.type for field in table.schema]
    return table.cast(pa.schema(list(zip(table.schema.names, kinds, strict=True))))


@pytest.fixture(scope="module")
def school():
    return whole(PLAN)


@settings(max_examples=15)
@given(size=st.integers(1, 45))
def test_chunks_of_any_size_give_the_same_school(school, size):
    assert whole(PLAN, students_per_chunk=size) == school


@settings(max_examples=15)
@given(first=st.integers(0, 39), count=st.integers(1, 40))
def test_a_student_is_the_same_whoever_is_simulated_beside(school, first, count):
    last = min(first + count, 40)
    ids = pa.array([f"S{number + 1:06d}" for number in range(first, last)])
    for name, table in whole(PLAN, first=first, last=last).items():
        assert table == school[name].filter(pc.is_in(school[name]["student_id"], ids)), name


def test_more_students_leave_those_that_were_there_as_they_were(school):
    assert whole(replace(PLAN, students=60), last=40) == school


def test_another_seed_gives_another_school(school):
    assert whole(replace(PLAN, seed=4))["quiz_attempts"] != school["quiz_attempts"]


def test_shares_of_trouble_change_nothing_but_files(school):
    assert whole(replace(PLAN, late_share=0.1, duplicate_share=0.2, malformed_share=0.3)) == school


def test_without_truth_and_source_ids_the_events_are_the_same(school):
    bare = whole(replace(PLAN, truth=False, source_ids=False))
    assert bare["truth"].num_rows == 0
    assert bare["quiz_attempts"] == school["quiz_attempts"].drop_columns(["attempt_id"])
    assert bare["practice_sessions"] == school["practice_sessions"].drop_columns(["session_id"])


def test_columns_and_types_are_those_of_the_source_tables():
    chunk = next(simulate(PLAN))
    assert {name: table.schema for name, table in chunk.tables.items()} == SCHEMAS


def test_values_are_such_as_the_sources_would_send(school):
    quiz, practice, video = school["quiz_attempts"], school["practice_sessions"], school["video_events"]
    assert pc.min(quiz["time_spent_sec"]).as_py() > 0
    assert pc.min(quiz["attempt_number"]).as_py() == 1
    assert pc.all(pc.less_equal(practice["correct_count"], practice["attempts"])).as_py()
    assert pc.min(practice["attempts"]).as_py() >= 1
    for column, low, high in [("watch_pct", 0, 100), ("watch_duration", 0, 3600)]:
        assert low <= pc.min(video[column]).as_py() <= pc.max(video[column]).as_py() <= high
    assert pc.min(school["assignments"]["score_pct"]).as_py() >= 0
    assert pc.max(school["assignments"]["score_pct"]).as_py() <= 100
    assert {len(ids) for ids in school["assignments"]["topic_ids"].to_pylist()} == {1, 2, 3}
    tutor = school["chatbot_interactions"]
    assert pc.all(pc.less_equal(tutor["resolved_count"], tutor["queries"])).as_py()
    assert pc.max(school["teacher_feedback"]["score"]).as_py() <= 1
    assert all(table.column(name).null_count == 0 for table in school.values() for name in table.column_names)


def test_source_ids_are_unique(school):
    for table, column in [("quiz_attempts", "attempt_id"), ("practice_sessions", "session_id")]:
        assert pc.count_distinct(school[table][column]).as_py() == school[table].num_rows
    pairs = school["assignments"].select(["student_id", "assignment_id"])
    assert pairs.group_by(pairs.column_names).aggregate([]).num_rows == pairs.num_rows


def test_no_two_events_of_a_student_end_at_the_same_moment_and_all_lie_within_the_days(school):
    moments = pa.concat_tables([school[kind].select(["student_id", "timestamp"]) for kind in KINDS])
    assert moments.group_by(["student_id", "timestamp"]).aggregate([]).num_rows == moments.num_rows
    day = pc.floor_temporal(moments["timestamp"], unit="day").cast(pa.date32())
    assert PLAN.start <= pc.min(day).as_py()
    assert (pc.max(day).as_py() - PLAN.start).days < PLAN.days


def test_attempt_numbers_count_the_tries_of_one_item(school):
    counts: dict[tuple[str, str], int] = {}
    for row in school["quiz_attempts"].select(["student_id", "question_id", "attempt_number"]).to_pylist():
        key = (row["student_id"], row["question_id"])
        counts[key] = counts.get(key, 0) + 1
        assert row["attempt_number"] == counts[key]


def test_every_id_of_an_event_is_in_the_metadata(school):
    topics, items = course(PLAN)
    known = set(topics["topic_id"].to_pylist())
    assert set(school["quiz_attempts"]["topic_id"].to_pylist()) <= known
    assert set(school["quiz_attempts"]["question_id"].to_pylist()) <= set(items["question_id"].to_pylist())
    assert {one for ids in school["assignments"]["topic_ids"].to_pylist() for one in ids} <= known
    topic_of = dict(zip(items["question_id"].to_pylist(), items["topic_id"].to_pylist(), strict=True))
    rows = school["quiz_attempts"].select(["question_id", "topic_id"]).to_pylist()
    assert all(topic_of[row["question_id"]] == row["topic_id"] for row in rows)


def test_truth_is_there_for_every_day_of_study_and_weekly_for_all_met_so_far(school):
    days = {
        (row["student_id"], row["topic_id"], row["timestamp"].date())
        for row in school["quiz_attempts"].select(["student_id", "topic_id", "timestamp"]).to_pylist()
    }
    truth = {
        (row["student_id"], row["topic_id"], row["day"]): row["true_mastery"] for row in school["truth"].to_pylist()
    }
    assert len(truth) == school["truth"].num_rows
    assert days <= truth.keys()
    assert all(0 <= value <= 1 for value in truth.values())
    sundays = [day for _, _, day in truth if (day - PLAN.start).days % 7 == 6]
    met = {(student, topic) for student, topic, day in truth if (day - PLAN.start).days <= 41}
    last = {(student, topic) for student, topic, day in truth if (day - PLAN.start).days == 41}
    assert sundays
    assert last == met


def test_a_student_moves_on_through_the_topics(school):
    topics, _ = course(PLAN)
    place = {topic: number for number, topic in enumerate(topics["topic_id"].to_pylist())}
    rows = school["quiz_attempts"].select(["topic_id", "timestamp"]).to_pylist()
    early = np.mean([place[row["topic_id"]] for row in rows if (row["timestamp"].date() - PLAN.start).days < 10])
    late = np.mean([place[row["topic_id"]] for row in rows if (row["timestamp"].date() - PLAN.start).days >= 35])
    assert late > early + 5


def test_ranges_outside_of_the_school_are_refused():
    with pytest.raises(BadInput, match="students 0 to 41 of a school of 40"):
        simulate(PLAN, last=41)
    with pytest.raises(BadInput, match="students_per_chunk is 0"):
        simulate(PLAN, students_per_chunk=0)
