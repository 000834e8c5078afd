"""Why a score is what it is, as the Python API gives it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mastery.insight.bands import band_of
from mastery.insight.reasons import Factor, explain
from mastery.pipelines.queries.known import known_of
from mastery.pipelines.scoring.fold import Folded
from mastery.pipelines.scoring.snapshot import snapshot_of
from mastery.scorers import SPECS


@dataclass(frozen=True)
class Explained:
    """Why one score is what it is.

    Attributes:
        summary: One sentence for people.
        factors: What moves the score most: `name`, `points`, `value`, `text`. A low score begins with what lowers it.
        reference: The score that it is compared with: that of a student of whom nothing is known.
        points: Of every contribution, in hundredths of the score; they add up to the score less the reference, both
            rounded down to hundredths.
        contributions: Everything the score is made of, by name; they add up to the score on `scale`.
        scale: log_odds, or index: the score itself.
        mastery_score, lower, upper, band, evidence_count: The score, as `scores` has it.
    """

    summary: str
    factors: tuple[Factor, ...]
    reference: float
    points: Mapping[str, int]
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


def explained(scorer: str, folded: Folded, slot: int, as_of_us: int, min_evidence: int) -> Explained:
    """Return the explanation of one slot's score, of a fold of one student."""
    spec = SPECS[scorer]
    made_of = spec.scorer if spec.scorer is not None else spec.derived
    assert made_of is not None  # scores come from one of them
    scores = folded.scores(explain=True)[scorer]
    snapshot = snapshot_of(folded)
    known = known_of(snapshot, scorer, scores, as_of_us)(slot)
    start = snapshot.start_scores[scorer].contributions[slot]
    found = explain(made_of.contributions, scores.contributions[slot], start, known, min_evidence)
    evidence = known.here.evidence
    return Explained(
        summary=found.summary,
        factors=found.factors,
        reference=known.reference.score,
        points=found.points,
        contributions=found.contributions,
        scale=made_of.scale,
        mastery_score=known.score,
        lower=float(scores.lower[slot]),
        upper=float(scores.upper[slot]),
        band=band_of(known.score, evidence, min_evidence),
        evidence_count=evidence,
    )
