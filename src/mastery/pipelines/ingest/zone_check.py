"""Notice rows that were read before under another time zone: the same events, all of them hours earlier or later.

Clocks that name no zone are read in the one that was said. Read again under another, each row without an own id would
be a further event, and every answer would count twice. So before such a file is written some of its events are looked
up in the lake at all the times at which another zone would have put them. Ids and bodies tell them exactly.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from mastery.arrays import Int64s
from mastery.errors import BadInput
from mastery.events.identity import PLACES, body_hashes, identity_without_own
from mastery.events.murmur import Hashes
from mastery.lake import Lake
from mastery.pipelines.ingest.prepare import Prepared
from mastery.tables import EVENTS, UTC

QUARTERS = 4
"""Clocks of two zones differ by quarters of an hour; summer time moves them by four."""

FURTHEST = 14 * QUARTERS
"""Clocks of a zone and of UTC differ by no more. A day later is no other zone, but another day."""

QUARTER_US = 900_000_000

SAMPLE = 32
"""Events of a file that are looked up."""

FEWEST = 5
"""Fewer events that are found at another time may be other answers."""


def check_zone(
    lake: Lake, pieces: Sequence[Prepared], place: str, *, clocks: bool, replaced: Sequence[int] = ()
) -> None:
    """Raise BadInput if the lake has most of these events already, all of them hours earlier or later.

    Args:
        pieces: Events of one file.
        place: Where a message says that it is.
        replaced: Numbers of ingests whose events are taken back for these.
        clocks: Whether its time stamps are of clocks that name no zone; if not, they count where they are dates alone.
    """
    sizes = np.sum([np.diff(piece.offsets) for piece in pieces], axis=0)
    bucket = int(np.argmax(sizes))
    if sizes[bucket] < FEWEST or not lake.snapshot(EVENTS).bucket(bucket):
        return
    events = _unknown(lake, bucket, _sample([piece.rows.slice(*_part(piece, bucket)) for piece in pieces]))
    n = events.num_rows
    if n < FEWEST or not (clocks or _dates_alone(events)):
        return
    shifts = np.setdiff1d(np.arange(-FURTHEST, FURTHEST + 1), [0])
    moved = events.take(pa.array(np.repeat(np.arange(n), shifts.size)))
    at_us = moved["occurred_at"].cast(pa.int64()).to_numpy() + np.tile(shifts * QUARTER_US, n)
    moved = _with(moved, "occurred_at", pa.array(at_us).cast(UTC))
    hi, lo = _ids(moved)
    known = lake.known(EVENTS, bucket, hi, lo)
    known = known.where(~np.isin(known.ingest, replaced))
    there = set(zip(known.hi.tolist(), known.lo.tolist(), known.body.tolist(), strict=True))
    body = body_hashes(moved, (moved["replaces_hi"], moved["replaces_lo"]))
    found = np.array([key in there for key in zip(hi.tolist(), lo.tolist(), body.tolist(), strict=True)])
    found = found.reshape(n, shifts.size)
    best = int(np.argmax(found.sum(axis=0)))
    near = np.isin(shifts, shifts[best] + np.array([-QUARTERS, 0, QUARTERS]))  # summer and winter differ
    number = int(found[:, near].any(axis=1).sum())
    if number >= FEWEST and 2 * number >= n:
        hours = abs(int(shifts[best])) / QUARTERS
        when = "later" if shifts[best] > 0 else "earlier"
        raise BadInput(
            f"{place}: its events are in the lake already, {hours:g} h {when} ({number} of {n} that were looked up): "
            "they were read before under another --timezone, and would count twice. If this zone is the right one, "
            "read the file with --replace, which takes out what it had brought (or take that out yourself: `mastery "
            "ingests` lists it, `mastery ingests undo ID` does it); if these are other answers, say --repeats answers"
        )


def _dates_alone(events: pa.Table) -> bool:
    """Return whether all are at one time of the day, or at two an hour apart, as midnight is in winter and summer."""
    times = np.unique(events["occurred_at"].cast(pa.int64()).to_numpy() % (24 * QUARTERS * QUARTER_US))
    hour = QUARTERS * QUARTER_US
    return times.size == 1 or (times.size == 2 and int(times[1] - times[0]) in (hour, 23 * hour))


def _part(piece: Prepared, bucket: int) -> tuple[int, int]:
    start, stop = int(piece.offsets[bucket]), int(piece.offsets[bucket + 1])
    return start, stop - start


def _sample(parts: Sequence[pa.Table]) -> pa.Table:
    """Return some events of all parts whose ids are made of what they say, and with the `sequence` that it was."""
    rows = pa.concat_tables(parts).unify_dictionaries()
    some = np.unique(np.linspace(0, rows.num_rows - 1, min(rows.num_rows, 4 * SAMPLE)).astype(np.int64))
    rows = rows.take(pa.array(some)).combine_chunks()
    sequence = rows["sequence"].to_numpy()
    kept = []
    for said in (sequence // PLACES * PLACES, sequence):
        tried = _with(rows, "sequence", pa.array(said))
        hi, lo = _ids(tried)
        same = (hi == rows["event_id_hi"].to_numpy()) & (lo == rows["event_id_lo"].to_numpy())
        kept.append(tried.filter(pa.array(same)))
    found = pa.concat_tables(kept)
    return found.take(pa.array(_first_of_each(found))).slice(0, SAMPLE).combine_chunks()


def _first_of_each(events: pa.Table) -> Int64s:
    return np.sort(np.unique(events["event_id_lo"].to_numpy(), return_index=True)[1])


def _unknown(lake: Lake, bucket: int, events: pa.Table) -> pa.Table:
    """Return the events that the lake does not have as they are."""
    hi, lo = (events[name].to_numpy() for name in ("event_id_hi", "event_id_lo"))
    known = lake.known(EVENTS, bucket, hi, lo)
    return events.filter(pa.array(~np.isin(lo, known.lo)))


def _ids(events: pa.Table) -> Hashes:
    """Return the ids of events whose place in `sequence` is 0, where an order of the source's own is below `PLACES`."""
    sequence = events["sequence"].to_numpy()
    said = np.where(sequence >= PLACES, sequence // PLACES, sequence)
    return identity_without_own(_with(events, "sequence", pa.array(said)))


def _with(events: pa.Table, name: str, values: pa.Array) -> pa.Table:
    return events.set_column(events.column_names.index(name), name, values)
