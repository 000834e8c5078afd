"""Ledger, counters and windows from their definitions in docs/features.md: one row after another, obvious and slow."""

from __future__ import annotations

import math
from collections.abc import Iterable

from histories import DAY, Event

NOTHING = math.nan

Cell = tuple[str, str, int]
"""(student, topic, day)."""


def topics_of(event: Event) -> list[str]:
    return [topic or "unassigned" for topic in event.topics]


def active(events: Iterable[Event]) -> list[tuple[str, str, Event]]:
    """Return (student, topic, event) of everything that is an activity: all but a teacher's feedback."""
    return [(e.student, topic, e) for e in events if e.kind != "feedback" for topic in topics_of(e)]


def ledger_of(events: list[Event]) -> dict[Cell, dict[str, int]]:
    """Return the counts of each student, topic and UTC day with activity."""
    found: dict[Cell, dict[str, int]] = {}
    for student, topic, event in active(events):
        day = found.setdefault((student, topic, event.at_us // DAY), {})

        def add(name: str, amount: int, day: dict[str, int] = day) -> None:
            day[name] = day.get(name, 0) + amount

        if event.kind == "quiz":
            add("q_attempts", 1)
            add("q_success_ppm", event.success_ppm)
            if event.duration_ms is not None:
                add("timed_attempts", 1)
                add("time_ms", event.duration_ms)
            add("hints", event.hints or 0)
        elif event.kind == "practice":
            add("practice_attempts", event.attempts)
            add("practice_success_ppm", event.success_ppm)
            add("hints", event.hints or 0)
        elif event.kind == "assignment":
            add("assignments", 1)
            add("assignment_ppm", event.success_ppm)
        elif event.kind == "video":
            add("videos", 1)
            add("video_ppm", event.success_ppm)
            add("rewinds", event.rewinds or 0)
        elif event.kind == "tutor":
            add("help_requests", event.attempts)
            add("help_resolved_ppm", event.success_ppm)
    return found


def gaps_of(events: list[Event]) -> dict[Cell, int]:
    """Return the days since the student was last active on the topic; 0 on the first day."""
    days: dict[tuple[str, str], set[int]] = {}
    for student, topic, event in active(events):
        days.setdefault((student, topic), set()).add(event.at_us // DAY)
    found = {}
    for place, on in days.items():
        for day in on:
            earlier = [other for other in on if other < day]
            found[(*place, day)] = day - max(earlier) if earlier else 0
    return found


def windows_of(events: list[Event], student: str, topic: str, as_of_us: int) -> dict[str, float]:
    """Return every feature of one student-topic; NaN for none. `events` are those up to as_of_us, in order."""
    mine = [event for event in events if event.student == student and topic in topics_of(event)]
    acts = [event for event in mine if event.kind != "feedback"]
    today = as_of_us // DAY
    gaps = {day: gap for (s, t, day), gap in gaps_of(events).items() if (s, t) == (student, topic)}
    found: dict[str, float] = {}

    def ratio(numerator: float, denominator: float) -> float:
        return numerator / denominator if denominator else NOTHING

    def successes(some: list[Event]) -> float:
        return sum(event.success_ppm for event in some) / 1e6

    for days in (7, 30, 90):
        inside = [event for event in acts if today - days < event.at_us // DAY <= today]
        kinds = {k: [e for e in inside if e.kind == k] for k in ("quiz", "practice", "assignment", "video", "tutor")}
        quiz, practice = kinds["quiz"], kinds["practice"]
        timed = [event for event in quiz if event.duration_ms is not None]
        attempts = len(quiz) + sum(event.attempts for event in practice)
        helped = sum(event.attempts for event in kinds["tutor"])
        hints = sum(event.hints or 0 for event in quiz + practice)
        on = {event.at_us // DAY for event in inside}
        spaced = [event for event in quiz + practice if gaps[event.at_us // DAY] >= 3]
        found |= {
            f"q_attempts_{days}": len(quiz),
            f"q_correct_{days}": int(successes(quiz)),
            f"practice_attempts_{days}": sum(event.attempts for event in practice),
            f"q_accuracy_{days}": ratio(successes(quiz), len(quiz)),
            f"avg_time_per_question_{days}": ratio(sum(e.duration_ms for e in timed) / 1e3, len(timed)),
            f"practice_success_rate_{days}": ratio(successes(practice), sum(e.attempts for e in practice)),
            f"assignment_score_{days}": ratio(successes(kinds["assignment"]), len(kinds["assignment"])),
            f"video_watch_pct_{days}": ratio(100 * successes(kinds["video"]), len(kinds["video"])),
            f"rewind_rate_{days}": ratio(sum(e.rewinds or 0 for e in kinds["video"]), len(kinds["video"])),
            f"revisit_rate_{days}": ratio(len([day for day in on if gaps[day] > 0]), len(on)),
            f"hint_usage_rate_{days}": ratio(hints + helped, attempts),
            f"help_resolved_rate_{days}": ratio(successes(kinds["tutor"]), helped),
            f"spaced_practice_success_{days}": ratio(successes(spaced), sum(e.attempts for e in spaced)),
        }
    last = max((event.at_us // DAY for event in acts), default=None)
    said = [event for event in mine if event.kind == "feedback"]
    found["last_activity_days_ago"] = NOTHING if last is None else today - last
    found["recency"] = NOTHING if last is None else 0.5 ** ((today - last) / 14)
    found["rolling_mastery_trend"] = trend_of(acts, today)
    found["teacher_feedback_score"] = said[-1].success_ppm / 1e6 if said else NOTHING
    return found


def trend_of(acts: list[Event], today: int) -> float:
    """Return the weighted least squares slope, per week, of (right + 1) / (answers + 2) of each day with answers."""
    days: dict[int, list[Event]] = {}
    for event in acts:
        if event.kind == "quiz" and today - 90 < event.at_us // DAY <= today:
            days.setdefault(event.at_us // DAY, []).append(event)
    if len(days) < 3:
        return NOTHING
    points = [
        (day / 7.0, (sum(e.success_ppm for e in some) / 1e6 + 1) / (len(some) + 2), len(some))
        for day, some in days.items()
    ]
    total = sum(w for _, _, w in points)
    x_mean, v_mean = (sum(w * point[k] for *point, w in points) / total for k in (0, 1))
    spread = sum(w * (x - x_mean) ** 2 for x, _, w in points)
    return sum(w * (x - x_mean) * (v - v_mean) for x, v, w in points) / spread
