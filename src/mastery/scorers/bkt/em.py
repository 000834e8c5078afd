"""Expectation maximisation for bkt, topic by topic.

Extrapolated by Varadhan & Roland (2008), Simple and globally convergent methods for accelerating the convergence of any
EM algorithm, Scand. J. Stat. 35(2), scheme S3: 30 passes with five starts where plain steps took hundreds.

The M step gives a topic's most likely probabilities for the expected counts. Beta priors keep every probability off 0
and 1; guess + slip is kept below 1 by projection; forgetting comes before learning, so that no probability of learning
bounds it (see mastery.scorers.bkt.scorer).
"""

from __future__ import annotations

import math

import numpy as np

from mastery.arrays import Floats
from mastery.kernels import kernel
from mastery.log_odds import sigmoid
from mastery.scorers.bkt.histories import GROUP, KIND, OPPORTUNITY, RIGHTS, TILT, WRONGS
from mastery.scorers.bkt.passes import (
    FASTEST,
    FORGET,
    GUESS,
    GUESS_PRACTICE,
    INIT,
    LEARN,
    LEAST,
    MARGIN,
    PULL,
    PULL_LEARNING,
    RATE,
    SLIP,
    SLIP_PRACTICE,
    SLOWEST,
    STEEPEST,
    Priors,
    Probabilities,
    Sums,
    Tree,
    emit,
    pass_through,
    spread,
    tilted,
)


@kernel
def share(yes: float, no: float, pooled: float, weight: float) -> float:
    """Return the most likely probability under a Beta prior that counts as `weight` events at `pooled`."""
    return min(1.0 - LEAST, max(LEAST, (yes + weight * pooled) / (yes + no + weight)))


@kernel
def log_prior(theta: Floats, rules: Priors) -> float:
    """Return the log of the priors' density, up to a constant."""
    pooled, weight = rules.pooled, rules.weight
    total = 0.0
    for k in range(theta.size):
        if weight[k] <= 0.0:
            continue
        # Without practice events these are copies, and no probabilities of their own.
        if (k == GUESS_PRACTICE and theta[k] == theta[GUESS]) or (k == SLIP_PRACTICE and theta[k] == theta[SLIP]):
            continue
        if k == RATE:
            total -= 0.5 * weight[k] * (math.log(theta[k]) - math.log(pooled[k])) ** 2
        elif k == PULL or k == PULL_LEARNING:
            total -= 0.5 * weight[k] * (theta[k] - pooled[k]) ** 2
        else:
            total += weight[k] * (pooled[k] * math.log(theta[k]) + (1.0 - pooled[k]) * math.log(1.0 - theta[k]))
    return total


@kernel
def within(theta: Floats) -> None:
    """Bring guess + slip below 1 by the margin, every probability off its ends."""
    for group in range(2):
        g, s = GUESS + 2 * group, SLIP + 2 * group
        most = 0.499 if group else 1.0 - LEAST
        theta[g], theta[s] = min(most, max(LEAST, theta[g])), min(most, max(LEAST, theta[s]))
        over = theta[g] + theta[s] - (1.0 - MARGIN)
        if over > 0.0:
            theta[g], theta[s] = max(LEAST, theta[g] - 0.5 * over), max(LEAST, theta[s] - 0.5 * over)
            if theta[g] + theta[s] > 1.0 - MARGIN:
                theta[g] = 1.0 - MARGIN - theta[s] if theta[s] <= LEAST else theta[g]
                theta[s] = 1.0 - MARGIN - theta[g] if theta[g] <= LEAST else theta[s]
    theta[INIT] = min(1 - LEAST, max(LEAST, theta[INIT]))
    theta[FORGET] = min(0.5, max(0.0, theta[FORGET]))
    theta[RATE] = min(FASTEST, max(0.0, theta[RATE]))
    theta[PULL] = min(STEEPEST, max(0.0, theta[PULL]))
    theta[PULL_LEARNING] = min(STEEPEST, max(0.0, theta[PULL_LEARNING]))
    for k in range(LEARN, theta.size):
        theta[k] = min(0.98, max(LEAST, theta[k]))


@kernel
def bounded(theta: Floats, low: Floats, high: Floats) -> None:
    """Bring probabilities within what people allow, and guess + slip below 1 again.

    Each is the most likely one that is allowed, for each has a likelihood of its own with one top.
    """
    for k in range(theta.size):
        theta[k] = min(high[k], max(low[k], theta[k]))
    for group in range(2):
        g, s = GUESS + 2 * group, SLIP + 2 * group
        over = theta[g] + theta[s] - (1.0 - MARGIN)
        if over > 1e-12:  # less is rounding: numbers that nobody bounds stay as they are
            less = min(over, theta[g] - max(LEAST, low[g]))
            theta[g] -= less
            theta[s] -= over - less


@kernel
def fit_start(began: Floats, excess: Floats, theta: Floats, rules: Priors) -> None:
    """Write P(known) before the first event, and its pull: logistic regression on the excess, by Newton."""
    pooled, weight = rules.pooled, rules.weight
    known, unknown = began[:, 1].sum(), began[:, 0].sum()
    if not rules.bends:
        theta[INIT] = share(known, unknown, pooled[INIT], weight[INIT])
        return
    a, k = math.log(theta[INIT] / (1.0 - theta[INIT])), theta[PULL]
    for _ in range(4):
        p = sigmoid(a)
        up_a, up_k = weight[INIT] * (pooled[INIT] - p), -weight[PULL] * (k - pooled[PULL])
        aa, ak, kk = weight[INIT] * p * (1.0 - p) + 1e-9, 0.0, weight[PULL] + 1e-9
        for b in range(excess.size):
            n = began[b, 0] + began[b, 1]
            if n > 0.0:
                p = sigmoid(a + k * excess[b])
                off, curve = began[b, 1] - n * p, n * p * (1.0 - p)
                up_a, up_k = up_a + off, up_k + off * excess[b]
                aa, ak, kk = aa + curve, ak + curve * excess[b], kk + curve * excess[b] ** 2
        det = aa * kk - ak * ak
        a += min(2.0, max(-2.0, (kk * up_a - ak * up_k) / det))
        k += min(3.0, max(-3.0, (aa * up_k - ak * up_a) / det))
        a, k = min(6.0, max(-6.0, a)), min(STEEPEST, max(0.0, k))
    theta[INIT], theta[PULL] = sigmoid(a), k


@kernel
def fit_rate(faded: Floats, days: Floats, theta: Floats, rules: Priors) -> None:
    """Write the forgetting per day: the root of a falling function of its log, by Newton's steps within a bracket.

    A dozen topics' steps in time cost more than their answers: from the rate before it takes 3 steps, halving took 30.
    """
    pooled, weight = rules.pooled, rules.weight
    low, high = math.log(SLOWEST), math.log(FASTEST)
    at = min(high, max(low, math.log(theta[RATE])))
    for _ in range(60):
        rate = math.exp(at)
        slope, curve = -weight[RATE] * (at - math.log(pooled[RATE])), -weight[RATE]
        for b in range(1, days.size):
            x = rate * days[b]
            if x < 500.0:
                less = math.expm1(x)
                slope += x * (faded[b, 0] / less - faded[b, 1])
                curve += x * (faded[b, 0] / less * (1.0 - x * (1.0 + less) / less) - faded[b, 1])
            else:
                slope -= x * faded[b, 1]
                curve -= x * faded[b, 1]
        if slope > 0.0:
            low = at
        else:
            high = at
        to = at - slope / curve if curve < 0.0 else low
        if not low < to < high:
            to = 0.5 * (low + high)
        done = abs(to - at) < 1e-9
        at = to
        if done:
            break
    theta[RATE] = math.exp(at)


@kernel
def fit_learning(theta: Floats, kinds: Floats, taught: Floats, rules: Priors) -> None:
    """Write the probabilities of learning and their pull: shares, or logistic regressions on the excess.

    An event that is half an opportunity is one with probability ½: those it was none for stayed as they were.
    """
    pooled, weight, codes = rules.pooled, rules.weight, kinds.shape[0]
    learnt, stayed = taught[:, 1].copy(), np.zeros(codes)
    yes, no = np.zeros(theta.size), np.zeros(theta.size)
    for c in range(codes):
        k, probability = LEARN + int(kinds[c, KIND]), kinds[c, OPPORTUNITY]
        old = tilted(theta[k], theta[PULL_LEARNING] * kinds[c, TILT])
        if probability > 0.0:
            stayed[c] = taught[c, 0] * probability * (1.0 - old) / (1.0 - probability * old)
        yes[k] += learnt[c]
        no[k] += stayed[c]
    if not rules.tilts:
        for k in range(LEARN, theta.size):
            if yes[k] + no[k] > 0.0:
                theta[k] = share(yes[k], no[k], pooled[k], weight[k])
        return
    for _ in range(4):
        up, curve = np.zeros(theta.size), np.full(theta.size, 1e-9)
        steep = theta[PULL_LEARNING]
        up_steep, curve_steep = -weight[PULL_LEARNING] * (steep - pooled[PULL_LEARNING]), weight[PULL_LEARNING] + 1e-9
        cross = np.zeros(theta.size)
        for k in range(LEARN, theta.size):
            up[k] = weight[k] * (pooled[k] - theta[k])
            curve[k] += weight[k] * theta[k] * (1.0 - theta[k])
        for c in range(codes):
            n = learnt[c] + stayed[c]
            if n > 0.0:
                k, z = LEARN + int(kinds[c, KIND]), kinds[c, TILT]
                p = tilted(theta[k], steep * z)
                off, bend = learnt[c] - n * p, n * p * (1.0 - p)
                up[k] += off
                curve[k] += bend
                cross[k] += bend * z
                up_steep += off * z
                curve_steep += bend * z * z
        for k in range(LEARN, theta.size):  # what the kinds take of it is left out: an arrow matrix
            up_steep -= cross[k] * up[k] / curve[k]
            curve_steep -= cross[k] * cross[k] / curve[k]
        more = min(3.0, max(-3.0, up_steep / max(curve_steep, 1e-6)))
        more = min(STEEPEST, max(0.0, steep + more)) - steep
        theta[PULL_LEARNING] = steep + more
        for k in range(LEARN, theta.size):
            if yes[k] + no[k] > 0.0:
                by = min(2.0, max(-2.0, (up[k] - cross[k] * more) / curve[k]))
                theta[k] = min(0.98, max(LEAST, tilted(theta[k], by)))


@kernel
def improve(theta: Floats, tree: Tree, rules: Priors, sums: Sums) -> None:
    """Write the probabilities that are most likely by the expected counts: the M step. A share of an opportunity is
    taken."""
    kinds, emissions, pooled, weight = tree.kinds, tree.emissions, rules.pooled, rules.weight
    seen, taught = sums.seen, sums.taught
    counts = np.zeros((2, 4))  # by group: guessed, did not, slipped, did not
    for e in range(emissions.shape[0]):
        c = emissions[e, 0]
        group, right, wrong = int(kinds[c, GROUP]), kinds[c, RIGHTS], kinds[c, WRONGS]
        counts[group, 0] += seen[e, 0] * right
        counts[group, 1] += seen[e, 0] * wrong
        counts[group, 2] += seen[e, 1] * wrong
        counts[group, 3] += seen[e, 1] * right
    lost, held = 0.0, 0.0
    for c in range(kinds.shape[0]):
        if kinds[c, RIGHTS] + kinds[c, WRONGS] > 0.0:
            lost += taught[c, 2]
            held += taught[c, 3]
    fit_learning(theta, kinds, taught, rules)
    for group in range(2):
        g, s = GUESS + 2 * group, SLIP + 2 * group
        if group == 1 and counts[1].sum() == 0.0:
            theta[g], theta[s] = theta[GUESS], theta[SLIP]
            continue
        theta[g] = share(counts[group, 0], counts[group, 1], pooled[g], weight[g])
        theta[s] = share(counts[group, 2], counts[group, 3], pooled[s], weight[s])
    if rules.per_step:
        theta[FORGET] = share(lost, held, pooled[FORGET], weight[FORGET])
    if rules.per_day:
        fit_rate(sums.faded, tree.days, theta, rules)
    fit_start(sums.began, tree.excess, theta, rules)
    within(theta)
    bounded(theta, rules.low, rules.high)


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
            out[k] = math.exp(flat[k]) if k == RATE else sigmoid(flat[k])
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
            bounded(theta, rules.low, rules.high)
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
