"""Write prepared events into the lake: new ones once, and one of those that contradict each other.

The order of the writes, so that a kill between any two loses nothing: the files of all buckets; then, to `rejected`,
the rows whose id is kept with another body; then one commit with the new events; then one for each bucket in which a
row of the lake is replaced. Running it again finds what was committed as known and does the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, cast

import numpy as np
import pyarrow as pa
from deltalake.transaction import AddAction

from mastery.arrays import Int64s
from mastery.errors import Conflict
from mastery.kernels import kernel
from mastery.lake import Lake
from mastery.lake.snapshot import Snapshot
from mastery.pipelines.ingest.dedupe import LOST, NEW, SAME, WON, Verdicts, judge
from mastery.pipelines.ingest.prepare import Prepared
from mastery.pipelines.ingest.rejects import conflict_rows, keep_rejected
from mastery.tables import EVENTS

WORKERS = 2
"""Buckets written at a time. Reading, judging and writing all run outside of Python's lock."""

SMALL_DICTIONARY = 512
"""Dictionaries up to this size stay as they are when a bucket takes its part of a chunk."""

ATTEMPTS = 20
"""How often a bucket is judged again when a compaction has merged the files that it was judged on."""


@dataclass(frozen=True)
class _Part:
    """One bucket: its counts, its rows that are not kept (columns of REJECTED), the file that was written for it, and
    the files that this one replaces; None where it is added to them.
    """

    bucket: int
    counts: Int64s
    conflicts: pa.Table | None
    add: AddAction | None
    instead: list[str] | None


@dataclass(frozen=True)
class _Write:
    """What all buckets share: the arguments of `write_events`, and in `written` the files written so far."""

    lake: Lake
    pieces: Sequence[tuple[int, Prepared]]
    tables: Sequence[str]
    tenant: str
    now: datetime
    written: list[AddAction]


def write_events(
    lake: Lake, pieces: Sequence[tuple[int, Prepared]], tables: Sequence[str], tenant: str, now: datetime
) -> Int64s:
    """Write the new events and return int64[files, 3]: events that are new, the same as a known one, in conflict.

    Args:
        lake: Where.
        pieces: (number of the file, its rows), in the order they were read.
        tables: Source table of each file, by its number.
        tenant: The institution.
        now: When they were received.
    """
    at = lake.snapshot(EVENTS)
    pieces = _one_dictionary(pieces)
    written: list[AddAction] = []
    write = _Write(lake, pieces, tables, tenant, now, written)
    with lake.discarding(EVENTS, written):
        with ThreadPoolExecutor(WORKERS) as pool:
            parts = list(pool.map(lambda bucket: _write_bucket(write, at, bucket), range(lake.buckets)))
        losers = [part.conflicts for part in parts if part.conflicts is not None]
        if losers:
            keep_rejected(lake, tenant, pa.concat_tables(losers).combine_chunks())
        appended = [part.add for part in parts if part.add is not None and part.instead is None]
        if appended:
            lake.commit(EVENTS, appended)
        for part in parts:
            if part.instead is not None:
                _replace(write, part)
    return np.sum([part.counts for part in parts], axis=0)


def _replace(write: _Write, part: _Part) -> None:
    """Commit the file that a bucket gets instead of those it had.

    A compaction may have merged those meanwhile. It changes no rows, and no other ingest runs beside this one, so the
    bucket is judged again on the files that it has now, with the same result.
    """
    for _ in range(ATTEMPTS):
        if part.add is None or part.instead is None:
            return
        try:
            write.lake.commit(EVENTS, [part.add], remove_files=part.instead)
            return
        except Conflict:
            write.lake.discard(EVENTS, [part.add])
            part = _write_bucket(write, write.lake.snapshot(EVENTS), part.bucket)
    raise Conflict(
        f"bucket {part.bucket} of events was rewritten by others {ATTEMPTS} times in a row; "
        "stop running 'mastery compact' in a loop beside an ingest, and run this again: what was written is a duplicate"
    )


def judge_bucket(lake: Lake, at: Snapshot, bucket: int, hi: Int64s, lo: Int64s, body: Int64s) -> Verdicts:
    """Return the verdicts on the incoming rows of this bucket against those that the lake has in it.

    Of the lake only ids are read, and body hashes only when an id is known.
    """
    known = lake.read_bucket(EVENTS, bucket, ["event_id_hi", "event_id_lo"], at)
    return judge(
        hi,
        lo,
        body,
        known["event_id_hi"].to_numpy(),
        known["event_id_lo"].to_numpy(),
        lambda: cast(Int64s, lake.read_bucket(EVENTS, bucket, ["body_hash"], at)["body_hash"].to_numpy()),
    )


def _write_bucket(write: _Write, at: Snapshot, bucket: int) -> _Part:
    """Judge the rows of one bucket against the lake as of `at`, and write its file without a commit."""
    lake, pieces, tables = write.lake, write.pieces, write.tables
    mine = [(file, p, int(p.offsets[bucket]), int(p.offsets[bucket + 1])) for file, p in pieces]
    mine = [(file, p, start, stop) for file, p, start, stop in mine if stop > start]
    counts = np.zeros((len(tables), 3), np.int64)
    if not mine:
        return _Part(bucket, counts, None, None, None)

    def column(name: str) -> Int64s:
        return np.concatenate([p.rows[name].to_numpy()[start:stop] for _, p, start, stop in mine])

    verdicts = judge_bucket(lake, at, bucket, column("event_id_hi"), column("event_id_lo"), column("body_hash"))
    file_of = np.concatenate([np.full(stop - start, file) for file, _, start, stop in mine])
    for place, kinds in enumerate(((NEW,), (SAME,), (LOST, WON))):
        counts[:, place] = np.bincount(file_of[np.isin(verdicts.verdict, kinds)], minlength=len(tables))
    conflicted = bool((verdicts.verdict >= LOST).any())
    if not conflicted and len(verdicts.kept) == 0:
        return _Part(bucket, counts, None, None, None)
    if len(verdicts.kept) == len(verdicts.verdict):
        rows = _gathered(mine, None)
    else:
        rows = _gathered(mine, verdicts.kept)
    whole = lake.read_bucket(EVENTS, bucket, at=at) if conflicted and at.bucket(bucket) else None
    conflicts = _losers(mine, verdicts, whole, file_of, write) if conflicted else None
    instead = None
    if whole is not None and len(verdicts.replaced):
        stays = np.ones(whole.num_rows, np.bool_)
        stays[verdicts.replaced] = False
        kept = whole.filter(pa.array(stays))
        rows = pa.concat_tables([_plain(kept), _plain(rows)])
        instead = [file.path for file in at.bucket(bucket)]
    add = lake.write_file(EVENTS, rows, bucket) if rows.num_rows else None
    if add is not None:
        write.written.append(add)
    return _Part(bucket, counts, conflicts, add, instead)


Mine = list[tuple[int, Prepared, int, int]]


def _one_dictionary(pieces: Sequence[tuple[int, Prepared]]) -> list[tuple[int, Prepared]]:
    """Return the pieces with one dictionary per text column, unified here once and not in each bucket."""
    whole = pa.concat_tables([piece.rows for _, piece in pieces]).unify_dictionaries()
    rows, before = [], 0
    for _, piece in pieces:
        rows.append(whole.slice(before, piece.rows.num_rows).combine_chunks())
        before += piece.rows.num_rows
    return [(file, replace(piece, rows=part)) for (file, piece), part in zip(pieces, rows, strict=True)]


def _gathered(mine: Mine, kept: Int64s | None) -> pa.Table:
    """Return the kept rows of this bucket (None: all), with dictionaries of only the texts in them."""
    parts, before = [], 0
    for _, piece, start, stop in mine:
        part = piece.rows.slice(start, stop - start)
        if kept is not None:
            here = kept[(kept >= before) & (kept < before + stop - start)] - before
            if len(here) < stop - start:
                part = part.take(pa.array(here))
        before += stop - start
        parts.append(part)
    return _compacted(pa.concat_tables(parts).combine_chunks())


def _losers(mine: Mine, verdicts: Verdicts, whole: pa.Table | None, file_of: Int64s, write: _Write) -> pa.Table:
    """Return the rows of REJECTED for events that are not kept: incoming ones, and some that the lake had."""
    tenant, now = write.tenant, write.now
    loser = verdicts.loser[verdicts.verdict >= LOST]
    incoming, known = np.unique(loser[loser >= 0]), np.unique(-2 - loser[loser < 0])
    lines = np.concatenate([p.lines[start:stop] for _, p, start, stop in mine])
    came = _plain(_gathered(mine, incoming))
    parts = [conflict_rows(came, pa.array(lines[incoming]), _named(write.tables, file_of[incoming]), tenant, now)]
    if whole is not None and len(known):
        had = _plain(whole.take(pa.array(known)))
        none = pa.nulls(len(known), pa.int64())
        parts.append(conflict_rows(had, none, pa.nulls(len(known), pa.string()), tenant, now))
    return pa.concat_tables(parts)


def _named(tables: Sequence[str], file_of: Int64s) -> pa.Array:
    return pa.array(list(tables), pa.string()).take(pa.array(file_of))


def _plain(rows: pa.Table) -> pa.Table:
    names = [name for name in EVENTS.schema.names if name != "bucket"]
    return pa.table([rows[name].cast(EVENTS.schema.field(name).type) for name in names], names=names)


@kernel
def _renumber(codes: Any, place: Any, used: Any, out: Any) -> Any:
    """Set out to the places of the codes among those used, in order of appearance. Return the number of those."""
    count = 0
    for i in range(codes.size):
        code = codes[i]
        if code < 0:
            out[i] = 0
            continue
        if place[code] < 0:
            place[code] = count
            used[count] = code
            count += 1
        out[i] = place[code]
    return count


def _compacted(rows: pa.Table) -> pa.Table:
    """Return the rows with dictionaries of only the values in them.

    A chunk's dictionary has the students of all buckets, and a file written with it would have them too.
    """
    for number, field in enumerate(rows.schema):
        if not pa.types.is_dictionary(field.type):
            continue
        column = rows.column(number).chunk(0) if rows.column(number).num_chunks == 1 else None
        if column is None or len(column.dictionary) <= SMALL_DICTIONARY:
            continue
        missing = column.indices.is_null()
        codes = column.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        size = len(column.dictionary)
        place, used, out = np.full(size, -1, np.int32), np.empty(size, np.int32), np.empty(len(codes), np.int32)
        count = _renumber(codes, place, used, out)
        texts = column.dictionary.take(pa.array(used[:count]))
        nulls = missing.to_numpy(zero_copy_only=False) if column.null_count else None
        rows = rows.set_column(number, field.name, pa.DictionaryArray.from_arrays(pa.array(out, mask=nulls), texts))
    return rows
