"""Items and topics in one line of codes: answers that name no item are on their topic as if it were one.

An item's numbers belong to a topic (`Batch.use`): an item that is asked on two topics may be hard on one and easy on
the other, and each topic's mean item is the mean of what is asked on it.
"""

from __future__ import annotations

import numpy as np

from mastery.arrays import Bools, Floats, Int32s, Int64s
from mastery.features.batch import Batch
from mastery.scorers.parameters import KeyedRows

OWN_ANSWERS = 10.0
"""What an item shows on all topics counts as this many answers on each of them."""


def item_codes(batch: Batch) -> Int64s:
    """Return int64[n]: the use of each row, or U + its topic where it names no item."""
    return np.where(batch.use >= 0, batch.use, batch.use_item.size + batch.slot_topic[batch.slot]).astype(np.int64)


def topic_of_codes(batch: Batch) -> Int32s:
    """Return int32[U + T]: the topic of each use, 0 for an item without rows; topics are their own."""
    return np.concatenate([np.maximum(batch.use_topic, 0), np.arange(len(batch.topics), dtype=np.int32)])


def answers_of_codes(batch: Batch) -> Int64s:
    """Return int64[U + T]: answers that say something about mastery."""
    return np.bincount(item_codes(batch)[batch.weight > 0.0], minlength=batch.use_item.size + len(batch.topics))


def has_items(batch: Batch) -> Bools:
    """Return bool[T]: whether most answers on a topic name an item, so that it has a mean item."""
    uses, count = batch.use_item.size, answers_of_codes(batch)
    return np.bincount(topic_of_codes(batch)[:uses], count[:uses], len(batch.topics)) > count[uses:]


def of_items(use_item: Int32s, count: Floats, values: Floats) -> Floats:
    """Return float64[U, K]: of each use the mean of its item's rows on all topics, by answers; 0 without any."""
    there, uses = count > 0.0, use_item.size
    total = np.maximum(np.bincount(use_item, count, uses)[use_item], 1e-300)
    sums = [np.bincount(use_item, np.where(there, count * column, 0.0), uses)[use_item] for column in values.T]
    # Rounded, the mean of three times 0.1 is another number, and 0.1 may be a bound.
    low, high = np.full(values.shape, np.inf), np.full(values.shape, -np.inf)
    np.minimum.at(low, use_item[there], values[there])
    np.maximum.at(high, use_item[there], values[there])
    low, high = (np.where(np.isinf(bound), 0.0, bound) for bound in (low, high))  # 0 for items without answers
    found: Floats = np.clip(np.column_stack(sums) / total[:, None], low[use_item], high[use_item])
    return found


def shrunk_to_items(use_item: Int32s, count: Floats, values: Floats) -> Floats:
    """Return float64[U, K]: rows by use, drawn towards their item's. An item on one topic keeps its row, bit for bit.

    What bounds rows, and sums of their columns, also bounds what is between them.

    Args:
        count: float64[U]. Answers.
        values: float64[U, K].
    """
    several = (np.bincount(use_item, minlength=use_item.size) > 1)[use_item]
    several &= np.bincount(use_item, count, use_item.size)[use_item] > 0.0
    if not several.any():
        return values
    share = (count / (count + OWN_ANSWERS))[:, None]
    own = of_items(use_item, count, values)
    mine = np.where(share > 0.0, values, own)
    between = np.clip(share * mine + (1.0 - share) * own, np.minimum(mine, own), np.maximum(mine, own))
    return np.where(several[:, None], between, values)


def rows_of_items(batch: Batch, count: Floats, values: Floats) -> KeyedRows:
    """Return the rows of items that have answers, and of items on several topics those on each topic too.

    On a topic that an item was not asked on, its own row counts: the mean of those on its topics.

    Args:
        count: float64[U]. Answers; a use without any has no row.
        values: float64[U, K]. Of each use, see `shrunk_to_items`.
    """
    use_item, items = batch.use_item, len(batch.items)
    uses = np.flatnonzero(count > 0.0)
    topics_of = np.bincount(use_item[uses], minlength=items)
    several = topics_of > 1
    own = np.full((items, values.shape[1]), np.nan)
    own[use_item[uses]] = values[uses]
    if several.any():
        mean = of_items(use_item, count, values)
        own[several] = mean[:items][several]
    there = np.flatnonzero(topics_of)
    apart = uses[several[use_item[uses]]]
    keys = [*(batch.items[i] for i in there.tolist()), *(batch.uses[u] for u in apart.tolist())]
    return KeyedRows(tuple(keys), np.concatenate([own[there], values[apart]]))
