"""Item curves by marginal maximum likelihood, from the answers that were given and nothing else.

Bock & Aitkin (1981), Marginal maximum likelihood estimation of item parameters: application of an EM algorithm,
Psychometrika 46(4). Abilities are N(0, 1) and are summed out on a fixed grid; an item's probability of a right answer
is

    P(θ) = guess + (1 − guess − slip) · σ(a θ + d),      difficulty b = −d / a

The E step gives how often each item was answered right and wrong by students of each ability; the M step is Fisher
scoring on (log a, d) under priors, item by item: d around the mean of its topic, log a around the mean of all. Steps
are accelerated by SQUAREM (Varadhan & Roland 2008, Simple and globally convergent methods for accelerating the
convergence of any EM algorithm, Scandinavian Journal of Statistics 35(2), scheme S3), and taken back where the
likelihood would fall.

The peers fill a dense matrix of students × items; here the work is one table row per answer: see docs/scorers/irt.md.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from mastery.arrays import Floats, Int32s
from mastery.scorers.irt.em import (
    FARTHEST_INTERCEPT,
    LEAST_SLOPE,
    MOST_SLOPE,
    NODES,
    Answers,
    Asymptotes,
    CurvePrior,
    Work,
    grid,
    maximise,
)
from mastery.scorers.irt.errors import standard_errors
from mastery.sums import dot

SD_LOG_SLOPE = 0.5
SD_INTERCEPT = 1.0
"""What an item says before any answer: its slope within a factor e^±0.5 of the mean one, its intercept within ± 1 of
its topic's. Both only to begin with: see `_Prior.learn_spreads`."""

TOLERANCE = 1e-3
"""Converged when no parameter moves by more in one EM step; a tenth of the standard errors of 10,000 answers."""

MOST_STEPS = 500


@dataclass(frozen=True)
class Curves:
    """Item curves and how sure they are.

    Attributes:
        slope, intercept: float64[M]. a and d.
        group_intercept: float64[G]. The mean intercept of a topic's items: what an item nobody knows gets.
        mean_log_slope: The slope that it gets.
        sd_log_slope, sd_intercept: How far items lie around these.
        se_slope, se_difficulty: float64[M]. From the observed information, priors included.
        log_likelihood: Of the answers, abilities summed out.
        steps: How many EM steps were taken.
        converged: Whether parameters stood still before the steps ran out.
    """

    slope: Floats
    intercept: Floats
    group_intercept: Floats
    mean_log_slope: float
    sd_log_slope: float
    sd_intercept: float
    se_slope: Floats
    se_difficulty: Floats
    log_likelihood: float
    steps: int
    converged: bool

    @property
    def difficulty(self) -> Floats:
        """float64[M]. b = −d / a, in standard deviations of ability."""
        return -self.intercept / self.slope


@dataclass
class _Prior:
    """Where items are drawn from: means follow the items, spreads are fitted early and then stand still."""

    group: Int32s
    groups: int
    sd_slope: float = SD_LOG_SLOPE
    sd_intercept: float = SD_INTERCEPT

    def means(self, log_slope: Floats, intercept: Floats) -> tuple[float, Floats]:
        """Return the mean log slope and each topic's mean intercept, drawn towards the mean of topics."""
        count = np.bincount(self.group, minlength=self.groups)
        total = np.bincount(self.group, intercept, self.groups)
        overall = float(intercept.mean())
        between = self.sd_intercept**2
        return float(log_slope.mean()), (total + between * overall) / (count + between)

    def learn_spreads(self, log_slope: Floats, intercept: Floats, know: Floats, free_slopes: bool) -> None:
        """Set the spreads to what items show, their own uncertainty included (empirical Bayes)."""
        mean, of_group = self.means(log_slope, intercept)
        of_intercept = np.mean((intercept - of_group[self.group]) ** 2 + 1.0 / know[0])
        self.sd_intercept = float(min(3.0, max(0.3, math.sqrt(of_intercept))))
        if free_slopes:
            of_slope = np.mean((log_slope - mean) ** 2 + 1.0 / know[1])
            self.sd_slope = float(min(0.7, max(0.1, math.sqrt(of_slope))))

    def log_density(self, log_slope: Floats, intercept: Floats, free_slopes: bool) -> float:
        """Return the log density of the items, and of the topics' means, up to a constant."""
        mean, of_group = self.means(log_slope, intercept)
        overall = intercept.mean()
        off = (intercept - of_group[self.group]) / self.sd_intercept
        total = -0.5 * dot(off, off) - 0.5 * float(((of_group - overall) ** 2).sum())
        return total - (0.5 * float((((log_slope - mean) / self.sd_slope) ** 2).sum()) if free_slopes else 0.0)


def fit_curves(
    answers: Answers,
    *,
    groups: int,
    free_slopes: bool = True,
    nodes: int = NODES,
    threads: int = 1,
    tolerance: float = TOLERANCE,
) -> Curves:
    """Return the curves of all items: with `free_slopes` 2PL, otherwise 1PL with one slope for all.

    Items without answers get their topic's mean intercept and the mean slope.
    """
    theta, probabilities = grid(nodes)
    items = answers.group.size
    with ThreadPoolExecutor(max(1, threads)) as executor:
        work = Work(answers, theta, probabilities, executor if threads > 1 else None)
        prior = _Prior(answers.group, groups)
        log_slope, intercept = np.zeros(items), _start(answers)
        know, asymptotes = np.ones((2, items)), Asymptotes(answers.guess, answers.slip)

        def step(log_slope: Floats, intercept: Floats) -> tuple[Floats, Floats, float]:
            likelihood = work.expect(np.exp(log_slope), intercept)
            value = likelihood + prior.log_density(log_slope, intercept, free_slopes)
            mean, of_group = prior.means(log_slope, intercept)
            new_slope, new_intercept = log_slope.copy(), intercept.copy()
            expected = CurvePrior(answers.group, of_group, mean, prior.sd_slope**-2, prior.sd_intercept**-2)
            maximise(asymptotes, expected, free_slopes, work.counts[0], theta, new_slope, new_intercept, know)
            return new_slope, new_intercept, value

        best = -np.inf
        steps, converged = 0, False
        safe = (log_slope, intercept)
        while steps < MOST_STEPS and not converged:
            first_slope, first_intercept, value = step(log_slope, intercept)
            steps += 1
            if value < best - 1e-9 * abs(best):  # the leap went too far: go on from the step before it
                log_slope, intercept = safe
                best = -np.inf
                continue
            best = value
            second_slope, second_intercept, _ = step(first_slope, first_intercept)
            steps += 1
            safe = (second_slope, second_intercept)
            r = np.concatenate([first_slope - log_slope, first_intercept - intercept])
            v = np.concatenate([second_slope - first_slope, second_intercept - first_intercept])
            moved = float(np.abs(v).max(initial=0.0))
            v = v - r
            converged = moved < tolerance
            length = -math.sqrt(dot(r, r) / max(dot(v, v), 1e-300))
            length = min(-1.0, max(length, -64.0))
            leap = np.concatenate([log_slope, intercept]) - 2.0 * length * r + length * length * v
            if converged or steps <= 6:
                log_slope, intercept = safe
            else:
                log_slope = np.clip(leap[:items], math.log(LEAST_SLOPE), math.log(MOST_SLOPE))
                intercept = np.clip(leap[items:], -FARTHEST_INTERCEPT, FARTHEST_INTERCEPT)
            if steps in (4, 8):
                prior.learn_spreads(*safe, know, free_slopes)
                best = -np.inf
        likelihood = work.expect(np.exp(log_slope), intercept)
        se_slope, se_difficulty = standard_errors(
            work, log_slope, intercept, prior.sd_slope**-2 if free_slopes else 0.0, prior.sd_intercept**-2
        )
    mean, of_group = prior.means(log_slope, intercept)
    return Curves(np.exp(log_slope), intercept, of_group, mean, prior.sd_slope, prior.sd_intercept,
                  se_slope, se_difficulty, likelihood, steps, converged)  # fmt: skip


def _start(answers: Answers) -> Floats:
    """Return intercepts from shares of right answers, drawn towards the middle."""
    items = answers.group.size
    right = np.bincount(answers.item, answers.weight * answers.y, items)
    count = np.bincount(answers.item, answers.weight, items)
    share = (right + 1.0) / (count + 2.0)
    free = np.clip((share - answers.guess) / (1.0 - answers.guess - answers.slip), 0.05, 0.95)
    intercept: Floats = 1.2 * np.log(free / (1.0 - free))
    return intercept
