"""One block of a file, parsed, and made into events that are ready for their buckets. Runs in any thread."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mastery.arrays import Int64s
from mastery.directory.pseudonyms import Pseudonyms
from mastery.events.arrangement import OUTCOME, Arrangement
from mastery.events.columns import INTERACTION
from mastery.events.identity import ORDERED, OWN_ID, Blocks, bucket_of, identify, murmur
from mastery.events.item_topics import NO_ITEMS, ItemTopics
from mastery.events.parse import Parsed, parse
from mastery.events.read_options import ReadOptions
from mastery.events.several_topics import last_answer, outcomes, told_apart
from mastery.events.source import Source
from mastery.events.tally import UNKEYED, Tally
from mastery.events.ties import NO_ROWS, Placed, Sharing, renumbered
from mastery.events.values import Mask, as_text, mask
from mastery.pipelines.ingest.chunk import Chunk
from mastery.pipelines.ingest.files import Block
from mastery.pipelines.ingest.held_rows import Held, hold
from mastery.pipelines.ingest.rejects import rejected_rows

LOOKED_AT = 100
"""Time stamps of a block that are looked at for a zone: a file writes them all in one way."""

_ZONE = r"(?i)(Z|UTC|GMT([+-]?\d.*)?|[+-]\d\d(:?\d\d)?)\s*$"
_CLOCK = r"\d:\d\d"


@dataclass(frozen=True)
class ParseOptions:
    """How the rows of one file are read.

    Attributes:
        arrangement: Where the columns of the source table come from.
        options: What is said about all files.
        known_topics: Topics of the tenant's metadata; None when not to be compared.
        item_topics: Topics of its items, for rows that name none.
    """

    source: Source
    origin: str
    arrangement: Arrangement
    tenant: str
    options: ReadOptions
    now: datetime
    known_topics: frozenset[str] | None
    item_topics: ItemTopics = NO_ITEMS

    def wanted(self) -> dict[str, bool]:
        """Return the file's columns to read → whether their values repeat."""
        return self.arrangement.wanted(self.source)


@dataclass(frozen=True)
class Prepared:
    """The rows of one block.

    Attributes:
        rejected: Columns of REJECTED, hashes not final.
        read: Rows read, broken lines included.
        metadata: Rows of a metadata table; None where there are `events`.
        sharing: The events in the order of the file, until they have their places.
        order: int64. Which of those each of `events` is.
        lines: int64. The line of each of `events`.
        zoneless: Whether time stamps name no zone.
    """

    rejected: pa.Table
    read: int
    tally: Tally
    metadata: pa.Table | None = None
    events: Held | None = None
    sharing: Sharing | None = None
    order: Int64s = field(default_factory=lambda: NO_ROWS)
    lines: Int64s = field(default_factory=lambda: NO_ROWS)
    zoneless: bool = False

    def placed(self, placed: Placed, *, coarse: bool) -> Held:
        """Return the events with their places among those that share a moment; those of a file whose time stamps are
        not `coarse` get theirs when they are written.
        """
        assert self.events is not None
        if not coarse:
            return self.events
        held = replace(self.events, unplaced=np.zeros(self.order.size, np.bool_))
        if not placed.rows.size:
            return held
        row_of = np.empty(self.order.size, np.int64)
        row_of[self.order] = np.arange(self.order.size)
        rows = renumbered(self.events.rows.slice(0, self.order.size), row_of[placed.rows], placed)
        return replace(held, rows=hold(rows, np.arange(self.order.size)))


@dataclass(frozen=True)
class Understood:
    """The rows of a block with the columns of its source table alone, under our names, and what they are.

    Attributes:
        chunk: n rows, of a wide table one for each answer, with the line that each is on.
        parsed: What became of them. Students and teachers still have the institution's own ids.
        row: int64[n]. Which row of the block each is from; None where they are the same.
    """

    chunk: Chunk
    parsed: Parsed
    row: Int64s | None


def understand(chunk: Chunk, how: ParseOptions, *, placed: bool = True) -> Understood:
    """Return what the rows of a block are. Where they have no time and no order (not `placed`), lines are the order."""
    rows = how.arrangement.arrange(chunk.raw)
    lines = chunk.lines if rows.row is None else chunk.lines[rows.row]
    raw = rows.table
    if not placed:
        raw = raw.drop_columns(["order"]) if "order" in raw.column_names else raw
        raw = raw.append_column("order", pa.array(_in_lines(lines, len(how.arrangement.questions))))
    parsed = parse(
        how.source,
        raw,
        tenant=how.tenant,
        options=how.options,
        now=how.now,
        known_topics=how.known_topics,
        item_topics=how.item_topics,
        origin=how.origin,
        cells=rows.cells,
    )
    if rows.left_out or rows.partial or rows.unkeyed:
        remarks = {**parsed.tally.remarks} | ({(OUTCOME, UNKEYED): rows.unkeyed} if rows.unkeyed else {})
        tally = replace(parsed.tally, left_out=rows.left_out, partial=rows.partial, remarks=remarks)
        parsed = replace(parsed, tally=tally)
    return Understood(Chunk(raw, lines, chunk.broken), parsed, rows.row)


def _in_lines(lines: Int64s, questions: int) -> Int64s:
    """Return the order of rows by their lines; of a wide table, of answers on one line by their place on it."""
    if not questions:
        return lines
    place = np.arange(lines.size)
    new = np.concatenate([[True], lines[1:] != lines[:-1]])[: lines.size]
    return lines * questions + place - np.maximum.accumulate(np.where(new, place, 0))


def prepare(block: Block, how: ParseOptions, pseudonyms: Pseudonyms, n_buckets: int) -> Prepared:
    """Return the rows of a block; events under pseudonyms, with ids, ordered by bucket."""
    understood = understand(block.read(), how)
    chunk, parsed = understood.chunk, understood.parsed
    rejected = rejected_rows(chunk, parsed.rejected, how.source, pseudonyms, how.tenant, how.origin, how.now)
    if how.source.metadata:
        return Prepared(rejected, chunk.read, parsed.tally, metadata=parsed.rows)
    events = parsed.rows
    for name, scope in (("student_id", pseudonyms.students), ("teacher_id", pseudonyms.teachers)):
        place = events.column_names.index(name)
        events = events.set_column(place, name, scope(how.tenant, events[name]))
    own, ordered, interaction = events[OWN_ID], events[ORDERED], events[INTERACTION.name]
    events = identify(events)
    student, _ = murmur(events["student_id"])
    bucket = bucket_of(student, n_buckets)
    order = np.argsort(bucket, kind="stable")
    offsets = np.concatenate([[0], np.cumsum(np.bincount(bucket, minlength=n_buckets))]).astype(np.int64)
    shared = sharing(events, student, own, ordered, interaction)
    numbered = shared.ordered & ~shared.own & mask(interaction.is_null())
    interactions = None if interaction.null_count == len(interaction) else _interactions(student, interaction)
    lines = chunk.lines[parsed.places][order]
    held = Held(
        hold(events, order),
        offsets,
        shared.own[order],
        ~shared.ordered[order],
        numbered[order],
        None if interactions is None else interactions[order],
        lines if how.options.on_revision == "reject" else NO_ROWS,
        np.flatnonzero(
            order >= last_answer(shared.id_lo, shared.at_us, _answers(events, student, numbered, interactions))
        ),
        timed=parsed.tally.untimed < parsed.tally.rows,
    )
    return Prepared(
        rejected,
        chunk.read,
        parsed.tally,
        events=held,
        sharing=shared,
        order=order,
        lines=lines,
        zoneless=zoneless(chunk.raw),
    )


def _answers(events: pa.Table, student: Int64s, numbered: Mask, interaction: Int64s | None) -> Int64s | None:
    """Return the interactions, and of numbered rows a hash of student and question, which may be one answer's too."""
    if not numbered.any():
        return interaction
    asked = np.where(numbered, Blocks(student.size).add(student, student).text(events["item_id"]).finish()[0] | 1, 0)
    return asked if interaction is None else np.where(interaction != 0, interaction, asked)


def _interactions(student: Int64s, interaction: pa.ChunkedArray) -> Int64s:
    hashes = Blocks(student.size).add(student, student).text(interaction).finish()[0]
    return np.where(mask(interaction.is_valid()), np.where(hashes == 0, 1, hashes), 0)


def zoneless(raw: pa.Table) -> bool:
    """Return whether rows under our names have time stamps that are a clock's and name no zone."""
    if "timestamp" not in raw.column_names:
        return False
    values = raw["timestamp"].slice(0, LOOKED_AT)
    if pa.types.is_timestamp(values.type):
        return values.type.tz is None and values.null_count < len(values)
    if pa.types.is_nested(values.type):
        return False
    texts = as_text(pa.array(values.to_pylist())).cast(pa.string())
    clock = pc.match_substring_regex(texts, _CLOCK)
    return bool(pc.any(pc.and_not(clock, pc.match_substring_regex(texts, _ZONE))).as_py())


def sharing(
    events: pa.Table,
    student: Int64s,
    own: pa.ChunkedArray,
    ordered: pa.ChunkedArray,
    interaction: pa.ChunkedArray,
) -> Sharing:
    """Return what matters of identified events, in the order of their file, to those that share a moment.

    Args:
        student: int64[n]. Hash of each one's student.
        own, ordered, interaction: Their columns OWN_ID, ORDERED and INTERACTION.
    """
    return Sharing(
        student,
        events["event_id_lo"].to_numpy(),
        events["occurred_at"].cast(pa.int64()).to_numpy(),
        mask(own.is_valid()),
        mask(ordered),
        told_apart(events, interaction),
        outcomes(events),
    )
