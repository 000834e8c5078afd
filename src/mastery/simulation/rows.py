"""The columns of what the kernels write and keep: events, truth, traits of a student, state of a topic."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

KINDS = (
    "quiz_attempts",
    "practice_sessions",
    "assignments",
    "video_events",
    "chatbot_interactions",
    "teacher_feedback",
)
QUIZ, PRACTICE, ASSIGNMENT, VIDEO, CHATBOT, FEEDBACK = range(len(KINDS))

# What A to E are depends on the kind:
#   quiz        item, right (0 or 1), tenths of a second, attempt number, hints
#   practice    attempts, right ones, hints
#   assignment  second topic, third topic (-1: none), half per cents, how many-th of its topic
#   video       video of the topic, tenths of a per cent, seconds, rewinds
#   chatbot     queries, resolved ones
#   feedback    hundredths of a score, reason
EVENT = ("kind", "student", "topic", "serial", "a", "b", "c", "d", "e")
KIND, STUDENT, TOPIC, SERIAL, A, B, C, D, E = range(len(EVENT))

TRUTH = ("student", "topic", "day")
TRUTH_STUDENT, TRUTH_TOPIC, TRUTH_DAY = range(len(TRUTH))

TRAITS = (
    "ability",  # log-odds above the average student
    "learning_rate",  # factor on what an opportunity is worth
    "half_life_days",  # of what was learnt, after the first day on a topic
    "rush_share",  # probability to rush an answer
    "hint_share",  # probability to ask for hints on a question that is not known
    "hint_abuser",  # 1: reads the answer off the hints and thinks little
    "diligence",  # factor on the probability of a day of study
    "slowness",  # factor on time
    "pace",  # how fast the student moves through the topics
)
ABILITY, RATE, HALF_LIFE, RUSH, HINT, ABUSER, DILIGENCE, SLOWNESS, PACE = range(len(TRAITS))

SKILL = (
    "base",  # log-odds to which everything unpractised returns
    "skill",  # log-odds at `at_day`
    "at_day",  # days since the start, with the fraction
    "half_life_days",
    "last_day",  # last whole day of study; -1: never met
    "assignments",
)
BASE, LEVEL, AT_DAY, MEMORY, LAST_DAY, ASSIGNMENTS = range(len(SKILL))


class Mind(NamedTuple):
    """What the kernel keeps of the student it is living, K = topics on the path.

    Attributes:
        path: int32[K]. Topics in the order in which they are met.
        slot_of: int32[T]. Place on the path of each topic, -1 where it is not on it.
        skill: float64[K, len(SKILL)].
        tries: int32[K, items_per_topic]. Answers given so far to each item.
    """

    path: NDArray[np.int32]
    slot_of: NDArray[np.int32]
    skill: NDArray[np.float64]
    tries: NDArray[np.int32]


class Log(NamedTuple):
    """What the kernel writes. Rows beyond the capacity are counted and not written.

    Attributes:
        events: int32[capacity, len(EVENT)].
        at_s: int64[capacity]. End of the event, seconds since the first day's midnight.
        truth: int32[capacity, len(TRUTH)].
        mastery: float64[capacity].
        used: int64[4]. Events and truth rows so far, the student who is alive, and events of this one.
    """

    events: NDArray[np.int32]
    at_s: NDArray[np.int64]
    truth: NDArray[np.int32]
    mastery: NDArray[np.float64]
    used: NDArray[np.int64]


USED_EVENTS, USED_TRUTH, WHO, USED_SERIAL = range(4)
