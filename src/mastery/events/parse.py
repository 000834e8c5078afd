"""From rows as a source wrote them to events. Pure: a function of its arguments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mastery.errors import BadInput, did_you_mean
from mastery.events.columns import INTERACTION
from mastery.events.identity import ORDERED, OWN_ID, REPLACES
from mastery.events.item_topics import NO_ITEMS, ItemTopics
from mastery.events.moments import EPOCH_UNITS
from mastery.events.read_options import ReadOptions
from mastery.events.rows import NO_CELLS, Cells, ParsedRows
from mastery.events.source import Source
from mastery.events.tally import Tally
from mastery.events.units import SHARE_UNITS, share_unit
from mastery.events.values import CODES, mask, nulls
from mastery.tables import EVENTS, TABLES, UNASSIGNED, UTC

EARLIEST_US = 631_152_000_000_000
"""1990-01-01T00:00:00Z. An earlier time stamp comes from a clock that was never set, or has another unit."""

AHEAD = timedelta(minutes=5)
"""How far ahead of ours another clock may be."""

MADE_LATER = ("bucket", "event_id_hi", "event_id_lo", "body_hash", "replaces_hi", "replaces_lo", "ingest")
"""Columns of EVENTS that are made after the pseudonyms; see `mastery.events.identity.identify`."""

PLAIN = ("student_id", "reason")
"""Texts that are not dictionary-encoded, because they hardly repeat within a block."""

FIELDS = pa.schema(
    [
        *[
            pa.field(field.name, CODES if pa.types.is_string(field.type) and field.name not in PLAIN else field.type)
            for field in EVENTS.schema
            if field.name not in MADE_LATER
        ],
        pa.field(OWN_ID, pa.string()),
        pa.field(REPLACES, pa.string()),
        pa.field(ORDERED, pa.bool_()),
        pa.field(INTERACTION.name, pa.string()),
    ]
)
"""The columns of parsed events, student and teacher ids still the institution's own."""


@dataclass(frozen=True)
class Parsed:
    """What became of n rows: each is in `rows` or in `rejected`, once.

    Attributes:
        rows: Events in the columns `FIELDS`; of a metadata table, rows in that table's own columns.
        places: int64. Which of the n rows each of `rows` came from, ascending.
        rejected: Columns `mastery.events.rows.REFUSED`, ascending by `row`.
        tally: Counts for notes to the person who reads the file.
    """

    rows: pa.Table
    places: npt.NDArray[np.int64]
    rejected: pa.Table
    tally: Tally


def check_units(sources: list[Source], units: Mapping[str, str]) -> None:
    """Raise BadInput for a unit declared of an unknown column, or one that the column cannot have."""
    choices: dict[str, list[str]] = {}
    shares: set[str] = set()
    for source in sources:
        for column in source.columns:
            names = list(EPOCH_UNITS) if column.kind == "moment" else list(column.units)
            if column.kind == "share":
                shares.add(column.name)
            if names:
                choices[column.name] = names
    for name, unit in units.items():
        if name not in choices:
            raise BadInput(
                f"unit of {name!r}: this is not a column with a choice of units{did_you_mean(name, list(choices))}; "
                f"such columns are {', '.join(choices) or 'none here'}"
            )
        if name in shares and share_unit(unit) is None:
            raise BadInput(f"unit of {name!r}: it cannot be in {unit!r}; expected {SHARE_UNITS}")
        if name not in shares and unit not in choices[name]:
            raise BadInput(
                f"unit of {name!r}: it cannot be in {unit!r}; expected one of {', '.join(choices[name])}"
                f"{did_you_mean(unit, choices[name])}"
            )


def parse(
    source: Source,
    raw: pa.Table,
    *,
    tenant: str,
    options: ReadOptions,
    now: datetime,
    known_topics: frozenset[str] | None = None,
    item_topics: ItemTopics = NO_ITEMS,
    origin: str | None = None,
    cells: Cells = NO_CELLS,
) -> Parsed:
    """Return the events (or metadata rows) in `raw`, and the rows that cannot be used, with the reason.

    Args:
        source: The table that `raw` is a piece of.
        raw: Columns of any type, with the names of the source table; unknown columns are ignored.
        tenant: The institution.
        options: What is said about how values are read. Columns are renamed already.
        now: When the rows were received, with a zone.
        known_topics: Topics of the metadata; None to skip the comparison.
        item_topics: Topics of the metadata's items, for rows that name none.
        origin: Name of the file or stream, for the column `source`.
        cells: Column → the question of each row, where it is the cells of a wide table.
    """
    rows = ParsedRows(source.columns, source.outcome, raw, options, cells)
    made = source.shape(rows)
    if source.metadata:
        table = _metadata(source, rows, made, tenant)
    else:
        _check_outcome(source, rows)
        made.setdefault("occurred_at", rows["timestamp"])
        _check_times(rows, made["occurred_at"], now, options.timezone)
        table = item_topics.assign(_events(source, rows, made, tenant, now, origin))
    refused = rows.refused()
    if refused.any():
        table = table.filter(pa.array(~refused))
    return Parsed(table, np.flatnonzero(~refused), rows.refusals(), _tally(source, rows, table, known_topics))


def _check_outcome(source: Source, rows: ParsedRows) -> None:
    assert source.outcome is not None
    replaces = rows["replaces"]
    without = mask(rows[source.outcome].is_null())
    if without.any():
        without &= mask(replaces.is_null())
        rows.unusable[source.outcome] += int((without & ~rows.refused()).sum())
        rows.refuse(without, source.outcome, "no_outcome", "is empty, so the row has no outcome")
    if replaces.null_count < rows.n:
        itself = mask(pc.equal(_own_id(source, rows).cast(pa.string()), replaces.cast(pa.string())))
        rows.refuse(
            itself, "replaces", "replaces_itself", "is the row's own id; a correction needs another id of its own"
        )


def _check_times(rows: ParsedRows, occurred_at: pa.Array, now: datetime, timezone: str | None) -> None:
    if rows.n == occurred_at.null_count:
        return
    us = np.asarray(pc.fill_null(occurred_at.cast(pa.int64()), EARLIEST_US), np.int64)
    latest_us = pa.scalar(now + AHEAD, UTC).cast(pa.int64()).as_py()
    if int(us.max()) > latest_us:
        zone = f"clocks that name no zone are taken as {timezone or 'UTC'}; if theirs is another, name it (--timezone)"
        where = us > latest_us
        rows.refuse(
            where, "timestamp", "future", "is in the future, more than 5 minutes after it was received; " + zone
        )
        rows.ahead = int(where.sum())
    if int(us.min()) < EARLIEST_US:
        rows.refuse(
            us < EARLIEST_US, "timestamp", "too_old", "is before 1990: the clock was never set, or the unit is another"
        )


def _own_id(source: Source, rows: ParsedRows) -> pa.Array:
    filled = [rows[name].cast(pa.string()) for name in source.own_id if rows[name].null_count < rows.n]
    return pc.coalesce(*filled) if filled else nulls(rows.n, pa.string())


def _text(column: pa.Array) -> pa.Array:
    return column.cast(pa.string()) if column.null_count < len(column) else nulls(len(column), pa.string())


def _constant(n: int, value: str | None) -> pa.Array:
    if value is None:
        return nulls(n, CODES)
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(n, np.int32)), pa.array([value]))


def _assigned(topics: pa.Array) -> pa.Array:
    """Return the topics, with `UNASSIGNED` for null."""
    if topics.null_count == 0:
        return topics
    codes = pc.fill_null(topics.indices, len(topics.dictionary))
    return pa.DictionaryArray.from_arrays(codes, pa.concat_arrays([topics.dictionary, pa.array([UNASSIGNED])]))


def _events(
    source: Source, rows: ParsedRows, made: dict[str, pa.Array], tenant: str, now: datetime, origin: str | None
) -> pa.Table:
    received_us = pa.scalar(now, UTC).cast(pa.int64()).as_py()
    order = pc.coalesce(rows["sequence"], rows["order"])
    sequence = pc.coalesce(order, made.get("attempt_number", pa.scalar(0, pa.int64())))
    columns = {
        "other_topic_ids": rows.other_topics,
        "source_version": pc.coalesce(rows["version"], rows["updated_at"].cast(pa.int64())),
        "tenant": _constant(rows.n, tenant),
        "student_id": rows["student_id"],
        "kind": _constant(rows.n, source.kind),
        "sequence": pc.fill_null(sequence, 0),
        "source": _constant(rows.n, origin),
        "received_at": pa.array(np.full(rows.n, received_us)).cast(UTC),
        OWN_ID: _own_id(source, rows),
        REPLACES: _text(rows["replaces"]),
        ORDERED: order.is_valid() if order.null_count < rows.n else nulls(rows.n, pa.bool_()),
    } | made
    if any(column.name == INTERACTION.name for column in source.columns):
        columns[INTERACTION.name] = _text(rows[INTERACTION.name])
    topics = made["topic_id"] if "topic_id" in made else rows["topic_id"]
    columns["topic_id"] = _assigned(topics)
    return pa.table(
        [
            columns[field.name].cast(field.type) if field.name in columns else nulls(rows.n, field.type)
            for field in FIELDS
        ],
        schema=FIELDS,
    )


def _metadata(source: Source, rows: ParsedRows, made: dict[str, pa.Array], tenant: str) -> pa.Table:
    schema = TABLES[source.kind].schema
    columns = {"tenant": _constant(rows.n, tenant)} | made
    return pa.table([columns[field.name].cast(field.type) for field in schema], schema=schema)


def _tally(source: Source, rows: ParsedRows, table: pa.Table, known_topics: frozenset[str] | None) -> Tally:
    unusable = {name: count for name, count in rows.unusable.items() if count}
    if source.metadata:
        return Tally(rows.n, unusable, remarks=rows.remarks(), scales=rows.scales, foreign=rows.foreign)
    counts: dict[str, int] = {}
    topics = table["topic_id"]
    for chunk in topics.chunks:
        found = np.bincount(chunk.indices.to_numpy(), minlength=len(chunk.dictionary))
        for name, events in zip(chunk.dictionary.to_pylist(), found.tolist(), strict=True):
            if events:
                counts[name] = counts.get(name, 0) + events
    unassigned = counts.pop(UNASSIGNED, 0)
    unknown = {} if known_topics is None else {t: events for t, events in counts.items() if t not in known_topics}
    untimed = int(rows["timestamp"].null_count) if source.either else 0
    return Tally(
        rows.n,
        unusable,
        unknown,
        unassigned,
        untimed,
        remarks=rows.remarks(),
        scales=rows.scales,
        words=rows.words,
        unclear=rows.unclear,
        foreign=rows.foreign,
        dates=rows.dates,
        ahead=rows.ahead,
    )
