"""The course of a simulated school: what topics and items are, as tables and as numbers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mastery.log_odds import sigmoid_of
from mastery.simulation.curriculum import curriculum
from mastery.simulation.plan import SchoolPlan

Floats = NDArray[np.float64]
Ints = NDArray[np.int32]

ITEM_KINDS = ("multiple_choice", "number", "short_answer")
_KIND_SHARES = (0.5, 0.3, 0.2)
_GUESS = np.array([0.25, 0.05, 0.08])
_SLIP = np.array([0.05, 0.09, 0.07])

VIDEOS_PER_TOPIC = 3


class CourseNumbers(NamedTuple):
    """The course as the kernels read it. T topics, I = T × items_per_topic items, topic by topic.

    Attributes:
        difficulty: float64[T]. Log-odds by which the topic is harder than the average one.
        rate: float64[T]. Log-odds that one full opportunity to learn is worth on it, at first.
        needs_from: int32[T + 1]. Prerequisites of topic t are needs[needs_from[t]:needs_from[t + 1]].
        needs: int32. Topic numbers.
        item_difficulty: float64[I]. Log-odds above the topic's mean item; each topic's mean is 0.
        guess: float64[I]. Probability of a right answer without knowing.
        slip: float64[I]. Probability of a wrong answer in spite of knowing.
        seconds: float64[I]. Time that a middling answer takes.
        video_s: float64[T × VIDEOS_PER_TOPIC]. Length of each video.
    """

    difficulty: Floats
    rate: Floats
    needs_from: Ints
    needs: Ints
    item_difficulty: Floats
    guess: Floats
    slip: Floats
    seconds: Floats
    video_s: Floats


@dataclass(frozen=True)
class Course:
    """Topics and items as source tables, and the numbers behind them, which no table tells.

    Attributes:
        topics: Columns as docs/events.md lists them; difficulty_estimate in [0, 1] is the teachers' noisy guess,
            content_length is in minutes.
        items: Columns as docs/events.md lists them; difficulty in [0, 1] is the probability that a student of
            log-odds 0 on the topic does not know the item.
    """

    topics: pa.Table
    items: pa.Table
    numbers: CourseNumbers


def course(plan: SchoolPlan) -> tuple[pa.Table, pa.Table]:
    """Return the source tables (topics, items) of the school."""
    whole = course_of(plan)
    return whole.topics, whole.items


def course_of(plan: SchoolPlan) -> Course:
    """Return the course of the school. It depends on seed, topics and items_per_topic alone."""
    return _course(plan.seed, plan.topics, plan.items_per_topic)


@lru_cache(maxsize=4)
def _course(seed: int, n_topics: int, items_per_topic: int) -> Course:
    topics = curriculum(n_topics)
    number = {topic.topic_id: place for place, topic in enumerate(topics)}
    # One stream per topic: more topics leave those that were there as they were.
    draws = [np.random.default_rng([seed, place]) for place in range(n_topics)]
    difficulty = np.array([draw.normal(0.0, 0.6) for draw in draws])
    rate = np.array([np.exp(draw.normal(np.log(0.75), 0.25)) for draw in draws])
    estimate = np.array([draw.normal(0.0, 0.3) for draw in draws]) + difficulty
    video_s = np.concatenate([np.round(draw.uniform(180.0, 720.0, VIDEOS_PER_TOPIC)) for draw in draws])
    kinds = np.concatenate([draw.choice(len(ITEM_KINDS), items_per_topic, p=_KIND_SHARES) for draw in draws])
    spread = [draw.normal(0.0, 0.8, items_per_topic) for draw in draws]
    item_difficulty = np.concatenate([values - values.mean() for values in spread])
    needs = [[number[name] for name in topic.prerequisites] for topic in topics]
    numbers = CourseNumbers(
        difficulty=difficulty,
        rate=rate,
        needs_from=np.cumsum([0, *map(len, needs)]).astype(np.int32),
        needs=np.array([place for some in needs for place in some], dtype=np.int32),
        item_difficulty=item_difficulty,
        guess=_GUESS[kinds],
        slip=_SLIP[kinds],
        seconds=np.array([25.0, 40.0, 60.0])[kinds],
        video_s=video_s,
    )
    topic_table = pa.table(
        {
            "topic_id": [topic.topic_id for topic in topics],
            "title": [topic.title for topic in topics],
            "chapter": [topic.chapter for topic in topics],
            "subject": [topic.subject for topic in topics],
            "course": [topic.course for topic in topics],
            "prerequisites": pa.array([list(topic.prerequisites) for topic in topics], pa.list_(pa.string())),
            "difficulty_estimate": np.round(sigmoid_of(estimate), 2),
            "content_length": np.round(video_s.reshape(-1, VIDEOS_PER_TOPIC).sum(axis=1) / 60.0 + 20.0),
        }
    )
    item_table = pa.table(
        {
            "question_id": question_ids(n_topics, items_per_topic),
            "topic_id": [topic.topic_id for topic in topics for _ in range(items_per_topic)],
            "difficulty": np.round(sigmoid_of(item_difficulty), 3),
            "kind": [ITEM_KINDS[kind] for kind in kinds],
        }
    )
    return Course(topic_table, item_table, numbers)


def question_ids(n_topics: int, items_per_topic: int) -> list[str]:
    """Return ids such as ``frac-add-q07``, in the order of `CourseNumbers.item_difficulty`."""
    return [f"{topic.topic_id}-q{item + 1:02d}" for topic in curriculum(n_topics) for item in range(items_per_topic)]
