"""Answers, and what several scorers that have not seen anything of their students say of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from mastery.arrays import Bools, Floats, Int64s


@dataclass(frozen=True)
class Stacked:
    """Answers, and what every member said of them without having seen anything of their student.

    Attributes:
        probabilities: float64[n] by member.
        y: float64[n].
        student, topic: int64[n]. Any codes.
    """

    probabilities: Mapping[str, Floats]
    y: Floats
    student: Int64s
    topic: Int64s

    def take(self, rows: Bools) -> Stacked:
        """Return some of the answers."""
        probabilities = {name: values[rows] for name, values in self.probabilities.items()}
        return Stacked(probabilities, self.y[rows], self.student[rows], self.topic[rows])

    def of(self, members: Sequence[str]) -> Stacked:
        """Return what some of the members say."""
        return replace(self, probabilities={name: self.probabilities[name] for name in members})

    def adding(self, probabilities: Mapping[str, Floats]) -> Stacked:
        """Return it with what more members say."""
        return replace(self, probabilities={**self.probabilities, **probabilities})
