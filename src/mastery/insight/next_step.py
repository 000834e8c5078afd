"""The one next step for a score that wants help: what the counts say is missing, the plainest first."""

from __future__ import annotations

from collections.abc import Callable

from mastery.insight.bands import BANDS, DEVELOPING, NEEDS_HELP
from mastery.insight.clauses import hint_numbers, hint_words
from mastery.insight.graded_clauses import assignment_words, practice_words
from mastery.insight.known import DEPENDENT_RATE, LEAST_ANSWERS, Known
from mastery.insight.tags import IDLE_DAYS
from mastery.insight.wording import Clause, Wording
from mastery.insight.words import ago, counted, tally

BANDS_WITH_A_STEP = frozenset({BANDS[NEEDS_HELP], BANDS[DEVELOPING]})
"""Above them nothing is needed; without enough evidence nobody knows what is."""


def _again(known: Known) -> Clause:
    idle_days = known.here.idle_days or 0
    return f"work on it again: last worked on {ago(idle_days)}", {"idle_days": idle_days}


def _without_hints(known: Known) -> Clause:
    return f"try it without hints: {hint_words(known.here)}", hint_numbers(known.here)


def _wrong_answers(known: Known) -> Clause:
    here = known.here
    wrong, recent = len(here.recent) - here.recent_right, len(here.recent)
    text = tally(wrong, recent, "answer", "wrong", "right", last=here.has_older)
    return f"go over the wrong answers: {text}", {"wrong": wrong, "answers": recent}


def _after(words: str, says: Callable[[Known], Clause]) -> Callable[[Known], Clause]:
    def more(known: Known) -> Clause:
        text, numbers = says(known)
        return f"{words}: {text}", numbers

    return more


def _more_work(known: Known) -> Clause:
    evidence = known.here.evidence
    return f"give it more work: {counted(evidence, 'graded piece')} so far", {"evidence": evidence}


STEPS: tuple[Wording, ...] = (
    Wording(lambda k: (k.here.idle_days or 0) >= IDLE_DAYS, _again),
    Wording(
        lambda k: k.here.questions >= LEAST_ANSWERS and k.here.hint_rate >= DEPENDENT_RATE,
        _without_hints,
    ),
    Wording(lambda k: k.here.recent_right < len(k.here.recent), _wrong_answers),
    Wording(
        lambda k: k.here.practice_right < k.here.practice_attempts,
        _after("practise it", practice_words),
    ),
    Wording(lambda k: k.here.assignment_share < 1.0, _after("go over the assignments", assignment_words)),
    Wording(lambda _: True, _more_work),
)
"""The first whose condition holds is the step."""


def next_step(known: Known, band: str) -> Clause | None:
    """Return what to do next about a score, with the numbers it names; None where nothing is to be done."""
    if band not in BANDS_WITH_A_STEP:
        return None
    return next(step.says(known) for step in STEPS if step.holds(known))
