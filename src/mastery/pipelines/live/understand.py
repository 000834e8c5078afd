"""Step 1 of a batch: what the rows of one request or message are. Pure but for the lake's metadata; in any thread.

Each row is understood from itself: the table it belongs to, where nobody names it, from its own fields; equal rows are
one event. Only rows without an order of the source's own that share a moment are in the order of their request.

To understand one row takes as long as to understand a hundred. So small requests that wait are understood together,
as far as that makes no difference: what rows mean to each other they only mean within one student.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from itertools import groupby

import numpy as np
import pyarrow as pa

from mastery.arrays import Int64s
from mastery.directory.pseudonyms import Pseudonyms
from mastery.errors import BadInput
from mastery.events.arrangement import Arrangement
from mastery.events.item_topics import ItemTopics
from mastery.events.read_options import ReadOptions
from mastery.events.recognise import LacksColumns, recognise, source_named
from mastery.events.registry import SOURCES
from mastery.events.rows import REFUSED
from mastery.events.source import Source
from mastery.pipelines.ingest.chunk import Chunk, broken_lines
from mastery.pipelines.ingest.files import Block
from mastery.pipelines.ingest.held_rows import Held
from mastery.pipelines.ingest.json_rows import cut_lines
from mastery.pipelines.ingest.prepare import ParseOptions, prepare
from mastery.pipelines.ingest.rejects import Repeats, rejected_rows
from mastery.pipelines.live.rows import field_of, shape_of
from mastery.tables import REJECTED

TABLE = "table"
"""The field of a row that names its source table, where the request does not."""

NO_TABLE = Source(
    name="unknown",
    kind="",
    doc="A row of which nobody can tell what it is.",
    columns=(),
    shape=lambda _rows: {},
    own_id=tuple(dict.fromkeys(name for source in SOURCES.values() for name in source.own_id)),
)


@dataclass(frozen=True)
class Refusal:
    """A row that cannot be used.

    Attributes:
        index: Its place among the rows, from 0.
        id: Its own id, as the source wrote it; None for none.
        problem: What is wrong with it, without its values.
    """

    index: int
    id: str | None
    problem: str


@dataclass(frozen=True)
class Incoming:
    """The rows that one request or message brings.

    Attributes:
        read: How many.
        pieces: Their events.
        places: Of each piece int64[n], the places among the rows that its events come from.
        rejected: Columns of REJECTED.
        refusals: The same for whoever sent them, by index.
        requests: How many rows each of several requests brings; empty for those of one alone. Rows of several have no
            refusals.
    """

    read: int
    pieces: tuple[Held, ...]
    places: tuple[Int64s, ...]
    rejected: pa.Table
    refusals: tuple[Refusal, ...]
    requests: tuple[int, ...] = ()

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many rows each of the requests brings whose rows these are."""
        return self.requests or (self.read,)

    @property
    def students(self) -> frozenset[str]:
        """Pseudonyms of the students that the events are of."""
        columns = (piece.rows.column("student_id").unique() for piece in self.pieces)
        return frozenset(student for column in columns for student in column.to_pylist())


@dataclass(frozen=True)
class Door:
    """What all rows of a door have in common.

    Attributes:
        tenant: Whose they are.
        origin: Name of the door, for the column `source`.
        timezone: Of clocks that name no zone.
        pseudonyms: Makes the pseudonyms of students and teachers.
        buckets: Of the lake.
        item_topics: Topics of the metadata's items, for rows that name none.
    """

    tenant: str
    origin: str
    timezone: str | None
    pseudonyms: Pseudonyms
    buckets: int
    item_topics: ItemTopics


def understand(rows: Sequence[bytes], door: Door, now: datetime, table: str | None = None) -> Incoming:
    """Return what the rows are.

    Args:
        rows: JSON objects, each on one line.
        door: By which they come.
        now: When they were received.
        table: The source table that all are; None: each row's field `table` says it, or its fields tell.

    Raises:
        BadInput: There is no such table, or it describes a course.
    """
    pieces: list[Held] = []
    places: list[Int64s] = []
    rejected: list[pa.Table] = []
    refusals: list[Refusal] = []
    by_table, without = _tables_of(rows, table)
    for name, which in by_table.items():
        source = SOURCES[name]
        chunk = _read(rows, source, np.array(which, np.int64))
        options = ParseOptions(
            source,
            door.origin,
            _arrangement(source.name),
            door.tenant,
            ReadOptions(source.name, timezone=door.timezone, repeats="duplicates"),
            now,
            None,
            door.item_topics,
        )
        ready = prepare(Block(lambda chunk=chunk: chunk, 0), options, door.pseudonyms, door.buckets)  # type: ignore[misc]
        if ready.events is not None and ready.order.size:
            pieces.append(ready.events)
            places.append(ready.lines - 1)
        rejected.append(ready.rejected)
        refusals += _refusals(ready.rejected, rows, source)
    for reason, which in without.items():
        lost = broken_lines([row + 1 for row in which], [(reason, TABLE)] * len(which), [rows[row] for row in which])
        nothing = Chunk(pa.table({}), np.empty(0, np.int64), lost)
        rejected.append(
            rejected_rows(nothing, REFUSED.empty_table(), NO_TABLE, door.pseudonyms, door.tenant, door.origin, now)
        )
        refusals += _refusals(rejected[-1], rows, NO_TABLE)
    numbered = [Repeats().number(some) for some in rejected]
    return Incoming(
        read=len(rows),
        pieces=tuple(pieces),
        places=tuple(places),
        rejected=pa.concat_tables([REJECTED.schema.empty_table(), *numbered]),
        refusals=tuple(sorted(refusals, key=lambda refusal: refusal.index)),
    )


@dataclass(frozen=True)
class Request:
    """The rows of one request, not understood yet; see `understand`."""

    rows: Sequence[bytes]
    table: str | None = None


def understand_all(requests: Sequence[Request], door: Door, now: datetime) -> list[Incoming]:
    """Return what the rows of some requests are, in their order: as if each were understood alone.

    Rows of several requests are understood together where these have no student in common, no row that cannot be used,
    and none whose place among the rows is its order: such a row has its request for itself.

    Raises:
        BadInput: One of their tables is none, or describes a course; see `check_table`.
    """
    found: list[Incoming] = []
    for table, some in groupby(requests, key=lambda request: request.table):
        together = list(some)
        incoming = _joined(together, table, door, now)
        runs = _runs(incoming)
        if len(runs) <= 1:
            found.append(incoming)
            continue
        found += [_joined(together[first:last], table, door, now) for first, last in runs]
    return found


def check_table(table: str | None) -> None:
    """Raise BadInput unless a source table of events has this name, or none is named."""
    if table is not None:
        _of_events(table)


def _joined(requests: Sequence[Request], table: str | None, door: Door, now: datetime) -> Incoming:
    incoming = understand([row for request in requests for row in request.rows], door, now, table)
    return incoming if len(requests) == 1 else replace(incoming, requests=tuple(len(one.rows) for one in requests))


def _runs(incoming: Incoming) -> list[tuple[int, int]]:
    """Return (first, last + 1) of the requests that may be understood together, one run after the other."""
    count, starts = len(incoming.sizes), np.cumsum((0, *incoming.sizes))

    def request_of(places: Int64s) -> list[int]:
        found: list[int] = (np.searchsorted(starts, places, side="right") - 1).tolist()
        return found

    students: list[set[str]] = [set() for _ in range(count)]
    alone = set(request_of(np.array([refusal.index for refusal in incoming.refusals], np.int64)))
    for piece, places in zip(incoming.pieces, incoming.places, strict=True):
        alone |= set(request_of(places[np.asarray(piece.numbered)]))
        names = piece.rows.slice(0, piece.rows.num_rows)["student_id"].to_pylist()
        for request, student in zip(request_of(places), names, strict=True):
            students[request].add(student)
    runs: list[tuple[int, int]] = []
    first, seen = 0, set[str]()
    for request, theirs in enumerate(students):
        if request > first and (request in alone or request - 1 in alone or seen & theirs):
            runs.append((first, request))
            first, seen = request, set()
        seen |= theirs
    return [*runs, (first, count)]


def _tables_of(rows: Sequence[bytes], table: str | None) -> tuple[dict[str, list[int]], dict[str, list[int]]]:
    """Return source table → its rows, and why it cannot be told → the rows of no table."""
    if table is not None:
        name = _of_events(table).name
        return {name: list(range(len(rows)))} if rows else {}, {}
    found: dict[str, list[int]] = {}
    without: dict[str, list[int]] = {}
    known: dict[tuple[str, ...], Source | str] = {}
    for place, row in enumerate(rows):
        shape = shape_of(row, TABLE)
        if shape is None:
            without.setdefault("is not a JSON object", []).append(place)
            continue
        fields, said = shape
        key = (str(said),) if said is not None else ("", *fields)
        if key not in known:
            known[key] = _table_of(None if said is None else str(said), fields)
        source = known[key]
        if isinstance(source, str):
            without.setdefault(source, []).append(place)
        else:
            found.setdefault(source.name, []).append(place)
    return found, without


def _table_of(said: str | None, fields: Sequence[str]) -> Source | str:
    """Return the table of a row, or why it cannot be told."""
    unnamed = f"names no source table (parameter or field `{TABLE}`), and its fields fit"
    try:
        name = recognise(fields) if said is None else said
    except LacksColumns as error:
        return f"{unnamed} none: {error.table} also needs {' and '.join(error.missing)}"
    except BadInput:
        return f"{unnamed} none, or several"
    try:
        return _of_events(name)
    except BadInput as error:
        return f"is of no table of events: {error}"


def _of_events(table: str) -> Source:
    source = source_named(table)
    if source.metadata:
        raise BadInput(
            f"`{table}` describes a course; expected what students did. Read such a file with mastery ingest"
        )
    return source


@cache
def _arrangement(table: str) -> Arrangement:
    """Return that the fields of rows are the columns of their table."""
    return Arrangement({column.name: column.name for column in SOURCES[table].columns})


def _read(rows: Sequence[bytes], source: Source, which: Int64s) -> Chunk:
    """Return some rows by the reader of files; a row's line is its place among all rows, from 1."""
    data = np.frombuffer(b"\n".join(rows[place] for place in which), np.uint8)
    read, _, _ = cut_lines(data, 0, wanted=list(_arrangement(source.name).wanted(source)), last=True)
    chunk = read()
    broken = chunk.broken
    if broken.num_rows:
        lines = pa.array(which[broken["line"].to_numpy()] + 1)
        broken = broken.set_column(broken.column_names.index("line"), "line", lines)
    return Chunk(chunk.raw, which[chunk.lines] + 1, broken)


def _refusals(rejected: pa.Table, rows: Sequence[bytes], source: Source) -> list[Refusal]:
    found = []
    for line, column, reason in zip(
        *(rejected[name].to_pylist() for name in ("line", "column", "reason")), strict=True
    ):
        row = rows[line - 1]
        found.append(Refusal(line - 1, field_of(row, source.own_id), f"{column or 'the row'} {reason}"))
    return found
