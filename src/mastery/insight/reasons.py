"""Why a score is what it is: its biggest contributions as data and in words.

The words are about the topic, never about who: no name and no id comes in, so none can come out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from mastery.errors import BadInput, did_you_mean
from mastery.insight.activity_summary import ActivitySummary
from mastery.insight.bands import THRESHOLDS
from mastery.insight.clauses import WORDINGS, failed_so_far, wordings
from mastery.insight.known import POINT, Known, Scale
from mastery.insight.wording import Wording
from mastery.insight.words import counted, listed

Direction = Literal["raises", "lowers", "adds_nothing"]

MOST_FACTORS = 3

NOTHING = 1e-9
"""A contribution this small adds nothing: what is left of a sum is rounding, such as −2.2e-16."""

ROUNDING = 1e-12
"""A contribution below this is shown as 0: sums leave such as −0.0 and 3e-17 behind. All that are left out come to far
less than the 1e-9 to which contributions add up; the lake keeps the bits.
"""

SILENT: Mapping[Scale, frozenset[str]] = {"index": frozenset(), "log_odds": frozenset({"recency"})}
"""Contributions that are never told. Trees read a score as of the last activity, so what they owe to the time since
then is the same for everybody.
"""

ON_ALL_TOPICS = frozenset({"past_answers", "other_topics"})
"""Contributions that are worded after the others: what these count on the topic, they need not count again."""

LOW, HIGH = THRESHOLDS[0], THRESHOLDS[1]
"""Below the first, what lowers a score comes first, and from the second on what raises it."""


@dataclass(frozen=True)
class Factor:
    """One contribution of a score.

    Attributes:
        name: As in mastery.tables.CONTRIBUTIONS.
        contribution: On the scorer's scale: log-odds, or points of the score.
        value: The plain numbers behind it, as they are named in `text`; shares are in [0, 1].
        text: One clause, lower case, no full stop: "3 of the last 8 answers right".
    """

    name: str
    contribution: float
    value: dict[str, float]
    text: str

    @property
    def direction(self) -> Direction:
        """What it does to the score."""
        if abs(self.contribution) <= NOTHING:
            return "adds_nothing"
        return "raises" if self.contribution > 0.0 else "lowers"


@dataclass(frozen=True)
class Explanation:
    """Why one score is what it is.

    Attributes:
        factors: At most three, the largest by |contribution| first, of those of which something true can be said and
            that move the score by a point; a factor that adds nothing although there are answers (all wrong) comes
            last, if there is room. A low score has one that lowers it among them, a high one that raises it.
        summary: One sentence; with too little evidence it says just that.
        contributions: All that were given, by name, in the scorer's order. They add up to the score on its scale.
        enough_evidence: Whether the score rests on at least `min_evidence` graded answers.
    """

    factors: tuple[Factor, ...]
    summary: str
    contributions: dict[str, float]
    enough_evidence: bool


def explain(
    names: Sequence[str], contributions: npt.NDArray[np.float64], known: Known, min_evidence: int
) -> Explanation:
    """Return the explanation of one score.

    contributions float64[K] are one scorer's, aligned with `names` (NaN: not used); `known` is what is known of the
    same student-topic.

    Raises:
        BadInput: a contribution that has no words yet.
    """
    seen = known.here
    given = {name: shown(float(one)) for name, one in zip(names, contributions, strict=True) if math.isfinite(one)}
    for name in given:
        if name not in WORDINGS:
            raise BadInput(
                f"no words for the contribution {name!r} of a score{did_you_mean(name, list(WORDINGS))}; "
                "add clauses for it in mastery/insight/clauses.py"
            )
    moved = points(given, known.scale)
    told = [
        name
        for name in given
        if name not in SILENT[known.scale] and (abs(moved[name]) >= POINT or failed_so_far(name, seen))
    ]
    told.sort(key=lambda name: -abs(given[name]))  # stable: equal contributions stay in the scorer's order
    every = _in_words(told, given, known, alone=False) or _in_words(told, given, known, alone=True)
    factors = _balanced(every, told, given, known)
    enough = seen.evidence >= min_evidence
    failed = [factor for factor in every if factor.direction == "adds_nothing" and factor not in factors]
    summary = _summary([*factors, *failed], known) if enough else too_little(seen, min_evidence)
    return Explanation(factors, summary, given, enough)


def _score_of(log_odds: float) -> float:
    """Return the score that log-odds stand for."""
    return 0.5 + 0.5 * math.tanh(0.5 * log_odds)


def points(given: Mapping[str, float], scale: Scale) -> dict[str, float]:
    """Return by how much the score would be lower without each contribution; on an index that is the contribution."""
    if scale == "index":
        return dict(given)
    whole = math.fsum(given.values())
    return {name: _score_of(whole) - _score_of(whole - one) for name, one in given.items()}


def shown(contribution: float) -> float:
    """Return a contribution without what rounding leaves behind, the sign of a zero included."""
    return 0.0 if abs(contribution) < ROUNDING else contribution


def _in_words(told: Sequence[str], given: Mapping[str, float], known: Known, *, alone: bool) -> list[Factor]:
    """Return the factors of which something true can be said, each fact once, in the order of `told`."""
    counted_by: set[str] = set()
    found: dict[str, Factor] = {}
    for name in sorted(told, key=lambda name: name in ON_ALL_TOPICS):
        wording = _wording(name, given[name], known, counted_by, alone=alone)
        if wording is not None:
            text, value = wording.says(known)
            found[name] = Factor(name, given[name], value, text)
            counted_by |= wording.tells
    return [found[name] for name in told if name in found]


def _wording(name: str, contribution: float, known: Known, counted_by: set[str], *, alone: bool) -> Wording | None:
    fitting = (one for one in wordings(name, contribution > 0.0) if one.alone == alone)
    return next((one for one in fitting if not one.tells & counted_by and one.holds(known)), None)


def _balanced(
    every: Sequence[Factor], told: Sequence[str], given: Mapping[str, float], known: Known
) -> tuple[Factor, ...]:
    """Return the largest factors; of a low score, one of them lowers it, and of a high one, one raises it."""
    factors = list(every[:MOST_FACTORS])
    wanted: Direction | None = "lowers" if known.score < LOW else "raises" if known.score >= HIGH else None
    if known.scale == "index" or wanted is None or any(factor.direction == wanted for factor in factors):
        return tuple(factors)
    also = next((factor for factor in every if factor.direction == wanted), None)
    if also is None:  # where it began, if nothing that happened says it
        constant = _in_words(told, given, known, alone=True)
        also = next((factor for factor in constant if factor.direction == wanted), None)
    if also is not None:
        factors = sorted([*factors[: MOST_FACTORS - 1], also], key=lambda factor: -abs(factor.contribution))
    return tuple(factors)


def too_little(seen: ActivitySummary, min_evidence: int) -> str:
    """Return the sentence that stands where there is too little evidence for any other."""
    if not seen.evidence:
        so_far = "No graded answers so far"
    elif seen.evidence == seen.answers:
        so_far = f"Only {counted(seen.evidence, 'graded answer')} so far"
    else:  # practice sessions and assignments count as well
        so_far = f"Only {counted(seen.evidence, 'piece')} of graded work so far"
    return f"{so_far}; {min_evidence} {'is' if min_evidence == 1 else 'are'} needed to judge."


def _summary(factors: Sequence[Factor], known: Known) -> str:
    directions: tuple[Direction, ...] = ("raises", "lowers", "adds_nothing")
    if known.scale == "log_odds" and factors:  # a low score begins with what made it low
        first = factors[0].direction
        if known.score < LOW or (known.score < HIGH and first == "lowers"):
            directions = ("lowers", "raises", "adds_nothing")
    texts: Mapping[Direction, list[str]] = {
        direction: [factor.text for factor in factors if factor.direction == direction] for direction in directions
    }
    if texts["adds_nothing"] and not texts["raises"] and not texts["lowers"]:
        return f"Nothing has raised it yet: {listed(texts['adds_nothing'])}."
    # On an index every share adds something, be it ever so small: "raises" would praise one right answer of eight.
    leads = {
        "raises": "what raises it" if known.scale == "log_odds" else "it rests on",
        "lowers": "what lowers it",
        "adds_nothing": "what adds nothing",
    }
    said = "; ".join(f"{leads[direction]}: {listed(clauses)}" for direction, clauses in texts.items() if clauses)
    if said:
        return f"{said[0].upper()}{said[1:]}."
    return f"It rests on {counted(known.here.evidence, 'piece')} of graded work; no single reason stands out."
