"""Revisions of events that come in together, one after the other: as if each had come by itself.

What a revision says is compared with what counts of its event when it comes: of the lake, or a row before it. And it
is received after that, if only by a microsecond, for a batch has one moment, and clocks stand still or go back. So it
does not matter how a stream is cut into batches: of revisions without a version of their source the last counts.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mastery.arrays import Int64s
from mastery.events.revisions import COMPARED, ELSE, LESS, compare
from mastery.pipelines.ingest.dedupe import REVISED, SAME, Verdicts

ID = ("event_id_hi", "event_id_lo")
NEEDED = (*COMPARED, "received_at")

NEVER = np.iinfo(np.int64).min
"""Where nobody said when a row was received, or the source gives no version."""

NOBODY = -1


class InOrder(NamedTuple):
    """What n incoming events are, each beside what counted of it when it came.

    Attributes:
        says: int8[n]: `ELSE`, `LESS` or `MORE` of revisions; `ELSE` of others.
        received: int64[n]: when each counts as received, in microseconds since 1970; `NEVER` where nobody said.
    """

    says: npt.NDArray[np.int8]
    received: Int64s


def in_order(events: pa.Table, verdicts: Verdicts, known: pa.Table, on_revision: str) -> InOrder:
    """Compare revisions with what counts of their events.

    Args:
        events: n incoming events in order of arrival, with ids and the columns `NEEDED`.
        verdicts: Of each.
        known: What counts of some of them in the lake, with the same columns.
        on_revision: As in `mastery.events.revisions`: what is not to replace anything changes nothing that counts.
    """
    says = np.full(events.num_rows, ELSE, np.int8)
    received = _numbers(events, "received_at")
    lo = events["event_id_lo"].to_numpy()
    revised = verdicts == REVISED
    mine = np.flatnonzero((verdicts != SAME) & np.isin(lo, lo[revised]))
    group_of: dict[tuple[int, int], int] = {}
    group = np.array([group_of.setdefault(key, len(group_of)) for key in _keys(events.take(pa.array(mine)))], np.int64)
    said = _plain(events.take(pa.array(mine)))
    rows = pa.concat_tables([_plain(known).cast(said.schema), said]).combine_chunks()
    version = _numbers(rows, "source_version")
    moment = np.concatenate([_numbers(known, "received_at"), received[mine]])
    counts = np.full(len(group_of), NOBODY, np.int64)  # of each event the row that counts by now, among `rows`
    latest = np.full(len(group_of), NEVER, np.int64)
    for place, key in enumerate(_keys(known)):
        if key in group_of:
            counts[group_of[key]], latest[group_of[key]] = place, moment[place]
    order = np.argsort(group, kind="stable")
    first = np.flatnonzero(np.diff(group[order], prepend=-1))
    sizes = np.diff(np.append(first, order.size))
    for turn in range(int(sizes.max(initial=0))):
        which = order[first[sizes > turn] + turn]
        of, place = group[which], known.num_rows + which
        new = counts[of] == NOBODY
        counts[of[new]], latest[of[new]] = place[new], moment[place[new]]
        which, of, place = which[~new], of[~new], place[~new]
        if not which.size:
            continue
        found = compare(rows.take(pa.array(counts[of])), rows.take(pa.array(place)))
        says[mine[which]] = found
        kept = found != LESS
        if on_revision != "replace":
            kept &= found != ELSE
        which, of, place = which[kept], of[kept], place[kept]
        after = latest[of] != NEVER
        moment[place[after]] = np.maximum(moment[place[after]], latest[of[after]] + 1)
        latest[of] = np.maximum(latest[of], moment[place])
        later = version[place] >= version[counts[of]]
        counts[of[later]] = place[later]
    received[mine] = moment[known.num_rows :]
    return InOrder(says, received)


def _plain(rows: pa.Table) -> pa.Table:
    """Return the columns that are compared, without dictionaries, which differ from table to table."""
    plain = rows.select(COMPARED)
    for number, field in enumerate(plain.schema):
        if pa.types.is_dictionary(field.type):
            plain = plain.set_column(number, field.name, plain.column(number).cast(field.type.value_type))
    return plain


def _numbers(rows: pa.Table, name: str) -> Int64s:
    column = rows[name].combine_chunks()
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    return np.array(column.cast(pa.int64()).fill_null(NEVER).to_numpy(zero_copy_only=False), np.int64)


def _keys(events: pa.Table) -> list[tuple[int, int]]:
    return list(zip(*(events[name].to_pylist() for name in ID), strict=True))


def moments(received: Int64s, as_type: pa.DataType) -> pa.Array:
    """Return moments in microseconds as a column of this type; null where nobody said."""
    return pa.array(received, mask=received == NEVER).cast(as_type)
