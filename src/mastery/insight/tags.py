"""Tags: what is strong and what is weak about one student's work on one topic, each by a rule anyone can check.

A tag is a hint to a teacher, not a judgement: the rules want several answers before they say anything, and each tag
carries the sentence and the numbers that made it. docs/explanations.md lists them; the thresholds are these constants.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from mastery.arrays import Int64s
from mastery.features.counters import HELP_REQUESTS, HINTS, PRACTICE_ATTEMPTS, RECENT, TIME_MS, TIMED
from mastery.insight.activity_summary import ActivitySummary, activity_from
from mastery.insight.clauses import hint_words
from mastery.insight.words import ago, counted, decimal, seconds, tally

LEAST_ANSWERS = 5
"""Answers (or questions, or timed answers) before a tag says anything about them."""

MOSTLY_RIGHT = 0.7
"""Share of right answers from which a student can do it, by and large."""

CARELESS_WRONG = 2
"""Single misses among the last answers that make them a habit; there must be as many last answers as are kept."""

FORGOTTEN = 0.10
"""Points of the score, of 1, lost since the last activity on the topic."""

DEPENDENT_RATE, INDEPENDENT_RATE = 0.5, 0.05
"""Hints and help requests per question."""

SLOW, QUICK = 1.5, 0.75
"""Mean time per answer, over the student's own mean over all topics."""

IDLE_DAYS = 14
"""Days without practice after which a topic that is not mostly right counts as not practised."""

STEADY_ANSWERS, STEADY_SHARE = 6, 0.85
"""Of the last answers: 6 of 6, 6 of 7 and 7 of 8 are steady."""

PAUSE_DAYS, PAUSED_RETURNS, AFTER_PAUSE_SHARE = 3.0, 2, 0.75
"""Mean days from one active day to the next, how often that happened, and the share right of the last answers."""

TREND_PER_WEEK, TREND_ANSWERS = 0.05, 8
"""Change per week of the share of right answers, and how many answers must be behind it."""


@dataclass(frozen=True)
class Habits:
    """How a student works over all topics: what "slow" and "without hints" are compared with.

    Attributes:
        mean_time_ms: Mean time per answer over all topics; None when no answer is timed.
        practises: Whether there is any practice session at all. Where there is none, a topic without is no weakness.
        asks_for_hints: Whether any hint or help request is recorded at all. Where there is none the source may not
            record them, and nothing is said of their absence. A caller who knows better may replace it.
    """

    mean_time_ms: float | None
    practises: bool
    asks_for_hints: bool


@dataclass(frozen=True)
class Tag:
    """One strength or weakness: its name, one clause, and the numbers in it."""

    name: str
    text: str
    value: dict[str, float]


@dataclass(frozen=True)
class Tags:
    """Both lists in a fixed order; often empty."""

    strengths: tuple[Tag, ...]
    weaknesses: tuple[Tag, ...]


@dataclass(frozen=True)
class _Work:
    """All that a rule may look at."""

    seen: ActivitySummary
    contributions: Mapping[str, float]
    habits: Habits
    forgotten: float
    trend: float | None

    @property
    def pace(self) -> float:
        """Mean time per answer here over that on all topics; NaN where too little is timed."""
        usual = self.habits.mean_time_ms
        return self.seen.mean_time_ms / usual if usual and self.seen.timed >= LEAST_ANSWERS else math.nan


def habits(counters: Int64s) -> Habits:
    """Return the habits of one student from int64[P, F], the counters of all their topics."""
    positive = np.maximum(counters, 0)
    timed_here, time_here = positive[:, TIMED], positive[:, TIME_MS]
    timed, time_ms = int(timed_here.sum()), int(time_here[timed_here > 0].sum())
    return Habits(
        mean_time_ms=time_ms / timed if timed else None,
        practises=bool(positive[:, PRACTICE_ATTEMPTS].any()),
        asks_for_hints=bool(positive[:, [HINTS, HELP_REQUESTS]].any()),
    )


def tags(
    counters: Int64s,
    contributions: Mapping[str, float],
    *,
    forgotten: float,
    student_mean_time_ms: float | None,
    trend: float | None,
    as_of_us: int,
    practises: bool = False,
    asks_for_hints: bool = False,
) -> Tags:
    """Return the tags of one student-topic.

    Args:
        counters: int64[F] of the student-topic.
        contributions: Of the score that is shown, by name.
        forgotten: Its points lost since the last activity: the score then, less the score now.
        trend: The feature rolling_mastery_trend, per week; None or NaN where there is none.
        student_mean_time_ms, practises, asks_for_hints: The student's `habits`, over all topics.
    """
    usual = Habits(student_mean_time_ms, practises, asks_for_hints)
    work = _Work(activity_from(counters, as_of_us), contributions, usual, forgotten, trend)
    return Tags(tuple(_holding(STRENGTHS, work)), tuple(_holding(WEAKNESSES, work)))


Said = tuple[str, dict[str, float]]


def _holding(rules: dict[str, Callable[[_Work], Said | None]], work: _Work) -> Iterator[Tag]:
    for name, rule in rules.items():
        said = rule(work)
        if said is not None:
            yield Tag(name, *said)


def _careless(work: _Work) -> Said | None:
    """Return misses one at a time, by one who mostly gets it right and takes no longer than usual."""
    seen = work.seen
    wrong = len(seen.recent) - seen.recent_right
    in_a_row = any(not before and not after for before, after in zip(seen.recent, seen.recent[1:], strict=False))
    if (
        len(seen.recent) < RECENT
        or seen.right_share < MOSTLY_RIGHT
        or wrong < CARELESS_WRONG
        or in_a_row
        or work.pace > 1.0
    ):
        return None
    counts = tally(wrong, len(seen.recent), "answer", "wrong", "right", last=seen.has_older)
    return f"{counts} though most are right and never two wrong in a row", {"wrong": wrong, "answers": len(seen.recent)}


def _forgetting(work: _Work) -> Said | None:
    idle_days = work.seen.idle_days
    if not work.forgotten >= FORGOTTEN or idle_days is None:
        return None
    # A tag must not say what the score's own contributions do not.
    if not work.contributions.get("forgetting", 0.0) < 0.0:
        return None
    return f"the score has faded by {work.forgotten:.2f} (last worked on {ago(idle_days)})", {
        "forgotten": work.forgotten,
        "idle_days": idle_days,
    }


def _hint_numbers(seen: ActivitySummary) -> dict[str, float]:
    return {
        "hints": seen.hints,
        "help_requests": seen.help_requests,
        "questions": seen.questions,
        "rate": seen.hint_rate,
    }


def _hint_dependent(work: _Work) -> Said | None:
    seen = work.seen
    if seen.questions < LEAST_ANSWERS or seen.hint_rate < DEPENDENT_RATE:
        return None
    return hint_words(seen), _hint_numbers(seen)


def _timed(work: _Work, manner: str) -> Said:
    usual = work.habits.mean_time_ms or 0.0
    return f"right and {manner}: {seconds(work.seen.mean_time_ms)} per answer, {seconds(usual)} over all topics", {
        "time_s": work.seen.mean_time_ms / 1000.0,
        "usual_time_s": usual / 1000.0,
    }


def _slow_but_right(work: _Work) -> Said | None:
    return _timed(work, "slow") if work.seen.right_share >= MOSTLY_RIGHT and work.pace >= SLOW else None


def _not_practised(work: _Work) -> Said | None:
    """Return since when, for a topic that still needs practice: else every chapter of last term had the tag."""
    seen = work.seen
    if seen.right_share >= MOSTLY_RIGHT:
        return None
    if seen.practice_idle_days is not None:
        if seen.practice_idle_days < IDLE_DAYS:
            return None
        return f"no practice for {counted(seen.practice_idle_days, 'day')}", {
            "practice_idle_days": seen.practice_idle_days
        }
    if work.habits.practises and seen.idle_days is not None:
        return "no practice yet", {}
    if seen.idle_days is not None and seen.idle_days >= IDLE_DAYS:
        return f"not worked on for {counted(seen.idle_days, 'day')}", {"idle_days": seen.idle_days}
    return None


def _trend(work: _Work, direction: int) -> Said | None:
    if work.trend is None or not work.trend * direction >= TREND_PER_WEEK or work.seen.answers < TREND_ANSWERS:
        return None
    points = decimal(abs(work.trend) * 100.0, 0)
    unit = "point" if points == "1" else "points"
    return f"the share of right answers {'rises' if direction > 0 else 'falls'} by {points} {unit} a week", {
        "points_per_week": work.trend * 100.0
    }


def _steady(work: _Work) -> Said | None:
    seen = work.seen
    recent, right = len(seen.recent), seen.recent_right
    if recent < STEADY_ANSWERS or right < STEADY_SHARE * recent:
        return None
    return tally(right, recent, "answer", "right", "wrong", last=seen.has_older), {"right": right, "answers": recent}


def _independent(work: _Work) -> Said | None:
    seen = work.seen
    if not work.habits.asks_for_hints or seen.questions < LEAST_ANSWERS or not seen.right_share >= MOSTLY_RIGHT:
        return None
    if seen.hint_rate > INDEPENDENT_RATE:
        return None
    asked = seen.hints + seen.help_requests
    return f"{counted(asked, 'hint') if asked else 'no hints'} on {seen.questions} questions", _hint_numbers(seen)


def _quick_and_right(work: _Work) -> Said | None:
    return _timed(work, "quick") if work.seen.right_share >= MOSTLY_RIGHT and work.pace <= QUICK else None


def _remembers_after_gaps(work: _Work) -> Said | None:
    seen = work.seen
    returns, recent = seen.active_days - 1, len(seen.recent)
    if returns < PAUSED_RETURNS or recent < LEAST_ANSWERS or seen.recent_right < AFTER_PAUSE_SHARE * recent:
        return None
    pause = seen.span_days / returns
    if pause < PAUSE_DAYS:
        return None
    counts = tally(seen.recent_right, recent, "answer", "right", "wrong", last=seen.has_older)
    return f"{counts} although the topic was worked on only every {decimal(pause, 1)} days on average", {
        "right": seen.recent_right,
        "answers": recent,
        "pause_days": pause,
    }


STRENGTHS: dict[str, Callable[[_Work], Said | None]] = {
    "steady": _steady,
    "independent": _independent,
    "quick_and_right": _quick_and_right,
    "remembers_after_gaps": _remembers_after_gaps,
    "improving": lambda work: _trend(work, 1),
}

WEAKNESSES: dict[str, Callable[[_Work], Said | None]] = {
    "forgetting": _forgetting,
    "not_practised": _not_practised,
    "hint_dependent": _hint_dependent,
    "careless": _careless,
    "slow_but_right": _slow_but_right,
    "declining": lambda work: _trend(work, -1),
}
