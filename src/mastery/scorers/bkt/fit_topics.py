"""bkt fitted topic by topic, in threads."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mastery.arrays import Floats, Int32s, Int64s
from mastery.scorers.bkt.em import bounded, fit_topic
from mastery.scorers.bkt.histories import Histories
from mastery.scorers.bkt.passes import (
    FORGET,
    GUESS,
    GUESS_PRACTICE,
    INIT,
    LEARN,
    PROBABILITIES,
    PULL,
    PULL_LEARNING,
    RATE,
    SLIP,
    SLIP_PRACTICE,
    Priors,
    Tree,
)

USUAL = np.array([0.4, 0.25, 0.15, 0.25, 0.15, 0.02, np.log(2.0) / 120.0, 4.0, 2.0, 0.1, 0.14, 0.1, 0.06, 0.08])
"""What is expected of a topic before any answer has been seen. Columns as in `PROBABILITIES`."""

PRIOR_WEIGHT = np.array([2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 0.5, 0.5, 0.5, 2.0, 2.0, 2.0, 2.0, 2.0])
"""How many events the expectation counts as; of forgetting per day and of pull, the precision."""

STARTS = ((0.3, 0.2, 0.1, 0.1), (0.6, 0.4, 0.1, 0.05), (0.15, 0.15, 0.25, 0.3), (0.5, 0.1, 0.3, 0.02))
"""p_init, guess, slip, p_learn: where the search begins, beside what is expected."""

FIRST_PASSES = 4
MOST_PASSES = 600


@dataclass(frozen=True)
class Fitted:
    """Probabilities of T topics.

    Attributes:
        theta: float64[T, 14]. Columns as in `PROBABILITIES`.
        log_likelihood: float64[T].
        passes: int64[T].
    """

    theta: Floats
    log_likelihood: Floats
    passes: Int64s


def tree_of(histories: Histories, t: int) -> Tree:
    """Return the histories of a topic as the kernels take them, with room to work in.

    Of the codes, emissions and steps of all topics it holds those that the topic has, numbered again: a pass reads each
    of them, and practice in sessions makes thousands of codes, of which a topic of a hundred events has a few dozen.
    """
    low, high = int(histories.ptr[t]), int(histories.ptr[t + 1])
    first = histories.parent[low:high] < 0
    emissions, emission = _own(histories.emission[low:high])
    codes, code = _own(np.concatenate([histories.code[low:high], histories.emissions[emissions, 0]]))
    of_time, of_excess = histories.step[low:high][~first], histories.step[low:high][first]
    days, later = _own(np.concatenate([of_time, np.zeros(1, np.int32)]))  # its first is no time at all
    excess, begins = _own(of_excess)
    step = np.empty(high - low, np.int32)
    step[~first], step[first] = later[:-1], begins
    return Tree(
        np.where(first, -1, histories.parent[low:high] - low).astype(np.int32), code[: high - low], emission, step,
        histories.count[low:high], histories.ends[low:high], histories.kinds[codes],
        np.column_stack([code[high - low :], histories.emissions[emissions, 1]]).astype(np.int32),
        histories.days[days], histories.excess[excess], *(np.empty(high - low) for _ in range(4)),
    )  # fmt: skip


def _own(values: Int32s) -> tuple[Int64s, Int32s]:
    """Return the values that occur, in order, and for each one its place among them."""
    own, place = np.unique(values, return_inverse=True)
    return own.astype(np.int64), place.astype(np.int32)


def start_from(expected: Floats, per_step: bool, per_day: bool, bends: bool, tilts: bool) -> Floats:
    """Return float64[5, 14]: where to begin."""
    starts = np.tile(expected, (1 + len(STARTS), 1))
    for row, (init, guess, slip, learn) in zip(starts[1:], STARTS, strict=True):
        row[[INIT, GUESS, SLIP, GUESS_PRACTICE, SLIP_PRACTICE]] = init, guess, slip, guess, slip
        row[LEARN] = learn
    if not per_step:
        starts[:, FORGET] = 0.0
    if not per_day:
        starts[:, RATE] = 0.0
    if not bends:
        starts[:, PULL] = 0.0
    if not tilts:
        starts[:, PULL_LEARNING] = 0.0
    return starts


class Limits(NamedTuple):
    """What people allow the fit to find: float64[T, 14] each, columns as in `PROBABILITIES`."""

    low: Floats
    high: Floats


def rules_of_topic(rules: Priors, limits: Limits | None, t: int) -> Priors:
    """Return the rules of one topic, within what people allow there."""
    if limits is None:
        return rules
    low, high = limits.low[t], limits.high[t]
    return rules._replace(pooled=np.clip(rules.pooled, low, high), low=low, high=high)


def make_rules(
    expected: Floats, prior_weight: float, per_step: bool, per_day: bool, bends: bool, tilts: bool
) -> Priors:
    """Return the rules of a variant; what it does not have is held by no prior."""
    moves = np.ones(len(PROBABILITIES), bool)
    moves[[FORGET, RATE, PULL, PULL_LEARNING]] = per_step, per_day, bends, tilts
    free = np.full(len(PROBABILITIES), np.inf)
    weight = np.where(moves, PRIOR_WEIGHT * prior_weight, 0.0)
    return Priors(expected, weight, per_step, per_day, bends, tilts, -free, free)


def fit_topics(
    histories: Histories,
    *,
    per_step: bool = False,
    per_day: bool = False,
    bends: bool = False,
    tilts: bool = False,
    expected: Floats = USUAL,
    prior_weight: float = 1.0,
    starts: Floats | None = None,
    tolerance: float = 1e-9,
    threads: int = 1,
    limits: Limits | None = None,
) -> Fitted:
    """Return the most likely probabilities of each topic.

    Args:
        per_step, per_day, bends, tilts: See `mastery.scorers.bkt.em.Priors`.
        expected: float64[14]. What the priors expect.
        prior_weight: Times `PRIOR_WEIGHT`.
        starts: float64[k, T, 14]. Where each topic's search begins; several places common to all when left out.
        tolerance: Log-likelihood an answer that three passes must gain for the search to go on.
        limits: What people allow; None: everything.
    """
    topics = histories.ptr.size - 1
    rules = make_rules(expected, prior_weight, per_step, per_day, bends, tilts)
    common = start_from(expected, per_step, per_day, bends, tilts)
    theta, found, passes = np.empty((topics, len(PROBABILITIES))), np.zeros(topics), np.zeros(topics, np.int64)

    def fit(t: int) -> None:
        begin = common if starts is None else np.ascontiguousarray(starts[:, t])
        mine = rules_of_topic(rules, limits, t)
        if limits is not None:
            begin = begin.copy()
            for start in begin:
                bounded(start, mine.low, mine.high)
        gain = tolerance * max(100.0, float(histories.rows[t]))
        found[t], passes[t] = fit_topic(tree_of(histories, t), mine, begin, FIRST_PASSES, gain, MOST_PASSES, theta[t])

    each(fit, np.argsort(-np.diff(histories.ptr), kind="stable"), threads)
    return Fitted(theta, found, passes)


def each(fit: Callable[[int], None], order: Int64s, threads: int) -> None:
    """Call `fit` for each topic, the largest first, so that no thread is left with a large one at the end."""
    if threads == 1:
        for t in order:
            fit(int(t))
        return
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(lambda t: fit(int(t)), order):
            pass
