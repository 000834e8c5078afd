"""Take back what an ingest brought, and register that. See `mastery.lake.undo` for how it leaves the lake.

Only the events that an ingest brought first, or revised, are its own. One that an earlier ingest had brought stays; one
that a later ingest read again, as it was, was a duplicate then and goes: how many those are is told with the file that
has them, and reading that again brings them back. What a file said of a course (topics, items) stays until another one
says something else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import pyarrow as pa

from mastery.errors import BadInput, Conflict
from mastery.lake import Brought, Lake
from mastery.lake.undo import brought_by
from mastery.pipelines.ingest.ingests import UNDO, FileRead, IngestEntry, begin, entries, finish
from mastery.tables import REJECTED


@dataclass(frozen=True)
class Undone:
    """What was taken back.

    Attributes:
        id: Of the undo; None where there was nothing left to do.
        undoes: Id of the ingest.
        sources: Names of the files whose events went; None for all of it.
        events: Rows of events that went, of all revisions.
        rejected: Rejected rows that went.
        read_again: Id of a later ingest → how many events of this one it had read again; see the top of this file.
    """

    id: str | None
    undoes: str
    sources: tuple[str, ...] | None
    events: int
    rejected: int
    read_again: Mapping[str, int]

    def as_dict(self) -> dict[str, Any]:
        return {**vars(self), "sources": None if self.sources is None else list(self.sources)}


def undo(
    lake: Lake,
    of: IngestEntry,
    *,
    now: datetime,
    sources: tuple[str, ...] | None = None,
    door: str = "python",
    code_version: str = "",
    waiting: Callable[[], None] | None = None,
) -> Undone:
    """Take back what an ingest, or some of its files, brought. Killed and run again it does the rest.

    Raises:
        BadInput: It read no file of such a name.
        Conflict: Others wrote into the same buckets every time.
    """
    check_sources(of, sources)
    if is_done(of, sources):
        return Undone(None, of.id, sources, 0, 0, {})
    what = [Brought(of.number, sources)]
    events = lake.brought(what)  # for one that is killed and gone on with: what there was when it was begun
    entry = IngestEntry(of.tenant, UNDO, now, door, code_version, undoes=of.number, sources=sources, events=events)
    entry = begin(lake, entry)
    taken = lake.undo(what, waiting)  # of a door that is writing, more than there was a moment before
    entry = replace(entry, events=max(taken, entry.events or 0))
    rejected = _clear_rejected(lake, what)
    finish(lake, entry)
    lake.tidy()
    return Undone(entry.id, of.id, sources, entry.events or 0, rejected, read_again(entries(lake), of))


def check_sources(of: IngestEntry, sources: Sequence[str] | None) -> None:
    """Raise BadInput for the name of a file that the ingest did not read."""
    names = [file.name for file in of.files]
    for name in sources or ():
        if name not in names:
            raise BadInput(f"ingest {of.id} read no file {name!r}; it read {', '.join(names)}")


def is_done(of: IngestEntry, sources: Sequence[str] | None) -> bool:
    """Tell whether all of that has been taken back before."""
    return of.undone_by is not None or (sources is not None and set(sources) <= set(of.taken_back))


def read_again(every: Sequence[IngestEntry], of: IngestEntry) -> dict[str, int]:
    """Return by id of a later ingest that still counts how many events of this one it read again."""
    return {one.id: one.repeats[of.number] for one in every if of.number in one.repeats and one.undone_by is None}


def replaced_by(every: Sequence[IngestEntry], files: Sequence[FileRead]) -> list[tuple[IngestEntry, Brought]]:
    """Return what earlier ingests brought from these files, the newest first.

    A file is known again by its place or by its bytes. An ingest all of whose files are among these is replaced whole.

    Raises:
        Conflict: One of them read another file of the same name beside, whose events cannot be told from these.
    """
    found = []
    for one in every:
        mine = [file for file in one.files if any(file.is_same_as(other) for other in files)]
        others = [file for file in one.files if file not in mine]
        names = tuple(dict.fromkeys(file.name for file in mine))
        if not mine or is_done(one, names):
            continue
        both = [name for name in names if any(file.name == name for file in others)]
        if both:
            raise Conflict(
                f"ingest {one.id} read several files called {both[0]!r}, whose events cannot be told apart; take all "
                f"of it back ('mastery ingests undo {one.id}') and ingest its files again"
            )
        found.append((one, Brought(one.number, names if others else None)))
    return found


def _clear_rejected(lake: Lake, what: Sequence[Brought]) -> int:
    count = 0

    def without(rows: pa.Table) -> pa.Table | None:
        nonlocal count
        mine = brought_by(what, rows)
        count = int(mine.sum())
        return rows.filter(pa.array(~mine)) if count else None

    lake.update(REJECTED, without)
    return count
