"""Expectation maximisation for bkt, topic by topic.

Extrapolated by Varadhan & Roland (2008), Simple and globally convergent methods for accelerating the convergence of any
EM algorithm, Scand. J. Stat. 35(2), scheme S3: 30 passes with five starts where plain steps took hundreds.
"""

from __future__ import annotations

import math

import numpy as np

from mastery.arrays import Floats
from mastery.kernels import kernel
from mastery.scorers.bkt.passes import (
    PULL,
    PULL_LEARNING,
    RATE,
    Priors,
    Probabilities,
    Sums,
    Tree,
    emit,
    pass_through,
    spread,
)
from mastery.scorers.bkt.steps import improve, log_prior, within


@kernel
def bent(theta: Floats) -> Floats:
    """Return the probabilities on scales without ends, for extrapolation."""
    out = theta.copy()
    for k in range(theta.size):
        if k == RATE:
            out[k] = math.log(theta[k]) if theta[k] > 0.0 else 0.0
        elif k != PULL and k != PULL_LEARNING:
            out[k] = math.log(theta[k] / (1.0 - theta[k])) if theta[k] > 0.0 else 0.0
    return out


@kernel
def straight(flat: Floats, theta: Floats) -> Floats:
    """Return the probabilities again; those that are fixed at 0 stay so."""
    out = theta.copy()
    for k in range(flat.size):
        if k == PULL or k == PULL_LEARNING:
            out[k] = flat[k]
        elif theta[k] > 0.0:
            out[k] = math.exp(flat[k]) if k == RATE else 1.0 / (1.0 + math.exp(-flat[k]))
    within(out)
    return out


@kernel
def expect(theta: Floats, tree: Tree, given: Probabilities, sums: Sums) -> float:
    """Write the expected counts under these probabilities; return the log-likelihood: the E step."""
    none = np.empty(0)
    spread(theta, tree, given)
    emit(theta, tree, given, none, none)
    sums.seen[:], sums.taught[:], sums.faded[:], sums.began[:] = 0.0, 0.0, 0.0, 0.0
    return pass_through(tree, given, sums)


@kernel
def room(tree: Tree) -> tuple[Probabilities, Sums]:
    """Return arrays for probabilities and counts."""
    codes, emissions = tree.kinds.shape[0], tree.emissions.shape[0]
    return (
        Probabilities(
            np.empty(emissions), np.empty(emissions), np.empty(codes), np.empty(codes), np.empty(tree.days.size),
            np.empty(tree.excess.size),
        ),
        Sums(
            np.empty((emissions, 2)), np.empty((codes, 4)), np.empty((tree.days.size, 2)),
            np.empty((tree.excess.size, 2)),
        ),
    )  # fmt: skip


@kernel
def fit_topic(
    tree: Tree,
    rules: Priors,
    starts: Floats,
    first_passes: int,
    tolerance: float,
    most: int,
    best: Floats,
) -> tuple[float, int]:
    """Write the most likely probabilities of one topic into `best`; return their log-likelihood and the passes it took.

    Each of `starts` gets `first_passes`; the best one is followed until three passes gain less than `tolerance`.
    """
    given, sums = room(tree)
    passes, reached = 0, -np.inf
    theta, first, second = np.empty(best.size), np.empty(best.size), np.empty(best.size)
    if starts.shape[0] == 1:
        best[:] = starts[0]
    else:
        for s in range(starts.shape[0]):
            theta[:] = starts[s]
            value = -np.inf
            for _ in range(first_passes):
                value = expect(theta, tree, given, sums) + log_prior(theta, rules)
                improve(theta, tree, rules, sums)
            passes += first_passes
            if value > reached:
                reached = value
                best[:] = theta
    reached = -np.inf
    ll = 0.0
    while True:
        ll = expect(best, tree, given, sums)
        value = ll + log_prior(best, rules)
        passes += 1
        if value - reached < tolerance or passes >= most:
            break
        reached = value
        first[:] = best
        improve(first, tree, rules, sums)
        second[:] = first
        expect(second, tree, given, sums)
        improve(second, tree, rules, sums)
        a = bent(best)
        r = bent(first) - a
        turn = bent(second) - a - 2.0 * r
        size = math.sqrt((turn * turn).sum())
        passes += 1
        if size > 1e-12:
            length = max(1.0, math.sqrt((r * r).sum()) / size)
            theta[:] = straight(a + 2.0 * length * r + length * length * turn, second)
            value = expect(theta, tree, given, sums) + log_prior(theta, rules)
            passes += 1
            if value >= reached:
                improve(theta, tree, rules, sums)
                second[:] = theta
        best[:] = second
    return ll, passes


@kernel
def fit_round(
    tree: Tree, rules: Priors, given: Probabilities, sums: Sums, guess: Floats, slip: Floats, theta: Floats
) -> float:
    """Do one E and one M step of a topic with items (float64[I] each); return the log-likelihood before.

    `sums.seen` says what the items of its emissions have to know of.
    """
    spread(theta, tree, given)
    emit(theta, tree, given, guess, slip)
    sums.seen[:], sums.taught[:], sums.faded[:], sums.began[:] = 0.0, 0.0, 0.0, 0.0
    ll = pass_through(tree, given, sums)
    improve(theta, tree, rules, sums)
    return ll
