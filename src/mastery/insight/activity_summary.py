"""What was seen of a student, in plain numbers: counters of a topic, and of all others, as words and tags read them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mastery.arrays import Int64s
from mastery.features import counters as column
from mastery.school_days import UTC_DAYS, SchoolDays


@dataclass(frozen=True)
class ActivitySummary:
    """Counts over the whole past of one student-topic; days are school days.

    Attributes:
        evidence: Graded observations: answers, practice sessions, assignments.
        answers, right: Quiz answers, and those right in full.
        recent: The last answers, oldest first, True for right; at most mastery.features.counters.RECENT.
        hints, help_requests: On answers and in practice; in tutor chats.
        practice_attempts, practice_right: In all sessions; successes need not be whole.
        assignments, assignment_share: How many, and their mean score in [0, 1]; NaN for none.
        videos, video_share: How many, and how much of them was watched on average in [0, 1]; NaN for none.
        timed, mean_time_ms: Answers with a duration, and their mean; NaN for none.
        active_days: Days with any activity.
        span_days: From the first active day to the last.
        idle_days, practice_idle_days: Since the last activity, since the last practice; None for never.
        fading_days: Since something last went well, or since the first activity; None for never. See
            mastery.features.counters.refreshes.
    """

    evidence: int
    answers: int
    right: int
    recent: tuple[bool, ...]
    hints: int
    help_requests: int
    practice_attempts: int
    practice_right: float
    assignments: int
    assignment_share: float
    videos: int
    video_share: float
    timed: int
    mean_time_ms: float
    active_days: int
    span_days: int
    idle_days: int | None
    practice_idle_days: int | None
    fading_days: int | None

    @property
    def wrong(self) -> int:
        """Answers not right in full."""
        return self.answers - self.right

    @property
    def recent_right(self) -> int:
        """How many of the last answers were right."""
        return sum(self.recent)

    @property
    def has_older(self) -> bool:
        """Whether there were answers before the last ones."""
        return self.older > 0

    @property
    def older(self) -> int:
        """Answers before the last ones."""
        return self.answers - len(self.recent)

    @property
    def older_right(self) -> int:
        """How many of those before the last ones were right."""
        return self.right - self.recent_right

    @property
    def change(self) -> float:
        """Share right of the last answers, less that of all before them; NaN unless there are both."""
        return _per(self.recent_right, len(self.recent)) - _per(self.older_right, self.older)

    @property
    def paused_days(self) -> int:
        """Days without work between the first active day and the last."""
        return max(0, self.span_days + 1 - self.active_days)

    @property
    def questions(self) -> int:
        """Answers and practice attempts together."""
        return self.answers + self.practice_attempts

    @property
    def hint_rate(self) -> float:
        """Hints and help requests per question; NaN without questions."""
        return _per(self.hints + self.help_requests, self.questions)

    @property
    def right_share(self) -> float:
        """Share of all answers that were right; NaN without answers."""
        return _per(self.right, self.answers)


@dataclass(frozen=True)
class OtherTopics:
    """Graded work of a student on all topics but one. What was one answer on two of them is counted on each: with more
    than one topic, its counts are those of no sentence.

    Attributes:
        answered, practised, assigned: Topics with quiz answers, with practice, with assignments.
        answers, right: Quiz answers, and those right in full.
        practice_attempts, practice_right: In all sessions; successes need not be whole.
        assignments, assignment_share: How many, and their mean score in [0, 1]; NaN for none.
    """

    answered: int
    answers: int
    right: int
    practised: int
    practice_attempts: int
    practice_right: float
    assigned: int
    assignments: int
    assignment_share: float


NO_OTHERS = OtherTopics(0, 0, 0, 0, 0, 0.0, 0, 0, float("nan"))
"""Of a student with one topic."""

_SUMMED = [column.ANSWERS, column.RIGHT, column.PRACTICE_ATTEMPTS, column.PRACTICE_RIGHT_PPM, column.ASSIGNMENTS,
           column.ASSIGNMENT_PPM]  # fmt: skip
_WHETHER = [column.ANSWERS, column.PRACTICE_ATTEMPTS, column.ASSIGNMENTS]


class AllTopics:
    """Sums over all topics of a student, from which those of all but one are told without another pass."""

    def __init__(self, counters: Int64s, topics: npt.NDArray[np.bool_] | None = None) -> None:
        """Add up int64[P, F]. topics bool[P]: which of the rows are topics; all when left out."""
        positive = np.maximum(counters if topics is None else counters[topics], 0)
        self._sums = positive[:, _SUMMED].sum(axis=0)
        self._topics = (positive[:, _WHETHER] > 0).sum(axis=0)

    def but(self, own: Int64s) -> OtherTopics:
        """Return the work on all topics but the one with these counters int64[F], which is among those added up."""
        mine = np.maximum(own, 0)
        sums = [int(amount) for amount in self._sums - mine[_SUMMED]]
        answered, practised, assigned = (int(number) for number in self._topics - (mine[_WHETHER] > 0))
        answers, right, attempts, practice_ppm, assignments, assignment_ppm = sums
        return OtherTopics(
            answered, answers, min(right, answers),
            practised, attempts, min(practice_ppm / 1e6, float(attempts)),
            assigned, assignments, _per(assignment_ppm / 1e6, assignments),
        )  # fmt: skip


def activity_from(counters: Int64s, as_of_us: int, days: SchoolDays = UTC_DAYS) -> ActivitySummary:
    """Return what int64[F] counters say at `as_of_us`. A last activity after it counts as today."""
    value, count = counters.tolist(), np.maximum(counters, 0).tolist()
    answers = count[column.ANSWERS]
    remembered = min(count[column.RECENT_ANSWERS], column.RECENT, answers)
    bits = value[column.RECENT_BITS]
    today = days.day_of(as_of_us)
    last, first, practised, refreshed = (
        None if (at := value[k]) == int(column.NEVER) else days.day_of(at)
        for k in (column.LAST_AT_US, column.FIRST_AT_US, column.LAST_PRACTICE_US, column.REFRESHED_AT_US)
    )
    return ActivitySummary(
        evidence=count[column.EVIDENCE],
        answers=answers,
        right=min(count[column.RIGHT], answers),
        recent=tuple(bool(bits >> back & 1) for back in reversed(range(remembered))),
        hints=count[column.HINTS],
        help_requests=count[column.HELP_REQUESTS],
        practice_attempts=count[column.PRACTICE_ATTEMPTS],
        practice_right=min(count[column.PRACTICE_RIGHT_PPM] / 1e6, float(count[column.PRACTICE_ATTEMPTS])),
        assignments=count[column.ASSIGNMENTS],
        assignment_share=_per(count[column.ASSIGNMENT_PPM] / 1e6, count[column.ASSIGNMENTS]),
        videos=count[column.VIDEOS],
        video_share=_per(count[column.VIDEO_PPM] / 1e6, count[column.VIDEOS]),
        timed=count[column.TIMED],
        mean_time_ms=_per(count[column.TIME_MS], count[column.TIMED]),
        active_days=count[column.ACTIVE_DAYS],
        span_days=0 if last is None or first is None else max(0, last - first),
        idle_days=_since(last, today),
        practice_idle_days=_since(practised, today),
        fading_days=_since(refreshed, today),
    )


def _per(amount: float, of: int) -> float:
    return amount / of if of else float("nan")


def _since(day: int | None, today: int) -> int | None:
    return None if day is None else max(0, today - day)
