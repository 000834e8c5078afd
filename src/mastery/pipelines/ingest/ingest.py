"""From files into the lake. Every row that is read is accepted, revised, a duplicate or rejected, exactly one of them.

1. Open every file and check its columns; nothing is written when one cannot be used.
2. Read, parse, pseudonymise and identify, a block at a time, in threads.
3. Every `ROWS_PER_WRITE` events, and at the end: find what the lake has already, commit the rest.
4. Keep the rows that could not be used, every `REJECTED_PER_WRITE` of them and at the end.

A crash between any two writes is repaired by reading the files again: events that were written are duplicates then.
Others may ingest at the same time; see `mastery.pipelines.ingest.write_events`.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from mastery.directory.pseudonyms import Pseudonyms
from mastery.events.item_topics import ItemTopics
from mastery.events.metadata import item_columns
from mastery.events.read_options import NOTHING_SAID, ReadOptions
from mastery.events.tally import Tally
from mastery.events.ties import Placed, Ties
from mastery.lake import Brought, Lake
from mastery.pipelines.ingest import course_metadata as courses
from mastery.pipelines.ingest.assign_topics import assign_topics
from mastery.pipelines.ingest.assumed import assumed
from mastery.pipelines.ingest.date_order import in_date_order
from mastery.pipelines.ingest.files import Input
from mastery.pipelines.ingest.find_files import first_names
from mastery.pipelines.ingest.held_rows import Held
from mastery.pipelines.ingest.ingests import (
    INGEST,
    FileRead,
    IngestEntry,
    begin,
    entries,
    file_read,
    finish,
    options_text,
)
from mastery.pipelines.ingest.inputs import Planned, check_options, check_units_of, plan
from mastery.pipelines.ingest.key_check import keep_key_if_known, use_key
from mastery.pipelines.ingest.memory import give_back, system_memory
from mastery.pipelines.ingest.prepare import ParseOptions, Prepared, prepare
from mastery.pipelines.ingest.read_ahead import in_order
from mastery.pipelines.ingest.rejects import Repeats, instead, refused_rows
from mastery.pipelines.ingest.report import FileReport, IngestReport, earlier_notes, revision_notes
from mastery.pipelines.ingest.row_counts import COUNTS, SHARING
from mastery.pipelines.ingest.undo import Undone, replaced_by, undo
from mastery.pipelines.ingest.waiting import Waiting
from mastery.pipelines.ingest.write_events import write_events
from mastery.pipelines.ingest.zone_check import check_zone
from mastery.tables import EVENTS, ITEMS, REJECTED, TABLES, TOPICS

ROWS_PER_WRITE = 3_000_000
"""Events that are held in memory before they are written: about 230 MB of answers."""

BYTES_PER_WRITE = 256 << 20
"""Fewer are held where they are so long that they would take more than this."""

ROWS_PER_GIVING_BACK = 1_000_000
"""Rows that are read before free memory goes back to the system: from block to block, more of it lies idle."""

REJECTED_PER_WRITE = 200_000
"""Rejected rows that are held before they are kept: about 100 MB, for each has its reason."""

ZONES_CHECKED = 20
"""Files of which it is looked up whether they were read before under another zone, before each write."""

REPORTED = ("read", "accepted", "revised", "duplicates", "rejected")

METADATA_ROWS, REJECTED_ROWS = (0, 2), 3
"""Columns of the counts, which are accepted, revised, duplicates and rejected."""

Progress = Callable[[str, int, int], None]
"""Called with a file's name, the bytes of it that are done, and its size."""


@system_memory()
def ingest(
    files: Sequence[str | Path | pa.Table],
    *,
    lake: Lake,
    pseudonyms: Pseudonyms,
    tenant: str,
    now: datetime,
    options: ReadOptions = NOTHING_SAID,
    zone: str | None = None,
    progress: Progress | None = None,
    waiting: Callable[[], None] | None = None,
    replace: bool = False,
    door: str = "python",
    code_version: str = "",
) -> IngestReport:
    """Read the files into the lake and return the counts of their rows.

    Args:
        files: Files and folders of CSV, Parquet and NDJSON; Arrow tables.
        lake: Where the events go.
        pseudonyms: Makes the pseudonyms of students and teachers.
        tenant: The institution; scopes all ids.
        now: When they are received; needs a zone.
        options: What is said about how they are read.
        zone: That of clocks that name none, where nobody says it.
        progress: Called after each block.
        waiting: Called when another ingest has been committing for seconds, and this one waits for it.
        replace: Take back what earlier ingests of these files brought, once they have been read again. A kill leaves
            what they brought, or both, of which the later counts.
        door: By which it came, for the register of ingests.
        code_version: Version of the engine, for the same.

    Raises:
        BadInput: A file cannot be read, lacks a column or has no usable value in one; or an option is wrong.
        WrongKey: The lake's students were named with another key.
        Conflict: Its events were identified by another version of the engine.
    """
    whole = dataclasses.replace(options, timezone=options.timezone or zone)
    check_options(tenant, now, whole)
    planned, notes = plan(files, whole)
    check_units_of(planned)
    lake.check_identity()
    use_key(lake, pseudonyms)
    before = lake.snapshot(EVENTS)
    run = _Run(planned, lake, pseudonyms, tenant, now, options.on_revision, waiting)
    run.entry = IngestEntry(tenant, INGEST, now, door, code_version, options_text(options), tuple(run.registered()))
    if replace:
        run.replaced = replaced_by(entries(lake), run.entry.files)
    run.check_beginnings()
    for number, one in enumerate(planned):
        for ready, done in run.read(number):
            run.take(number, ready)
            if progress is not None:
                progress(one.input.name, done, one.input.size)
        run.end_file(number)
    run.write()
    keep_key_if_known(lake, pseudonyms, tenant, before)
    notes += run.notes()
    undone = run.take_back()
    if replace and not undone:
        notes.append("no earlier ingest read a file at this place, or with these bytes: nothing was replaced")
    run.finish(notes)
    return IngestReport(run.reports(), tuple(notes), tuple(run.assumed(options)), run.entry.id, undone)


class _Run:
    """One ingest in progress: what was read and is not yet written, and the counts so far."""

    def __init__(
        self,
        planned: list[Planned],
        lake: Lake,
        pseudonyms: Pseudonyms,
        tenant: str,
        now: datetime,
        on_revision: str,
        waiting: Callable[[], None] | None,
    ) -> None:
        self.planned, self.lake, self.pseudonyms, self.tenant = planned, lake, pseudonyms, tenant
        self.now, self.on_revision, self.waiting_for_others = now, on_revision, waiting
        n = len(planned)
        self.n_read, self.counts = np.zeros(n, np.int64), np.zeros((n, 4), np.int64)
        self.of_events = np.zeros((n, COUNTS), np.int64)
        self.tallies = [Tally() for _ in planned]
        self.zoneless = np.zeros(n, np.bool_)
        self.waiting = Waiting()
        self.n_rejected = self.n_since_given_back = 0
        self.begun: dict[int, tuple[Planned, Prepared]] = {}  # whole files by their identity, which they are kept for
        self.metadata: list[tuple[int, pa.Table]] = []
        self.rejected: list[pa.Table] = []
        self.repeats = [Repeats() for _ in planned]
        self.ties: list[Ties[Prepared]] = [Ties(one.options.repeats) for one in planned]
        self.known_topics = self._topics()
        self.item_topics = courses.item_topics(lake, tenant)
        self.assigned = 0
        self.zone_notes: dict[str, str] = {}
        self.entry = IngestEntry(tenant, INGEST, now, "", "")
        self.replaced: list[tuple[IngestEntry, Brought]] = []
        self.together: Mapping[int, bool] = {}
        self.repeats_of: Counter[int] = Counter()
        self.changed_by: Counter[int] = Counter()

    def registered(self) -> Iterator[FileRead]:
        """Yield what is registered of each file before it is read."""
        for one in self.planned:
            content = one.input.content if isinstance(one.input, Input) else None
            yield file_read(one.input.name, one.source.name, one.input.size, content, self.pseudonyms)

    def begin(self) -> None:
        """Register the ingest, before anything is written."""
        if not self.entry.number:
            self.entry = begin(self.lake, self.entry)
            self.replaced = [(one, what) for one, what in self.replaced if one.number != self.entry.number]

    def read(self, number: int) -> Iterator[tuple[Prepared, int]]:
        """Yield the blocks of one file, prepared, in order, with the bytes done."""
        self.planned[number], pieces = in_date_order(self.planned[number], self._pieces, lambda piece: piece[0].tally)
        yield from pieces

    def _pieces(self, one: Planned) -> Generator[tuple[Prepared, int]]:
        begun = self.begun.pop(id(one), None)
        if begun is not None:
            yield begun[1], one.input.size
            return
        how = self._reading(one)
        blocks = one.input.blocks(how.wanted())
        yield from in_order(blocks, lambda block: prepare(block, how, self.pseudonyms, self.lake.buckets))

    def check_beginnings(self) -> None:
        """Check the beginning of every file, when the events of the first may be written before the last is read."""
        few_bytes = sum(one.input.size for one in self.planned) < ROWS_PER_WRITE  # so fewer rows still
        if len(self.planned) < 2 or few_bytes:
            return
        # what metadata say changes how other files are read; more rows than are written at a time are not kept
        left = 0 if any(one.source.metadata for one in self.planned) else ROWS_PER_WRITE
        for number, one in enumerate(self.planned):
            how = self._reading(one)
            blocks = one.input.blocks(how.wanted())
            first = next(blocks, None)
            if first is not None and next(blocks, None) is None:
                ready = prepare(first, how, self.pseudonyms, self.lake.buckets)
                self.planned[number].check_usable(ready.tally)
                left -= ready.read
                if left >= 0:
                    self.begun[id(one)] = one, ready

    def take(self, number: int, ready: Prepared) -> None:
        """Hold a block's rows, and write all that are held when there are many."""
        self.n_read[number] += ready.read
        self.tallies[number] += ready.tally
        self.zoneless[number] |= ready.zoneless
        self.counts[number, REJECTED_ROWS] += ready.rejected.num_rows
        if ready.rejected.num_rows:
            self._refuse(number, ready.rejected)
            if self.n_rejected >= REJECTED_PER_WRITE:
                self.planned[number].check_usable(self.tallies[number])  # of a file that is none nothing is kept
                self._keep_rejected()
        if ready.metadata is not None:
            self.metadata.append((number, ready.metadata))
        elif ready.sharing is not None and ready.order.size:
            self._hold(number, self.ties[number].add(ready, ready.sharing))
        self.n_since_given_back += ready.read
        if self.n_since_given_back >= ROWS_PER_GIVING_BACK:
            self.n_since_given_back = 0
            give_back()
        self._write_many(ended=False)

    def end_file(self, number: int) -> None:
        self.planned[number].check_usable(self.tallies[number])
        self._hold(number, self.ties[number].end())
        self._write_many(ended=True)
        if self.planned[number].source.metadata:
            self.known_topics |= self._topics_read()
            self._learn_items()

    def _hold(self, number: int, pieces: list[tuple[Prepared, Placed]]) -> None:
        for piece, placed in pieces:
            held = piece.placed(placed, coarse=bool(self.ties[number].coarse))
            self.waiting.add(dataclasses.replace(held, file=number))

    def _write_many(self, *, ended: bool) -> None:
        """Write what waits when it is much; `ended`: when no rows of its last file are to come."""
        if self.waiting.rows >= ROWS_PER_WRITE or self.waiting.bytes >= BYTES_PER_WRITE:
            self._check_zones()
            self._write_events(self.waiting.taken(ended=ended))

    def _refuse(self, number: int, rows: pa.Table) -> None:
        self.rejected.append(self.repeats[number].number(rows))
        self.n_rejected += rows.num_rows

    def write(self) -> None:
        """Write everything that is held: metadata, events, then what was rejected."""
        self._check_zones()  # what is refused is no ingest
        self.begin()
        for name in dict.fromkeys(self.planned[number].source.kind for number, _ in self.metadata):
            pieces = [(number, rows) for number, rows in self.metadata if self.planned[number].source.kind == name]
            said = [self._said(number, [rows for of, rows in pieces if of == number]) for number in self._numbers]
            self.counts[:, METADATA_ROWS] += courses.merge(self.lake, TABLES[name], pieces, said)
        self._write_events(self.waiting.taken(ended=True))
        if any(self.planned[number].source.kind == ITEMS.name for number, _ in self.metadata):
            self.assigned = assign_topics(self.lake, courses.item_topics(self.lake, self.tenant), self.now)
        self._keep_rejected()
        self.lake.tidy()

    def take_back(self) -> tuple[Undone, ...]:
        """Take back what the files had brought before, and return what that was."""
        entry = self.entry
        return tuple(
            undo(self.lake, one, now=self.now, sources=what.sources, door=entry.door, code_version=entry.engine_version)
            for one, what in self.replaced
        )

    def finish(self, notes: Sequence[str]) -> None:
        """Register that the ingest has ended. What it had brought before it was killed counts as accepted."""
        own = self.repeats_of.pop(self.entry.number, 0)
        files = tuple(
            dataclasses.replace(file, counts={name: getattr(report, name) for name in REPORTED})
            for file, report in zip(self.entry.files, self.reports(), strict=True)
        )
        events = own + sum(
            report.accepted + report.revised
            for report, one in zip(self.reports(), self.planned, strict=True)
            if not one.source.metadata
        )
        ended = dataclasses.replace(
            self.entry, files=files, notes=tuple(notes), repeats=dict(self.repeats_of), events=events
        )
        finish(self.lake, ended)

    def notes(self) -> list[str]:
        """Return the notes, each with the name of its file."""
        notes = []
        for one, read, tally, ties, counts in zip(
            self.planned, self.n_read, self.tallies, self.ties, self.of_events, strict=True
        ):
            notes += [f"{one.input.name}: {note}" for note in one.arrangement.notes]
            if not read:
                notes.append(f"{one.input.name}: has no rows")
            notes += [f"{one.input.name}: {note}" for note in revision_notes(counts)]
            notes += [f"{one.input.name}: {note}" for note in tally.notes(one.source)]
            tied = ties.note()
            if tied is not None:
                notes.append(f"{one.input.name}: {tied}")
        notes += [f"{name}: {note}" for name, note in self.zone_notes.items()]
        notes += earlier_notes(self.changed_by)
        if any(self.planned[number].source.kind == TOPICS.name for number, _ in self.metadata):
            notes += courses.notes(self.lake, self.tenant)
        if self.assigned:
            events = "1 known event" if self.assigned == 1 else f"{self.assigned:,} known events"
            notes.append(
                f"{events} that named no topic {'is' if self.assigned == 1 else 'are'} on those of `items` now"
            )
        return notes

    def assumed(self, said: ReadOptions) -> list[str]:
        """Return what neither the files nor the person said, each once, with the names of the files."""
        found: dict[str, list[str]] = {}
        for one, without in zip(self.planned, self.zoneless.tolist(), strict=True):
            for what in assumed(one, said, zoneless=without):
                found.setdefault(what, []).append(one.input.name)
        return [f"{first_names(list(dict.fromkeys(names)))}: {what}" for what, names in found.items()]

    def reports(self) -> tuple[FileReport, ...]:
        return tuple(
            FileReport(one.input.place, one.source.name, int(read), *(int(count) for count in counts))
            for one, read, counts in zip(self.planned, self.n_read, self.counts, strict=True)
        )

    @property
    def _numbers(self) -> range:
        return range(len(self.planned))

    def _said(self, number: int, pieces: list[pa.Table]) -> frozenset[str]:
        """Return the columns of its metadata that a file has; a key of JSON that no row has a value of is none."""
        one = self.planned[number]
        ours = one.arrangement.names(one.input.columns)
        filled = [name for rows in pieces for name in rows.column_names if rows[name].null_count < rows.num_rows]
        return item_columns(ours) | frozenset(filled)

    def _write_events(self, pieces: list[Held]) -> None:
        if pieces:
            for number in {piece.file for piece in pieces}:
                self.planned[number].check_usable(self.tallies[number])
            self.begin()
            give_back()  # or what reading took from the system lies idle beside what writing takes, and the reverse
            found = write_events(
                self.lake,
                pieces,
                len(self.planned),
                self.entry.number,
                replaced=[what.ingest for _, what in self.replaced],
                waiting=self.waiting_for_others,
                on_revision=self.on_revision,
                together=self.together,
            )
            give_back()
            self.together = found.together
            self.of_events += found.counts
            for ties, sharing in zip(self.ties, found.counts[:, SHARING].tolist(), strict=True):
                ties.sharing += sharing
            self.counts += found.counts[:, : self.counts.shape[1]]
            self.repeats_of += found.repeats
            self.changed_by += found.changed_by
            refused = found.refused
            for number in sorted({int(number) for part in refused for number in part.file}):
                one = self.planned[number]
                self._refuse(number, refused_rows(refused, number, one.source, self.tenant, one.input.name, self.now))

    def _check_zones(self) -> None:
        """Refuse files whose rows the lake has already, read under another zone. Of many files some are looked at, from
        the first to the last: a folder that is read again has its old files beside new ones.
        """
        held = sorted({piece.file for piece in self.waiting.pieces})
        doubtful = [number for number in held if self.zoneless[number] or self.ties[number].coarse]
        doubtful = [number for number in doubtful if self.planned[number].options.repeats is None]
        for place in np.unique(np.linspace(0, len(doubtful) - 1, min(len(doubtful), ZONES_CHECKED)).astype(int)):
            number = doubtful[place]
            one, pieces = self.planned[number], [piece for piece in self.waiting.pieces if piece.file == number]
            replaced = [what.ingest for _, what in self.replaced]
            clocks = bool(self.zoneless[number])
            note = check_zone(self.lake, pieces, one.input.place, clocks=clocks, replaced=replaced)
            if note is not None:
                self.zone_notes[one.input.name] = note

    def _keep_rejected(self) -> None:
        if self.rejected:
            self.begin()
            rows = pa.concat_tables(self.rejected).combine_chunks()
            mine = pa.array(np.full(rows.num_rows, self.entry.number, np.int64))
            rows = rows.set_column(rows.column_names.index("ingest"), "ingest", mine)
            if self.replaced:
                self.lake.update(REJECTED, partial(instead, rows, [what for _, what in self.replaced]))
            else:
                self.lake.append_missing(REJECTED, rows)
        self.rejected, self.n_rejected = [], 0

    def _reading(self, one: Planned) -> ParseOptions:
        return ParseOptions(
            one.source,
            one.input.name,
            one.arrangement,
            self.tenant,
            one.options,
            self.now,
            self.known_topics,
            self.item_topics,
        )

    def _topics(self) -> frozenset[str]:
        return frozenset(courses.topics_of(self.lake, self.tenant)["topic_id"].to_pylist())

    def _learn_items(self) -> None:
        """Let the files that follow take topics from the items that were read."""
        read = [(number, rows) for number, rows in self.metadata if self.planned[number].source.kind == ITEMS.name]
        if read:
            items = courses.joined_items(read).select(self.item_topics.items.column_names)
            self.item_topics = ItemTopics.of(pa.concat_tables([self.item_topics.items, items]))

    def _topics_read(self) -> frozenset[str]:
        tables = [rows for number, rows in self.metadata if self.planned[number].source.kind == TOPICS.name]
        return frozenset(name for rows in tables for name in rows["topic_id"].to_pylist())
