"""Clauses about graded work: answers, practice, assignments, on the topic and on others.

Each list is in order of preference; mastery.insight.clauses puts them beside those about other things. What raises a
score is told by what went right, and what lowers it by what went wrong; where those are the few, their number is told
and not their share.
"""

from __future__ import annotations

from collections.abc import Callable

from mastery.insight.known import LEAST_ANSWERS, MOSTLY_RIGHT, Known
from mastery.insight.wording import Clause, Numbers, Wording
from mastery.insight.words import counted, percent, tally

RIGHT_HERE, WRONG_HERE, RIGHT_THERE, WRONG_THERE, PRACTISED, ASSIGNED = (
    frozenset({one})
    for one in ("right here", "wrong here", "right elsewhere", "wrong elsewhere", "practice", "assignments")
)


MORE, LESS = "(more than expected)", "(less than expected)"
"""Stand behind a share that does not speak for itself: little that raised a score, or much that lowered it."""


def followed(says: Callable[[Known], Clause], suffix: str) -> Callable[[Known], Clause]:
    """Return a clause with something behind it."""

    def more(known: Known) -> Clause:
        text, numbers = says(known)
        return f"{text} {suffix}", numbers

    return more


def successes(attempts: int, right: float, noun: str) -> str:
    """Return how many were right; a source may give successes in fractions, then their share."""
    if right != int(right):
        return f"{percent(min(1.0, right / attempts))} right in {counted(attempts, noun)}"
    return tally(int(right), attempts, noun, "right", "wrong")


def _answers(*, right: bool) -> tuple[Wording, ...]:
    """Return how right answers, or wrong ones, are told: by the newest count in which they are not the few."""
    word, opposite = ("right", "wrong") if right else ("wrong", "right")
    tells = RIGHT_HERE if right else WRONG_HERE

    def number(known: Known) -> int:
        return known.here.right if right else known.here.wrong

    def recent_number(known: Known) -> int:
        return known.here.recent_right if right else len(known.here.recent) - known.here.recent_right

    def lately(known: Known) -> Clause:
        recent = len(known.here.recent)
        text = tally(recent_number(known), recent, "answer", word, opposite, last=known.here.has_older)
        return text, {word: recent_number(known), "answers": recent}

    def earlier(known: Known) -> Clause:
        return f"{counted(number(known), 'earlier answer')} {word}", {word: number(known)}

    def in_all(known: Known) -> Clause:
        numbers: Numbers = {word: number(known), "answers": known.here.answers}
        return tally(number(known), known.here.answers, "answer", word, opposite), numbers

    def few(known: Known) -> Clause:
        numbers: Numbers = {word: number(known), "answers": known.here.answers}
        return f"{counted(number(known), f'{word} answer')} so far", numbers

    return (
        Wording(lambda k: 2 * recent_number(k) >= len(k.here.recent) > 0, lately, tells),
        Wording(lambda k: number(k) > 0 and recent_number(k) == 0, earlier, tells),
        Wording(lambda k: number(k) > 0 and 2 * number(k) >= k.here.answers, in_all, tells),
        Wording(lambda k: number(k) > 0, few, tells),
    )


RIGHT = _answers(right=True)
WRONG = _answers(right=False)


def are_the_others(told: Numbers, more: Numbers) -> bool:
    """Tell whether two clauses about right and wrong answers count the same ones, so that either follows from the
    other.
    """
    word = next((word for word in ("right", "wrong") if more.keys() == {word, "answers"}), None)
    opposite = "wrong" if word == "right" else "right"
    if word is None or told.keys() != {opposite, "answers"} or told["answers"] != more["answers"]:
        return False
    return told[opposite] + more[word] == more["answers"] and told[opposite] > 0 and more[word] > 0


def other_answers(numbers: Numbers) -> str:
    """Return what is said of right answers, or wrong ones, behind a clause that counts the rest of them."""
    word = "right" if "right" in numbers else "wrong"
    number = int(numbers[word])
    return f"the other answer {word}" if number == 1 else f"the other {number:,} answers {word}"


RIGHT_IN_PART = (
    Wording(
        lambda k: k.here.answers > 0 and k.here.right == 0,
        lambda k: ("answers right in part", {"answers": k.here.answers}),
        RIGHT_HERE,
    ),
)
"""Of a contribution that only answers on the topic make, and only what is right in them raises."""


def _on_others(text: str, topics: int) -> str:
    return f"{text} on {counted(topics, 'other topic')}"


def _share_of(share: float, noun: str, outcome: str) -> str:
    """Return how work on several topics went, without a count: one answer on two of them is counted on each."""
    if share >= 1.0:
        return f"all {noun}s {outcome}"
    return f"no {noun}s {outcome}" if share <= 0.0 else f"on average {percent(share)} of {noun}s {outcome}"


def _answered_there(known: Known, *, right: bool) -> Clause:
    there = known.elsewhere
    word, opposite = ("right", "wrong") if right else ("wrong", "right")
    number = there.right if right else there.answers - there.right
    if there.answered == 1:
        numbers: Numbers = {f"other_{word}": number, "other_answers": there.answers, "other_topics": 1}
        return _on_others(tally(number, there.answers, "answer", word, opposite), 1), numbers
    share = number / there.answers
    return _on_others(_share_of(share, "answer", word), there.answered), {
        "share": share,
        "other_topics": there.answered,
    }


def _right_there(known: Known) -> Clause:
    return _answered_there(known, right=True)


def _wrong_there(known: Known) -> Clause:
    return _answered_there(known, right=False)


def _practice_there(known: Known) -> Clause:
    there = known.elsewhere
    share = there.practice_right / there.practice_attempts
    if there.practised > 1:
        numbers: Numbers = {"share": share, "other_topics": there.practised}
        return _on_others(_share_of(share, "practice answer", "right"), there.practised), numbers
    return _on_others(successes(there.practice_attempts, there.practice_right, "practice answer"), 1), {
        "other_practice_right": there.practice_right,
        "share": share,
        "other_practice_attempts": there.practice_attempts,
        "other_topics": 1,
    }


def _answers_there(known: Known, *, right: bool) -> bool:
    """Tell whether answers on other topics can speak that way: half of them right, or not by and large."""
    there = known.elsewhere
    if there.answers < LEAST_ANSWERS:
        return False
    return 2 * there.right >= there.answers if right else there.right < MOSTLY_RIGHT * there.answers


def _practised_there(known: Known, *, right: bool) -> bool:
    """Tell the same of practice, where there are no answers to go by."""
    there = known.elsewhere
    if there.answers or there.practice_attempts < LEAST_ANSWERS:
        return False
    share = there.practice_right / there.practice_attempts
    return share >= 0.5 if right else share < MOSTLY_RIGHT


ELSEWHERE_RIGHT: tuple[Wording, ...] = (
    Wording(lambda k: _answers_there(k, right=True), _right_there, RIGHT_THERE),
    Wording(lambda k: _practised_there(k, right=True), _practice_there, RIGHT_THERE),
)
ELSEWHERE_WRONG: tuple[Wording, ...] = (
    Wording(lambda k: _answers_there(k, right=False), _wrong_there, WRONG_THERE),
    Wording(lambda k: _practised_there(k, right=False), _practice_there, WRONG_THERE),
)


def _both(here: Wording, there: Wording) -> Wording:
    """Return a clause that tells answers on the topic, and those on others."""

    def says(known: Known) -> Clause:
        (text, numbers), (also, more) = here.says(known), there.says(known)
        return f"{text}, and {also}", numbers | more

    return Wording(lambda k: here.holds(k) and there.holds(k), says, here.tells | there.tells)


ALL_RIGHT = (*(_both(here, ELSEWHERE_RIGHT[0]) for here in RIGHT), *RIGHT, *ELSEWHERE_RIGHT)
ALL_WRONG = (*(_both(here, ELSEWHERE_WRONG[0]) for here in WRONG), *WRONG, *ELSEWHERE_WRONG)


def practice_words(known: Known) -> Clause:
    """Return how practice went; there was some."""
    attempts, right = known.here.practice_attempts, known.here.practice_right
    numbers: Numbers = {"practice_attempts": attempts, "share": min(1.0, right / attempts)}
    if right == int(right):
        numbers = {"right": int(right), "practice_attempts": attempts}
    return successes(attempts, right, "practice answer"), numbers


def _few_in_practice(*, right: bool) -> Wording:
    def number(known: Known) -> float:
        return known.here.practice_right if right else known.here.practice_attempts - known.here.practice_right

    word = "right" if right else "wrong"
    return Wording(
        lambda k: number(k) >= 1.0 and number(k) == int(number(k)),
        lambda k: (f"{counted(int(number(k)), f'{word} answer')} in practice", {word: int(number(k))}),
        PRACTISED,
    )


PRACTICE_RAISES: tuple[Wording, ...] = (
    Wording(lambda k: 2.0 * k.here.practice_right >= k.here.practice_attempts > 0, practice_words, PRACTISED),
    _few_in_practice(right=True),
    Wording(lambda k: k.here.practice_right > 0.0, followed(practice_words, MORE), PRACTISED),
)
PRACTICE_LOWERS: tuple[Wording, ...] = (
    Wording(lambda k: 2.0 * k.here.practice_right < k.here.practice_attempts, practice_words, PRACTISED),
    _few_in_practice(right=False),
    Wording(lambda k: k.here.practice_right < k.here.practice_attempts, followed(practice_words, LESS), PRACTISED),
)


def assignment_words(known: Known) -> Clause:
    """Return the mean score of the assignments; there are some."""
    here = known.here
    numbers: Numbers = {"share": here.assignment_share, "assignments": here.assignments}
    share = percent(here.assignment_share)
    if here.assignments == 1:
        return f"{share} on the only assignment", numbers
    return f"{share} on average in {here.assignments} assignments", numbers


ASSIGNMENTS_RAISE: tuple[Wording, ...] = (
    Wording(lambda k: k.here.assignment_share >= 0.5, assignment_words, ASSIGNED),
    Wording(lambda k: k.here.assignment_share > 0.0, followed(assignment_words, MORE), ASSIGNED),
)
ASSIGNMENTS_LOWER: tuple[Wording, ...] = (
    Wording(lambda k: k.here.assignment_share < 0.5, assignment_words, ASSIGNED),
    Wording(lambda k: k.here.assignment_share < 1.0, followed(assignment_words, LESS), ASSIGNED),
)


def _with_assignments(says: Callable[[Known], Clause]) -> Callable[[Known], Clause]:
    """Return a clause about answers that tells assignments too, where there are any: accuracy counts both."""

    def both(known: Known) -> Clause:
        text, numbers = says(known)
        if not known.here.assignments:
            return text, numbers
        also, more = assignment_words(known)
        return f"{text} and {also}", numbers | more

    return both


def _graded(answers: tuple[Wording, ...], assignments: tuple[Wording, ...]) -> tuple[Wording, ...]:
    """Return how accuracy is told: by answers, with the assignments beside them, or by assignments alone."""
    both = (Wording(one.holds, _with_assignments(one.says), one.tells | ASSIGNED) for one in answers)
    return (*both, *assignments)


GRADED_RAISES = (
    *_graded(RIGHT, ASSIGNMENTS_RAISE),
    Wording(lambda k: RIGHT_IN_PART[0].holds(k) and not k.here.assignments, RIGHT_IN_PART[0].says, RIGHT_HERE),
)
GRADED_LOWERS = _graded(WRONG, ASSIGNMENTS_LOWER)

NOTHING_RIGHT: tuple[Wording, ...] = (
    Wording(
        lambda k: k.here.answers > 0 and not k.here.right,
        lambda k: (tally(0, k.here.answers, "answer", "right", "wrong"), {"answers": k.here.answers}),
        RIGHT_HERE | WRONG_HERE,
    ),
)
"""Of a score that is where it began because nothing has raised it: by rules that expect nothing of who has no data."""
