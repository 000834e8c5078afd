"""Events while they wait to be written: a column of one value as that value, the rest in memory of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from mastery.arrays import Int64s, Numbers
from mastery.events.values import Mask
from mastery.pipelines.ingest.memory_apart import ordered_apart

MOVED_ROWS = 16_384
"""From this many rows on they are moved. Of fewer, a small file's, the columns cost more than their values."""


@dataclass(frozen=True)
class HeldRows:
    """n events.

    Attributes:
        num_rows: n.
        names: Their columns, in order.
        varying: The columns with several values, each in one chunk.
        same: Of each other column its value, an array of one.
    """

    num_rows: int
    names: tuple[str, ...]
    varying: pa.Table
    same: Mapping[str, pa.Array]

    @property
    def bytes(self) -> int:
        """How much memory they take, nearly."""
        return int(self.varying.get_total_buffer_size())

    def column(self, name: str) -> pa.Array:
        """Return a column; where all have one value, an array of one."""
        return self.same[name] if name in self.same else self.varying[name].chunk(0)

    def numbers(self, name: str) -> Numbers:
        """Return a column of numbers or instants without nulls, an array of n."""
        return self._spread(name, self.column(name))

    def codes(self, name: str) -> Numbers:
        """Return the codes of a column of texts without nulls, int32[n]."""
        return self._spread(name, self.column(name).indices)

    def slice(self, start: int, length: int) -> pa.Table:
        """Return some rows with all columns."""
        zeros = pa.array(np.zeros(length, np.int8))
        columns = [
            self.same[name].take(zeros) if name in self.same else self.varying[name].slice(start, length)
            for name in self.names
        ]
        return pa.table(columns, names=self.names)

    def take(self, rows: Int64s) -> HeldRows:
        """Return some of the rows."""
        return replace(self, num_rows=rows.size, varying=self.varying.take(pa.array(rows)).combine_chunks())

    def _spread(self, name: str, values: pa.Array) -> Numbers:
        plain = values.view(pa.int64()) if pa.types.is_timestamp(values.type) else values
        found: Numbers = plain.to_numpy()
        return np.broadcast_to(found, self.num_rows) if name in self.same else found


def hold(events: pa.Table, order: Int64s) -> HeldRows:
    """Return identified events in this order, as they are held."""
    names = tuple(events.column_names)
    events = events.combine_chunks()
    if events.num_rows < MOVED_ROWS:
        return HeldRows(order.size, names, events.take(pa.array(order)).combine_chunks(), {})
    columns = {name: events[name].chunk(0) for name in names}
    same = {name: _value(column) for name, column in columns.items() if _is_one_value(column)}
    return HeldRows(order.size, names, ordered_apart(events.drop_columns(list(same)), order), same)


def _is_one_value(column: pa.Array) -> bool:
    if column.null_count:
        return column.null_count == len(column)
    if pa.types.is_dictionary(column.type):
        return len(column.dictionary) == 1
    if not (pa.types.is_integer(column.type) or pa.types.is_timestamp(column.type)):
        return False
    values = column.view(pa.int64()).to_numpy() if pa.types.is_timestamp(column.type) else column.to_numpy()
    return bool(values[0] == values[-1] and (values == values[0]).all())


def _value(column: pa.Array) -> pa.Array:
    """Return the first value, in memory of its own."""
    return column.take(pa.array([0]))


@dataclass(frozen=True)
class Held:
    """n events of a piece of a file, ordered by bucket, within one as in the file.

    Attributes:
        rows: Columns of EVENTS without `bucket`.
        offsets: int64[buckets + 1]. Bucket b owns rows offsets[b]:offsets[b + 1].
        own: bool[n]. Whether each has an id of the source's own.
        unplaced: bool[n]. Whether it has neither an order of the source's own nor a place in its moment yet.
        numbered: bool[n]. Whether it has an order of the source's own, and neither an id nor an interaction.
        interaction: int64[n]. Hash of each one's student and interaction, 0 without one; None where none has one.
        lines: int64[n]. The line of each, where rows may be rejected later; else empty.
        tail: int64, ascending. Which of them may be one answer with rows that follow in the file.
        timed: Whether some of them have a time stamp.
        file: Number of the file.
    """

    rows: HeldRows
    offsets: Int64s
    own: Mask
    unplaced: Mask
    numbered: Mask
    interaction: Int64s | None
    lines: Int64s
    tail: Int64s
    timed: bool = True
    file: int = 0

    @property
    def bytes(self) -> int:
        """How much memory they take, nearly."""
        further = [
            self.own,
            self.unplaced,
            self.numbered,
            self.lines,
            *([] if self.interaction is None else [self.interaction]),
        ]
        return self.rows.bytes + sum(values.nbytes for values in further)

    def take(self, rows: Int64s) -> Held:
        """Return some of the events, by their places in ascending order; all that the file goes on with are `tail`."""
        chosen, to_go_on = np.zeros((2, self.rows.num_rows), np.bool_)
        chosen[rows], to_go_on[self.tail] = True, True
        return replace(
            self,
            rows=self.rows.take(rows),
            offsets=np.concatenate([[0], np.cumsum(chosen)])[self.offsets],
            own=self.own[rows],
            unplaced=self.unplaced[rows],
            numbered=self.numbered[rows],
            interaction=None if self.interaction is None else self.interaction[rows],
            lines=self.lines[rows] if self.lines.size else self.lines,
            tail=np.flatnonzero(to_go_on[rows]),
        )
