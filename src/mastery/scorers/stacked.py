"""Answers, and what several scorers that have not seen anything of their students say of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mastery.arrays import Bools, Floats, Int64s


@dataclass(frozen=True)
class Stacked:
    """Answers, and what every member said of them without having seen anything of their student.

    Attributes:
        probabilities: float64[n] by member.
        y: float64[n].
        student, topic: int64[n]. Any codes.
        event: int64[n]. Any codes: rows of one answer on several topics have the same one. None: each row is an answer.
    """

    probabilities: Mapping[str, Floats]
    y: Floats
    student: Int64s
    topic: Int64s
    event: Int64s | None = None

    def take(self, rows: Bools) -> Stacked:
        """Return some of the answers."""
        probabilities = {name: values[rows] for name, values in self.probabilities.items()}
        event = None if self.event is None else self.event[rows]
        return Stacked(probabilities, self.y[rows], self.student[rows], self.topic[rows], event)

    def by_answer(self) -> Stacked:
        """Return the answers as they are counted: once each, in the order of their first rows, with the mean of what
        was said of their topics. `topic` is the first of them.
        """
        if self.event is None:
            return self
        _, lead, code = np.unique(self.event, return_index=True, return_inverse=True)
        rank = np.empty(lead.size, np.int64)
        rank[np.argsort(lead)] = np.arange(lead.size)
        own, first = rank[code], np.sort(lead)
        rows = np.bincount(own, minlength=first.size)
        said = {
            name: np.bincount(own, values, minlength=first.size) / rows for name, values in self.probabilities.items()
        }
        return Stacked(said, self.y[first], self.student[first], self.topic[first], self.event[first])

    def of(self, members: Sequence[str]) -> Stacked:
        """Return what some of the members say."""
        return replace(self, probabilities={name: self.probabilities[name] for name in members})

    def adding(self, probabilities: Mapping[str, Floats]) -> Stacked:
        """Return it with what more members say."""
        return replace(self, probabilities={**self.probabilities, **probabilities})
