"""Why a score is what it is: its biggest contributions as data and in words.

The words are about the topic, never about who: no name and no id comes in, so none can come out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from mastery.arrays import Int64s
from mastery.errors import BadInput, did_you_mean
from mastery.insight.activity_summary import ActivitySummary, activity_from
from mastery.insight.clauses import CLAUSES, failed_so_far
from mastery.insight.words import counted, listed

Scale = Literal["log_odds", "index"]
Direction = Literal["raises", "lowers", "adds_nothing"]

MOST_FACTORS = 3

NOTHING = 1e-9
"""A contribution this small adds nothing: what is left of a sum is rounding, such as −2.2e-16."""

ROUNDING = 1e-12
"""A contribution below this is shown as 0: sums leave such as −0.0 and 3e-17 behind. All that are left out come to far
less than the 1e-9 to which contributions add up; the lake keeps the bits.
"""

CONSTANT = frozenset({"start", "calibration", "limit"})
"""Contributions that no one can do anything about: told only when there is nothing else."""

SILENT: Mapping[Scale, frozenset[str]] = {"index": frozenset(), "log_odds": frozenset({"recency"})}
"""Contributions that are never told. Trees read a score as of the last activity, so what they owe to the time since
then is the same for everybody.
"""

ALL_TOGETHER = {"raises": "answers on all topics together speak for mastery",
                "lowers": "answers on all topics together speak against mastery"}  # fmt: skip
"""Of `past_answers`, where another factor tells those on this topic. Understood wherever it stands in the row."""


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
        factors: At most three, the largest by |contribution| first; a factor that adds nothing although there are
            answers (all wrong) comes last, if there is room.
        summary: One sentence; with too little evidence it says just that.
        contributions: All that were given, by name, in the scorer's order. They add up to the score on its scale.
        enough_evidence: Whether the score rests on at least `min_evidence` graded answers.
    """

    factors: tuple[Factor, ...]
    summary: str
    contributions: dict[str, float]
    enough_evidence: bool


def explain(
    names: Sequence[str],
    contributions: npt.NDArray[np.float64],
    scale: Scale,
    counters: Int64s,
    as_of_us: int,
    min_evidence: int,
) -> Explanation:
    """Return the explanation of one score.

    contributions float64[K] are one scorer's, aligned with `names` (NaN: not used); counters int64[F] those of the same
    student-topic (mastery.features.counters).

    Raises:
        BadInput: a contribution that has no words yet.
    """
    seen = activity_from(counters, as_of_us)
    given = {name: shown(float(one)) for name, one in zip(names, contributions, strict=True) if math.isfinite(one)}
    told = [
        name
        for name in given
        if name not in CONSTANT | SILENT[scale] and (abs(given[name]) > NOTHING or failed_so_far(name, seen))
    ]
    if not told:
        told = [name for name in given if name in CONSTANT and abs(given[name]) > NOTHING]
    told.sort(key=lambda name: -abs(given[name]))  # stable: equal contributions stay in the scorer's order
    every = _said_once([_factor(name, given[name], seen) for name in told])
    factors = every[:MOST_FACTORS]
    enough = seen.evidence >= min_evidence
    failed = [factor for factor in every[MOST_FACTORS:] if factor.direction == "adds_nothing"]
    summary = _summary([*factors, *failed], scale) if enough else too_little(seen, min_evidence)
    return Explanation(factors, summary, given, enough)


def shown(contribution: float) -> float:
    """Return a contribution without what rounding leaves behind, the sign of a zero included."""
    return 0.0 if abs(contribution) < ROUNDING else contribution


def _said_once(factors: Sequence[Factor]) -> tuple[Factor, ...]:
    """Return the factors, answers that two of them count told by one: a blend holds them as its members count them."""
    kept: list[Factor] = []
    for factor in factors:
        twin = next((k for k, other in enumerate(kept) if other.value and other.value == factor.value), None)
        if twin is None or "past_answers" not in (factor.name, kept[twin].name):
            kept.append(factor)
        elif factor.name == "past_answers":
            kept.append(replace(factor, value={}, text=ALL_TOGETHER[factor.direction]))
        else:
            kept[twin] = replace(kept[twin], value={}, text=ALL_TOGETHER[kept[twin].direction])
            kept.append(factor)
    return tuple(kept)


def _factor(name: str, contribution: float, seen: ActivitySummary) -> Factor:
    if name not in CLAUSES:
        raise BadInput(
            f"no words for the contribution {name!r} of a score{did_you_mean(name, list(CLAUSES))}; "
            "add a clause for it in mastery/insight/clauses.py"
        )
    text, value = CLAUSES[name](seen, contribution > 0.0)
    return Factor(name, contribution, value, text)


def too_little(seen: ActivitySummary, min_evidence: int) -> str:
    """Return the sentence that stands where there is too little evidence for any other."""
    if not seen.evidence:
        so_far = "No graded answers so far"
    elif seen.evidence == seen.answers:
        so_far = f"Only {counted(seen.evidence, 'graded answer')} so far"
    else:  # practice sessions and assignments count as well
        so_far = f"Only {counted(seen.evidence, 'piece')} of graded work so far"
    return f"{so_far}; {min_evidence} {'is' if min_evidence == 1 else 'are'} needed to judge."


def _summary(factors: Sequence[Factor], scale: Scale) -> str:
    directions: tuple[Direction, ...] = ("raises", "lowers", "adds_nothing")
    if scale == "log_odds" and factors and factors[0].direction == "lowers":  # a low score begins with what made it low
        directions = ("lowers", "raises", "adds_nothing")
    texts: Mapping[Direction, list[str]] = {
        direction: [factor.text for factor in factors if factor.direction == direction] for direction in directions
    }
    if texts["adds_nothing"] and not texts["raises"] and not texts["lowers"]:
        return f"Nothing has raised it yet: {listed(texts['adds_nothing'])}."
    # On an index every share adds something, be it ever so small: "raises" would praise one right answer of eight.
    leads = {
        "raises": "what raises it" if scale == "log_odds" else "it rests on",
        "lowers": "what lowers it",
        "adds_nothing": "what adds nothing",
    }
    said = "; ".join(f"{leads[direction]}: {listed(clauses)}" for direction, clauses in texts.items() if clauses)
    return f"{said[0].upper()}{said[1:]}." if said else "Nothing has moved this score from where it started."
