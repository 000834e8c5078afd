"""Items and topics in one line of codes: answers that name no item are on their topic as if it were one."""

from __future__ import annotations

import numpy as np

from mastery.arrays import Bools, Int32s, Int64s
from mastery.features.batch import Batch


def item_codes(batch: Batch) -> Int64s:
    """Return int64[n]: the item of each row, or I + its topic where it names none."""
    return np.where(batch.item >= 0, batch.item, len(batch.items) + batch.slot_topic[batch.slot]).astype(np.int64)


def topic_of_codes(batch: Batch) -> Int32s:
    """Return int32[I + T]: the topic that an item's answers are on most often; topics are their own."""
    items, topics = len(batch.items), len(batch.topics)
    group = np.concatenate([np.zeros(items, np.int32), np.arange(topics, dtype=np.int32)])
    rows = (batch.weight > 0.0) & (batch.item >= 0)
    pair = batch.item[rows].astype(np.int64) * max(topics, 1) + batch.slot_topic[batch.slot[rows]]
    pairs, counts = np.unique(pair, return_counts=True)
    order = np.lexsort((-pairs, counts))  # the last one written stays: most answers, then the lowest topic
    group[pairs[order] // max(topics, 1)] = (pairs[order] % max(topics, 1)).astype(np.int32)
    return group


def answers_of_codes(batch: Batch) -> Int64s:
    """Return int64[I + T]: answers that say something about mastery."""
    return np.bincount(item_codes(batch)[batch.weight > 0.0], minlength=len(batch.items) + len(batch.topics))


def has_items(batch: Batch) -> Bools:
    """Return bool[T]: whether most answers on a topic name an item, so that it has a mean item."""
    items, count = len(batch.items), answers_of_codes(batch)
    return np.bincount(topic_of_codes(batch)[:items], count[:items], len(batch.topics)) > count[items:]
