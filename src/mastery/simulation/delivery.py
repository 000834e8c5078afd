"""How rows come in: in order of time, but for some that are late, that come twice or that are broken."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mastery.simulation.defects import DEFECTS, Defect
from mastery.simulation.plan import SchoolPlan
from mastery.simulation.rows import KINDS

SOON = 200  # a second copy comes at most this many rows after the first


@dataclass(frozen=True)
class Delivery:
    """The rows of one source table in the order in which they arrive.

    Attributes:
        rows: The table, n rows; whole, also where a row is to be broken.
        defect: int8[n]. Place in `defects` of what is wrong with the row, -1 for nothing.
        defects: What can be wrong.
        late, duplicates: How many of the rows come late, and how many are second copies.
    """

    rows: pa.Table
    defect: NDArray[np.int8]
    defects: tuple[Defect, ...]
    late: int
    duplicates: int

    @property
    def broken(self) -> dict[str, int]:
        """How many rows have each defect, by its name."""
        counts = np.bincount(self.defect[self.defect >= 0], minlength=len(self.defects))
        return {defect.name: int(count) for defect, count in zip(self.defects, counts, strict=True) if count > 0}


def in_order(table: pa.Table) -> Delivery:
    """Return a table that arrives as it is."""
    return Delivery(table, np.full(table.num_rows, -1, dtype=np.int8), (), 0, 0)


def deliver(plan: SchoolPlan, name: str, table: pa.Table, first: int, *, typed: bool) -> Delivery:
    """Return the rows of one chunk's source table as they arrive.

    A late row comes after all others of its chunk; a second copy soon after the first; a row has at
    most one of the three troubles. Which rows, depends on the seed, the table and the chunk's first
    student. `typed` leaves out the defects that a typed column cannot hold.
    """
    draw = np.random.default_rng([plan.seed, KINDS.index(name), first])
    n = table.num_rows
    by_time = np.argsort(table["timestamp"].combine_chunks().cast(pa.int64()).to_numpy(), kind="stable")
    trouble = draw.random(n)
    late = trouble < plan.late_share
    twice = ~late & (trouble < plan.late_share + plan.duplicate_share)
    broken = ~late & ~twice & (trouble < plan.late_share + plan.duplicate_share + plan.malformed_share)
    defects = tuple(defect for defect in DEFECTS[name] if not typed or defect.fits(table.schema))
    defect = np.where(broken, draw.integers(0, len(defects), n), -1).astype(np.int8)
    place = np.arange(n, dtype=np.float64)
    place[late] = n + SOON + draw.random(int(late.sum())) * n
    copies = np.flatnonzero(twice)
    places = np.concatenate([place, place[copies] + 1.0 + draw.random(copies.size) * SOON])
    source = np.concatenate([np.arange(n), copies])
    arrival = source[np.argsort(places, kind="stable")]
    return Delivery(table.take(pa.array(by_time[arrival])), defect[arrival], defects, int(late.sum()), copies.size)


def spoiled(delivery: Delivery) -> pa.Table:
    """Return the rows with the defects in them, for a format whose columns are typed."""
    table = delivery.rows
    for number, defect in enumerate(delivery.defects):
        hit = delivery.defect == number
        if hit.any():
            at = table.schema.get_field_index(defect.column)
            plain = _plain(table.column(at))
            value = pa.scalar(defect.value, plain.type)
            table = table.set_column(at, table.schema.field(at).with_type(plain.type), pc.if_else(hit, value, plain))
    return table


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
