"""What can be said of each contribution of a score, and what must hold of the data for it to be said.

`WORDINGS` is the table: by contribution and by whether it raises the score, clauses in order of preference, each with
its condition. The first whose condition holds is said; where none does, nothing is: no clause is told because of a
contribution's sign alone. tests/insight/test_true_words.py reads the clauses back and holds them against the events.
"""

from __future__ import annotations

from collections.abc import Callable, Set

from mastery.insight import graded_clauses as graded
from mastery.insight.activity_summary import ActivitySummary
from mastery.insight.known import FEW_RATE, INDEPENDENT_RATE, PLENTY, Known
from mastery.insight.wording import Clause, Numbers, Wording
from mastery.insight.words import ago, counted, portion, tally

RAISES, LOWERS = True, False

PAUSED_DAYS = 7
"""Days without work, in all, before they are given as a reason: bkt forgets in them, be they ever so few."""

END_OF_SCALE = 0.99
"""A score from here on is at the top of the scale, and one as near to 0 at its bottom."""


def _plain(text: str, holds: Callable[[Known], bool]) -> Wording:
    """Return a clause that names no number and is a last resort."""
    return Wording(holds, lambda _known: (text, {}), alone=True)


def change_words(known: Known) -> Clause:
    """Return the last answers beside those before them; there are both. Not "lately": they may be of last term."""
    here = known.here
    last = tally(here.recent_right, len(here.recent), "answer", "right", "wrong", last=True)
    return f"{last}, {here.older_right} of {here.older:,} before", {
        "recent_right": here.recent_right,
        "recent": len(here.recent),
        "older_right": here.older_right,
        "older": here.older,
    }


def _than_before(known: Known) -> Clause:
    """Tell what was before alone: how the last answers went stands beside it, or is another factor's."""
    how = "better" if known.better_lately else "worse"
    older_right, older = known.here.older_right, known.here.older
    numbers: Numbers = {"older_right": older_right, "older": older}
    return f"the last answers {how} than the {older_right} of {older:,} right before", numbers


def _work(known: Known) -> Clause:
    days = known.here.active_days
    brings = "brings" if days == 1 else "bring"
    return f"what {counted(days, 'day')} of work usually {brings}", {"active_days": days}


def returned_words(known: Known) -> Clause:
    """Return how answers went on days after a break; there are some."""
    practice = known.returned_practice
    noun = "answer" if not practice else "practice answer" if practice == known.returned else "quiz and practice answer"
    text = graded.successes(known.returned, known.returned_right, noun)
    return f"{text} on days after a break", {
        "returned": known.returned,
        "returned_right": known.returned_right,
        "share": known.returned_share,
    }


def _came_back(known: Known) -> Clause:
    days = known.here.active_days
    times = "once" if days == 2 else "twice" if days == 3 else f"{days - 1:,} times"
    return f"came back to the topic {times} ({days:,} days of work)", {"returning_days": days - 1, "active_days": days}


def _watched(suffix: str = "") -> Callable[[Known], Clause]:
    def says(known: Known) -> Clause:
        here = known.here
        which = "video" if here.videos == 1 else "videos"
        numbers: Numbers = {"share": here.video_share, "videos": here.videos}
        return f"watched {portion(here.video_share)} of the {which}{suffix}", numbers

    return says


def _hints(prefix: str = "") -> Callable[[Known], Clause]:
    def says(known: Known) -> Clause:
        return prefix + hint_words(known.here), hint_numbers(known.here)

    return says


def hint_words(seen: ActivitySummary) -> str:
    """Return how many hints and help requests there were: "4 hints on 8 questions".

    Not on how many of the questions: three hints may all be on one of them.
    """
    asked = ((seen.hints, "hint"), (seen.help_requests, "help request"))
    told = " and ".join(counted(number, what) for number, what in asked if number)
    return f"{told} on {counted(seen.questions, 'question')}"


def hint_numbers(seen: ActivitySummary) -> Numbers:
    """Return the numbers that `hint_words` names."""
    return {
        "hints": seen.hints,
        "help_requests": seen.help_requests,
        "questions": seen.questions,
        "rate": seen.hint_rate,
    }


def _last_worked_on(known: Known) -> Clause:
    return f"last worked on {ago(known.here.idle_days)}", {"idle_days": known.here.idle_days or 0}


def _faded(known: Known) -> Clause:
    if known.wrong_since:
        days = known.here.fading_days or 0
        return f"faded (nothing has gone well for {counted(days, 'day')})", {"fading_days": days}
    text, numbers = _last_worked_on(known)
    return f"faded ({text})", numbers


def _paused(known: Known) -> Clause:
    days, span = known.here.active_days, known.here.span_days + 1
    return f"only {counted(days, 'day')} of work in {span:,}", {"active_days": days, "days": span}


def _asked(known: Known) -> bool:
    return known.here.hints + known.here.help_requests > 0 and known.here.questions > 0


def _few(known: Known) -> bool:
    return max(known.here.evidence, known.here.questions) < PLENTY


def _compared(known: Known) -> bool:
    return known.reference.students > 0


def _start(side: str) -> tuple[Wording, ...]:
    """Return what is said of the way from the typical student back to where everybody starts."""
    return (
        _plain(f"few answers since a start {side} the typical score", lambda k: _few(k) and _compared(k)),
        _plain("few answers so far", _few),
        _plain(f"all students start {side} the typical score", _compared),
    )


HINTS, VIDEOS, DAYS, CHANGED, RETURNS = (frozenset({one}) for one in ("hints", "videos", "days", "change", "returns"))

WORDINGS: dict[str, dict[bool, tuple[Wording, ...]]] = {
    "start": {
        RAISES: _start("above"),
        LOWERS: (*graded.NOTHING_RIGHT, *_start("below")),
    },
    "answers_right": {RAISES: (*graded.RIGHT, *graded.RIGHT_IN_PART), LOWERS: ()},
    "answers_wrong": {RAISES: (), LOWERS: graded.WRONG},
    "practice": {
        RAISES: graded.PRACTICE_RAISES,
        LOWERS: graded.PRACTICE_LOWERS,
    },
    "assignments": {
        RAISES: graded.ASSIGNMENTS_RAISE,
        LOWERS: graded.ASSIGNMENTS_LOWER,
    },
    "learning": {
        RAISES: (
            Wording(lambda k: k.better_lately, _than_before, CHANGED),
            Wording(lambda k: k.here.active_days > 0, _work, DAYS, alone=True),
        ),
        LOWERS: (Wording(lambda k: k.worse_lately, _than_before, CHANGED),),
    },
    "other_topics": {
        RAISES: graded.ELSEWHERE_RIGHT,
        LOWERS: graded.ELSEWHERE_WRONG,
    },
    "past_answers": {
        RAISES: graded.ALL_RIGHT,
        LOWERS: graded.ALL_WRONG,
    },
    "accuracy": {
        RAISES: graded.GRADED_RAISES,
        LOWERS: graded.GRADED_LOWERS,
    },
    "practice_success": {
        RAISES: graded.PRACTICE_RAISES,
        LOWERS: graded.PRACTICE_LOWERS,
    },
    "spaced_practice": {
        RAISES: (
            Wording(lambda k: k.returned_share >= 0.5, returned_words, RETURNS),
            Wording(lambda k: k.returned_right > 0.0, graded.followed(returned_words, graded.MORE), RETURNS),
        ),
        LOWERS: (
            Wording(lambda k: k.returned_share < 0.5, returned_words, RETURNS),
            Wording(lambda k: k.returned_share < 1.0, graded.followed(returned_words, graded.LESS), RETURNS),
        ),
    },
    "revisit": {
        RAISES: (Wording(lambda k: k.here.active_days >= 2, _came_back, DAYS),),
        LOWERS: (
            Wording(lambda k: k.here.active_days <= 1, lambda _: ("has not come back to the topic yet", {}), DAYS),
        ),
    },
    "video": {
        RAISES: (
            Wording(lambda k: k.here.videos > 0 and k.here.video_share >= 0.5, _watched(), VIDEOS),
            Wording(lambda k: k.here.videos > 0 and k.here.video_share > 0.0, _watched(f" {graded.MORE}"), VIDEOS),
        ),
        LOWERS: (Wording(lambda k: k.here.videos > 0 and k.here.video_share < 0.5, _watched(), VIDEOS),),
    },
    "hints": {
        RAISES: (Wording(lambda k: _asked(k) and k.here.hint_rate <= FEW_RATE, _hints("few hints: "), HINTS),),
        LOWERS: (Wording(lambda k: _asked(k) and k.here.hint_rate > INDEPENDENT_RATE, _hints(), HINTS),),
    },
    "recency": {
        RAISES: (Wording(lambda k: k.here.idle_days is not None, _last_worked_on, frozenset({"idle"})),),
        LOWERS: (Wording(lambda k: (k.here.idle_days or 0) >= 1, _last_worked_on, frozenset({"idle"})),),
    },
    "calibration": {
        RAISES: (_plain("students with such results usually know more", lambda _: True),),
        LOWERS: (_plain("students with such results usually know less", lambda _: True),),
    },
    "limit": {
        RAISES: (_plain("kept at the bottom of the scale", lambda k: k.score <= 1.0 - END_OF_SCALE),),
        LOWERS: (_plain("kept at the top of the scale", lambda k: k.score >= END_OF_SCALE),),
    },
    "forgetting": {
        RAISES: (),
        LOWERS: (
            Wording(lambda k: k.faded and not k.lost_in_pauses, _faded, frozenset({"idle"})),
            Wording(lambda k: k.here.active_days > 0 and k.here.paused_days >= PAUSED_DAYS, _paused, DAYS),
        ),
    },
}
"""By contribution (mastery.tables.CONTRIBUTIONS), and by whether it raises the score; one that adds nothing counts as
one that lowers."""

NAMES = {
    "start": "where students start",
    "answers_right": "answers, taken together",
    "answers_wrong": "answers, taken together",
    "practice": "practice, taken together",
    "assignments": "assignments, taken together",
    "learning": "what work usually brings",
    "other_topics": "results on other topics, taken together",
    "past_answers": "all answers so far, taken together",
    "accuracy": "graded work, taken together",
    "practice_success": "practice, taken together",
    "spaced_practice": "answers after breaks, taken together",
    "revisit": "days of work, taken together",
    "video": "videos, taken together",
    "hints": "hints, taken together",
    "recency": "the time since the last work",
    "limit": "the ends of the scale",
    "forgetting": "what has faded, taken together",
}
"""What a contribution is called of which nothing can be said that is true of the data and not said already."""


def wordings(name: str, raises: bool) -> tuple[Wording, ...]:
    """Return what can be said of a contribution, the best first."""
    return WORDINGS[name][raises]


def named(name: str, raises: bool, known: Known, counted_by: Set[str]) -> Clause:
    """Return what a contribution is called of which nothing can be said that is true of the data, with the numbers that
    it names: where it is much, it is named all the same. `counted_by` is what is counted already.
    """
    fitting = (one for one in wordings(name, raises) if one.alone and not one.tells & counted_by)
    plain = next((one for one in fitting if one.holds(known)), None)
    return (NAMES[name], {}) if plain is None else plain.says(known)
