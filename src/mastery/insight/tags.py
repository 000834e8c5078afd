"""Tags: what is strong and what is weak about one student's work on one topic, each by a rule anyone can check.

A tag is a hint to a teacher, not a judgement: the rules want several answers before they say anything, and each tag
carries the sentence and the numbers that made it. docs/explanations.md lists them; the thresholds are these constants.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

import numpy as np

from mastery.arrays import Int64s
from mastery.features.counters import HELP_REQUESTS, HINTS, PRACTICE_ATTEMPTS, RECENT, TIME_MS, TIMED
from mastery.insight.activity_summary import ActivitySummary
from mastery.insight.bands import BANDS, DEVELOPING, MASTERED, NEEDS_HELP, PROFICIENT
from mastery.insight.clauses import change_words, hint_numbers, hint_words, returned_words
from mastery.insight.known import DEPENDENT_RATE, INDEPENDENT_RATE, LEAST_ANSWERS, MOSTLY_RIGHT, Known
from mastery.insight.points import whole_points
from mastery.insight.words import ago, counted, seconds, tally

CARELESS_WRONG = 2
"""Single misses among the last answers that make them a habit; there must be as many last answers as are kept."""

FORGOTTEN = 0.10
"""Points of the score, of 1, lost since the last activity on the topic."""

SLOW, QUICK = 1.5, 0.75
"""Mean time per answer, over the student's own mean over all topics."""

IDLE_DAYS = 14
"""Days without practice after which a topic that is not mostly right counts as not practised."""

STEADY_ANSWERS, STEADY_SHARE = 6, 0.85
"""Of the last answers: 6 of 6, 6 of 7 and 7 of 8 are steady."""

AFTER_BREAK_SHARE = 0.75
"""Share right of the answers on days after a break."""

TREND_PER_WEEK = 0.05
"""Change per week of the share of right answers."""


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
    """All that a rule may look at.

    Attributes:
        told: Names of the contributions that the explanation tells: a tag does not say the reverse.
        trend: The feature rolling_mastery_trend, per week; None where there is none.
    """

    known: Known
    habits: Habits
    told: Collection[str]
    trend: float | None

    @property
    def seen(self) -> ActivitySummary:
        """What was seen on the topic."""
        return self.known.here

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


def tags(known: Known, ways: Habits, *, band: str, told: Collection[str], trend: float | None) -> Tags:
    """Return the tags of one student-topic.

    Args:
        ways: The student's `habits`, over all topics.
        band: Of the score that is shown; each tag has bands that it may stand beside.
        told: Names of the contributions that the score's explanation tells.
        trend: The feature rolling_mastery_trend, per week; None or NaN where there is none.
    """
    work = _Work(known, ways, told, trend)
    return Tags(tuple(_holding(STRENGTHS, work, band)), tuple(_holding(WEAKNESSES, work, band)))


Said = tuple[str, dict[str, float]]


@dataclass(frozen=True)
class Rule:
    """One tag.

    Attributes:
        bands: Those of a score that it may stand beside: no strength where help is needed, no weakness where nothing
            is left to do, and none of either where there is too little to judge.
        says: The clause and its numbers, or None where it does not apply.
    """

    bands: frozenset[str]
    says: Callable[[_Work], Said | None]


def _holding(rules: dict[str, Rule], work: _Work, band: str) -> Iterator[Tag]:
    for name, rule in rules.items():
        said = rule.says(work) if band in rule.bands else None
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
    known = work.known
    if not known.faded or known.wrong_since or known.forgotten < FORGOTTEN:
        return None
    then = int(whole_points(np.array([known.score + known.forgotten]))[0])
    return f"stood at {then} when last worked on, {ago(known.here.idle_days)}", {
        "score_then": known.score + known.forgotten,
        "forgotten": known.forgotten,
        "idle_days": known.here.idle_days or 0,
    }


def _hint_dependent(work: _Work) -> Said | None:
    seen = work.seen
    if seen.questions < LEAST_ANSWERS or seen.hint_rate < DEPENDENT_RATE:
        return None
    return hint_words(seen), hint_numbers(seen)


def _timed(work: _Work) -> Said:
    usual = work.habits.mean_time_ms or 0.0
    return f"{seconds(work.seen.mean_time_ms)} per answer here, {seconds(usual)} over all topics", {
        "time_s": work.seen.mean_time_ms / 1000.0,
        "usual_time_s": usual / 1000.0,
    }


def _slow_but_right(work: _Work) -> Said | None:
    return _timed(work) if work.seen.right_share >= MOSTLY_RIGHT and work.pace >= SLOW else None


def _not_practised(work: _Work) -> Said | None:
    """Return since when, for a topic that needs practice and was not worked on lately in any other way either."""
    seen = work.seen
    if seen.right_share >= MOSTLY_RIGHT or seen.idle_days is None or seen.idle_days < IDLE_DAYS:
        return None
    if seen.practice_idle_days is not None:
        return f"no practice for {counted(seen.practice_idle_days, 'day')}", {
            "practice_idle_days": seen.practice_idle_days
        }
    idle = {"idle_days": float(seen.idle_days)}
    if work.habits.practises:
        return f"no practice yet, and not worked on for {counted(seen.idle_days, 'day')}", idle
    return f"not worked on for {counted(seen.idle_days, 'day')}", idle


def _changed(work: _Work, direction: int) -> Said | None:
    """Return the last answers beside those before: a slope a week promises what nobody has seen."""
    moved = work.known.better_lately if direction > 0 else work.known.worse_lately
    if not moved or work.trend is None or not work.trend * direction >= TREND_PER_WEEK:
        return None
    return change_words(work.known)


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
    return hint_words(seen) if asked else f"no hints on {seen.questions:,} questions", hint_numbers(seen)


def _quick_and_right(work: _Work) -> Said | None:
    return _timed(work) if work.seen.right_share >= MOSTLY_RIGHT and work.pace <= QUICK else None


def _remembers_after_gaps(work: _Work) -> Said | None:
    known = work.known
    if known.returned < LEAST_ANSWERS or not known.returned_share >= AFTER_BREAK_SHARE:
        return None
    if known.faded or "forgetting" in work.told:
        return None
    return returned_words(known)


def _of(*codes: int) -> frozenset[str]:
    return frozenset(BANDS[code] for code in codes)


_ABLE = _of(DEVELOPING, PROFICIENT, MASTERED)
_UNFINISHED = _of(NEEDS_HELP, DEVELOPING, PROFICIENT)

STRENGTHS: dict[str, Rule] = {
    "steady": Rule(_ABLE, _steady),
    "independent": Rule(_ABLE, _independent),
    "quick_and_right": Rule(_ABLE, _quick_and_right),
    "remembers_after_gaps": Rule(_ABLE, _remembers_after_gaps),
    "improving": Rule(_UNFINISHED | _ABLE, lambda work: _changed(work, 1)),
}

WEAKNESSES: dict[str, Rule] = {
    "forgetting": Rule(_UNFINISHED, _forgetting),
    "not_practised": Rule(_of(NEEDS_HELP, DEVELOPING), _not_practised),
    "hint_dependent": Rule(_UNFINISHED, _hint_dependent),
    "careless": Rule(_of(DEVELOPING, PROFICIENT), _careless),
    "slow_but_right": Rule(_of(DEVELOPING, PROFICIENT), _slow_but_right),
    "declining": Rule(_UNFINISHED, lambda work: _changed(work, -1)),
}
