"""Rows of `rejected`: kept with place, column, value and reason, under a key made from their content."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mastery.arrays import Int64s
from mastery.directory.pseudonyms import Pseudonyms
from mastery.events.identity import Blocks
from mastery.events.source import Source
from mastery.events.values import as_text
from mastery.lake import Brought
from mastery.lake.undo import brought_by
from mastery.pipelines.ingest.chunk import Chunk
from mastery.pipelines.ingest.row_counts import Refused
from mastery.tables import REJECTED, UTC

HASH = "content_hash"

CONTRADICTS = "says something other than what is known of its event; --on-revision replace would take it"


def refusals(chunk: Chunk, refused: pa.Table) -> pa.Table:
    """Return line, column, value, reason and code of a chunk's refused rows and then of its broken lines.

    Args:
        refused: Columns `mastery.events.rows.REFUSED`.
    """
    broken = chunk.broken
    none = pa.nulls(broken.num_rows, pa.string())
    return pa.table(
        {
            "line": np.concatenate([chunk.lines[refused["row"].to_numpy()], broken["line"].to_numpy()]),
            "column": pa.chunked_array([*refused["column"].chunks, none]),
            "value": pa.chunked_array([*refused["value"].chunks, none]),
            "reason": pa.chunked_array([*refused["reason"].chunks, *broken["reason"].chunks], pa.string()),
            "code": pa.chunked_array([*refused["code"].chunks, *broken["code"].chunks], pa.string()),
        }
    )


def rejected_rows(
    chunk: Chunk, refused: pa.Table, source: Source, pseudonyms: Pseudonyms, tenant: str, origin: str, now: datetime
) -> pa.Table:
    """Return the rows of REJECTED for the refused rows and broken lines of a chunk, by line.

    Equal rows of one file have the same content hash until `Repeats` numbers them.
    """
    if refused.num_rows == 0 and chunk.broken.num_rows == 0:
        return REJECTED.schema.empty_table()
    at = refused["row"].to_numpy()
    content = Blocks(len(at)).text(refused["reason"])
    for column in source.columns:
        if column.name not in chunk.raw.column_names:
            continue
        values = _texts(chunk.raw[column.name].take(pa.array(at)).combine_chunks())
        if column.private:
            values = pseudonyms.students(tenant, values)
        content.text(values)
    hashes = np.concatenate(
        [content.finish()[0], np.array(pseudonyms.fingerprints(chunk.broken["text"].to_pylist()), np.int64)]
    )
    both = refusals(chunk, refused).append_column(HASH, pa.array(hashes))
    return _completed(both, tenant, source.name, origin, now).sort_by("line")


def refused_rows(
    refused: Sequence[Refused], number: int, source: Source, tenant: str, origin: str, now: datetime
) -> pa.Table:
    """Return the rows of REJECTED, by line, for those of one file that contradict what is known of their events.

    Equal rows of one file have the same content hash until `Repeats` numbers them.
    """
    mine = [(one, one.file == number) for one in refused]
    line = np.concatenate([np.zeros(0, np.int64), *(one.line[here] for one, here in mine)])
    content = np.concatenate([np.zeros(0, np.int64), *(one.content[here] for one, here in mine)])
    rows = pa.table({"line": line, HASH: content})
    for name, text in (("column", None), ("value", None), ("reason", CONTRADICTS), ("code", "revision")):
        rows = rows.append_column(name, pa.array([text] * rows.num_rows, pa.string()))
    return _completed(rows, tenant, source.name, origin, now).sort_by("line")


def _completed(rows: pa.Table, tenant: str, source_table: str, origin: str, now: datetime) -> pa.Table:
    n = rows.num_rows
    same = {"tenant": tenant, "source_table": source_table, "source": origin}
    columns = {name: pa.array([value] * n, pa.string()) for name, value in same.items()}
    columns["received_at"] = pa.array([now] * n, UTC)
    columns["ingest"] = pa.nulls(n, pa.int64())  # whoever keeps them says which
    for name in rows.column_names:
        columns[name] = rows[name]
    return pa.table([columns[field.name].cast(field.type) for field in REJECTED.schema], schema=REJECTED.schema)


def _texts(values: pa.Array) -> pa.Array:
    if pa.types.is_nested(values.type):
        return pa.array([str(value) for value in values.to_pylist()], pa.string())
    return as_text(values).cast(pa.string())  # a dictionary would bring along the texts of all other rows


def instead(rows: pa.Table, what: Sequence[Brought], before: pa.Table) -> pa.Table:
    """Return what REJECTED holds once these rows are in it, in place of equal ones that these ingests brought."""
    came = pc.is_in(before[HASH], value_set=rows[HASH].combine_chunks()).to_numpy()
    kept = before.filter(pa.array(~(came & brought_by(what, before))))
    known = pc.is_in(rows[HASH], value_set=kept[HASH].combine_chunks())
    return pa.concat_tables([kept, rows.filter(pc.invert(known)).cast(kept.schema)])


class Repeats:
    """Numbers the equal rejected rows of one file, which are given to it in parts.

    A file that is read again has the same hashes, and two equal bad rows of one file have two.
    """

    def __init__(self) -> None:
        self._hashes, self._counts = np.empty(0, np.int64), np.empty(0, np.int64)  # by hash, ascending

    def number(self, rows: pa.Table) -> pa.Table:
        """Return the next rejected rows with final content hashes, in which n is mixed for the nth of equal rows."""
        if rows.num_rows == 0:
            return rows
        base = rows[HASH].to_numpy()
        hashes, which, counts = np.unique(base, return_inverse=True, return_counts=True)
        order = np.argsort(which, kind="stable")
        nth = np.empty(len(base), np.int64)
        nth[order] = np.arange(len(base)) - np.repeat(np.cumsum(counts) - counts, counts)
        nth += self._count(hashes, counts)[which]
        final, _ = Blocks(len(base)).text(rows["source_table"]).add(base, nth).finish()
        return rows.set_column(rows.column_names.index(HASH), HASH, pa.array(final))

    def _count(self, hashes: Int64s, counts: Int64s) -> Int64s:
        """Add to the counts of some hashes, and return what they were."""
        every, which = np.unique(np.concatenate([self._hashes, hashes]), return_inverse=True)
        totals = np.bincount(which[: len(self._hashes)], self._counts, len(every)).astype(np.int64)
        mine = which[len(self._hashes) :]
        before = totals[mine]
        totals[mine] += counts
        self._hashes, self._counts = every, totals
        return before
