"""Answers of many students to many items, and threads to go over them span by span."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from mastery.arrays import Floats, Int32s, Int64s
from mastery.scorers.irt.em import expect, log_probabilities

SPANS = 4
"""Students are cut into this many spans, whatever the threads: sums then come in one order."""


@dataclass(frozen=True)
class Answers:
    """Answers of S students to M items, student by student.

    Attributes:
        student_ptr: int64[S + 1]. Answers of student s.
        item: int32[n]. Item code, 0 to M − 1.
        y, weight: float64[n]. As in `mastery.features.batch.Batch`; weight > 0.
        group: int32[M]. The topic of each item.
        guess, slip: float64[M].
    """

    student_ptr: Int64s
    item: Int32s
    y: Floats
    weight: Floats
    group: Int32s
    guess: Floats
    slip: Floats


class Work:
    """The answers cut into spans, and threads to go over them."""

    def __init__(self, answers: Answers, theta: Floats, probabilities: Floats, pool: ThreadPoolExecutor | None) -> None:
        ends = np.searchsorted(answers.student_ptr, np.linspace(0, answers.item.size, SPANS + 1)[1:-1])
        bounds = [0, *ends.tolist(), answers.student_ptr.size - 1]
        self.spans = list(pairwise(bounds))
        self.answers, self.theta, self.log_prior, self.pool = answers, theta, np.log(probabilities), pool
        self.counts = np.zeros((SPANS, 2 * answers.group.size, theta.size))

    def each(self, run: Callable[[int, int, int], float | None]) -> list[float | None]:
        """Call `run(k, first student, last student)` for every span; return what it returns, in order."""
        jobs = [(k, *span) for k, span in enumerate(self.spans)]
        if self.pool is None:
            return [run(*job) for job in jobs]
        return list(self.pool.map(lambda job: run(*job), jobs))

    def expect(self, slope: Floats, intercept: Floats, count: bool = True) -> float:
        """Return the log-likelihood; with `count`, `counts[0]` holds the expected answers afterwards."""
        a = self.answers
        table = log_probabilities(slope, intercept, a.guess, a.slip, self.theta)
        if count:
            self.counts[:] = 0.0
        none = np.empty((0, self.theta.size))

        def run(k: int, first: int, last: int) -> float:
            into = self.counts[k] if count else none
            return float(expect(first, last, a.student_ptr, a.item, a.y, a.weight, table, self.log_prior, into))

        found = self.each(run)
        if count:
            for k in range(1, SPANS):
                self.counts[0] += self.counts[k]
        return float(sum(one for one in found if one is not None))
