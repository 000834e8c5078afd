"""Simulated schools like one that exists."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pyarrow as pa
import pytest

from answers import answer_batch
from mastery.features.batch import Batch, make_batch
from mastery.features.columns import event_columns
from mastery.pipelines.simulation.events import simulated_events
from mastery.simulation import SchoolPlan
from mastery.simulation.activity import LEAST_DAYS, LEAST_STUDENTS
from mastery.simulation.answer_shares import NOTHING, shares_of
from mastery.simulation.likeness import MOST_GUESSED, likenesses

SCHOOL = SchoolPlan(
    students=150, days=84, seed=31, topics=16, topics_per_student=8, items_per_topic=7, active_share=0.4,
    events_per_active_day=5.0, starting_skill=-0.4,
)  # fmt: skip


@cache
def log() -> Batch:
    return make_batch(event_columns(simulated_events(SCHOOL, 0, SCHOOL.students)[0]))


def of(batch: Batch, seed: int = 0):
    return likenesses(batch, np.full(len(batch.topics), 0.2), seed=seed)


def test_the_schools_made_are_like_the_one_that_was_described():
    found = of(log())
    plans = [one.plan for one in found]
    assert len(found) == 3
    assert all(plan.topics == 16 and plan.items_per_topic == 7 for plan in plans)
    assert all(abs(plan.days - SCHOOL.days) <= 7 and abs(plan.topics_per_student - 8) <= 1 for plan in plans)
    assert [plan.active_share for plan in plans] == sorted(
        plan.active_share for plan in plans
    )  # who does more, and less
    assert np.mean([plan.active_share for plan in plans]) == pytest.approx(SCHOOL.active_share, abs=0.05)
    assert np.mean([plan.events_per_active_day for plan in plans]) == pytest.approx(5.0, abs=0.5)
    assert np.mean([plan.quiz_share for plan in plans]) == pytest.approx(SCHOOL.quiz_share, abs=0.05)
    assert all(plan.half_life_days == pytest.approx(SCHOOL.half_life_days, rel=0.6) for plan in plans)
    assert found[0].rate == pytest.approx(1.0, rel=0.4)


def test_topics_and_items_are_those_of_the_log():
    batch, (found, *_) = log(), of(log())
    assert sorted(found.topics.tolist()) == list(range(len(batch.topics)))
    topic_of = dict(zip(batch.use_item.tolist(), batch.use_topic.tolist(), strict=True))
    for place, item in enumerate(found.items.tolist()):
        assert topic_of[item] == found.topics[place // found.plan.items_per_topic]


def test_the_order_of_rows_changes_nothing():
    events = simulated_events(SCHOOL, 0, 40)[0]
    shuffled = events.take(pa.array(np.random.default_rng(1).permutation(events.num_rows)))
    one, other = (of(make_batch(event_columns(some))) for some in (events, shuffled))
    for mine, theirs in zip(one, other, strict=True):
        assert mine.plan == theirs.plan and mine.rate == theirs.rate
        for a, b in zip(mine.numbers, theirs.numbers, strict=True):
            np.testing.assert_array_equal(a, b)


def test_another_seed_draws_other_difficulties():
    assert not np.array_equal(of(log())[0].numbers.difficulty, of(log(), seed=1)[0].numbers.difficulty)


def made_up(right: list[int], questions: int) -> Batch:
    rows = len(right)
    return answer_batch(
        pa.table({
            "student_id": [f"s{k // 20}" for k in range(rows)], "topic_id": ["t"] * rows,
            "question_id": [f"q{k % questions}" for k in range(rows)], "is_correct": right,
            "timestamp": pa.array([1_700_000_000_000 + 3_600_000 * k for k in range(rows)], pa.timestamp("ms", "UTC")),
        })
    )  # fmt: skip


def test_items_that_nearly_nobody_gets_right_cannot_be_guessed():
    """With a guess of 0.25 no share of right answers is 0.05: who is wrong three times would know next to nothing."""
    batch = made_up([int(k % 20 == 19) for k in range(400)], questions=5)
    found = of(batch)[0]
    right = np.bincount(batch.item, batch.y) / np.bincount(batch.item)
    low = right[found.items] < 0.05
    assert low.any() and np.all(found.numbers.guess[low] <= MOST_GUESSED * 0.1)


@pytest.mark.parametrize("right", [[1], [0], [1] * 40, [0] * 40])
def test_logs_that_say_next_to_nothing_give_schools_all_the_same(right):
    for one in of(made_up(right, questions=2)):
        assert one.plan.students >= LEAST_STUDENTS and one.plan.days >= LEAST_DAYS
        assert np.isfinite(
            [one.rate, one.plan.starting_skill, *one.numbers.difficulty, *one.numbers.item_difficulty]
        ).all()


def test_a_log_without_answers_gives_none():
    batch = log()
    assert of(replace(batch, weight=np.zeros(batch.weight.size))) == ()


def test_what_answers_come_to_by_hand():
    # Two student-topics: first answers 0 and 1, later ones 1, 1 and 0.
    slot, right = np.array([0, 1, 0, 1, 0]), np.array([0.0, 1.0, 1.0, 0.0, 1.0])
    found = shares_of(slot, right, np.arange(5.0))
    assert found.first == 0.0  # (1 + 1) / (2 + 2)
    assert found.gained == pytest.approx(np.log(3 / 2))  # (2 + 1) / (3 + 2) = 0.6
    assert (found.pause, found.error) == (0.0, 1.0)  # too few to tell what a pause does
    assert shares_of(slot[:0], right[:0], right[:0]) == NOTHING


def test_a_pause_after_which_less_is_right_is_told_apart_from_how_often_one_has_answered():
    rng = np.random.default_rng(5)
    slot = np.repeat(np.arange(400), 10)
    pause = rng.choice([0.0, 30.0], slot.size)
    right = (rng.random(slot.size) < np.where(pause > 0.0, 0.5, 0.8)).astype(np.float64)
    found = shares_of(slot, right, np.cumsum(pause))
    assert found.pause == pytest.approx(-0.3 / np.log(31.0), abs=3.0 * found.error)
    assert found.error < 0.01
