"""Values within the structs of Arrow tables and Parquet files, as columns with dots in their names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from mastery.pipelines.ingest.column_names import told_apart


@dataclass(frozen=True)
class Leaf:
    """Where a column's values are.

    Attributes:
        path: Names from the outermost column on.
        number: Which of the outermost columns of that name, from 0.
    """

    path: tuple[str, ...]
    number: int

    @property
    def dotted(self) -> str:
        return ".".join(self.path)

    def of(self, rows: pa.Table) -> pa.ChunkedArray:
        """Return the values in rows that have the outermost column."""
        values = rows.column(rows.schema.get_all_field_indices(self.path[0])[self.number])
        return pc.struct_field(values, list(self.path[1:])) if self.path[1:] else values


def leaves(schema: pa.Schema) -> dict[str, Leaf]:
    """Return the columns by name, those of structs in place of the structs."""
    found: list[Leaf] = []
    count: dict[str, int] = {}
    for field in schema:
        number = count.get(field.name, 0)
        count[field.name] = number + 1
        found += (Leaf(path, number) for path in _paths(field, ()))
    return dict(zip(told_apart(leaf.dotted for leaf in found), found, strict=True))


def _paths(field: pa.Field, before: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    path = (*before, field.name)
    if not pa.types.is_struct(field.type) or field.type.num_fields == 0:
        yield path
        return
    for inner in field.type:
        yield from _paths(inner, path)


def taken(rows: pa.Table, columns: Mapping[str, Leaf]) -> pa.Table:
    """Return these columns of the rows, as a table."""
    return pa.table({name: leaf.of(rows) for name, leaf in columns.items()})
