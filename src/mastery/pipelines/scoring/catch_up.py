"""Bring the learner-state store up to what the lake holds: note who has new events, and whether it is the same lake.

The lake is written first and the state after it, so a crash between the two leaves students whose
record lacks events. This is the one repair: it compares the version up to which news have been
noted with the lake's, and a student with news that the record has not seen is folded again when next asked for.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from mastery.events.identity import buckets as bucket_of
from mastery.lake import Lake, News, Snapshot, TableVersion
from mastery.state import KnownLake, Position, StateStore, StateUnusable
from mastery.tables import EVENTS

log = logging.getLogger(__name__)

STUDENT = "student_id"

ATTEMPTS = 10
"""How often a move by somebody else is followed."""

NONE_HELD: Mapping[str, pa.Table] = {}


@dataclass(frozen=True)
class View:
    """The lake's events as of one version whose news the state has been told of.

    Attributes:
        events: The files. A fold for a record reads these.
        seen: What a record made of them has seen.
    """

    events: Snapshot
    seen: Position


def catch_up(lake: Lake, state: StateStore, held: Mapping[str, pa.Table] = NONE_HELD) -> View:
    """Note the students of events that the state has not been told of; return what there is to read.

    `held`: rows of files that need not be read, by path.

    Called before every read of a record, by a recompute for the files that it folds, and after an undo, which may leave
    students without any event: their records are deleted. Compaction is not taken for news. Where the lake is another
    one than the state knows (put back from a backup, made again, copied from elsewhere), or what was added can no
    longer be told, all records are dropped, which one line of the log says.
    Costs 0.01 ms when there is nothing new.

    Raises:
        StateUnusable: The store cannot be read or written.
        Unwritable: Its disk is full, or may not be written to.
    """
    for _ in range(ATTEMPTS):
        known = state.known_lake()  # before the lake: its versions only grow
        events, version = lake.identified(EVENTS)
        if known is not None and _version_of(known) == version:
            return View(events, known.position)
        news = None if known is None else _news_since(lake, known, version.version)
        students = None if news is None else students_of(lake, news, version.version, held)
        lineage = 0 if known is None else known.lineage
        if students is None:
            lineage += 1
        else:
            for at in sorted(set(students.values())):
                state.note_events([one for one, last in students.items() if last == at], Position(lineage, at))
            if news is not None and news.removed:
                here = Position(lineage, version.version)
                state.drop_students(_without_events(lake, [*students], events), here)
        now = KnownLake(lineage, *version)
        if state.know_lake(now, known):
            if known is not None and students is None:
                log.warning(
                    "the lake in %s is not the one that students' records were made of, or its log no longer says "
                    "what was added since: all records were dropped, and are made again from it",
                    lake.root,
                )
            return View(events, now.position)
    raise StateUnusable(
        f"others wrote to the lake {ATTEMPTS} times in a row while its news were noted; "
        "let fewer jobs write at once, or try again"
    )


def _version_of(known: KnownLake) -> TableVersion:
    return TableVersion(known.table_id, known.version, known.fingerprint)


def _news_since(lake: Lake, known: KnownLake, until: int) -> News | None:
    """Return what commits after the known version brought or took out; None where that cannot be told."""
    return lake.news(EVENTS, known.version, until) if lake.holds(EVENTS, _version_of(known)) else None


def students_of(lake: Lake, news: News, until: int, held: Mapping[str, pa.Table] = NONE_HELD) -> dict[str, int] | None:
    """Return the students of events that came or went by version `until`, each with the last version that says so; None
    where files of them are gone.

    Not each with `until`: what is noted stays when another writer moves on meanwhile, and a record that has all events
    of its student would not be current.
    One file is read at a time, for there may be a lake of them.
    """
    found: dict[str, int] = {}
    try:
        for path, version in news.added.items():
            rows = held[path] if path in held else lake.read_files(EVENTS, [path], [STUDENT])
            found |= dict.fromkeys(pc.unique(rows.column(STUDENT)).to_pylist(), version)
        for path, ingests in news.removed.items():
            rows = lake.read_files(EVENTS, [path], [STUDENT, "ingest"])
            theirs = rows.filter(pc.is_in(rows["ingest"], value_set=pa.array(sorted(ingests), pa.int64())))
            found |= dict.fromkeys(pc.unique(theirs.column(STUDENT)).to_pylist(), until)
    except FileNotFoundError:  # compacted since, and vacuumed
        return None
    return found


def _without_events(lake: Lake, students: list[str], events: Snapshot) -> list[str]:
    """Return which of the students have no event at all in these files."""
    left = set(students)
    for bucket in sorted(set(bucket_of(pa.array(students, pa.string()), lake.buckets).tolist())):
        for file in events.bucket(bucket):
            rows = lake.read_files(EVENTS, [file.path], [STUDENT])
            left.difference_update(pc.unique(rows.column(STUDENT)).to_pylist())
    return sorted(left)
