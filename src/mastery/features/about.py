"""What an event is about, as one number: the order of events of one moment that no source gives an order.

Their ids would do too, but have the student in them: thirty students who had done the same in one moment had scores
from .31 to .96. What an event is about is the same for all who did it. How it went is no part of it, for the order must
not tell what a scorer is asked to predict.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from mastery.arrays import Int32s, Int64s
from mastery.events.murmur import coded_hashes
from mastery.kernels import kernel
from mastery.splitmix import G1, XXHASH_2

COLUMNS = ("kind", "item_id", "topic_id")
"""What it is made of: of several topics the first."""


def about_of(events: pa.Table) -> Int64s:
    """Return int64[n]: hash of what each event is about. The table may lack `item_id` where no event has one."""
    columns = [events[name] if name in events.column_names else pa.nulls(events.num_rows) for name in COLUMNS]
    (kind, kinds), (item, items), (topic, topics) = (coded_hashes(column) for column in columns)
    found = np.empty(events.num_rows, np.int64)
    _about(kind, kinds, item, items, topic, topics, found)
    return found


@kernel
def _about(kind: Int32s, kinds: Int64s, item: Int32s, items: Int64s, topic: Int32s, topics: Int64s, found: Any) -> None:
    for i in range(found.size):
        h = np.uint64(kinds[kind[i]]) ^ (np.uint64(items[item[i]]) * G1) ^ (np.uint64(topics[topic[i]]) * XXHASH_2)
        found[i] = np.int64(h ^ (h >> np.uint64(32)))
