"""The E and M step for item curves: what answers say of abilities, and what abilities say of items.

See mastery.scorers.irt.mml. Answers are gone over span by span of students, in threads.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from mastery.arrays import Floats, Int32s, Int64s
from mastery.kernels import kernel
from mastery.log_odds import sigmoid

NODES = 21
FARTHEST_NODE = 4.0
"""Abilities from −4 to 4 in steps of 0.4: against 41 nodes the curves of 500 items differ by less than 0.002."""

LEAST_SLOPE, MOST_SLOPE = 0.05, 6.0
FARTHEST_INTERCEPT = 9.0

MOST_NEWTON_STEPS, SMALL_STEP = 4, 1e-4
"""Of one M step: it need not arrive, the next one goes on."""


class Answers(NamedTuple):
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


class Asymptotes(NamedTuple):
    """Probabilities of M items that no ability goes beyond: of a right answer, and of a wrong one. float64[M] each."""

    guess: Floats
    slip: Floats


class CurvePrior(NamedTuple):
    """What is expected of M items before their answers.

    Attributes:
        group, group_intercept: int32[M], float64[G]. The topic of each item, and the mean intercept of its items.
        precision_slope, precision_intercept: 1 / variance of log slopes around their mean, and of intercepts.
    """

    group: Int32s
    group_intercept: Floats
    mean_log_slope: float
    precision_slope: float
    precision_intercept: float


def grid(nodes: int = NODES) -> tuple[Floats, Floats]:
    """Return abilities and their probabilities under N(0, 1), float64[nodes] each."""
    theta = np.linspace(-FARTHEST_NODE, FARTHEST_NODE, nodes)
    density = np.exp(-0.5 * theta * theta)
    return theta, density / density.sum()


@kernel
def log_probabilities(slope: Floats, intercept: Floats, guess: Floats, slip: Floats, theta: Floats) -> Floats:
    """Return float64[2 M, Q]: log probability of a wrong answer in row 2 i, of a right one in row 2 i + 1."""
    table = np.empty((2 * slope.size, theta.size))
    for i in range(slope.size):
        for q in range(theta.size):
            right = sigmoid(slope[i] * theta[q] + intercept[i])
            # 1 − p from its own end: 1.0 − right is 0 far out.
            wrong = sigmoid(-(slope[i] * theta[q] + intercept[i]))
            table[2 * i, q] = math.log(slip[i] + (1.0 - guess[i] - slip[i]) * wrong)
            table[2 * i + 1, q] = math.log(guess[i] + (1.0 - guess[i] - slip[i]) * right)
    return table


@kernel
def _count(
    first: int, last: int, item: Int32s, y: Floats, weight: Floats, post: Floats, scale: float, counts: Floats
) -> None:
    for i in range(first, last):
        right, n, row = y[i], weight[i] * scale, 2 * item[i] + int(y[i])
        if right == 1.0 or right == 0.0:
            for q in range(post.size):
                counts[row, q] += n * post[q]
        else:
            for q in range(post.size):
                counts[row + 1, q] += n * right * post[q]
                counts[row, q] += n * (1.0 - right) * post[q]


@kernel
def expect(first: int, last: int, answers: Answers, table: Floats, log_prior: Floats, counts: Floats) -> float:
    """Add the expected wrong and right answers by ability to `counts` float64[2 M, Q]; return the log-likelihood.

    With counts of no rows, only the likelihood.
    """
    student_ptr, item, y, weight = answers.student_ptr, answers.item, answers.y, answers.weight
    nodes = log_prior.size
    post = np.empty(nodes)
    total = 0.0
    for s in range(first, last):
        for q in range(nodes):
            post[q] = log_prior[q]
        for i in range(student_ptr[s], student_ptr[s + 1]):
            # Out of the loops what does not change in them: `post` might be the same memory, as far as is known.
            right, n, row = y[i], weight[i], 2 * item[i] + int(y[i])
            if right == 1.0 or right == 0.0:
                for q in range(nodes):
                    post[q] += n * table[row, q]
            else:
                for q in range(nodes):
                    post[q] += n * (right * table[row + 1, q] + (1.0 - right) * table[row, q])
        most = post[0]
        for q in range(1, nodes):
            most = max(most, post[q])
        mass = 0.0
        for q in range(nodes):
            post[q] = math.exp(post[q] - most)
            mass += post[q]
        total += most + math.log(mass)
        if counts.shape[0] > 0:
            _count(student_ptr[s], student_ptr[s + 1], item, y, weight, post, 1.0 / mass, counts)
    return total


@kernel
def maximise(
    asymptotes: Asymptotes,
    prior: CurvePrior,
    free_slopes: bool,
    counts: Floats,
    theta: Floats,
    log_slope: Floats,
    intercept: Floats,
    know: Floats,
) -> None:
    """Move every item by Fisher scoring to the best curve for its expected counts, in place.

    Without free slopes all items share one: it is moved by the sums over items, one step a time. `know` float64[2, M]
    becomes what is known of each intercept with the slope given, and of each log slope with the intercept free.
    """
    guess, slip, group, group_intercept = asymptotes.guess, asymptotes.slip, prior.group, prior.group_intercept
    mean_log_slope, precision_slope = prior.mean_log_slope, prior.precision_slope
    precision_intercept = prior.precision_intercept
    sum_g = sum_h = 0.0
    for i in range(intercept.size):
        g0 = g1 = h00 = h01 = h11 = 0.0
        for _ in range(MOST_NEWTON_STEPS):
            slope = math.exp(log_slope[i])
            g0 = precision_slope * (mean_log_slope - log_slope[i]) if free_slopes else 0.0
            g1 = precision_intercept * (group_intercept[group[i]] - intercept[i])
            h00, h01, h11 = precision_slope if free_slopes else 0.0, 0.0, precision_intercept
            for q in range(theta.size):
                n = counts[2 * i, q] + counts[2 * i + 1, q]
                p = sigmoid(slope * theta[q] + intercept[i])
                span = 1.0 - guess[i] - slip[i]
                probability = guess[i] + span * p
                rise = span * p * (1.0 - p)
                spread = max(1e-12, probability * (1.0 - probability))
                pull = rise * (counts[2 * i + 1, q] - n * probability) / spread
                told = n * rise * rise / spread
                x = slope * theta[q]
                g0 += pull * x
                g1 += pull
                h00 += told * x * x
                h01 += told * x
                h11 += told
            if free_slopes:
                det = h00 * h11 - h01 * h01
                if det <= 1e-12 * h00 * h11:
                    break
                step0, step1 = (h11 * g0 - h01 * g1) / det, (h00 * g1 - h01 * g0) / det
            else:
                step0, step1 = 0.0, g1 / h11
            step0, step1 = min(0.5, max(-0.5, step0)), min(1.0, max(-1.0, step1))
            log_slope[i] = min(math.log(MOST_SLOPE), max(math.log(LEAST_SLOPE), log_slope[i] + step0))
            intercept[i] = min(FARTHEST_INTERCEPT, max(-FARTHEST_INTERCEPT, intercept[i] + step1))
            if abs(step0) + abs(step1) < SMALL_STEP:
                break
        know[0, i], know[1, i] = h11, max(h00 - h01 * h01 / h11, 1e-9)
        if not free_slopes:
            sum_g += g0 - h01 * g1 / h11
            sum_h += h00 - h01 * h01 / h11
    if not free_slopes:
        step = min(0.5, max(-0.5, sum_g / max(sum_h, 1e-9)))
        for i in range(intercept.size):
            log_slope[i] = min(math.log(MOST_SLOPE), max(math.log(LEAST_SLOPE), log_slope[i] + step))


SPANS = 4
"""Students are cut into this many spans, whatever the threads: sums then come in one order."""


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
            return float(expect(first, last, a, table, self.log_prior, into))

        found = self.each(run)
        if count:
            for k in range(1, SPANS):
                self.counts[0] += self.counts[k]
        return float(sum(one for one in found if one is not None))
