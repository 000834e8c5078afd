"""One clause for each contribution of a score: what was seen that made it.

A clause agrees with the sign of its contribution: what raises a score is never worded as a failing, nor the reverse,
and where the count itself would say the opposite, another count of the same thing is told. Each comes with the numbers
it names. A contribution that has no data behind it (its prior only) says so.
"""

from __future__ import annotations

from collections.abc import Callable

from mastery.insight.activity_summary import ActivitySummary
from mastery.insight.words import ago, counted, percent, portion, tally

Numbers = dict[str, float]
Clause = tuple[str, Numbers]

ASSUMED = "a usual value is assumed"
CREDIT = "(a little is credited from the start)"
"""Stands behind what went wrong in full and still adds to an index: a prior, or answers right in part, did that."""


def _start(_seen: ActivitySummary, raises: bool) -> Clause:
    return f"a {'high' if raises else 'low'} starting point before any answer", {}


def _answers_right(seen: ActivitySummary, raises: bool) -> Clause:
    if not raises:
        return "right answers that count for little", {}
    return _tell_answers(seen, right=True)


def _answers_wrong(seen: ActivitySummary, raises: bool) -> Clause:
    if raises:
        return "wrong answers that count for little", {}
    return _tell_answers(seen, right=False)


def _tell_answers(seen: ActivitySummary, *, right: bool) -> Clause:
    """Return the right answers, or the wrong ones, from the newest count in which they are not the few."""
    word, opposite = ("right", "wrong") if right else ("wrong", "right")
    number = seen.right if right else seen.wrong
    recent = len(seen.recent)
    recent_number = seen.recent_right if right else recent - seen.recent_right
    if number == 0:
        return ("answers right in part" if right else "answers not right in full"), {"answers": seen.answers}
    if 2 * recent_number >= recent > 0:
        return tally(recent_number, recent, "answer", word, opposite, last=seen.has_older), {
            word: recent_number,
            "answers": recent,
        }
    if recent_number == 0:
        return f"{counted(number, 'earlier answer')} {word}", {word: number}
    if 2 * number >= seen.answers:
        return tally(number, seen.answers, "answer", word, opposite), {word: number, "answers": seen.answers}
    return f"{counted(number, f'{word} answer')} so far", {word: number, "answers": seen.answers}


def _accuracy(seen: ActivitySummary, raises: bool) -> Clause:
    """Tell answers and assignments: both are in it."""
    if not seen.answers and not seen.assignments:
        return f"no answers yet ({ASSUMED})", {}
    if not seen.answers:
        return _assignments_plainly(seen)
    only_assignments_help = raises and not seen.right and seen.assignment_share > 0.0
    if only_assignments_help:
        return _assignments_plainly(seen)
    recent, recent_right = len(seen.recent), seen.recent_right
    if raises and not seen.right:
        text = tally(0, seen.answers, "answer", "right", "wrong") + f" {CREDIT}"
        numbers: Numbers = {"answers": seen.answers}
    elif raises and recent_right == 0:
        text, numbers = _tell_answers(seen, right=True)
    elif not raises and recent_right == recent and seen.wrong:
        text, numbers = _tell_answers(seen, right=False)
    else:
        text = tally(recent_right, recent, "answer", "right", "wrong", last=seen.has_older)
        numbers = {"right": recent_right, "answers": recent}
        if not raises and recent_right == recent:
            text += " (less than expected)"
    if seen.assignments:
        also, more = _assignments_plainly(seen)
        return f"{text} and {also}", numbers | more
    return text, numbers


def _assignments_plainly(seen: ActivitySummary) -> Clause:
    numbers: Numbers = {"share": seen.assignment_share, "assignments": seen.assignments}
    share = percent(seen.assignment_share)
    if seen.assignments == 1:
        return f"{share} on the only assignment", numbers
    return f"{share} on average in {seen.assignments} assignments", numbers


def _assignments(seen: ActivitySummary, raises: bool) -> Clause:
    if not seen.assignments:
        return f"no assignments yet ({ASSUMED})", {}
    text, numbers = _assignments_plainly(seen)
    if raises and seen.assignment_share < 0.5:
        text += " (more than expected)"
    elif not raises and seen.assignment_share >= 0.5:
        text += " (less than expected)"
    return text, numbers


def _practice_plainly(seen: ActivitySummary) -> Clause:
    attempts, right = seen.practice_attempts, seen.practice_right
    if right != int(right):  # a source may give successes in fractions
        share = min(1.0, right / attempts)
        return f"{percent(share)} right in {counted(attempts, 'practice answer')}", {
            "share": share,
            "practice_attempts": attempts,
        }
    return tally(int(right), attempts, "practice answer", "right", "wrong"), {
        "right": int(right),
        "practice_attempts": attempts,
    }


def _practice(seen: ActivitySummary, raises: bool) -> Clause:
    attempts, right = seen.practice_attempts, seen.practice_right
    if not attempts:
        return f"no practice yet ({ASSUMED})", {}
    if raises and 2.0 * right < attempts:
        if right != int(right) or not right:
            text, numbers = _practice_plainly(seen)
            return f"{text} (more than expected)", numbers
        return f"{counted(int(right), 'right answer')} in practice", {"right": int(right)}
    if not raises and 2.0 * right >= attempts:
        wrong = attempts - right
        if wrong != int(wrong) or not wrong:
            text, numbers = _practice_plainly(seen)
            return f"{text} (less than expected)", numbers
        return f"{counted(int(wrong), 'wrong answer')} in practice", {"wrong": int(wrong)}
    return _practice_plainly(seen)


def _practice_success(seen: ActivitySummary, raises: bool) -> Clause:
    """Tell the share of success plainly: on an index it is what it is, however little it adds."""
    if not seen.practice_attempts:
        return f"no practice yet ({ASSUMED})", {}
    text, numbers = _practice_plainly(seen)
    if raises and not seen.practice_right:
        return f"{text} {CREDIT}", numbers
    return (text, numbers) if raises or not seen.practice_right else _practice(seen, raises)


def _learning(seen: ActivitySummary, raises: bool) -> Clause:
    what = "learning" if raises else "little learnt"
    if not seen.active_days:
        return f"{what} so far", {}
    return f"{what} from work on {counted(seen.active_days, 'day')}", {"active_days": seen.active_days}


def _other_topics(_seen: ActivitySummary, raises: bool) -> Clause:
    return ("does well on other topics" if raises else "has trouble on other topics too"), {}


def _past_answers(seen: ActivitySummary, raises: bool) -> Clause:
    """Tell the answers on this topic where they agree with the sign; the contribution holds those on all topics."""
    if not seen.answers:
        return _other_topics(seen, raises)
    if seen.right if raises else seen.wrong:
        text, numbers = _tell_answers(seen, right=raises)
        return f"{text}, with those on other topics", numbers
    return ("right answers on other topics" if raises else "trouble on other topics"), {}


def _spaced_practice(seen: ActivitySummary, raises: bool) -> Clause:
    if seen.active_days < 2:
        return f"no return after a break yet ({ASSUMED})", {}
    return f"{'right' if raises else 'wrong'} answers when coming back after a break", {}


def _revisit(seen: ActivitySummary, raises: bool) -> Clause:
    days = seen.active_days
    if days < 2:
        return f"has not come back to the topic yet ({ASSUMED})", {}
    times = "once" if days == 2 else "twice" if days == 3 else f"{days - 1:,} times"
    less = "" if raises else ", less than expected"
    return f"came back to the topic {times} ({days:,} days of work{less})", {
        "returning_days": days - 1,
        "active_days": days,
    }


def _video(seen: ActivitySummary, raises: bool) -> Clause:
    if not seen.videos:
        return f"no videos yet ({ASSUMED})", {}
    which = "video" if seen.videos == 1 else "videos"
    text = f"watched {portion(seen.video_share)} of the {which}"
    if raises and not seen.video_share:
        text += f" {CREDIT}"
    elif not raises and seen.video_share >= 0.5:
        text += " (less than expected)"
    return text, {"share": seen.video_share, "videos": seen.videos}


def _hints(seen: ActivitySummary, raises: bool) -> Clause:
    asked = seen.hints + seen.help_requests
    if not asked or not seen.questions:
        return ("works without hints" if raises else f"hints are not known ({ASSUMED})"), {}
    numbers: Numbers = {
        "hints": seen.hints,
        "help_requests": seen.help_requests,
        "questions": seen.questions,
        "rate": seen.hint_rate,
    }
    few = "few hints: " if raises else ""
    return few + hint_words(seen), numbers


def hint_words(seen: ActivitySummary) -> str:
    """Return how many hints and help requests there were: "4 hints on 8 questions".

    Not on how many of the questions: three hints may all be on one of them.
    """
    asked = ((seen.hints, "hint"), (seen.help_requests, "help request"))
    told = " and ".join(counted(number, what) for number, what in asked if number)
    return f"{told} on {counted(seen.questions, 'question')}"


def _recency(seen: ActivitySummary, _raises: bool) -> Clause:
    if seen.idle_days is None:
        return f"not worked on yet ({ASSUMED})", {}
    return f"last worked on {ago(seen.idle_days)}", {"idle_days": seen.idle_days}


def _calibration(_seen: ActivitySummary, raises: bool) -> Clause:
    return f"such scores have turned out too {'low' if raises else 'high'} before", {}


def _limit(_seen: ActivitySummary, raises: bool) -> Clause:
    return ("kept at the bottom of the scale" if raises else "kept at the top of the scale"), {}


def _forgetting(seen: ActivitySummary, raises: bool) -> Clause:
    """Tell the time since the last work, unless there were longer pauses before it: bkt forgets in those too."""
    if raises:
        return "has not faded", {}
    if seen.idle_days is None:
        return "faded over time", {}
    paused_days = max(0, seen.span_days - max(0, seen.active_days - 1))
    fading = "faded" if seen.idle_days > paused_days else "faded over time"
    return f"{fading} (last worked on {ago(seen.idle_days)})", {"idle_days": seen.idle_days}


CLAUSES: dict[str, Callable[[ActivitySummary, bool], Clause]] = {
    "start": _start,
    "answers_right": _answers_right,
    "answers_wrong": _answers_wrong,
    "practice": _practice,
    "assignments": _assignments,
    "learning": _learning,
    "other_topics": _other_topics,
    "past_answers": _past_answers,
    "accuracy": _accuracy,
    "practice_success": _practice_success,
    "spaced_practice": _spaced_practice,
    "revisit": _revisit,
    "video": _video,
    "hints": _hints,
    "recency": _recency,
    "calibration": _calibration,
    "limit": _limit,
    "forgetting": _forgetting,
}
"""By name of a contribution (mastery.tables.CONTRIBUTIONS): (seen, whether it raises the score) → clause and its
numbers."""


def failed_so_far(name: str, seen: ActivitySummary) -> bool:
    """Return whether a contribution adds nothing because everything that it counts went wrong, not for lack of data."""
    if name == "accuracy":
        graded = seen.answers + seen.assignments
        return graded > 0 and not seen.right and not seen.assignment_share > 0.0
    return name == "practice_success" and seen.practice_attempts > 0 and seen.practice_right == 0.0
