"""Rules that people write as the parameters of a scorer, and what tuning makes of them."""

from __future__ import annotations

from dataclasses import dataclass

from mastery.arrays import Floats


@dataclass(frozen=True, eq=False)
class ScoringRules:
    """One set of rules.

    Attributes:
        params: float64[K], columns as in the scorer's `parameters`.
    """

    name: str
    version: int
    params: Floats


@dataclass(frozen=True)
class Slice:
    """Brier scores of one slice of the students; lower is better, 0.25 is a coin, 0 is certain and right."""

    name: str
    answers: int
    before: float
    after: float


@dataclass(frozen=True)
class Tuned:
    """The best rules found, and what they do to the students searched on and to those held out."""

    rules: ScoringRules
    slices: tuple[Slice, Slice]
