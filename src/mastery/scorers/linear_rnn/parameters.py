"""What linear_rnn's training found, as parameters of topics and items.

An item has them by topic. One that nobody answered has none: the mean item of the topic stands for it, and is what
scores are read at.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy import sparse

from mastery.arrays import Floats, Floats32
from mastery.features.batch import Batch
from mastery.scorers import source_of
from mastery.scorers.base import Parameter, defaults, place_of, width
from mastery.scorers.item_codes import rows_of_items, shrunk_to_items
from mastery.scorers.linear_rnn import scorer as model
from mastery.scorers.linear_rnn.train import Answers
from mastery.scorers.parameters import KeyedRows, Parameters
from mastery.sums import weigh_rows


@dataclass(frozen=True)
class Trained:
    """Tables of one start. Rows of bias and readers: items, then topic × place. Of writers: two (wrong, right) by
    item, then by topic × place × time."""

    bias: Floats32
    readers: Floats32
    writers: Floats32


def parameters_of(
    batch: Batch,
    answers: Answers,
    places: int,
    starts: list[Trained],
    half_life: float,
    monotone: bool,
    scale: Parameters | None,
) -> Parameters:
    """Return the tables of all starts as parameters of topics and items.

    Args:
        answers: Those that the tables were trained on.
        places: The number of a run's places that are told apart; the last of them stands for all later ones.
        half_life: In days.
        scale: Parameters of the scorer that tells guess and slip.
    """
    scorer = model.SCORER if monotone else model.UNCONSTRAINED
    items, topics = batch.use_item.size, len(batch.topics)
    topic_of, item = answers.read // places, answers.item
    there = np.flatnonzero(np.bincount(topic_of, minlength=topics))
    count = np.bincount(item[item >= 0], minlength=items).astype(np.float64)
    met = np.flatnonzero(count)

    bias: Floats = np.stack([start.bias[:, 0] for start in starts]).astype(np.float64).mean(axis=0)
    readers = _side_by_side([start.readers for start in starts]) / len(starts)
    writers = _side_by_side([start.writers for start in starts]).reshape(-1, 2, model.CHANNELS)
    wrong, gain = writers[:, 0], writers[:, 1] - writers[:, 0]
    of_uses = np.column_stack([bias[:items], readers[:items], wrong[:items], gain[:items]])
    of_uses = shrunk_to_items(batch.use_item, count, _within(of_uses, scorer.item_parameters))
    own = of_uses[met]

    rows = np.tile(defaults(scorer, 1)[0], (topics, 1))
    at = partial(place_of, scorer.parameters)
    rows[:, at("half_life_days")] = half_life
    later = np.minimum(np.arange(model.PLACES), places - 1)
    for name, of_items in (("bias", bias), ("weights", readers), ("wrong", wrong), ("gain", gain)):
        if topics == 0:  # of nothing, numpy cannot tell how wide it is
            break
        by_place = of_items[items:].reshape(topics, places, -1)
        rows[:, at(name)] = by_place[:, later].reshape(topics, -1)
    if met.size:
        place = np.full(items, -1)
        place[met] = np.arange(met.size)
        with_item = item >= 0
        counts = sparse.csr_matrix(
            (np.ones(int(with_item.sum())), (topic_of[with_item], place[item[with_item]])), shape=(topics, met.size)
        )
        mean = (counts @ own) / np.maximum(1.0, np.asarray(counts.sum(axis=1)))
        for name, source in (("item_bias", "bias"), ("item_weights", "weights"), ("item_wrong", "wrong"),
                             ("item_gain", "gain")):  # fmt: skip
            rows[:, at(name)] = mean[:, place_of(scorer.item_parameters, source)]
    keys = [batch.topics[int(t)] for t in there]
    theirs = partial(place_of, source_of("guess").parameters)
    if scale is not None:
        known = scale.topics.take(batch.topics, scale.default)
        for name in ("guess", "slip"):
            rows[:, at(name)] = known[:, theirs(name)]
    rows = _within(rows, scorer.parameters)
    default = defaults(scorer, 1)[0]
    if there.size:
        answered = np.bincount(topic_of, minlength=topics).astype(np.float64)
        default = weigh_rows(answered, rows) / answered.sum()
    if scale is not None:
        for name in ("guess", "slip"):
            default[at(name)] = scale.default[theirs(name)]
    default = _within(default[None, :], scorer.parameters)[0]
    return Parameters(default, KeyedRows(keys, rows[there]), rows_of_items(batch, count, of_uses))


def _side_by_side(tables: list[Floats32]) -> Floats:
    """Return float64[N, CHANNELS]: within each λ the channels of one start after those of another."""
    n = tables[0].shape[0]
    groups = [table.reshape(n, len(model.FADING), 1, model.GROUP) for table in tables]
    return np.concatenate(groups, axis=2).reshape(n, model.CHANNELS).astype(np.float64)


def _within(rows: Floats, parameters: tuple[Parameter, ...]) -> Floats:
    low = np.concatenate([np.full(p.size, p.low) for p in parameters])
    high = np.concatenate([np.full(p.size, p.high) for p in parameters])
    assert rows.shape[1] == width(parameters)
    return np.clip(rows, low, high)
