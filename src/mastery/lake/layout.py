"""How each table is laid down in Parquet: encodings, compression, statistics, order.

Measured on one bucket of 20 million events (312,500 rows of events, 187,500 of gold), milliseconds
to write: pyarrow's defaults 130 and 174, the rules below 57 and 38. What costs is a dictionary on
values that hardly repeat (ids of events, floats); what pays is one on strings, and delta packing of
the integers of events and ledger, which also halves the ledger.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import pyarrow as pa

from mastery.tables import EVENTS, LEDGER, SUPERSEDED, Table

HASHES = ("event_id_hi", "event_id_lo", "body_hash", "replaces_hi", "replaces_lo", "content_hash")
"""Random 64-bit numbers: no dictionary, no delta and no compression makes them smaller."""

PACKED = (EVENTS.name, SUPERSEDED.name, LEDGER.name)
"""Tables whose integers are delta packed. In gold and history a dictionary is faster by a quarter."""

REPEATING = ("ingest",)
"""Integers with few values, each in runs: a dictionary of them takes a thousandth of the bits."""

STATISTICS = ("student_id", "occurred_at", "day", "as_of", "tenant", "topic_id", "score_source")
"""Columns that people and engines filter by. Statistics on the others would be paid for and not read."""

SORTED_BY = {EVENTS.name: ("student_id", "occurred_at", "sequence", "event_id_hi", "event_id_lo")}
"""Order of rows in a compacted file; the table's key where none is named."""

FILTERED_BY = {EVENTS.name: "event_id_lo", SUPERSEDED.name: "event_id_lo"}
"""Column of which a file has a Bloom filter per row group: whether it may hold an id is known from a page of it."""

FILTERED_ROWS = 2_048
"""From this many rows on; the ids of fewer are read as fast as a filter."""

FALSE_POSITIVES = 0.01
"""Share of ids that a row group does not hold and its filter lets pass, at most. It takes two bytes or less per row."""

ROW_GROUP_ROWS = 1_048_576
"""Rows per row group of a file as it is first written: one group, so one contiguous array per column."""

SORTED_ROW_GROUP_ROWS = 16_384
"""Rows per row group of a compacted file: what is decoded to read one student."""

FINER_ROW_GROUP_ROWS = {"gold": 16_384}
"""Rows per row group of tables that are read student by student as they were first written: each of its parts lies in
the order of scorers and students. A page of a hundred students of 200,000 takes 0.1 s instead of 1."""

WRITE_BATCH_ROWS = 65_536
"""Rows handed to the encoder at a time; pyarrow's 1,024 costs gold another eighth."""

DICTIONARY_BYTES = 16 << 20
"""Above this a dictionary is given up within a file: 400,000 pseudonyms, more than a bucket holds."""


@dataclass(frozen=True)
class Layout:
    """What `pyarrow.parquet` is told about the columns of one table.

    Attributes:
        schema: The file's columns: the table's without its partition columns.
        leaves: Of each leaf column of a file, in order, the column of the table that it is part of.
        strings: Top-level string columns, read back dictionary-encoded.
        statistics: Columns with minimum and maximum per row group and in the Delta log.
        options: Keyword arguments for `pyarrow.parquet.write_table`.
    """

    schema: pa.Schema
    leaves: tuple[str, ...]
    strings: tuple[str, ...]
    statistics: tuple[str, ...]
    options: dict[str, Any]


@cache
def layout(table: Table) -> Layout:
    """Return the layout of a table's files, from the types of its columns and the rules above."""
    schema = pa.schema([field for field in table.schema if field.name not in table.partition_by])
    dictionary: list[str] = []
    encoding: dict[str, str] = {}
    compression: dict[str, str] = {}
    for field in schema:
        for path, kind in _leaves(field.name, field.type):
            plain = path in HASHES or pa.types.is_floating(kind)
            compression[path] = "NONE" if plain else "SNAPPY"
            if plain:
                continue
            if pa.types.is_string(kind) or table.name not in PACKED or path in REPEATING:
                dictionary.append(path)
            else:
                encoding[path] = "DELTA_BINARY_PACKED"
    statistics = tuple(name for name in STATISTICS if name in schema.names)
    return Layout(
        schema=schema,
        leaves=tuple(field.name for field in schema for _ in _leaves(field.name, field.type)),
        strings=tuple(field.name for field in schema if pa.types.is_string(field.type)),
        statistics=statistics,
        options={
            "use_dictionary": dictionary or False,
            "column_encoding": encoding or None,
            "compression": compression,
            "write_statistics": list(statistics),
            "write_batch_size": WRITE_BATCH_ROWS,
            "dictionary_pagesize_limit": DICTIONARY_BYTES,
            "write_page_checksum": True,
            # Without the Arrow schema a dictionary array is stored, and read by others, as a string.
            "store_schema": False,
        },
    )


def sort_columns(table: Table) -> tuple[str, ...]:
    """Return the columns by which a compacted file of this table is ordered."""
    return SORTED_BY.get(table.name, table.key)


def _leaves(path: str, kind: pa.DataType) -> list[tuple[str, pa.DataType]]:
    """Return the Parquet leaf columns of one Arrow column, as (dotted path, type)."""
    if pa.types.is_struct(kind):
        return [leaf for field in kind for leaf in _leaves(f"{path}.{field.name}", field.type)]
    if pa.types.is_list(kind):
        return _leaves(f"{path}.list.element", kind.value_type)
    return [(path, kind)]
