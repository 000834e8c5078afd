"""Whether a simulated school behaves as schools do: statistics over some hundred students."""

from __future__ import annotations

from dataclasses import replace

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from mastery.simulation import SchoolPlan, course, simulate
from mastery.simulation.rows import KINDS

PLAN = SchoolPlan(students=600, days=60, seed=11, topics=24, hint_abuser_share=0.25, careless_share=0.25)


@pytest.fixture(scope="module")
def school():
    """A DuckDB connection with the tables of the school, and every quiz answer with the truth of its day."""
    chunk = next(simulate(PLAN))
    _, items = course(PLAN)
    with duckdb.connect() as connection:
        for name, table in chunk.tables.items():
            connection.register(name, with_day(table))
        for name, table in {"truth": chunk.truth, "students": chunk.students, "items": items}.items():
            connection.register(name, table)
        yield connection


def with_day(table: pa.Table) -> pa.Table:
    # In Arrow, for DuckDB casts to dates in the zone of the machine.
    return table.append_column("day", pc.floor_temporal(table["timestamp"], unit="day").cast(pa.date32()))


def numbers(school: duckdb.DuckDBPyConnection, query: str) -> tuple[float, ...]:
    row = school.sql(query).fetchone()
    assert row is not None
    return row


def test_kinds_come_in_the_shares_of_the_plan():
    chunk = next(simulate(PLAN))
    shares = [chunk.tables[kind].num_rows / chunk.events for kind in KINDS]
    # Feedback on a topic that the student has not met becomes a quiz answer.
    assert shares == pytest.approx(PLAN.kind_shares, abs=0.006)


def test_days_of_study_and_events_are_as_many_as_planned():
    chunk = next(simulate(replace(PLAN, events_per_active_day=4.0)))
    planned = PLAN.active_share * (1 - PLAN.idle_week_share) * PLAN.days * 4.0
    assert chunk.events / PLAN.students == pytest.approx(planned, rel=0.05)


def test_harder_items_are_answered_less_often(school):
    query = """
        with answered as (select question_id, avg(is_correct::int) right_share from quiz_attempts group by all)
        select corr(difficulty, right_share) from answered join items using (question_id)"""
    assert numbers(school, query)[0] < -0.5


def test_harder_items_take_longer(school):
    query = """
        with answered as (select question_id, avg(time_spent_sec) taken from quiz_attempts group by all)
        select kind, corr(difficulty, taken) from answered join items using (question_id) group by kind"""
    assert all(correlation > 0.3 for _, correlation in school.sql(query).fetchall())


def test_those_who_know_answer_rightly_more_often(school):
    query = """
        select corr(is_correct::int, true_mastery) from quiz_attempts
        join truth using (student_id, topic_id, day) where hints_used = 0"""
    assert numbers(school, query)[0] > 0.25


def test_hint_abusers_ask_more_answer_rightly_and_know_less(school):
    query = """
        select avg((hints_used > 0)::int) filter (hint_abuser), avg((hints_used > 0)::int) filter (not hint_abuser),
               avg(is_correct::int) filter (hint_abuser), avg(is_correct::int) filter (not hint_abuser)
        from quiz_attempts join students using (student_id)"""
    asks, others_ask, right, others_right = numbers(school, query)
    assert asks > 3 * others_ask
    assert right > others_right
    truth = """
        select avg(true_mastery) filter (hint_abuser), avg(true_mastery) filter (not hint_abuser)
        from truth join students using (student_id) where day = (select max(day) from truth)"""
    knows, others_know = numbers(school, truth)
    assert knows < others_know - 0.05


def test_careless_students_are_faster_and_slip_where_they_know(school):
    query = """
        select avg(time_spent_sec) filter (rush_share > 0.2), avg(time_spent_sec) filter (rush_share < 0.2),
               avg(is_correct::int) filter (rush_share > 0.2 and true_mastery > 0.85),
               avg(is_correct::int) filter (rush_share < 0.2 and true_mastery > 0.85)
        from quiz_attempts join students using (student_id)
        join truth using (student_id, topic_id, day) where hints_used = 0"""
    seconds, others_seconds, right, others_right = numbers(school, query)
    assert seconds < 0.9 * others_seconds
    assert right < others_right - 0.03


def test_practice_raises_the_truth(school):
    query = """
        with day as (select *, lag(true_mastery) over w earlier, lag(day) over w day_before from truth
                     window w as (partition by student_id, topic_id order by day)),
             studied as (select distinct student_id, topic_id, day from quiz_attempts)
        select avg((true_mastery > earlier)::int) from day join studied using (student_id, topic_id, day)
        where day_before = day - 1"""
    assert numbers(school, query)[0] > 0.9


def test_idle_weeks_lower_the_truth(school):
    query = """
        with day as (select *, lag(true_mastery) over w earlier, lag(day) over w day_before from truth
                     window w as (partition by student_id, topic_id order by day)),
             events as (select student_id, unnest(topic_ids) topic_id, day from assignments
                 union all select student_id, topic_id, day from quiz_attempts
                 union all select student_id, topic_id, day from practice_sessions
                 union all select student_id, topic_id, day from video_events
                 union all select student_id, topic_id, day from chatbot_interactions),
             studied as (select distinct student_id, topic_id, day from events)
        select count(*), max(true_mastery - earlier), avg(true_mastery - earlier)
        from day anti join studied using (student_id, topic_id, day) where day_before is not null"""
    count, highest, mean = numbers(school, query)
    assert count > 1000
    assert highest <= 0.0
    assert mean < -0.005


def test_teachers_judge_near_the_truth(school):
    query = """
        select avg(score - true_mastery), stddev(score - true_mastery), count(*) from teacher_feedback
        join truth using (student_id, topic_id, day)"""
    bias, spread, count = numbers(school, query)
    assert count > 200
    assert -0.08 < bias < 0.02  # the truth is that of the evening, after the day's learning
    assert 0.08 < spread < 0.16


def test_some_weeks_are_idle(school):
    query = """
        with weeks as (select student_id, count(distinct date_trunc('week', day)) n from quiz_attempts group by all)
        select avg(n) from weeks"""
    assert 5.0 < numbers(school, query)[0] < 0.95 * 60 / 7


def test_wrong_answers_are_tried_again(school):
    assert 0.1 < numbers(school, "select avg((attempt_number > 1)::int) from quiz_attempts")[0] < 0.7


def test_some_are_strong_and_some_are_weak_at_the_end(school):
    query = """
        select avg((true_mastery < 0.3)::int), avg((true_mastery > 0.6)::int)
        from truth where day = (select max(day) from truth)"""
    weak, strong = numbers(school, query)
    assert weak > 0.1
    assert strong > 0.2
