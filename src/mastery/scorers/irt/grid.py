"""Kernels of irt: what is known of an ability and of a topic's proficiency, as probabilities on a grid of nodes.

The equations, and why a better answer can only help, stand in scorer.py. `students` float64[S, NODES] is
ability by student; `state` float64[P, SEEN + NODES] holds, from column SEEN on, what has been seen of the topic.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from mastery.arrays import Floats, Int64s
from mastery.kernels import kernel
from mastery.log_odds import sigmoid

NODES = 16
FARTHEST_NODE = 5.0
NODE_STEP = 2.0 * FARTHEST_NODE / (NODES - 1)
"""From −5 to 5 in steps of ⅔: 24 nodes move the held-out AUC of two public logs by 0.0001."""

SEEN = 5
"""The first column of a slot's state that is a node."""

FAINTEST = 1e-250
"""No node of ability counts less than this beside the likeliest; at 0 it could never come back."""


def node_values() -> Floats:
    """Return float64[NODES]: the proficiencies that states speak of."""
    values: Floats = np.linspace(-FARTHEST_NODE, FARTHEST_NODE, NODES)
    return values


class Tables(NamedTuple):
    """What the kernels look up.

    Attributes:
        curves: float64[T + I, 2 NODES]. σ(−x) and σ(x) of each topic's mean item and each item by node.
        kernels: float64[U, 2 NODES, NODES]. K(φ | θ) with rows by φ, then with rows by θ.
    """

    curves: Floats
    kernels: Floats


class Scratch(NamedTuple):
    """float64[NODES] each, written over at every step.

    Attributes:
        others: The ability as the other topics have it, from `weigh` on.
        seen, message: What an answer makes of it on its way.
    """

    others: Floats
    seen: Floats
    message: Floats


class CurveAnswer(NamedTuple):
    """An answer as the grid takes it: the row of its curve, y, weight, and what the topic says of answers."""

    curve: int
    y: float
    weight: float
    lower: float
    upper: float
    drift: float


@kernel
def make_scratch() -> Scratch:
    """Return scratch for one thread."""
    return Scratch(np.empty(NODES), np.empty(NODES), np.empty(NODES))


@kernel
def tables_of(params: Floats, items: Floats, spread_column: int) -> tuple[Tables, Int64s]:
    """Return what the kernels look up, and int64[T]: which of `Tables.kernels` is a topic's.

    The first two columns of params and items are discrimination and difficulty.
    """
    topics = params.shape[0]
    curves = np.empty((topics + items.shape[0], 2 * NODES))
    for c in range(curves.shape[0]):
        known = c >= topics
        a = items[c - topics, 0] if known else params[c, 0]
        b = items[c - topics, 1] if known else params[c, 1]
        for g in range(NODES):
            x = a * ((g - 0.5 * (NODES - 1)) * NODE_STEP - b)
            curves[c, g], curves[c, NODES + g] = sigmoid(-x), sigmoid(x)
    which = np.empty(topics, np.int64)
    spreads = np.empty(topics)
    count = 0
    for t in range(topics):
        k = 0
        while k < count and spreads[k] != params[t, spread_column]:
            k += 1
        if k == count:
            spreads[count] = params[t, spread_column]
            count += 1
        which[t] = k
    kernels = np.empty((count, 2 * NODES, NODES))
    for k in range(count):
        for h in range(NODES):
            total = 0.0
            for g in range(NODES):
                apart = (g - h) * NODE_STEP / spreads[k]
                kernels[k, g, h] = math.exp(-0.5 * apart * apart)
                total += kernels[k, g, h]
            for g in range(NODES):
                kernels[k, g, h] /= total
                kernels[k, NODES + h, g] = kernels[k, g, h]
    return Tables(curves, kernels), which


@kernel
def through(kernels: Floats, k: int, first: int, source: Floats, to: Floats) -> None:
    """Write into `to` the sum over rows `first` … of kernel k, each times its entry of `source`.

    Four sums at a time, in registers: adding row by row into `to` took 1.5 times as long.
    """
    for g in range(0, NODES, 4):
        a = b = c = d = 0.0
        for h in range(NODES):
            a += kernels[k, first + h, g] * source[h]
            b += kernels[k, first + h, g + 1] * source[h]
            c += kernels[k, first + h, g + 2] * source[h]
            d += kernels[k, first + h, g + 3] * source[h]
        to[g], to[g + 1], to[g + 2], to[g + 3] = a, b, c, d


@kernel
def weigh(
    students: Floats, s: int, state: Floats, p: int, kernels: Floats, k: int, others: Floats, weights: Floats
) -> tuple[float, float]:
    """Return (mean, standard deviation) of a topic's proficiency.

    `others` becomes the ability as the other topics have it, `weights` the topic's proficiency before its own answers.
    """
    for g in range(NODES):
        weights[g] = state[p, SEEN + g]
    through(kernels, k, 0, weights, others)
    for h in range(NODES):
        others[h] = students[s, h] / others[h]
    through(kernels, k, NODES, others, weights)
    return moments(state, p, weights)


@kernel
def moments(state: Floats, p: int, weights: Floats) -> tuple[float, float]:
    """Return (mean, standard deviation) of weights times what has been seen of the topic."""
    mass = first = second = 0.0
    for g in range(NODES):
        node = (g - 0.5 * (NODES - 1)) * NODE_STEP
        w = weights[g] * state[p, SEEN + g]
        mass += w
        first += w * node
        second += w * node * node
    mean = first / mass
    return mean, math.sqrt(max(0.0, second / mass - mean * mean))


@kernel
def learn(
    students: Floats, s: int, state: Floats, p: int, tables: Tables, k: int, scratch: Scratch, answer: CurveAnswer
) -> None:
    """Take an answer into a topic's likelihood and the student's ability, in place; see the module for the equations.

    The scratch is as `weigh` left it.
    """
    curves, kernels = tables
    others, seen, message = scratch
    curve, y, weight, lower, upper, drift = answer
    most = 0.0
    for g in range(NODES):
        right = lower + (upper - lower) * curves[curve, NODES + g]
        wrong = (1.0 - upper) + (upper - lower) * curves[curve, g]
        if y == 1.0 or y == 0.0:
            told = right if y == 1.0 else wrong
            if weight == 0.5:
                told = math.sqrt(told)
            elif weight == 0.25:
                told = math.sqrt(math.sqrt(told))
            elif weight != 1.0:
                told = math.exp(weight * math.log(told))
        else:
            told = math.exp(weight * (y * math.log(right) + (1.0 - y) * math.log(wrong)))
        seen[g] = state[p, SEEN + g] * told
    for g in range(NODES):
        below, above = seen[max(g - 1, 0)], seen[min(g + 1, NODES - 1)]
        state[p, SEEN + g] = (1.0 - 2.0 * drift) * seen[g] + drift * (below + above)
        most = max(most, state[p, SEEN + g])
    scale = 1.0 / most
    for g in range(NODES):
        state[p, SEEN + g] *= scale
        seen[g] = state[p, SEEN + g]
    through(kernels, k, 0, seen, message)
    mass = 0.0
    for h in range(NODES):
        message[h] *= others[h]
        mass += message[h]
    scale = 1.0 / mass
    for h in range(NODES):
        students[s, h] = max(FAINTEST, message[h] * scale)
