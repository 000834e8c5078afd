"""guess and slip of single items, shrunk towards their topic's, together with the topics' other chances."""

from __future__ import annotations

import numpy as np

from mastery.arrays import Floats
from mastery.fitting.bkt_em import fit_round, room
from mastery.fitting.bkt_histories import Histories
from mastery.fitting.bkt_passes import GUESS, LEAST, MARGIN, SLIP, Rules
from mastery.fitting.bkt_topics import each, tree_of
from mastery.fitting.bkt_trees import GROUP, RIGHTS, WRONGS

ROUNDS = 30
"""Of expectation maximisation, from the topics' fit on, at most."""


def fit_items(
    histories: Histories, items: int, theta: Floats, strength: float, rules: Rules, threads: int = 1
) -> tuple[Floats, Floats, float]:
    """Return guess and slip of each item, float64[items, 2], the chances of topics, and the log-likelihood.

    An item nobody has answered is a row of NaN. An item of several topics has one guess and one slip for all of them.

    Args:
        histories: Made with items.
        theta: float64[T, 14]. Where to begin; not written to.
        strength: The topic's guess and slip count as so many answers on each item, given without and with knowledge.
    """
    theta = theta.copy()
    tree = tree_of(histories)
    code, item = histories.emissions[:, 0], histories.emissions[:, 1]
    topic = np.repeat(np.arange(theta.shape[0]), np.diff(histories.emission_ptr))
    mine = (item >= 0) & (histories.kinds[code, GROUP] == 0.0)
    which, topic_of = item[mine], topic[mine]
    right, wrong = histories.kinds[code[mine], RIGHTS], histories.kinds[code[mine], WRONGS]
    answered = np.bincount(which, right + wrong, items) > 0.0
    found = np.full((items, 2), np.nan)
    shared, sums_of = room(tree)
    chances, sums = shared._replace(), sums_of._replace()
    reached = np.zeros(theta.shape[0])
    before = -np.inf

    def fit(t: int) -> None:
        if histories.ptr[t] == histories.ptr[t + 1]:
            return
        # Emissions lie apart topic by topic; the rest is small and each topic's own.
        given = chances._replace(
            learn=np.empty_like(chances.learn), forget=np.empty_like(chances.forget),
            kept=np.empty_like(chances.kept), prior=np.empty_like(chances.prior),
        )  # fmt: skip
        own = sums._replace(
            taught=np.empty_like(sums.taught), faded=np.empty_like(sums.faded), began=np.empty_like(sums.began)
        )
        reached[t] = fit_round(
            int(histories.ptr[t]), int(histories.ptr[t + 1]), int(histories.emission_ptr[t]),
            int(histories.emission_ptr[t + 1]), tree, rules, given, own, found[:, 0].copy(), found[:, 1].copy(),
            theta[t],
        )  # fmt: skip

    order = np.argsort(-np.diff(histories.ptr), kind="stable")
    for _ in range(ROUNDS):
        each(fit, order, threads)
        unknown, known = sums.seen[mine, 0], sums.seen[mine, 1]
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
        total = float(reached.sum())
        if total - before < 1e-5 * histories.rows.sum():
            break
        before = total
    return found, theta, float(reached.sum())
