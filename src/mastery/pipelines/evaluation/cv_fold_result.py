"""What one CV fold of an evaluation came to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mastery.arrays import Floats
from mastery.evaluation.summary import Sample, Summary


@dataclass(frozen=True)
class CvFoldResult:
    """What one CV fold came to.

    Attributes:
        students: Of the test, by code.
        probability: float64[m] by scorer, by question.
    """

    name: str
    train_students: int
    train_answers: int
    test_students: int
    students: Sequence[str]
    tested: Sample
    probability: Mapping[str, Floats]
    summaries: Mapping[str, Summary]
