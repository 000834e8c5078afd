"""What files would be read as, before anything is written: each column, a few rows, what would be rejected and why.

The same code as an ingest: whether an event is known already is not found out, but whether the rows were read before
under another zone is. Nothing of what it gives
names a person: students are "student 1", and so on, in the order of the rows that are shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from mastery.arrays import Int64s
from mastery.directory.pseudonyms import Pseudonyms
from mastery.events.arrangement import FILE, QUESTION
from mastery.events.columns import INTERACTION, Column
from mastery.events.contradictions import Contradictions
from mastery.events.header_words import named
from mastery.events.identity import ORDERED, OWN_ID, identify, murmur
from mastery.events.parse import Parsed
from mastery.events.places import places
from mastery.events.read_options import ReadOptions
from mastery.events.registry import SOURCES
from mastery.events.tally import Tally
from mastery.events.ties import Sharing, Ties
from mastery.events.values import as_text
from mastery.lake import Lake
from mastery.pipelines.ingest.assumed import assumed
from mastery.pipelines.ingest.chunk import Chunk
from mastery.pipelines.ingest.date_order import in_date_order
from mastery.pipelines.ingest.files import Block
from mastery.pipelines.ingest.inputs import Planned, check_options, check_units_of, plan
from mastery.pipelines.ingest.prepare import ParseOptions, prepare, sharing, understand, zoneless
from mastery.pipelines.ingest.read_ahead import in_order
from mastery.pipelines.ingest.rejects import refusals
from mastery.pipelines.ingest.report import revision_notes
from mastery.pipelines.ingest.row_counts import CONTRADICTING, COUNTS, LEFT
from mastery.pipelines.ingest.zone_check import check_zone
from mastery.tables import MILLION

HIDDEN = "…"
"""What stands for a text that may be about a person."""

WORDS = 3
"""A value of more words is a sentence, which may be about a person."""

IDS = frozenset({*(name for source in SOURCES.values() for name in source.own_id), INTERACTION.name, "replaces"})
"""Own ids of events, which a source may make of the student's."""

SHOWN_LETTERS = 40
"""Characters of a value that are shown."""

AFTER = ("kind", "topic_id", "item_id", "occurred_at", "attempts", "duration_ms", "attempt_number", "hints")
"""What is shown of an event, beside its student and its share of success."""


@dataclass(frozen=True)
class ColumnPreview:
    """How one of our columns is understood.

    Attributes:
        name: Ours.
        source: Where it comes from, in words.
        kind: How its values are read; see `mastery.events.columns`.
        unit: The unit that it is read in; None where it has none.
        doc: What it means.
    """

    name: str
    source: str
    kind: str
    unit: str | None
    doc: str


@dataclass(frozen=True)
class Reason:
    """Why rows would be rejected: how many, and the first of them."""

    rows: int
    column: str | None
    reason: str
    first_line: int
    first_value: str | None


@dataclass(frozen=True)
class FilePreview:
    """What one file would be read as.

    Attributes:
        columns: Those of ours that it has.
        unused: Columns of the file that are not read; of those that may be names of people, how many there are.
        before, after: The first usable rows under our names, as they are written, and what they become.
        read, usable: Rows read, and those that are not rejected.
        rejected: Reasons, most frequent first.
        assumed: What nobody said and the file does not say either, in words.
        notes: What an ingest would note.
    """

    path: str
    table: str
    columns: tuple[ColumnPreview, ...]
    unused: tuple[str, ...]
    before: tuple[dict[str, str | None], ...]
    after: tuple[dict[str, Any], ...]
    read: int
    usable: int
    rejected: tuple[Reason, ...]
    assumed: tuple[str, ...]
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        own = dict(vars(self))
        return own | {"columns": [vars(one) for one in self.columns], "rejected": [vars(one) for one in self.rejected]}


@dataclass
class _Seen:
    """What has been seen of one file so far."""

    read: int = 0
    reasons: Counter[tuple[str | None, str]] = field(default_factory=Counter)
    first: dict[tuple[str | None, str], tuple[int, str | None]] = field(default_factory=dict)
    before: list[dict[str, str | None]] = field(default_factory=list)
    after: list[dict[str, Any]] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)
    zoneless: bool = False
    people: dict[str, dict[str, str]] = field(default_factory=lambda: {"student_id": {}, "teacher_id": {}})

    def who(self, event: dict[str, Any]) -> dict[str, str]:
        """Return what the student and the teacher of an event are called."""
        called = {}
        for column, known in self.people.items():
            if event.get(column) is not None:
                called[column] = known.setdefault(event[column], f"{column.removesuffix('_id')} {len(known) + 1}")
        return called


@dataclass(frozen=True)
class _Piece:
    chunk: Chunk
    parsed: Parsed
    events: pa.Table | None


def preview(
    files: Sequence[str | Path | pa.Table],
    *,
    now: datetime,
    options: ReadOptions,
    zone: str | None,
    tenant: str,
    rows: int = 3,
    progress: Callable[[str, int, int], None] | None = None,
    beside: tuple[Lake, Pseudonyms] | None = None,
) -> tuple[list[FilePreview], list[str]]:
    """Return what each file would be read as, and notes on files that are left out.

    Args:
        now: When they would be received.
        options: What the person said about how they are read.
        zone: That of clocks that name none, where the person does not say it.
        rows: How many rows to show of each.
        progress: Told a file's name, the bytes of it that are done, and its size.
        beside: The lake that they would go to, and the pseudonyms in it; None where there are no events yet.

    Raises:
        BadInput: As an ingest does: a file cannot be read, has no usable value in a column that is needed, or was read
            before under another zone.
    """
    whole = replace(options, timezone=options.timezone or zone)
    check_options(tenant, now, whole)
    planned, notes = plan(files, whole)
    check_units_of(planned)
    return [_preview(one, tenant, now, options, rows, progress, beside) for one in planned], notes


def _sharing_moment(events: Sharing) -> int:
    """Return how many events of a block, with precise time stamps, share their moment with others of it."""
    file = np.zeros(events.at_us.size, np.int64)
    found = places(file, events.student, events.at_us, events.id_lo, ~events.ordered, 1)
    return int(found.sharing[0])


def _preview(
    one: Planned,
    tenant: str,
    now: datetime,
    said: ReadOptions,
    rows: int,
    progress: Callable[[str, int, int], None] | None,
    beside: tuple[Lake, Pseudonyms] | None,
) -> FilePreview:
    one, pieces = in_date_order(one, partial(_pieces, tenant=tenant, now=now), lambda piece: piece[0].parsed.tally)
    seen, ties, contradictions = _Seen(), Ties[tuple[Sharing, Int64s]](one.options.repeats), Contradictions()
    for piece, done in pieces:
        _look(piece, one, seen, rows)
        if piece.events is not None:
            student, _ = murmur(piece.events["student_id"])
            own, ordered, interaction = (piece.parsed.rows[name] for name in (OWN_ID, ORDERED, INTERACTION.name))
            shared = sharing(piece.events, student, own, ordered, interaction)
            for (events, body), placed in ties.add((shared, piece.events["body_hash"].to_numpy()), shared):
                contradictions.add(events, body, placed)
                if not ties.coarse:
                    ties.sharing += _sharing_moment(events)
        if progress is not None:
            progress(one.input.name, done, one.input.size)
    for (events, body), placed in ties.end():
        contradictions.add(events, body, placed)
        if not ties.coarse:
            ties.sharing += _sharing_moment(events)
    one.check_usable(seen.tally)
    counts = np.zeros(COUNTS, np.int64)
    if one.options.on_revision != "reject":
        counts[LEFT if one.options.on_revision == "keep" else CONTRADICTING] = contradictions.count()
    notes = [*one.arrangement.notes, *revision_notes(counts), *seen.tally.notes(one.source)]
    if (tied := ties.note()) is not None:
        notes.append(tied)
    if beside is not None and (seen.zoneless or ties.coarse) and one.options.repeats is None:
        lake, pseudonyms = beside
        first = next(iter(one.input.blocks(_reading(one, tenant, now).wanted())))  # its beginning stands for the file
        ready = prepare(first, _reading(one, tenant, now), pseudonyms, lake.buckets)
        assert ready.events is not None
        if (moved := check_zone(lake, [ready.events], one.input.place, clocks=seen.zoneless)) is not None:
            notes.append(moved)
    rejected = [
        Reason(count, column, reason, *seen.first[column, reason])
        for (column, reason), count in seen.reasons.most_common()
    ]
    used = {*_reading(one, tenant, now).wanted()}
    return FilePreview(
        path=one.input.place,
        table=one.source.name,
        columns=tuple(_columns(one)),
        unused=tuple(named([name for name in one.input.columns if name not in used])),
        before=tuple(seen.before),
        after=tuple(seen.after),
        read=seen.read,
        usable=seen.read - sum(seen.reasons.values()),
        rejected=tuple(rejected),
        assumed=tuple(assumed(one, said, zoneless=seen.zoneless)),
        notes=tuple(notes),
    )


def _pieces(one: Planned, *, tenant: str, now: datetime) -> Generator[tuple[_Piece, int]]:
    how = _reading(one, tenant, now)
    yield from in_order(one.input.blocks(how.wanted()), partial(_piece, how=how))


def _reading(one: Planned, tenant: str, now: datetime) -> ParseOptions:
    return ParseOptions(one.source, one.input.name, one.arrangement, tenant, one.options, now, known_topics=None)


def _piece(block: Block, *, how: ParseOptions) -> _Piece:
    understood = understand(block.read(), how)
    events = None if how.source.metadata else identify(understood.parsed.rows)
    return _Piece(understood.chunk, understood.parsed, events)


def _look(piece: _Piece, one: Planned, seen: _Seen, rows: int) -> None:
    seen.read += piece.chunk.read
    seen.tally += piece.parsed.tally
    seen.zoneless = seen.zoneless or zoneless(piece.chunk.raw)
    hidden = _hidden(one)
    refused = refusals(piece.chunk, piece.parsed.rejected).sort_by("line")
    for line, column, value, reason in zip(
        *(refused[name].to_pylist() for name in ("line", "column", "value", "reason")), strict=True
    ):
        seen.reasons[column, reason] += 1
        shown = None if value is None else HIDDEN if column in hidden or _may_name(value) else _short(value)
        seen.first.setdefault((column, reason), (line, shown))
    places = piece.parsed.places[: rows - len(seen.before)]
    if len(places):
        after = piece.parsed.rows.slice(0, len(places)).to_pylist()
        written = {name: _texts(piece.chunk.raw[name].take(pa.array(places))) for name in piece.chunk.raw.column_names}
        for row, event in enumerate(after):
            who = seen.who(event)
            before = {name: values[row] for name, values in written.items()}
            student = before.get("student_id")
            before = {
                name: HIDDEN
                if text is not None and (name in hidden or (name in IDS and _may_name(text, student)))
                else text
                for name, text in before.items()
            }
            seen.before.append(before | {name: text for name, text in who.items() if before.get(name) is not None})
            seen.after.append(_after(event, one, who))


def _hidden(one: Planned) -> set[str]:
    """Return our columns whose values may tell who a person is: private ones, and others made of the same columns."""
    private = {column.name for column in one.source.columns if column.private}
    arrangement = one.arrangement
    theirs = {arrangement.columns.get(name) for name in private}
    theirs |= {part for name in private for part in arrangement.joined.get(name, ())} - {FILE, QUESTION}
    same = {ours for ours, column in arrangement.columns.items() if column in theirs}
    made = {ours for ours, parts in arrangement.joined.items() if theirs & set(parts)}
    return private | same | made


def _after(event: dict[str, Any], one: Planned, who: dict[str, str]) -> dict[str, Any]:
    """Return what a row becomes, without what it has not."""
    if one.source.metadata:
        return {name: value for name, value in event.items() if value is not None and name != "tenant"}
    shown: dict[str, Any] = {**who}
    shown |= {name: event[name] for name in AFTER if event.get(name) is not None}
    shown["occurred_at"] = event["occurred_at"].strftime("%Y-%m-%dT%H:%M:%SZ")
    if event["success_ppm"] is not None and event["attempts"]:
        shown["success"] = round(event["success_ppm"] / MILLION / event["attempts"], 4)
    if event.get("other_topic_ids"):
        shown["other_topic_ids"] = event["other_topic_ids"]
    return shown


def _texts(values: pa.ChunkedArray) -> list[str | None]:
    whole = values.unify_dictionaries().combine_chunks()
    if pa.types.is_nested(whole.type):
        return [None if value is None else _short(str(value)) for value in whole.to_pylist()]
    return [None if text is None else _short(text) for text in as_text(whole).cast(pa.string()).to_pylist()]


def _may_name(text: str, student: str | None = None) -> bool:
    """Return whether a text may tell who somebody is: an address, a sentence, or one with the student's own id."""
    return "@" in text or len(text.split()) > WORDS or (student is not None and student.casefold() in text.casefold())


def _short(text: str) -> str:
    return text if len(text) <= SHOWN_LETTERS else f"{text[: SHOWN_LETTERS - 1]}…"


def _columns(one: Planned) -> list[ColumnPreview]:
    here = {*one.input.columns}
    arrangement = one.arrangement
    absent = {ours for ours, theirs in arrangement.columns.items() if theirs not in here}
    names = [name for name in arrangement.ours if name not in absent]
    known: dict[str, Column] = {column.name: column for column in one.source.columns}
    return [
        ColumnPreview(
            name,
            "one text in all rows"
            if known[name].private and name in arrangement.constants
            else arrangement.source(name),
            known[name].kind,
            one.options.units.get(name, next(iter(known[name].units), None)),
            known[name].doc,
        )
        for name in names
        if name in known
    ]
