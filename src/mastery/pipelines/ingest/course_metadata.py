"""Course metadata into the lake: topics and items, merged by key; the row read last wins."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mastery.arrays import Int64s
from mastery.events.identity import Blocks
from mastery.events.metadata import prerequisite_notes
from mastery.lake import Lake
from mastery.tables import TOPICS, Table


def merge(lake: Lake, table: Table, pieces: Sequence[tuple[int, pa.Table]], files: int) -> Int64s:
    """Write the merged table and return int64[files, 2]: rows with something new, and rows without.

    Args:
        lake: Where.
        table: TOPICS or ITEMS.
        pieces: (number of the file, its rows), in the order they were read.
        files: Number of files.
    """
    came = pa.concat_tables([piece.cast(table.schema) for _, piece in pieces])
    file_of = np.concatenate([np.full(piece.num_rows, number) for number, piece in pieces]).astype(np.int64)
    counts = np.zeros((files, 2), np.int64)

    def merged(before: pa.Table) -> pa.Table | None:
        rows = pa.concat_tables([before, came]).combine_chunks()
        key, body = _hashes(rows, table.key), _hashes(rows, table.schema.names)
        # by key, then by arrival: each row then follows the one that it would replace
        order = np.lexsort((np.arange(rows.num_rows), key))
        same_key = np.concatenate([[False], key[order][1:] == key[order][:-1]])
        same_body = np.concatenate([[False], body[order][1:] == body[order][:-1]])
        repeats = np.zeros(rows.num_rows, np.bool_)
        repeats[order] = same_key & same_body
        repeats = repeats[before.num_rows :]
        counts[:, 0] = np.bincount(file_of[~repeats], minlength=files)
        counts[:, 1] = np.bincount(file_of[repeats], minlength=files)
        if repeats.all():
            return None
        last = np.concatenate([~same_key[1:], [True]])
        return rows.take(pa.array(np.sort(order[last]))).sort_by([(name, "ascending") for name in table.key])

    lake.update(table, merged)
    return counts


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


def notes(lake: Lake, tenant: str) -> list[str]:
    """Return notes on the prerequisites of the tenant's topics."""
    rows = topics_of(lake, tenant)
    needed = rows["prerequisites"].to_pylist()
    return prerequisite_notes(dict(zip(rows["topic_id"].to_pylist(), [many or [] for many in needed], strict=True)))
