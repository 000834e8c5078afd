"""Why a score is what it is, as the Python API gives it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mastery.arrays import Int64s
from mastery.features.counters import EVIDENCE
from mastery.insight.bands import band_of
from mastery.insight.reasons import Factor, explain
from mastery.scorers import SPECS
from mastery.scorers.base import Scores


@dataclass(frozen=True)
class Explained:
    """Why one score is what it is.

    Attributes:
        summary: One sentence for people.
        factors: What moves the score most, the largest first: `name`, `contribution`, `value`, `text`.
        contributions: Everything the score is made of, by name; they add up to the score on `scale`.
        scale: log_odds, or index: the score itself.
        mastery_score, lower, upper, band, evidence_count: The score, as `scores` has it.
    """

    summary: str
    factors: tuple[Factor, ...]
    contributions: Mapping[str, float]
    scale: str
    mastery_score: float
    lower: float
    upper: float
    band: str
    evidence_count: int

    def __str__(self) -> str:
        """Return the score and the sentence."""
        return f"{self.mastery_score:.2f} ({self.band.replace('_', ' ')}). {self.summary}"


def explained(scorer: str, scores: Scores, slot: int, counters: Int64s, as_of_us: int, min_evidence: int) -> Explained:
    """Return the explanation of one slot's score; counters int64[F] are those of the slot."""
    spec = SPECS[scorer]
    made_of = spec.scorer if spec.scorer is not None else spec.derived
    assert made_of is not None  # scores come from one of them
    found = explain(made_of.contributions, scores.contributions[slot], made_of.scale, counters, as_of_us, min_evidence)
    score, evidence = float(scores.score[slot]), int(counters[EVIDENCE])
    return Explained(
        summary=found.summary,
        factors=found.factors,
        contributions=found.contributions,
        scale=made_of.scale,
        mastery_score=score,
        lower=float(scores.lower[slot]),
        upper=float(scores.upper[slot]),
        band=band_of(score, evidence, min_evidence),
        evidence_count=evidence,
    )
