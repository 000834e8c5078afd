"""Steps 3 and 4 of a batch: the records of students are brought up to what the lake has by now.

A record may only go on with *all* events of its student that came since. What has come since is what the lake's log
says of the commits between two looks, whoever made them: the first look (`Begun`) is before the batch is written, and a
record that is current then has all events up to it; the second is after. So the events of other writers in between are
among them. Where they cannot be told, or something was taken out or said again, the student is folded from the lake.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mastery.events.identity import buckets as bucket_of
from mastery.features.columns import READ
from mastery.lake import Lake
from mastery.lake.file_writer import holds_revisions
from mastery.lake.files import Only
from mastery.pipelines.live.watch import NO_RECORD, OVERTAKEN, UNWATCHED, Watch
from mastery.pipelines.scoring.catch_up import View, catch_up
from mastery.pipelines.scoring.continue_record import END_OF_TIME, Refold, continue_records
from mastery.pipelines.scoring.fold import fold_events
from mastery.pipelines.scoring.records import record_block
from mastery.scorers.model_set import ModelSet
from mastery.state import FoundBlocks, RecordBlock, StateStore, encode_block, find_blocks, taken_records
from mastery.tables import EVENTS

log = logging.getLogger(__name__)

COLUMNS = (*READ, "body_hash")
SCHEMA = pa.schema([EVENTS.schema.field(name) for name in COLUMNS])

ATTEMPTS = 10
"""How often students are folded again because another writer of their records was faster."""

FEW_STUDENTS = 4
"""Up to this many students of a bucket are read one by one; for more the bucket is read once."""


@dataclass(frozen=True)
class Begun:
    """What there was before a batch was written.

    Attributes:
        view: The lake, as far as its news are noted.
        found: The records of the batch's students, read after that.
    """

    view: View
    found: FoundBlocks


def begin(lake: Lake, state: StateStore, students: Iterable[str], model_set: ModelSet) -> Begun:
    """Return the records of some students, and up to where they are known to hold all events."""
    view = catch_up(lake, state)
    found = find_blocks(state, students, model_set.version)
    _say_damaged(found)
    return Begun(view, found)


def _say_damaged(found: FoundBlocks) -> None:
    """Say in one line whose records cannot be used: after an upgrade they may be everybody's."""
    damaged = {student: there.damaged for student, there in sorted(found.outdated.items()) if there.damaged is not None}
    for student, why in islice(damaged.items(), 1):
        log.warning(
            "records of %d students cannot be used, and are made again from the lake; that of %s: %s",
            *(len(damaged), student, why.what),
        )


def bring_up(
    lake: Lake,
    state: StateStore,
    model_set: ModelSet,
    begun: Begun,
    changed: Collection[str],
    held: Mapping[str, pa.Table],
    watch: Watch = UNWATCHED,
) -> None:
    """Write the records of changed students, made of all that the lake has.

    Each is written by one compare-and-set. Where another writer of it was faster and has seen as much, theirs stands;
    else the student is folded once more. A student who is overtaken every time, or whom a kill leaves out, is folded by
    whoever reads them next.

    Args:
        changed: Students with new events, and others whose records are not current.
        held: Rows of files that the batch wrote, by path.
        watch: Is told of both steps, and of whom had to be folded from the lake.
    """
    with watch.taking("fold"):
        view, found = catch_up(lake, state, held), begun.found
        blocks, refolds = _go_on(lake, model_set, begun, view, changed, held)
        left = set(changed).difference(*(block.student_ids.to_pylist() for block in blocks))
        blocks += _fold(lake, model_set, view, left)
    watch.continued(len(changed) - len(left))
    for why, students in Counter(refolds.get(student, NO_RECORD) for student in left).items():
        watch.refolded(why, students)
    for _ in range(ATTEMPTS):
        with watch.taking("records"):
            overtaken = [student for block in blocks for student in _put(state, block, found)]
        if not overtaken:
            return
        with watch.taking("fold"):
            view = catch_up(lake, state)
            found = find_blocks(state, overtaken, model_set.version)
            left = set(overtaken) - found.current
            blocks = _fold(lake, model_set, view, left)
        watch.refolded(OVERTAKEN, len(left))


def _go_on(
    lake: Lake, model_set: ModelSet, begun: Begun, view: View, changed: Collection[str], held: Mapping[str, pa.Table]
) -> tuple[list[RecordBlock], dict[str, str]]:
    """Return the records that could go on with what has come since, and why others, which are there, could not."""
    going_on = begun.found.current & set(changed)
    if not going_on or begun.view.seen.lineage != view.seen.lineage:
        return [], {}
    news = lake.news(EVENTS, begun.view.seen.version, view.seen.version)
    if news is None or news.removed:
        return [], {}
    try:
        parts = {path: _rows_of(lake, path, held, going_on) for path in news.added}
    except FileNotFoundError:  # compacted since, and vacuumed
        return [], {}
    if not parts:
        return [], {}
    events = pa.concat_tables(parts.values()).combine_chunks()
    # a revision may lie later than all that the record remembers, and look new
    revised = {name for path, rows in parts.items() if holds_revisions(path) for name in _students(rows)} & going_on
    records, refolds = list[RecordBlock](), dict.fromkeys(revised, Refold.REVISED.name.lower())
    for block in begun.found.blocks:
        these = pa.array(sorted(going_on - revised), pa.string())
        mine = taken_records(block, np.flatnonzero(pc.is_in(block.student_ids, these).to_numpy(zero_copy_only=False)))
        theirs = events.filter(pc.is_in(events["student_id"], mine.student_ids))
        on = continue_records(mine, theirs, model_set, seen=view.seen)
        records += on.blocks
        refolds |= {student: why.name.lower() for student, why in on.refold.items()}
    return records, refolds


def _rows_of(lake: Lake, path: str, held: Mapping[str, pa.Table], students: Collection[str]) -> pa.Table:
    """Return the rows of one file: what the batch has brought, or those of some students."""
    if path in held:
        return held[path].select(COLUMNS).cast(SCHEMA)
    rows = lake.read_files(EVENTS, [path], COLUMNS).cast(SCHEMA)
    return rows.filter(pc.is_in(rows["student_id"], pa.array(sorted(students), pa.string())))


def _students(rows: pa.Table) -> list[str]:
    found: list[str] = rows["student_id"].unique().to_pylist()
    return found


def _put(state: StateStore, block: RecordBlock, found: FoundBlocks) -> list[str]:
    """Write records over those that were found; return the students that were overtaken."""
    return state.put_encoded(encode_block(block), [found.versions.get(one, 0) for one in block.student_ids.to_pylist()])


def _fold(lake: Lake, model_set: ModelSet, view: View, students: Collection[str]) -> list[RecordBlock]:
    """Return the records of students folded from the lake, but for those without an event that counts."""
    if not students:
        return []
    events = _events_of(lake, view, students)
    folded = fold_events(events, model_set, END_OF_TIME, history=False)
    if not folded.batch.students:
        return []
    return [record_block(events, folded, np.arange(len(folded.batch.students)), view.seen)]


def _events_of(lake: Lake, view: View, students: Collection[str]) -> pa.Table:
    """Return all events that count of some students, each bucket read at most once."""
    names = pa.array(sorted(students), pa.string())
    bucket = np.asarray(bucket_of(names, lake.buckets))
    parts = []
    for one in np.unique(bucket).tolist():
        theirs = names.filter(pa.array(bucket == one)).to_pylist()
        if len(theirs) <= FEW_STUDENTS:
            parts += [lake.read_student(EVENTS, student, COLUMNS, at=view.events) for student in theirs]
        else:
            only = Only(column="student_id", values=tuple(theirs))
            parts.append(lake.read_bucket(EVENTS, one, COLUMNS, view.events, only))
    return pa.concat_tables(parts).unify_dictionaries().combine_chunks()
