"""How far irt can go: the proficiencies that endless wrong or right answers on a topic end at.

Each answer multiplies what has been seen of a topic by P or 1 − P, then spreads it out by `drift`. The two balance:
what has been seen becomes the leading eigenvector of that step, and its mean, over what is expected of a student of
whom nothing else is known, is as far as the topic goes. Where a topic's discrimination was 0.47 and its drift 0.23,
that was a score of 17 after wrong answers and one of 85 after right ones.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from mastery.arrays import Floats
from mastery.kernels import kernel
from mastery.log_odds import sigmoid
from mastery.scorers.irt.grid import NODES, node_values

MOST_STEPS = 10_000
SETTLED = 1e-9
"""Steps end where no node moves by more: after 20 to 70 of them as a rule."""

TOPICS_KEPT = 1 << 16


@lru_cache(maxsize=TOPICS_KEPT)
def ends(
    slope: float, difficulty: float, spread: float, drift: float, lower: float, upper: float
) -> tuple[float, float]:
    """Return the means of a topic's proficiency after endless wrong and endless right answers on its mean item.

    The arguments are parameters of mastery.scorers.irt.scorer. Kept for each topic: every reading asks for them.
    """
    nodes = node_values()
    expected = np.exp(-0.5 * nodes**2 / (1.0 + spread * spread))
    wrong, right = np.empty(NODES), np.empty(NODES)
    _told(nodes, slope, difficulty, lower, upper, wrong, right)
    return _end(wrong, drift, nodes, expected), _end(right, drift, nodes, expected)


@kernel
def _told(
    nodes: Floats, slope: float, difficulty: float, lower: float, upper: float, wrong: Floats, right: Floats
) -> None:
    """Write the probability of a wrong and of a right answer by node."""
    for g in range(NODES):
        x = slope * (nodes[g] - difficulty)
        wrong[g] = (1.0 - upper) + (upper - lower) * sigmoid(-x)
        right[g] = lower + (upper - lower) * sigmoid(x)


@kernel
def _end(told: Floats, drift: float, nodes: Floats, expected: Floats) -> float:
    """Return the mean of a topic's proficiency after endless answers, of which each says `told`."""
    seen, after = np.ones(NODES), np.empty(NODES)
    for _ in range(MOST_STEPS):
        most = moved = 0.0
        for g in range(NODES):
            below, above = max(g - 1, 0), min(g + 1, NODES - 1)
            from_beside = seen[below] * told[below] + seen[above] * told[above]
            after[g] = (1.0 - 2.0 * drift) * seen[g] * told[g] + drift * from_beside
            most = max(most, after[g])
        for g in range(NODES):
            value = after[g] / most
            moved = max(moved, abs(value - seen[g]))
            seen[g] = value
        if moved <= SETTLED:
            break
    mass = first = 0.0
    for g in range(NODES):
        mass += expected[g] * seen[g]
        first += expected[g] * seen[g] * nodes[g]
    return first / mass
