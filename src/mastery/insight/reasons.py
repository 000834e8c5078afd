"""Why a score is what it is: what raises it and what lowers it against a reference, as data and in words.

The words are about the topic, never about who: no name and no id comes in, so none can come out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from mastery.errors import BadInput, did_you_mean
from mastery.insight.activity_summary import ActivitySummary
from mastery.insight.clauses import WORDINGS, named, wordings
from mastery.insight.graded_clauses import are_the_others, other_answers
from mastery.insight.known import Known, Scale
from mastery.insight.points import FORGETTING, START, in_points, whole_points
from mastery.insight.wording import Wording
from mastery.insight.words import counted, listed, signed, with_points

Direction = Literal["raises", "lowers"]

MOST_FACTORS, MOST_OF_MANY = 3, 5
"""Factors that are told; and how many where what is left out comes to more than half of the largest."""

MUCH = 8
"""Points of a fourth or fifth factor, at least; it is named even if nothing can be said of it."""

ROUNDING = 1e-12
"""A contribution below this is shown as 0: sums leave such as −0.0 and 3e-17 behind. All that are left out come to far
less than the 1e-9 to which contributions add up; the lake keeps the bits.
"""

SILENT: Mapping[Scale, frozenset[str]] = {"index": frozenset(), "log_odds": frozenset({"recency"})}
"""Contributions that are never told. Trees read a score as of the last activity, so what they owe to the time since
then is the same for everybody.
"""

LATER = frozenset({"past_answers", "other_topics", START})
"""Contributions that are worded after the others: what these count on the topic, they need not count again."""


@dataclass(frozen=True)
class Factor:
    """One contribution of a score, against the same of the reference.

    Attributes:
        name: As in mastery.tables.CONTRIBUTIONS.
        points: By how many points of the score it raises (or lowers) it; a point is a hundredth. Never 0.
        value: The plain numbers behind it, as they are named in `text`; shares are in [0, 1].
        text: One clause, lower case, no full stop: "3 of the last 8 answers right".
    """

    name: str
    points: int
    value: dict[str, float]
    text: str

    @property
    def direction(self) -> Direction:
        """What it does to the score."""
        return "raises" if self.points > 0 else "lowers"


@dataclass(frozen=True)
class Explanation:
    """Why one score is what it is.

    Attributes:
        factors: At most three, of those that move the score by a point or more; up to five where all that is left out
            would come to more than half of the largest. A low score begins with what lowers it, any other with what
            raises it, each the largest first. The largest of all, and that of what comes first, are told if something
            true can be said of them, else named, behind what is told.
        summary: One sentence; with too little evidence it says just that.
        points: Of each contribution, 0 included. They add up to the printed score less the printed reference.
        contributions: All that were given, by name, in the scorer's order. They add up to the score on its scale.
        enough_evidence: Whether the score rests on at least `min_evidence` graded answers.
    """

    factors: tuple[Factor, ...]
    summary: str
    points: dict[str, int]
    contributions: dict[str, float]
    enough_evidence: bool


def explain(
    names: Sequence[str],
    contributions: npt.NDArray[np.float64],
    start: npt.NDArray[np.float64],
    known: Known,
    min_evidence: int,
) -> Explanation:
    """Return the explanation of one score.

    contributions float64[K] are one scorer's, aligned with `names` (NaN: not used), and `start` the same of a student
    of whom nothing is known; `known` is what is known of the same student-topic.

    Raises:
        BadInput: a contribution that has no words yet.
    """
    given = {name: shown(float(one)) for name, one in zip(names, contributions, strict=True) if math.isfinite(one)}
    for name in given:
        if name not in WORDINGS:
            raise BadInput(
                f"no words for the contribution {name!r} of a score{did_you_mean(name, list(WORDINGS))}; "
                "add clauses for it in mastery/insight/clauses.py"
            )
    score, reference = np.array([known.score]), np.array([known.reference.score])
    found = in_points(names, contributions[None, :], start[None, :], score, reference, known.scale)
    exact = dict(zip(found.names, found.exact[0].tolist(), strict=True))
    points = dict(zip(found.names, found.printed[0].tolist(), strict=True))
    in_pauses = known.lost_in_pauses and 200.0 * known.forgotten < -exact.get(FORGETTING, 0.0)
    known = replace(known, lost_in_pauses=in_pauses)
    factors = _factors(exact, points, known)
    enough = known.here.evidence >= min_evidence
    summary = _summary(factors, sum(points.values()), known) if enough else too_little(known.here, min_evidence)
    return Explanation(factors, summary, points, given, enough)


def shown(contribution: float) -> float:
    """Return a contribution without what rounding leaves behind, the sign of a zero included."""
    return 0.0 if abs(contribution) < ROUNDING else contribution


def _factors(exact: Mapping[str, float], points: Mapping[str, int], known: Known) -> tuple[Factor, ...]:
    moving = [name for name in exact if abs(exact[name]) >= 1.0 and points[name] and name not in SILENT[known.scale]]
    moving.sort(key=lambda name: -abs(exact[name]))  # stable: equal ones stay in the scorer's order
    told, counted_by = _in_words(moving, points, known)

    def of(name: str) -> Factor:
        if name in told:
            return told[name]
        text, value = named(name, points[name] > 0, known, counted_by)
        return Factor(name, points[name], value, text)

    first: Direction = "lowers" if known.low else "raises"
    of_first = [name for name in moving if of(name).direction == first]
    largest = {*moving[:1], *of_first[:1]}
    chosen = [name for name in moving if name in told or name in largest][:MOST_FACTORS]
    if of_first and of_first[0] not in chosen:
        chosen[MOST_FACTORS - 1 :] = of_first[:1]
    for name in moving:
        left_out = sum(points.values()) - sum(points[one] for one in chosen)
        if len(chosen) == MOST_OF_MANY or 2 * abs(left_out) <= max(abs(points[one]) for one in chosen):
            break
        if name not in chosen and abs(points[name]) >= MUCH and points[name] * left_out > 0:
            chosen.append(name)

    def rank(one: Factor) -> tuple[bool, bool, float]:
        return one.direction != first, one.name not in told, -abs(exact[one.name])

    return _each_answer_once(sorted(map(of, chosen), key=rank))


def _each_answer_once(factors: Sequence[Factor]) -> tuple[Factor, ...]:
    """Return the factors; where right and wrong ones of the same answers are told, the latter of them as the others."""
    found: list[Factor] = []
    for factor in factors:
        before = next((one for one in found if are_the_others(one.value, factor.value)), None)
        found.append(factor if before is None else replace(factor, text=other_answers(factor.value)))
    return tuple(found)


def _in_words(
    moving: Sequence[str], points: Mapping[str, int], known: Known
) -> tuple[dict[str, Factor], frozenset[str]]:
    """Return the factors of which something true can be said, each fact once, and what they count."""
    counted_by: set[str] = set()
    found: dict[str, Factor] = {}
    for name in sorted(moving, key=lambda name: name in LATER):
        wording = _wording(name, points[name] > 0, known, counted_by)
        if wording is not None:
            text, value = wording.says(known)
            found[name] = Factor(name, points[name], value, text)
            counted_by |= wording.tells
    return found, frozenset(counted_by)


def _wording(name: str, raises: bool, known: Known, counted_by: set[str]) -> Wording | None:
    fitting = (one for one in wordings(name, raises) if not one.alone)
    return next((one for one in fitting if not one.tells & counted_by and one.holds(known)), None)


def too_little(seen: ActivitySummary, min_evidence: int) -> str:
    """Return the sentence that stands where there is too little evidence for any other."""
    if not seen.evidence:
        so_far = "No graded answers so far"
    elif seen.evidence == seen.answers:
        so_far = f"Only {counted(seen.evidence, 'graded answer')} so far"
    else:  # practice sessions and assignments count as well
        so_far = f"Only {counted(seen.evidence, 'piece')} of graded work so far"
    return f"{so_far}; {min_evidence} {'is' if min_evidence == 1 else 'are'} needed to judge."


def against(difference: int, known: Known) -> str:
    """Return how a score stands against its reference: "24 points below the topic's typical student (58)"."""
    at = f"{known.reference.words} ({int(whole_points(np.array([known.reference.score]))[0])})"
    if not difference:
        return f"as high as {at}"
    return f"{counted(abs(difference), 'point')} {'above' if difference > 0 else 'below'} {at}"


def _summary(factors: Sequence[Factor], difference: int, known: Known) -> str:
    leads = {"raises": "what raises it", "lowers": "what lowers it"}
    said = []
    for direction in dict.fromkeys(factor.direction for factor in factors):
        clauses = [with_points(factor.text, factor.points) for factor in factors if factor.direction == direction]
        said.append(f"{leads[direction]}: {listed(clauses)}")
    rest = difference - sum(factor.points for factor in factors)
    if rest and factors:
        said.append(f"all else: {signed(rest)}")
    text = "; ".join(said) if said else "no single reason stands out"
    whole = against(difference, known)
    return f"{whole[0].upper()}{whole[1:]}. {text[0].upper()}{text[1:]}."
