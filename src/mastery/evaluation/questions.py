"""Answers as they are counted: one for each question answered, however many topics it has.

Rows of one event are one answer; the prediction for it is the mean of what was said of each of its topics.
Counting rows instead would count a question of three topics three times.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mastery.arrays import Bools, Floats, Int64s
from mastery.features.batch import Batch
from mastery.features.columns import QUIZ


@dataclass(frozen=True)
class Questions:
    """m questions answered, by student and time.

    Attributes:
        rows: int64[k]. Rows of the batch that belong to them.
        question: int64[k]. Whose row it is, 0 to m − 1.
        first: int64[m]. The first row of each.
        student: int64[m]. Code in the batch.
        y: float64[m]. 0 or 1.
        place: int64[m]. How many questions the student answered before it, those that are not counted included.
    """

    rows: Int64s
    question: Int64s
    first: Int64s
    student: Int64s
    y: Floats
    place: Int64s

    def mean(self, values: Floats) -> Floats:
        """Return float64[m]: the mean over its rows of float64[n] by row of the batch."""
        n = np.bincount(self.question, minlength=self.first.size)
        return np.bincount(self.question, values[self.rows], minlength=self.first.size) / n


def questions(batch: Batch, counted: Bools) -> Questions:
    """Return the questions of a batch that are counted: quiz answers that say something, where `counted` (bool[n])."""
    owner = np.repeat(np.arange(len(batch.students)), np.diff(batch.student_ptr))
    answered = (batch.kind == QUIZ) & (batch.weight > 0.0) & ((batch.y == 0.0) | (batch.y == 1.0))
    at = np.flatnonzero(answered)
    # Rows of one event with other outcomes are other questions: a log that says both is taken at its word.
    key = 2 * batch.row[at] + (batch.y[at] > 0.5)
    _, lead, code = np.unique(key, return_index=True, return_inverse=True)
    rank = np.empty(lead.size, np.int64)
    rank[np.argsort(lead, kind="stable")] = np.arange(lead.size)
    question, first = rank[code], at[np.sort(lead)]
    student = owner[first]
    ahead = np.searchsorted(student, student, side="left")
    place = np.arange(first.size) - ahead
    kept = counted[first]
    number = np.cumsum(kept) - 1
    mine = kept[question]
    return Questions(at[mine], number[question[mine]], first[kept], student[kept], batch.y[first[kept]], place[kept])
