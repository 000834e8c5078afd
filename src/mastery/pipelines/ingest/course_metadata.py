"""Course metadata into the lake: topics and items, merged by key; the row read last wins.

A column that a file does not have changes nothing; one that it has, and that is empty in a row, is emptied. Rows of one
file about one item are the item's topics.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mastery.arrays import Int64s
from mastery.events.identity import Blocks
from mastery.events.item_topics import ItemTopics
from mastery.events.metadata import prerequisite_notes
from mastery.events.values import Mask
from mastery.lake import Lake
from mastery.tables import ITEMS, TOPICS, Table


def merge(lake: Lake, table: Table, pieces: Sequence[tuple[int, pa.Table]], said: Sequence[frozenset[str]]) -> Int64s:
    """Write the merged table and return int64[files, 2]: rows with something new, and rows without.

    Args:
        lake: Where.
        table: TOPICS or ITEMS.
        pieces: (number of the file, its rows), in the order they were read.
        said: The columns that each file has.
    """
    files = len(said)
    came = pa.concat_tables([piece.cast(table.schema) for _, piece in pieces]).combine_chunks()
    file_of = np.concatenate([np.full(piece.num_rows, number) for number, piece in pieces]).astype(np.int64)
    event = np.arange(came.num_rows)
    if table is ITEMS:
        came, event = _by_item(came, file_of)
    of_row, file_of = file_of, file_of[np.unique(event, return_index=True)[1]]
    counts = np.zeros((files, 2), np.int64)

    def merged(before: pa.Table) -> pa.Table | None:
        rows = pa.concat_tables([before, came]).combine_chunks()
        key = _hashes(rows, table.key)
        # by key, then by arrival: each row then follows the one that it would replace
        order = np.lexsort((np.arange(rows.num_rows), key))
        same_key = np.concatenate([[False], key[order][1:] == key[order][:-1]])
        for name in set(table.schema.names) - set(table.key):
            silent = np.array([name not in columns for columns in said], np.bool_)[file_of]
            silent = np.concatenate([np.zeros(before.num_rows, np.bool_), silent])
            rows = _kept_where_silent(rows, name, order, same_key, silent)
        body = _hashes(rows, table.schema.names)
        same_body = np.concatenate([[False], body[order][1:] == body[order][:-1]])
        first, last = ~same_key, np.concatenate([~same_key[1:], [True]])
        # what becomes of a key is what it was, whatever the rows before the last one said
        unchanged = (order[first] < before.num_rows) & (body[order[first]] == body[order[last]])
        repeats = np.zeros(rows.num_rows, np.bool_)
        repeats[order] = same_key & (same_body | unchanged[np.cumsum(first) - 1])
        repeats = repeats[before.num_rows :]
        counts[:, 0] = np.bincount(of_row[~repeats[event]], minlength=files)
        counts[:, 1] = np.bincount(of_row[repeats[event]], minlength=files)
        if repeats.all():
            return None
        return rows.take(pa.array(np.sort(order[last]))).sort_by([(name, "ascending") for name in table.key])

    lake.update(table, merged)
    return counts


def _kept_where_silent(rows: pa.Table, name: str, order: Int64s, same_key: Mask, silent: Mask) -> pa.Table:
    """Return the rows with one column as the row before says, where the file of a row does not have that column.

    Args:
        order: int64[n]. The rows by key and arrival.
        same_key: bool[n]. Whether a row, in this order, has the key of the one before.
        silent: bool[n]. Which rows do not have the column.
    """
    if not silent.any():
        return rows
    last_said = np.maximum.accumulate(np.where(silent[order] & same_key, 0, np.arange(order.size)))
    said = np.empty(order.size, np.int64)
    said[order] = order[last_said]
    return rows.set_column(rows.column_names.index(name), name, rows[name].take(pa.array(said)))


def joined_items(pieces: Sequence[tuple[int, pa.Table]]) -> pa.Table:
    """Return the items in some files, those of each file joined; pieces as of `merge`."""
    rows = pa.concat_tables([piece.cast(ITEMS.schema) for _, piece in pieces])
    return _by_item(rows, np.concatenate([np.full(piece.num_rows, number) for number, piece in pieces]))[0]


def _by_item(rows: pa.Table, file_of: Int64s) -> tuple[pa.Table, Int64s]:
    """Return the rows with those that one file has of one item joined, and which of these each row has become.

    The topics of an item are those of all its rows, in their order; of all else the last row with a value counts.
    """
    items: dict[tuple[int, str], dict[str, Any]] = {}
    place: dict[tuple[int, str], int] = {}
    event = np.empty(rows.num_rows, np.int64)
    for number, (file, row) in enumerate(zip(file_of.tolist(), rows.to_pylist(), strict=True)):
        key = file, row["item_id"]
        topics = [topic for topic in (row["topic_id"], *(row["other_topic_ids"] or ())) if topic is not None]
        one = items.setdefault(key, {**row, "topics": {}})
        one |= {name: value for name, value in row.items() if value is not None}
        one["topics"] |= dict.fromkeys(topics)
        event[number] = place.setdefault(key, len(place))
    for one in items.values():
        first, *others = one.pop("topics") or [None]
        one["topic_id"], one["other_topic_ids"] = first, others or None
    return pa.Table.from_pylist(list(items.values()), rows.schema), event


def _hashes(rows: pa.Table, names: Sequence[str]) -> Int64s:
    blocks = Blocks(rows.num_rows)
    for name in names:
        column = rows[name]
        if pa.types.is_list(column.type):
            column = pc.binary_join(column, "\x1f")
        blocks.text(column.cast(pa.string()))
    return blocks.finish()[0]


def topics_of(lake: Lake, tenant: str) -> pa.Table:
    """Return topic_id and prerequisites of the tenant's topics."""
    rows = lake.scan(TOPICS, ["tenant", "topic_id", "prerequisites"])
    return rows.filter(pc.equal(rows["tenant"], tenant)).drop_columns(["tenant"])


def item_topics(lake: Lake, tenant: str) -> ItemTopics:
    """Return the topics of the tenant's items."""
    rows = lake.scan(ITEMS, ["tenant", "item_id", "topic_id", "other_topic_ids"])
    return ItemTopics.of(rows.filter(pc.equal(rows["tenant"], tenant)))


def notes(lake: Lake, tenant: str) -> list[str]:
    """Return notes on the prerequisites of the tenant's topics."""
    rows = topics_of(lake, tenant)
    needed = rows["prerequisites"].to_pylist()
    return prerequisite_notes(dict(zip(rows["topic_id"].to_pylist(), [many or [] for many in needed], strict=True)))
