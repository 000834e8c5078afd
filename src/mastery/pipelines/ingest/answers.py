"""The answers in files or in a table, to learn from without a lake.

The same parser and the same decisions as `mastery ingest`: what a row means, which rows are rejected and why, which
are duplicates. Ids stay the caller's own, and every event knows the row it came from.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mastery.arrays import Floats, Int64s
from mastery.errors import BadInput, did_you_mean
from mastery.events.columns import INTERACTION
from mastery.events.header_words import columns_shown, names_shown
from mastery.events.identity import ORDERED, OWN_ID, identify, murmur
from mastery.events.places import in_their_places, places
from mastery.events.read_options import NOTHING_SAID, ReadOptions
from mastery.events.several_topics import join_topics
from mastery.events.tally import Tally
from mastery.events.ties import NONE_SHARING, Sharing, Ties, renumbered
from mastery.events.unnamed_answers import unnamed_answers
from mastery.features.answer_log import Clock, answer_batch, first_of_interaction
from mastery.features.batch import Batch
from mastery.lake import NOTHING_KNOWN, superseded
from mastery.pipelines.ingest.date_order import in_date_order
from mastery.pipelines.ingest.dedupe import NEW, REVISED, SAME, judge
from mastery.pipelines.ingest.files import Block
from mastery.pipelines.ingest.inputs import Planned, check_options, check_units_of, plan
from mastery.pipelines.ingest.prepare import ParseOptions, sharing, understand
from mastery.pipelines.ingest.read_ahead import in_order
from mastery.pipelines.ingest.rejects import refusals
from mastery.pipelines.ingest.report import ONE_ANSWER, FileReport, IngestReport
from mastery.school_days import UTC_DAYS, SchoolDays
from mastery.settings.model import DEFAULT_TENANT
from mastery.tables import EVENTS, REJECTED

REJECTED_COLUMNS = ("source_table", "source", "line", "column", "value", "reason", "code")
"""Columns of a rejected row, a part of those of REJECTED."""

REJECTED_FIELDS = pa.schema([REJECTED.schema.field(name) for name in REJECTED_COLUMNS])

EVENT_COLUMNS = pa.schema(
    [*(field for field in EVENTS.schema if field.name != "bucket"), pa.field(INTERACTION.name, pa.string())]
)
"""The columns of events that were read without a lake."""

REASONS_SHOWN = 5

Given: TypeAlias = str | Path | pa.Table
"""A file, a folder or an Arrow table."""


@dataclass(frozen=True)
class Answers:
    """What students did, as it was read: N rows, E events.

    Attributes:
        events: E rows in the source's order: the columns of EVENTS without `bucket`, and INTERACTION. Ids are the
            caller's own.
        rows: int64[E]. The row each event came from, from 0; of several files the rows of all, one after another.
            Lines that cannot be read as a row are not counted.
        event_of_row: int64[N]. The event of each row; of a duplicate, that of the row it repeats; −1 for none, also
            where another revision of its event counts.
        table: N rows. The requested columns of the source, unchanged.
        rejected: Rows that cannot be used, columns `REJECTED_COLUMNS`.
        report: Rows read, accepted, revised, duplicates and rejected of each file, and notes on them.
        timed: Whether the source has time stamps. If not, only the order of `occurred_at` means something.
    """

    events: pa.Table
    rows: Int64s
    event_of_row: Int64s
    table: pa.Table
    rejected: pa.Table
    report: IngestReport
    timed: bool

    def batch(self, clock: Clock = "start", days: SchoolDays = UTC_DAYS) -> Batch:
        """Return the batch that scorers learn from, cut into these days; its `row` is an event. See
        mastery.features.answer_log.
        """
        return answer_batch(self.events, clock, timed=self.timed, days=days)

    def by_row(self, batch: Batch, values: Floats) -> Floats:
        """Return float64[N], one value for each row of the source, NaN for rows that are not in the batch.

        Args:
            batch: As `batch` made it.
            values: float64 by row of the batch. An answer on several topics has their mean.
        """
        n = self.events.num_rows
        count = np.bincount(batch.row, minlength=n)
        total = np.bincount(batch.row, values, minlength=n)
        of_answer = np.where(count > 0, total / np.maximum(count, 1), np.nan)
        of_event = of_answer[first_of_interaction(self.events)]
        return np.where(self.event_of_row >= 0, of_event[self.event_of_row], np.nan)

    def reasons(self) -> list[tuple[str, int]]:
        """Return the reasons of rejections in words, each with its number of rows, most frequent first."""
        counts = Counter(
            f"{reason} ({table})" if column is None else f"{column} {reason} ({table})"
            for table, column, reason in zip(
                *(self.rejected[name].to_pylist() for name in ("source_table", "column", "reason")), strict=True
            )
        )
        return counts.most_common()

    def notes(self) -> list[str]:
        """Return notes for people who learn from these answers, in whole sentences."""
        notes = list(self.report.notes)
        read, rejected, repeats = self.report.read, self.report.rejected, self.report.duplicates
        if rejected:
            why = self.reasons()
            listed = "; ".join(f"{count:,} × {reason}" for reason, count in why[:REASONS_SHOWN])
            other = len(why) - REASONS_SHOWN
            more = "" if other <= 0 else f"; and {other} other reason{'' if other == 1 else 's'}"
            are = "row was rejected and is" if rejected == 1 else "rows were rejected and are"
            notes.append(f"{rejected:,} {are} not counted, of {read:,} read: {listed}{more}")
        if self.report.revised:
            others = "says" if self.report.revised == 1 else "say"
            notes.append(
                f"{self.report.revised:,} of {read:,} rows {others} something other than another row of the same event "
                "(by its own id, else by student, item or topic, time and order); only one row of each event counts"
            )
        if repeats:
            once = "repeats another one and is" if repeats == 1 else "repeat another one and are"
            notes.append(f"{repeats:,} of {read:,} rows {once} counted once")
        return notes


@dataclass(frozen=True)
class _Piece:
    """One block of file `number`: its events, which of its rows they came from, and what was rejected.

    Attributes:
        rows, read: Number of its rows, and the same with the lines that cannot be read as a row.
        kept: Columns of the source as they are.
    """

    number: int
    rows: int
    events: pa.Table
    places: Int64s
    rejected: pa.Table
    kept: pa.Table
    read: int
    tally: Tally
    sharing: Sharing


def read_answers(
    source: Given | Sequence[Given],
    *,
    now: datetime,
    options: ReadOptions = NOTHING_SAID,
    tenant: str = DEFAULT_TENANT,
    keep: Iterable[str] | None = (),
    strict: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
) -> Answers:
    """Return the events in files, folders or Arrow tables.

    Unlike an ingest it takes a log of students and outcomes alone (`responses`): without time stamps and without an
    order, rows are in the order they are read.

    Args:
        now: When they are received, with a zone: what is later is rejected as of the future.
        options: What is said about how they are read.
        tenant: The institution; scopes all ids.
        keep: Columns to keep in `Answers.table`, by their name in the source; None for all.
        strict: Refuse the source when any row is rejected.
        progress: Told a file's name, the bytes of it that are done, and its size.

    Raises:
        NotFound: there is no such file.
        BadInput: a file cannot be read, lacks a column, or has rows of which none is usable; or an option is wrong.
    """
    check_options(tenant, now, options)
    given: list[Any] = list(source) if isinstance(source, Sequence) and not isinstance(source, str) else [source]
    planned, notes = plan(given, options, answers=True)
    check_units_of(planned)
    kept = None if keep is None else tuple(keep)
    _check_kept(planned, kept)
    pieces: list[_Piece] = []
    every: list[Ties[_Piece]] = []
    for number, one in enumerate(planned):
        read = partial(_pieces, number=number, tenant=tenant, now=now, kept=kept)
        one, found = in_date_order(one, read, lambda piece: piece[0].tally)
        mine: list[_Piece] = []
        for piece, done in found:
            mine.append(piece)
            if progress is not None:
                progress(one.input.name, done, one.input.size)
        tally = sum((piece.tally for piece in mine), Tally())
        one.check_usable(tally)
        notes += _notes(one, tally, mine)
        ties: Ties[_Piece] = Ties(one.options.repeats)
        placed = [put for piece in mine for put in ties.add(piece, piece.sharing)] + ties.end()
        pieces += [replace(piece, events=renumbered(piece.events, put.rows, put)) for piece, put in placed]
        every.append(ties)
    answers = _joined(planned, pieces, every, notes)
    if answers.report.read and not answers.events.num_rows:
        raise BadInput(
            f"{', '.join(one.input.place for one in planned)}: none of {answers.report.read:,} rows can be used"
            f"{_first(planned, answers.rejected)}"
        )
    if strict and answers.report.rejected:
        raise BadInput(
            f"{answers.report.rejected:,} of {answers.report.read:,} rows cannot be used"
            f"{_first(planned, answers.rejected)}. Correct them, or leave them out without --strict "
            "(in Python, strict=True)"
        )
    return answers


def _check_kept(planned: list[Planned], kept: tuple[str, ...] | None) -> None:
    have = list(dict.fromkeys(name for one in planned for name in one.input.columns))
    for name in kept or ():
        if name not in have:
            raise BadInput(
                f"{', '.join(one.input.place for one in planned)}: no column {name!r}; there are {columns_shown(have)}"
                f"{did_you_mean(name, names_shown(have))}"
            )


def _notes(one: Planned, tally: Tally, pieces: Sequence[_Piece]) -> list[str]:
    read = sum(piece.read for piece in pieces)
    if not read:
        return [f"{one.input.name}: has no rows"]
    nothing: list[str] = []
    if not any(piece.events.num_rows for piece in pieces):
        rejected = pa.concat_tables([piece.rejected for piece in pieces]).sort_by("line")
        whole = "its only row was" if read == 1 else f"all {read:,} rows were"
        nothing.append(f"{one.input.name}: {whole} rejected{_first([one], rejected)}")
    if not tally.rows:  # no line of it could be read as a row
        return nothing
    # Answers without a topic are learnt from like others; a log without any time stamp is noted by the evaluation.
    tally = replace(tally, unassigned=0, untimed=tally.untimed if _timed(tally) else 0)
    return nothing + [f"{one.input.name}: {note}" for note in (*one.arrangement.notes, *tally.notes(one.source))]


def _timed(tally: Tally) -> bool:
    return tally.untimed < tally.rows


def _pieces(
    one: Planned, *, number: int, tenant: str, now: datetime, kept: tuple[str, ...] | None
) -> Generator[tuple[_Piece, int]]:
    how = ParseOptions(one.source, one.input.name, one.arrangement, tenant, one.options, now, known_topics=None)
    extra = [name for name in one.input.columns if kept is None or name in kept]
    wanted: dict[str, bool | None] = dict.fromkeys(extra) | how.wanted()
    ours = one.arrangement.names(one.input.columns)
    placed = not one.source.either or bool(set(ours) & set(one.source.either))
    yield from in_order(one.input.blocks(wanted), partial(_piece, number=number, how=how, extra=extra, placed=placed))


def _piece(block: Block, *, number: int, how: ParseOptions, extra: list[str], placed: bool) -> _Piece:
    """Return a block's events. Rows without a time stamp and an order (not `placed`) are in the order of lines."""
    whole = block.read()
    understood = understand(whole, how, placed=placed)
    chunk, parsed = understood.chunk, understood.parsed
    kept = whole.raw.select(extra)
    if understood.row is not None:
        kept = kept.take(pa.array(understood.row))
    rows = parsed.rows
    events = identify(rows).append_column(INTERACTION.name, rows[INTERACTION.name])
    shared = sharing(events, murmur(events["student_id"])[0], rows[OWN_ID], rows[ORDERED], rows[INTERACTION.name])
    rejected = refusals(chunk, parsed.rejected).sort_by("line")
    named = {"source_table": how.source.name, "source": how.origin}
    for name, value in named.items():
        rejected = rejected.append_column(name, pa.array([value] * rejected.num_rows, pa.string()))
    return _Piece(
        number=number,
        rows=chunk.raw.num_rows,
        events=events,
        places=parsed.places,
        rejected=rejected.select(REJECTED_COLUMNS),
        kept=kept,
        read=chunk.read,
        tally=parsed.tally,
        sharing=shared,
    )


def _joined(planned: list[Planned], pieces: list[_Piece], ties: list[Ties[_Piece]], notes: list[str]) -> Answers:
    """Return all pieces as one; of the revisions of one event the one that counts, as in the lake."""
    events = pa.concat_tables([EVENT_COLUMNS.empty_table(), *(piece.events.cast(EVENT_COLUMNS) for piece in pieces)])
    before = np.cumsum([0, *(piece.rows for piece in pieces)])
    rows = _concatenated([start + piece.places for start, piece in zip(before, pieces, strict=False)])
    number = _concatenated([np.full(piece.places.size, piece.number) for piece in pieces])
    hi, lo, body = (events[name].to_numpy() for name in ("event_id_hi", "event_id_lo", "body_hash"))
    verdicts = judge(hi, lo, body, NOTHING_KNOWN).verdicts
    all_rows, of_event = rows, np.arange(rows.size)  # of each row its event, before some are found not to count
    first = of_event  # the row of each event among these
    if (verdicts == REVISED).any():
        joined = join_topics(events.combine_chunks(), number, _shared(pieces).own, None)
        if joined is not None:
            events, rows, first, of_event = joined.events, rows[joined.rows], joined.rows, joined.event_of_row
            hi, lo, body = (events[name].to_numpy() for name in ("event_id_hi", "event_id_lo", "body_hash"))
            verdicts = judge(hi, lo, body, NOTHING_KNOWN).verdicts
            verdicts = np.where(joined.repeats, SAME, verdicts[of_event])
    shared = _shared(pieces)
    unplaced = ~shared.ordered & ~np.array([bool(one.coarse) for one in ties], np.bool_)[number]
    placed = places(number[first], shared.student[first], shared.at_us[first], lo, unplaced[first], len(planned))
    events = in_their_places(events, placed.place)
    for one, among, sharing_moment in zip(planned, ties, placed.sharing.tolist(), strict=True):
        among.sharing += sharing_moment
        if (tied := among.note()) is not None:
            notes = [*notes, f"{one.input.name}: {tied}"]
    event_of_row = np.full(int(before[-1]), -1, np.int64)
    kept = np.flatnonzero(~superseded(events))
    rejected = [piece.rejected for piece in pieces]
    if kept.size == rows.size:
        event_of_row[all_rows] = of_event
    else:
        event_of_row[all_rows] = _kept_event(hi, lo, body, kept)[of_event]
        events, rows = events.take(pa.array(kept)), rows[kept]
    timed = any(_timed(piece.tally) for piece in pieces)
    events, joined_rows = _with_unnamed(events.combine_chunks(), rows, all_rows, number, shared, timed)
    if joined_rows:
        notes = [*notes, ONE_ANSWER.format(joined_rows)]
    counts = np.zeros((len(planned), 4), np.int64)
    for place, verdict in enumerate((NEW, REVISED, SAME)):
        counts[:, place] = np.bincount(number[verdicts == verdict], minlength=len(planned))
    for piece in pieces:
        counts[piece.number, 3] += piece.rejected.num_rows
    reports = tuple(
        FileReport(
            one.input.place,
            one.source.name,
            sum(piece.read for piece in pieces if piece.number == k),
            *(int(count) for count in counts[k]),
        )
        for k, one in enumerate(planned)
    )
    return Answers(
        events,
        rows,
        event_of_row,
        pa.concat_tables([pa.table({}), *(piece.kept for piece in pieces)], promote_options="permissive"),
        pa.concat_tables([REJECTED_FIELDS.empty_table(), *rejected]),
        IngestReport(reports, tuple(notes)),
        timed=timed,
    )


def _with_unnamed(
    events: pa.Table, rows: Int64s, all_rows: Int64s, number: Int64s, shared: Sharing, timed: bool
) -> tuple[pa.Table, int]:
    """Return the events, those of one answer that nothing names under an interaction, and how many rows these are.

    Args:
        rows: int64[E]. The row of each event.
        all_rows: int64[N]. The rows that `number`, their files', and `shared` are of.
    """
    which = np.searchsorted(all_rows, rows)
    student, own, ordered = shared.student[which], shared.own[which], shared.ordered[which]
    may = (ordered | (not timed)) & ~own & events[INTERACTION.name].is_null().to_numpy()
    first, file = np.arange(rows.size), number[which]
    for one in np.unique(file[may]):
        mine = np.flatnonzero(file == one)
        found = unnamed_answers(events.take(pa.array(mine)), student[mine], may[mine], timed=timed)
        if found is not None:
            first[mine] = mine[found]
    together = np.bincount(first, minlength=first.size)[first] > 1
    names = pa.array(first).cast(pa.string())
    named = pc.if_else(pa.array(together), pc.binary_join_element_wise("row", names, " "), events[INTERACTION.name])
    place = events.column_names.index(INTERACTION.name)
    return events.set_column(place, INTERACTION.name, named), int(together.sum())


def _shared(pieces: list[_Piece]) -> Sharing:
    """Return what all pieces have of it, one after the other."""
    every = [NONE_SHARING, *(piece.sharing for piece in pieces)]
    return Sharing(*(np.concatenate([getattr(one, field.name) for one in every]) for field in fields(Sharing)))


def _concatenated(parts: Sequence[Int64s]) -> Int64s:
    return np.concatenate([np.zeros(0, np.int64), *parts]).astype(np.int64, copy=False)


def _kept_event(hi: Int64s, lo: Int64s, body: Int64s, kept: Int64s) -> Int64s:
    """Return int64[n]: the place among `kept` of the row with the same id and body; −1 where another body was kept."""
    order = np.lexsort((lo, hi))
    new = np.concatenate([[True], (hi[order][1:] != hi[order][:-1]) | (lo[order][1:] != lo[order][:-1])])
    code = np.empty(hi.size, np.int64)
    code[order] = np.cumsum(new) - 1
    event = np.empty(int(code.max()) + 1, np.int64)
    event[code[kept]] = np.arange(kept.size)
    same = body == body[kept][event[code]]
    return np.where(same, event[code], -1)


def _first(planned: list[Planned], rejected: pa.Table) -> str:
    """Return the first rejected row in words, to put behind a message; empty where no row is rejected."""
    if rejected.num_rows == 0:
        return ""
    row = rejected.slice(0, 1).to_pylist()[0]
    formats = {one.input.name: one.input.format for one in planned}
    unit = "line" if formats.get(row["source"]) in ("csv", "json") else "row"
    what = row["reason"] if row["column"] is None else f"{row['column']} {row['reason']}"
    value = "" if row["value"] is None else f" ({row['value']!r})"
    return f"; the first is {unit} {row['line']} of {row['source']}: {what}{value}"
