"""Notice rows that were read before under another time zone: the same events, all of them hours earlier or later.

Clocks that name no zone are read in the one that was said. Read again under another, each row without an own id would
be a further event, and every answer would count twice. So before such a file is written some of its events are looked
up in the lake at all the times at which another zone would have put them. Ids and bodies tell them exactly. They are
those of one bucket where the file is large, and of all its students where it is small.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from mastery.arrays import Int64s
from mastery.errors import BadInput
from mastery.events.identity import PLACES, body_hashes, buckets, identity_without_own
from mastery.events.murmur import Hashes
from mastery.lake import NOTHING_KNOWN, Known, Lake
from mastery.lake.snapshot import Snapshot
from mastery.pipelines.ingest.held_rows import Held
from mastery.tables import EVENTS, UTC

QUARTERS = 4
"""Clocks of two zones differ by quarters of an hour; summer time moves them by four."""

FURTHEST = 14 * QUARTERS
"""Clocks of a zone and of UTC differ by no more. A day later is no other zone, but another day."""

QUARTER_US = 900_000_000

SAMPLE = 32
"""Events of a file that are looked up, and at least as many events are in the buckets that they are taken from."""

FEWEST = 5
"""Fewer events that are found at another time may be other answers: a note says so, and they are read."""

UNDO = (
    "If this zone is the right one, read the file with --replace, which takes out what it had brought (or take that "
    "out yourself: `mastery ingests` lists it, `mastery ingests undo ID` does it)"
)


@dataclass(frozen=True)
class Moved:
    """Events of a file that the lake has at another time.

    Attributes:
        found, looked_up: How many there are, of how many.
        hours: How much later they are in the lake; below 0, earlier.
    """

    found: int
    looked_up: int
    hours: float

    def __str__(self) -> str:
        when = f"{abs(self.hours):g} h {'later' if self.hours > 0 else 'earlier'}"
        return f"are in the lake already, {when} ({self.found} of {self.looked_up} that were looked up)"


def check_zone(
    lake: Lake, pieces: Sequence[Held], place: str, *, clocks: bool, replaced: Sequence[int] = ()
) -> str | None:
    """Return a note where the lake has a few events already, all of them hours earlier or later; None otherwise.

    Args:
        pieces: Events of one file.
        place: Where a message says that it is.
        replaced: Numbers of ingests whose events are taken back for these.
        clocks: Whether its time stamps are of clocks that name no zone; if not, they count where they are dates alone.

    Raises:
        BadInput: There are at least `FEWEST` such events, and half of those that were looked up.
    """
    moved = _moved(lake, pieces, clocks=clocks, replaced=replaced)
    if moved is None:
        return None
    if moved.found < FEWEST:
        return f"events of it {moved}: if they were read before under another --timezone, they count twice now. {UNDO}"
    raise BadInput(
        f"{place}: its events {moved}: they were read before under another --timezone, and would count twice. {UNDO}; "
        "if these are other answers, say --repeats answers"
    )


def _moved(lake: Lake, pieces: Sequence[Held], *, clocks: bool, replaced: Sequence[int]) -> Moved | None:
    """Return what is found at another time, where that is half of what is looked up; None otherwise."""
    at = lake.snapshot(EVENTS)
    parts = _fullest(pieces, [bucket for bucket in range(lake.buckets) if at.bucket(bucket)])
    if not parts:
        return None
    events = _sample(parts)
    known = _known(lake, at, events)
    events = events.filter(pa.array(~np.isin(events["event_id_lo"].to_numpy(), known.lo)))
    n = events.num_rows
    if not n or not (clocks or _dates_alone(events)):
        return None
    shifts = np.setdiff1d(np.arange(-FURTHEST, FURTHEST + 1), [0])
    moved = events.take(pa.array(np.repeat(np.arange(n), shifts.size)))
    at_us = moved["occurred_at"].cast(pa.int64()).to_numpy() + np.tile(shifts * QUARTER_US, n)
    moved = _with(moved, "occurred_at", pa.array(at_us).cast(UTC))
    hi, lo = _ids(moved)
    moved = _with(_with(moved, "event_id_hi", pa.array(hi)), "event_id_lo", pa.array(lo))
    known = _known(lake, at, moved)
    known = known.where(~np.isin(known.ingest, replaced))
    there = set(zip(known.hi.tolist(), known.lo.tolist(), known.body.tolist(), strict=True))
    body = body_hashes(moved, (moved["replaces_hi"], moved["replaces_lo"]))
    found = np.array([key in there for key in zip(hi.tolist(), lo.tolist(), body.tolist(), strict=True)])
    found = found.reshape(n, shifts.size)
    best = int(np.argmax(found.sum(axis=0)))
    near = np.isin(shifts, shifts[best] + np.array([-QUARTERS, 0, QUARTERS]))  # summer and winter differ
    number = int(found[:, near].any(axis=1).sum())
    return Moved(number, n, int(shifts[best]) / QUARTERS) if number and 2 * number >= n else None


def _fullest(pieces: Sequence[Held], filled: Sequence[int]) -> list[pa.Table]:
    """Return the events in as few of the buckets that the lake has filled as have `SAMPLE` of them together."""
    sizes = np.sum([np.diff(piece.offsets) for piece in pieces], axis=0)
    parts: list[pa.Table] = []
    for bucket in sorted(filled, key=lambda bucket: -int(sizes[bucket])):
        if not sizes[bucket] or sum(part.num_rows for part in parts) >= SAMPLE:
            break
        parts += [piece.rows.slice(*_part(piece, bucket)) for piece in pieces]
    return parts


def _known(lake: Lake, at: Snapshot, events: pa.Table) -> Known:
    """Return what the lake knows of the ids of some events, whichever buckets they are in."""
    hi, lo = (events[name].to_numpy() for name in ("event_id_hi", "event_id_lo"))
    bucket = buckets(events["student_id"], lake.buckets)
    known = NOTHING_KNOWN
    for one in np.unique(bucket).tolist():
        here = bucket == one
        known += lake.known(EVENTS, one, hi[here], lo[here], at)
    return known


def _dates_alone(events: pa.Table) -> bool:
    """Return whether all are at one time of the day, or at two an hour apart, as midnight is in winter and summer."""
    times = np.unique(events["occurred_at"].cast(pa.int64()).to_numpy() % (24 * QUARTERS * QUARTER_US))
    hour = QUARTERS * QUARTER_US
    return times.size == 1 or (times.size == 2 and int(times[1] - times[0]) in (hour, 23 * hour))


def _part(piece: Held, bucket: int) -> tuple[int, int]:
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


def _ids(events: pa.Table) -> Hashes:
    """Return the ids of events whose place in `sequence` is 0, where an order of the source's own is below `PLACES`."""
    sequence = events["sequence"].to_numpy()
    said = np.where(sequence >= PLACES, sequence // PLACES, sequence)
    return identity_without_own(_with(events, "sequence", pa.array(said)))


def _with(events: pa.Table, name: str, values: pa.Array) -> pa.Table:
    return events.set_column(events.column_names.index(name), name, values)
