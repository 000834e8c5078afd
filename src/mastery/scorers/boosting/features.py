"""What the monotone ml knows of a student-topic: counts of the own answers, and what other scorers make of them.

Each feature either cannot move when the outcome of an answer changes (counts of practice and videos; numbers of topics
and items) or moves one way: `sign` says which, and the trees are held to it, so a better answer never lowers a score
(law 6). In time too: with a right answer none that `RISES` falls and none that `FALLS` rises, with a wrong one the
other way round. So what has been learnt is counted up to the last right answer, wrong ones before it among them; and
neither bkt is read, which may rise with a wrong answer, nor irt or linear_rnn, in which answers fade. Left out on
purpose: a teacher's feedback, the trend, and of the answer that is predicted its own time and hints.

All of it is made of counters (mastery.features.counters), so a stored record knows it as well as a fold does.
`pre_answer_features` follows the counters through a batch, for training.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mastery.arrays import Floats, Floats32, Int32s, Int64s
from mastery.features.batch import Batch, BatchArrays
from mastery.features.columns import FEEDBACK
from mastery.features.counters import (
    ANSWERS,
    ANSWERS_TO_RIGHT,
    ASSIGNMENT_PPM,
    ASSIGNMENTS,
    HELP_REQUESTS,
    HINTS,
    LAST_AT_US,
    NEVER,
    PRACTICE_ATTEMPTS,
    PRACTICE_RIGHT_PPM,
    RECENT_ANSWERS,
    RECENT_BITS,
    REFRESHED_DAYS,
    RIGHT,
    VIDEO_PPM,
    VIDEOS,
    count_event,
    initial_counters,
)
from mastery.instants import DAY_US
from mastery.kernels import kernel
from mastery.log_odds import bounded_log_odds

MEMBERS = ("elo",)
"""Scorers whose logits are features, those that a model set holds of them."""

RISES, FALLS, FREE = 1, -1, 0
"""What a feature does to a score: never lower it, never raise it, or either."""


@dataclass(frozen=True)
class Feature:
    """One column: its name, what a better answer may do through it, and the contribution it is booked under."""

    name: str
    sign: int
    booked_as: str
    doc: str


ANSWERED = "answers"
"""Stands for `answers_right` where a contribution raises the score and `answers_wrong` where it lowers it."""

FEATURES = (
    Feature("topic_base", FREE, "start", "log-odds of a right answer on the topic, over all students"),
    Feature("item_base", FREE, "start", "the same of the item; of the topic for its mean item"),
    Feature("learnt_from", RISES, "learning", "answers on the topic up to the last right one"),
    Feature("right", RISES, ANSWERED, "of them right"),
    Feature("wrong", FALLS, ANSWERED, "of them not right"),
    Feature("share_right", RISES, ANSWERED, "(right + 1) / (answers + 2)"),
    Feature("recent", RISES, ANSWERED, "the last 8 answers, right +1 and wrong −1, each worth 0.8 of the next"),
    Feature("last", RISES, ANSWERED, "the last answer, +1 or −1; 0 before any"),
    Feature("run_right", RISES, ANSWERED, "right answers since the last wrong one, up to 8"),
    Feature("run_wrong", FALLS, ANSWERED, "wrong answers since the last right one, up to 8"),
    Feature("practice_attempts", FREE, "practice", "practice answers"),
    Feature("practice_share", RISES, "practice", "(right + 1) / (practice answers + 2)"),
    Feature("assignments", FREE, "assignments", "graded assignments"),
    Feature("assignment_share", RISES, "assignments", "(sum of scores + 1) / (assignments + 2)"),
    Feature("videos", FREE, "video", "videos started"),
    Feature("video_share", RISES, "video", "(videos watched + 1) / (videos + 2)"),
    Feature("hints", FALLS, "hints", "hints for each practice answer and answer up to the last right one"),
    Feature("help_requests", FREE, "hints", "questions to the tutor"),
    Feature("days", RISES, "learning", "days with something on the topic that was no wrong answer"),
    Feature("idle_days", FREE, "recency", "days since the last activity on the topic; 0 where a score is read"),
    Feature("other_learnt_from", RISES, "other_topics", "answers on other topics, on each up to the last right one"),
    Feature("other_share", RISES, "other_topics", "(right + 1) / (answers + 2) on other topics"),
    *(Feature(f"{name}_logit", RISES, ANSWERED, f"log-odds of a right answer, as {name} sees it") for name in MEMBERS),
)
N_FEATURES = len(FEATURES)
FIRST_MEMBER = N_FEATURES - len(MEMBERS)

FADE = 0.8


class Around(NamedTuple):
    """What is known of a slot beyond its own counters.

    Attributes:
        answers, right, learnt_from: Of the student on all topics.
        topic_base, item_base: Log-odds of a right answer, over all students.
    """

    answers: int
    right: int
    learnt_from: int
    topic_base: float
    item_base: float
    idle_days: float


@kernel
def _row(counters: Int64s, p: int, around: Around, probabilities: Floats, at: int, out: Floats32, i: int) -> None:
    """Write out[i]: what is known of slot p; probabilities[k, at] is member k's probability of a right answer, NaN
    for none."""
    answers, right = counters[p, ANSWERS], counters[p, RIGHT]
    known, bits = counters[p, RECENT_ANSWERS], counters[p, RECENT_BITS]
    recent, worth, run_right, run_wrong = 0.0, 1.0, 0, 0
    for k in range(known):
        bit = (bits >> k) & 1
        recent += worth * (2.0 * bit - 1.0)
        worth *= FADE
        if bit and run_right == k:
            run_right += 1
        if not bit and run_wrong == k:
            run_wrong += 1
    practised, assignments, videos = counters[p, PRACTICE_ATTEMPTS], counters[p, ASSIGNMENTS], counters[p, VIDEOS]
    others, others_right = around.answers - answers, around.right - right
    learnt_from = counters[p, ANSWERS_TO_RIGHT]
    out[i, 0], out[i, 1] = around.topic_base, around.item_base
    out[i, 2], out[i, 3], out[i, 4] = learnt_from, right, answers - right
    out[i, 5] = (right + 1.0) / (answers + 2.0)
    out[i, 6] = recent
    out[i, 7] = 2.0 * (bits & 1) - 1.0 if known else 0.0
    out[i, 8], out[i, 9] = run_right, run_wrong
    out[i, 10], out[i, 11] = practised, (counters[p, PRACTICE_RIGHT_PPM] / 1e6 + 1.0) / (practised + 2.0)
    out[i, 12], out[i, 13] = assignments, (counters[p, ASSIGNMENT_PPM] / 1e6 + 1.0) / (assignments + 2.0)
    out[i, 14], out[i, 15] = videos, (counters[p, VIDEO_PPM] / 1e6 + 1.0) / (videos + 2.0)
    out[i, 16] = counters[p, HINTS] / max(1.0, float(learnt_from + practised))
    out[i, 17], out[i, 18], out[i, 19] = counters[p, HELP_REQUESTS], counters[p, REFRESHED_DAYS], around.idle_days
    out[i, 20], out[i, 21] = around.learnt_from - learnt_from, (others_right + 1.0) / (others + 2.0)
    for k in range(probabilities.shape[0]):
        probability = probabilities[k, at]
        out[i, FIRST_MEMBER + k] = 0.0 if math.isnan(probability) else bounded_log_odds(probability)


@kernel
def _slots(
    slot_student: Int32s,
    slot_topic: Int32s,
    counters: Int64s,
    base: Floats,
    probabilities: Floats,
    on_all: Int64s,
    out: Floats32,
) -> None:
    for p in range(slot_topic.size):
        on_all[slot_student[p], 0] += counters[p, ANSWERS]
        on_all[slot_student[p], 1] += counters[p, RIGHT]
        on_all[slot_student[p], 2] += counters[p, ANSWERS_TO_RIGHT]
    for p in range(slot_topic.size):
        s, mean = slot_student[p], base[slot_topic[p]]
        around = Around(on_all[s, 0], on_all[s, 1], on_all[s, 2], mean, mean, 0.0)
        _row(counters, p, around, probabilities, p, out, p)


def slot_features(
    slot_student: Int32s, slot_topic: Int32s, counters: Int64s, base: Floats, probabilities: Floats
) -> Floats32:
    """Return float32[P, N_FEATURES]: every slot at its topic's mean item, as of the last evidence.

    base: float64[T], the topics' log-odds; probabilities: float64[len(MEMBERS), P], NaN for members that are not there.
    """
    out = np.empty((slot_topic.size, N_FEATURES), np.float32)
    students = int(slot_student.max(initial=-1)) + 1
    _slots(slot_student, slot_topic, counters, base, probabilities, np.zeros((students, 3), np.int64), out)
    return out


@kernel
def _walk(
    batch: BatchArrays,
    topic_base: Floats,
    item_base: Floats,
    probabilities: Floats,
    place: Int64s,
    counters: Int64s,
    out: Floats32,
) -> None:
    student_ptr, row, slot, at_us, kind = batch.student_ptr, batch.row, batch.slot, batch.at_us, batch.kind
    weight, attempts, success_ppm = batch.weight, batch.attempts, batch.success_ppm
    duration_ms, hints, days_away = batch.duration_ms, batch.hints, batch.days_away
    for s in range(student_ptr.size - 1):
        all_answers, all_right, all_learnt_from = 0, 0, 0
        for i in range(student_ptr[s], student_ptr[s + 1]):
            if i == student_ptr[s] or row[i] != row[i - 1]:
                j = i
                while j < student_ptr[s + 1] and row[j] == row[i]:
                    if place[j] >= 0:
                        p = slot[j]
                        last = counters[p, LAST_AT_US]
                        idle = 0.0 if last == NEVER else (at_us[j] - last) / DAY_US
                        around = Around(all_answers, all_right, all_learnt_from, topic_base[j], item_base[j], idle)
                        _row(counters, p, around, probabilities, j, out, place[j])
                    j += 1
            if kind[i] == FEEDBACK:
                continue
            p = slot[i]
            answers, right, learnt_from = counters[p, ANSWERS], counters[p, RIGHT], counters[p, ANSWERS_TO_RIGHT]
            count_event(
                counters[p], kind[i], at_us[i], days_away[i], weight[i], attempts[i], success_ppm[i], duration_ms[i],
                hints[i],
            )  # fmt: skip
            all_answers += counters[p, ANSWERS] - answers
            all_right += counters[p, RIGHT] - right
            all_learnt_from += counters[p, ANSWERS_TO_RIGHT] - learnt_from


def pre_answer_features(
    batch: Batch, rows: Int64s, topic_base: Floats, item_base: Floats, probabilities: Mapping[str, Floats]
) -> tuple[Floats32, Int64s]:
    """Return what was known before the event of each of some rows, and the counters after the last event.

    Rows of one event are described before any of them counts.

    Args:
        batch: Whose rows.
        rows: int64[m]. Of the batch.
        topic_base, item_base: float64[n]. Of each row's topic and item.
        probabilities: By member, float64[n]: its probability of a right answer on the row's item, predicted.

    Returns:
        features: float32[m, N_FEATURES].
        counters: int64[P, len(COUNTERS)], as `fold_counters` leaves them.
    """
    n = batch.slot.size
    place = np.full(n, -1, np.int64)
    place[rows] = np.arange(rows.size)
    said = np.full((len(MEMBERS), n), np.nan)
    for k, name in enumerate(MEMBERS):
        if name in probabilities:
            said[k] = probabilities[name]
    counters, out = initial_counters(batch.slot_topic.size), np.empty((rows.size, N_FEATURES), np.float32)
    _walk(batch.arrays, topic_base, item_base, said, place, counters, out)
    return out, counters
