"""guess and slip of single items, shrunk towards their topic's, together with the topics' other probabilities."""

from __future__ import annotations

import numpy as np

from mastery.arrays import Floats, Int64s
from mastery.scorers.bkt.em import fit_round, room
from mastery.scorers.bkt.fit_topics import Limits, each, rules_of_topic, tree_of
from mastery.scorers.bkt.histories import GROUP, RIGHTS, WRONGS, Histories
from mastery.scorers.bkt.passes import GUESS, LEAST, MARGIN, SLIP, Priors

ROUNDS = 30
"""Of expectation maximisation, from the topics' fit on, at most."""


def fit_items(
    histories: Histories,
    items: int,
    theta: Floats,
    strength: float,
    rules: Priors,
    threads: int = 1,
    limits: Limits | None = None,
) -> tuple[Floats, Floats, float]:
    """Return guess and slip of each item, float64[items, 2], the probabilities of topics, and the log-likelihood.

    An item nobody has answered is a row of NaN. Items are told apart by topic (`Batch.use`).

    Args:
        histories: Made with items.
        theta: float64[T, 14]. Where to begin; not written to.
        limits: What people allow on each topic, also of its items.
        strength: The topic's guess and slip weigh as this many answers on each item, given without and with knowledge.
    """
    theta = theta.copy()
    code, item = histories.emissions[:, 0], histories.emissions[:, 1]
    topic = np.repeat(np.arange(theta.shape[0]), np.diff(histories.emission_ptr))
    mine = (item >= 0) & (histories.kinds[code, GROUP] == 0.0)
    which, topic_of = item[mine], topic[mine]
    right, wrong = histories.kinds[code[mine], RIGHTS], histories.kinds[code[mine], WRONGS]
    answered = np.bincount(which, right + wrong, items) > 0.0
    found = np.full((items, 2), np.nan)
    seen = np.zeros((topic.size, 2))
    reached = np.zeros(theta.shape[0])
    trees = [tree_of(histories, t) for t in range(theta.shape[0])]
    before = -np.inf

    order = np.argsort(-np.diff(histories.ptr), kind="stable")
    for _ in range(ROUNDS):
        guess, slip = found[:, 0].copy(), found[:, 1].copy()

        def fit(t: int, guess: Floats = guess, slip: Floats = slip) -> None:
            if trees[t].parent.size:
                given, sums = room(trees[t])
                mine = rules_of_topic(rules, limits, t)
                reached[t] = fit_round(trees[t], mine, given, sums, guess, slip, theta[t])
                seen[histories.emission_ptr[t] : histories.emission_ptr[t + 1]] = sums.seen

        each(fit, order, threads)
        unknown, known = seen[mine, 0], seen[mine, 1]
        for column, counts, yes, no, of_topic in (
            (0, unknown, right, wrong, theta[topic_of, GUESS]),
            (1, known, wrong, right, theta[topic_of, SLIP]),
        ):
            hits, misses = np.bincount(which, counts * yes, items), np.bincount(which, counts * no, items)
            # The mean over the item's topics, by how much each has to say.
            share = np.bincount(which, (counts + 1e-9) * of_topic, items) / np.maximum(
                np.bincount(which, counts + 1e-9, items), 1e-300
            )
            found[:, column] = np.where(answered, (hits + strength * share) / (hits + misses + strength), np.nan)
        found[:] = np.clip(found, LEAST, 1.0 - LEAST)
        over = np.maximum(0.0, found.sum(axis=1) - (1.0 - MARGIN))[:, None]
        found -= over * found / found.sum(axis=1, keepdims=True)
        found[:] = np.maximum(found, 0.5 * LEAST)
        if limits is not None:
            bound_items(found, limits, which, topic_of)
        total = float(reached.sum())
        if total - before < 1e-5 * histories.rows.sum():
            break
        before = total
    return found, theta, float(reached.sum())


def bound_items(found: Floats, limits: Limits, item: Int64s, topic: Int64s) -> None:
    """Bring guess and slip, float64[items, 2], within what topics allow; item and topic are pairs, int64[n] each."""
    low, high = np.full(found.shape, -np.inf), np.full(found.shape, np.inf)
    for column, k in ((0, GUESS), (1, SLIP)):
        np.maximum.at(low[:, column], item, limits.low[topic, k])
        np.minimum.at(high[:, column], item, limits.high[topic, k])
    found[:] = np.clip(found, low, high)
    over = np.maximum(0.0, found.sum(axis=1) - (1.0 - MARGIN))
    less = np.minimum(over, found[:, 0] - np.maximum(LEAST, low[:, 0]))
    found[:, 0] -= less
    found[:, 1] -= over - less
