"""Answers that name no topic take those of their item, where course metadata know it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mastery.events.values import mask
from mastery.tables import UNASSIGNED


@dataclass(frozen=True)
class ItemTopics:
    """The topics of items of one institution, columns `item_id`, `topic_id` and `other_topic_ids` of ITEMS."""

    items: pa.Table

    @staticmethod
    def of(items: pa.Table) -> ItemTopics:
        """Return those of the items that have a topic; of an item that is there twice, the later row."""
        items = items.select(["item_id", "topic_id", "other_topic_ids"]).filter(pc.is_valid(items["topic_id"]))
        names = items["item_id"].cast(pa.string()).to_pylist()
        last = {name: row for row, name in enumerate(names)}
        return ItemTopics(items.take(pa.array(list(last.values()), pa.int64())).combine_chunks())

    def assign(self, events: pa.Table) -> pa.Table:
        """Return the events, those on `UNASSIGNED` on the topics of their items."""
        if not self.items.num_rows or not events.num_rows:
            return events
        unassigned = pc.equal(_texts(events, "topic_id"), UNASSIGNED)
        if not mask(unassigned).any():
            return events
        item = pc.if_else(unassigned, _texts(events, "item_id"), pa.scalar(None, pa.string()))
        place = pc.index_in(item, _texts(self.items, "item_id"))
        found = mask(place.is_valid())
        if not found.any():
            return events
        where = np.arange(events.num_rows)
        where[found] = events.num_rows + np.asarray(place.drop_null(), np.int64)
        for name in ("topic_id", "other_topic_ids"):
            column = events[name]
            plain = _texts(events, name) if name == "topic_id" else column.combine_chunks()
            theirs = self.items[name].combine_chunks().cast(plain.type)
            merged = pa.concat_arrays([plain, theirs]).take(pa.array(where))
            merged = merged.dictionary_encode() if pa.types.is_dictionary(column.type) else merged
            events = events.set_column(events.column_names.index(name), name, merged)
        return events


NO_ITEMS = ItemTopics(
    pa.table(
        [pa.array([], pa.string()), pa.array([], pa.string()), pa.array([], pa.list_(pa.string()))],
        names=["item_id", "topic_id", "other_topic_ids"],
    )
)


def _texts(table: pa.Table, name: str) -> pa.Array:
    return table[name].cast(pa.string()).combine_chunks()
