"""Simulated schools like one that exists: its topics, items, kinds of work, activity and shares of right answers.

Truth is known only of simulated students; how far scores lie from it depends on the school: on how much is done on a
topic, for how long, and on how much of it is known before. So a school is described by its log, and schools are made
from the description (the parametric bootstrap: Efron & Tibshirani 1993, An introduction to the bootstrap, chapter 6).
What no log tells, such as how students differ in what they learn from an answer, is as in `mastery.simulation`.

Students are cut into `GROUPS` by how much they do, with a school of each: in most logs some do ten times what others
do. Topics and items differ in difficulty as their first answers say, each off by as much as that many answers leave
open. Level and rate of learning are then moved until shares of right answers on a topic, first and later ones, are
those of the log.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from mastery.arrays import Bools, Floats, Int64s
from mastery.features.batch import Batch
from mastery.features.columns import QUIZ
from mastery.instants import DAY_US
from mastery.log_odds import log_odds_of
from mastery.simulation.activity import plan_of
from mastery.simulation.answer_shares import Shares, shares_of
from mastery.simulation.course import CourseNumbers, course_of
from mastery.simulation.plan import SchoolPlan
from mastery.simulation.school import simulate
from mastery.sums import dot

GROUPS = 3
"""Schools that are made, each of students who do about as much as each other."""

MOST_TOPICS, MOST_ITEMS = 300, 40
"""Of a school with more topics those that most students meet are taken, of a topic with more items those that are
answered most."""

FIRST_WEIGH, ITEM_WEIGHS = 5.0, 10.0
"""What all topics' first answers say weighs as this many of a topic's own; what its topic says, likewise of an item."""

SPREAD = 1.15
"""Log-odds of a mean share are so much nearer to 0 than the mean student's: students differ by about 0.9 log-odds."""

USUAL_GUESS = 0.20
"""Where a topic's guess is this, its items are guessed as in `mastery.simulation`; where it is less, by that much less.
"""

GUESSED, SLIPPED = 0.156, 0.08
"""Right and wrong answers by guessing and by slipping and rushing, in `mastery.simulation`, on average."""

MOST_GUESSED = 0.8
"""An item that few get right cannot be guessed by more: its guess is at most this times its share of right answers."""

TRIES = 3
"""How often level and rate are moved for each half-life."""

HALF_LIVES_DAYS = (120.0, 60.0, 30.0, 15.0, 8.0)
USUAL_DAYS, UNSURE = 30.0, 0.7
"""Before any answer ln half-life is taken as N(ln USUAL_DAYS, UNSURE²)."""

LARGEST_SEED = 2**62

LEAST_RATE, MOST_RATE = 0.05, 6.0
"""Times the usual rate of learning."""


@dataclass(frozen=True, eq=False)
class Likeness:
    """One school to simulate.

    Attributes:
        topics: int64[T]. Topic code of each topic of the plan, in the log's batch.
        items: int64[T × items_per_topic]. Item code of each of its questions; negative where the log names no items.
        rate: Times the usual rate of learning.
        numbers: The course. Difficulties of topics are around 0; the plan's `starting_skill` is their level.
    """

    plan: SchoolPlan
    topics: Int64s
    items: Int64s
    rate: float
    numbers: CourseNumbers


def likenesses(batch: Batch, guess: Floats, *, seed: int = 0) -> tuple[Likeness, ...]:
    """Return up to `GROUPS` schools like the one whose log is `batch`; none of a log without answers on topics.

    Args:
        guess: float64[T]. Of each topic, on the scale of scores.
        seed: Of all that is drawn.
    """
    answers = _answers(batch)
    if not answers.any():
        return ()
    guess = GUESSED * np.clip(guess / USUAL_GUESS, 0.0, 1.0)
    done = np.bincount(_student(batch)[batch.weight > 0.0], minlength=len(batch.students))
    there = np.flatnonzero(done > 0)
    order = there[np.argsort(done[there], kind="stable")]
    groups = [np.sort(group) for group in np.array_split(order, GROUPS) if group.size]
    level, harder, topics = _topics(batch, answers, guess, seed)
    each = _items_each(batch, answers, topics)
    usual = SchoolPlan(1, 1, seed=seed % LARGEST_SEED, topics=topics.size, items_per_topic=each, starting_skill=level)
    plans = [plan_of(batch, group, replace(usual, seed=usual.seed + k)) for k, group in enumerate(groups)]
    items = _items(batch, answers, topics, each)
    numbers = _numbers(batch, answers, usual, topics, items, harder, guess, seed)
    level, rate, half_life_days = _moved(shares_of(*_answered(batch, answers)), plans, numbers)
    plans = [replace(plan, starting_skill=level, half_life_days=half_life_days) for plan in plans]
    return tuple(Likeness(plan, topics, items, rate, _learning(numbers, rate)) for plan in plans)


def _moved(log: Shares, plans: Sequence[SchoolPlan], numbers: CourseNumbers) -> tuple[float, float, float]:
    """Return the level, the rate of learning and the half-life whose answers are like those of the log.

    Indirect inference (Gouriéroux, Monfort & Renault 1993, Journal of Applied Econometrics 8): what is compared are
    plain numbers of both. What a pause does is uncertain in most logs, so the half-life is a posterior mean.
    """
    level, rate = plans[0].starting_skill, 1.0
    found = []
    for half_life_days in HALF_LIVES_DAYS:
        tries = []
        for _ in range(TRIES):
            lived = [replace(plan, starting_skill=level, half_life_days=half_life_days) for plan in plans]
            tries.append(_simulated([(plan, _learning(numbers, rate)) for plan in lived]))
            level = float(np.clip(level + SPREAD * (log.first - tries[-1].first), -4.5, 4.5))
            rate *= math.exp(min(1.0, max(-1.0, 1.5 * (log.gained - tries[-1].gained))))
            rate = min(MOST_RATE, max(LEAST_RATE, rate))
        found.append((level, math.log(rate), math.log(half_life_days), tries[-1].pause, tries[-1].error))
    levels, rates, lives, pauses, errors = np.array(found).T
    unlike = (log.pause - pauses) ** 2 / (log.error**2 + errors**2) + ((lives - math.log(USUAL_DAYS)) / UNSURE) ** 2
    share = np.exp(-0.5 * (unlike - unlike.min()))
    share /= share.sum()
    return dot(share, levels), math.exp(dot(share, rates)), math.exp(dot(share, lives))


def _simulated(schools: Sequence[tuple[SchoolPlan, CourseNumbers]]) -> Shares:
    slots, rights, times, before = [], [], [], 0
    for plan, numbers in schools:
        for chunk in simulate(replace(plan, truth=False), numbers=numbers):
            quiz = chunk.tables["quiz_attempts"]
            student, topic = (quiz[name].combine_chunks().indices.to_numpy() for name in ("student_id", "topic_id"))
            plain = (quiz["attempt_number"].to_numpy() == 1) & (quiz["hints_used"].to_numpy() == 0)
            slots.append((before + student.astype(np.int64) * plan.topics + topic)[plain])
            rights.append(quiz["is_correct"].to_numpy().astype(np.float64)[plain])
            times.append(quiz["timestamp"].cast(pa.int64()).to_numpy()[plain] / DAY_US)
            before += plan.students * plan.topics
    return shares_of(*(np.concatenate(some) for some in (slots, rights, times)))


def _learning(numbers: CourseNumbers, rate: float) -> CourseNumbers:
    return numbers._replace(rate=rate * numbers.rate)


def _student(batch: Batch) -> Int64s:
    return np.repeat(np.arange(len(batch.students)), np.diff(batch.student_ptr))


def _answers(batch: Batch) -> Bools:
    """Return bool[n]: answers without help and on one topic, where the log has such; else all of them."""
    quiz = (batch.kind == QUIZ) & (batch.weight > 0.0)
    plain = quiz & (batch.weight >= 1.0)
    return plain if 5 * int(plain.sum()) >= int(quiz.sum()) else quiz


def _answered(batch: Batch, answers: Bools) -> tuple[Int64s, Floats, Floats]:
    return batch.slot[answers].astype(np.int64), batch.y[answers], batch.at_us[answers] / DAY_US


def _known(share: Floats, guess: Floats) -> Floats:
    """Return float64: the log-odds of knowing that a share of right answers stands for."""
    return log_odds_of(np.clip((share - guess) / (1.0 - guess - SLIPPED), 0.02, 0.98))


def _topics(batch: Batch, answers: Bools, guess: Floats, seed: int) -> tuple[float, Floats, Int64s]:
    """Return the level of all, float64[T] how much harder each topic is, and the topics taken, as they are taught."""
    slot, right, _ = _answered(batch, answers)
    slots, at = np.unique(slot, return_index=True)
    topic = batch.slot_topic[slots]
    count = np.bincount(topic, minlength=len(batch.topics)).astype(np.float64)
    everywhere = float(right[at].mean())
    share = (np.bincount(topic, right[at], count.size) + FIRST_WEIGH * everywhere) / (count + FIRST_WEIGH)
    known = SPREAD * _known(share, guess)
    drawn = np.random.default_rng([seed, 1]).standard_normal(count.size)
    known += drawn / np.sqrt((count + FIRST_WEIGH) * np.clip(share * (1.0 - share), 0.05, 0.25))
    met = np.flatnonzero(count)
    met = np.sort(met[np.argsort(-count[met], kind="stable")[:MOST_TOPICS]])
    level = float(np.average(known[met], weights=count[met]))
    place = np.arange(batch.slot_topic.size) - np.repeat(batch.slot_ptr[:-1], np.diff(batch.slot_ptr))
    place = place / np.repeat(np.maximum(np.diff(batch.slot_ptr), 1), np.diff(batch.slot_ptr))
    everyone = np.bincount(batch.slot_topic, minlength=count.size)
    taught = np.bincount(batch.slot_topic, place, count.size) / np.maximum(everyone, 1)
    return level, np.clip(level - known, -3.0, 3.0), met[np.argsort(taught[met], kind="stable")]


def _items_each(batch: Batch, answers: Bools, topics: Int64s) -> int:
    """Return how many questions each topic of the simulated school has: the median of the log's."""
    pairs = np.unique(batch.use[answers & (batch.use >= 0)])
    if not pairs.size:
        return SchoolPlan(1, 1).items_per_topic
    each = np.bincount(batch.use_topic[pairs], minlength=len(batch.topics))[topics]
    return int(np.clip(np.median(each[each > 0]) if np.any(each > 0) else 1, 1, MOST_ITEMS))


def _items(batch: Batch, answers: Bools, topics: Int64s, each: int) -> Int64s:
    """Return int64[T × each]: the items of each topic that are answered most, in turn where it has fewer."""
    found = np.full((topics.size, each), -1, np.int64)
    uses, count = np.unique(batch.use[answers & (batch.use >= 0)], return_counts=True)
    uses = uses[np.argsort(-count, kind="stable")]
    of = batch.use_topic[uses]
    order = np.argsort(of, kind="stable")
    starts = np.searchsorted(of[order], topics)
    ends = np.searchsorted(of[order], topics, side="right")
    for k, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
        if end > start:
            mine = uses[order[start : min(end, start + each)]]
            found[k] = np.resize(batch.use_item[mine], each)
    return found.reshape(-1)


def _numbers(
    batch: Batch, answers: Bools, plan: SchoolPlan, topics: Int64s, items: Int64s, harder: Floats, guess: Floats,
    seed: int,
) -> CourseNumbers:  # fmt: skip
    """Return the course: difficulties and guessing as the log says, all else as `mastery.simulation` draws it."""
    numbers, each = course_of(plan).numbers, plan.items_per_topic
    topic = batch.slot_topic[batch.slot[answers]]
    right = np.bincount(topic, batch.y[answers], len(batch.topics))
    of_topic = np.repeat(((right + 1.0) / (np.bincount(topic, minlength=right.size) + 2.0))[topics], each)
    named = answers & (batch.item >= 0)
    count = np.bincount(batch.item[named], minlength=max(1, len(batch.items))).astype(np.float64)
    right = np.bincount(batch.item[named], batch.y[named], count.size)
    known, at = items >= 0, np.maximum(items, 0)
    weight = ITEM_WEIGHS + np.where(known, count[at], 0.0)
    share = (np.where(known, right[at], 0.0) + ITEM_WEIGHS * of_topic) / weight
    usual = np.repeat(guess[topics], each)
    least = np.minimum(usual, MOST_GUESSED * share)
    apart = SPREAD * (_known(of_topic, np.minimum(usual, MOST_GUESSED * of_topic)) - _known(share, least))
    drawn = np.random.default_rng([seed, 2]).standard_normal(items.size)
    apart += drawn / np.sqrt(weight * np.clip(share * (1.0 - share), 0.05, 0.25))
    apart = np.where(known, np.clip(apart, -4.0, 4.0), numbers.item_difficulty).reshape(topics.size, each)
    apart -= apart.mean(axis=1, keepdims=True)  # mastery is of the topic's mean item
    guessed = numbers.guess * usual / GUESSED
    return numbers._replace(
        difficulty=harder[topics],
        item_difficulty=apart.reshape(-1),
        guess=np.where(known, np.minimum(guessed, MOST_GUESSED * share), guessed),
    )
