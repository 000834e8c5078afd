"""What a score is compared with when people are told what raises and what lowers it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

LEAST_STUDENTS = 5
"""Students with enough evidence on a topic from which their mean is that of a typical student."""

SAME_TIME_DAYS = 7
"""A mean of scores is compared with scores of up to a week before or after it: over months all of them fade."""

ReferenceName = Literal["typical_student", "start"]


@dataclass(frozen=True)
class Reference:
    """A score to compare with.

    Attributes:
        score: In [0, 1].
        students: On how many students' scores it rests; 0 where it is the score of a student of whom nothing is known.
    """

    score: float
    students: int = 0

    @property
    def name(self) -> ReferenceName:
        """What it is called in data."""
        return "typical_student" if self.students else "start"

    @property
    def words(self) -> str:
        """What it is called in a sentence."""
        return "the topic's typical student" if self.students else "where every student starts"


def reference_of(mean: float | None, students: int, start: float) -> Reference:
    """Return the reference of one topic under one scorer: the mean score of the students whose evidence is enough, or
    where everybody starts, `start`, where they are too few.
    """
    if mean is None or students < LEAST_STUDENTS:
        return Reference(start)
    return Reference(mean, students)
