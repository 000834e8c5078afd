"""A batch of rows into the lake and into the records of their students. The steps, and their order, are here:

1. Understand the rows, each from itself (`understand`); those that cannot be used have a reason.
2. Look at how far the records are, then write: one commit of all new events and revisions, on the disk before anything
   else happens; then the rejected rows.
3. Note who has news. Go on with the current records of these students; fold the others from the lake, one scan for all.
   The same, of those who have a record, under a set that is being activated.
   Students who are not active (no event within some days) are left to whoever reads them, or to the next recompute.
4. Write each record by one compare-and-set.
5. Say what became of each row.

A kill after 2 leaves students whose records lack events, and nobody believes such a record: `catch_up` finds them, and
they are folded when they are next asked for. A kill before leaves nothing. Rows that come again are duplicates, and
students without a current record get one then, too.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from mastery.arrays import Int64s
from mastery.errors import Unwritable
from mastery.lake import Lake
from mastery.pipelines.ingest.dedupe import NEW, REVISED, SAME
from mastery.pipelines.ingest.held_rows import Held
from mastery.pipelines.ingest.write_events import Written, write_events
from mastery.pipelines.live.records import Begun, begin, bring_up
from mastery.pipelines.live.understand import Incoming, Refusal
from mastery.pipelines.live.watch import UNWATCHED, Watch
from mastery.scorers.model_set import ModelSet
from mastery.state import StateStore, StateUnusable
from mastery.tables import REJECTED, UNASSIGNED

log = logging.getLogger(__name__)

ACCEPTED, REVISED_ROW, DUPLICATE, REJECTED_ROW = range(4)
"""What can become of a row."""

OF_VERDICT = np.empty(3, np.int8)
OF_VERDICT[[NEW, REVISED, SAME]] = ACCEPTED, REVISED_ROW, DUPLICATE


@dataclass(frozen=True)
class Taken:
    """What became of the rows of one request or message.

    Attributes:
        rows: int8[read]: `ACCEPTED`, `REVISED_ROW`, `DUPLICATE` or `REJECTED_ROW` of each.
        refusals: Why, of those rejected.
        changed: Pseudonym of each student with new events or revisions → the topics that these name.
    """

    rows: np.ndarray[tuple[int], np.dtype[np.int8]]
    refusals: tuple[Refusal, ...]
    changed: Mapping[str, frozenset[str]]

    def count(self, outcome: int) -> int:
        """Return of how many rows this became."""
        return int((self.rows == outcome).sum())


def take(
    batch: Sequence[Incoming],
    *,
    lake: Lake,
    state: StateStore,
    model_set: ModelSet,
    ingest: int,
    beside: Sequence[ModelSet] = (),
    active_since_us: int | None = None,
    watch: Watch = UNWATCHED,
) -> list[Taken]:
    """Do steps 2 to 5 for the rows of several requests or messages, and return what became of those of each request.

    Where the state store cannot be used, the log says so and records stay as they are: they are a cache of the lake.

    Args:
        batch: In the order they came.
        ingest: Number of the ingest that brings them.
        beside: Sets whose records, where there are any, go on as well: one that is being activated has some.
        active_since_us: Students whose newest event is before this moment get no record now; None: all do.
        watch: Is told of steps 2 to 4.

    Raises:
        TakenBack: Somebody has taken back what this ingest brings; nothing was written.
        Conflict: Others wrote to the lake each time; nothing was written.
        Unwritable: The disk of the lake is full, or may not be written to.
    """
    pieces = [piece for one in batch for piece in one.pieces]
    pieces = [dataclasses.replace(piece, file=number) for number, piece in enumerate(pieces)]
    students = frozenset[str]().union(*(one.students for one in batch))
    with watch.taking("lake"):
        begun = _begun(lake, state, students, model_set)
        others = [(one, _begun(lake, state, students, one)) for one in beside]
        written = write_events(lake, pieces, len(pieces), ingest, keep=True, one_file=True) if pieces else None
        _keep_rejected(lake, batch, ingest)
    taken = _taken(batch, written)
    changed = frozenset[str]().union(*(one.changed for one in taken))
    behind = changed if begun is None else changed | students - begun.found.current
    if begun is not None and active_since_us is not None and behind:
        active = _active(behind, pieces, begun, active_since_us)
        watch.inactive(len(behind) - len(active))
        behind = active
    if begun is not None and written is not None:
        try:
            if behind:
                bring_up(lake, state, model_set, begun, behind, written.kept, watch)
            for other, there in others:
                if there is not None and (theirs := changed & there.found.current):
                    bring_up(lake, state, other, there, theirs, written.kept)
        except (StateUnusable, Unwritable) as error:
            _say(error)
    return taken


def newest_us(pieces: Iterable[Held]) -> int | None:
    """Return when the latest of some events happened, in microseconds since 1970; None for no event."""
    return max((int(piece.rows.numbers("occurred_at").max()) for piece in pieces if piece.rows.num_rows), default=None)


def _active(students: frozenset[str], pieces: Sequence[Held], begun: Begun, since_us: int) -> frozenset[str]:
    """Return those of the students who have an event at this moment or later, in the rows or in their record."""
    recent = set[str]()
    for block in begun.found.blocks:
        recent.update(block.student_ids.filter(pa.array(block.last_event_us >= since_us)).to_pylist())
    for piece in pieces:
        names = piece.rows.column("student_id").dictionary
        late = piece.rows.codes("student_id")[piece.rows.numbers("occurred_at") >= since_us]
        recent.update(names.take(pa.array(np.unique(late))).to_pylist())
    return students & recent


def _begun(lake: Lake, state: StateStore, students: frozenset[str], model_set: ModelSet) -> Begun | None:
    if not students:
        return None
    try:
        return begin(lake, state, students, model_set)
    except (StateUnusable, Unwritable) as error:
        _say(error)
        return None


def _say(error: Exception) -> None:
    log.warning("%s. Until then scores are computed from the events in the lake", error)


def _keep_rejected(lake: Lake, batch: Sequence[Incoming], ingest: int) -> None:
    rejected = [one.rejected for one in batch if one.rejected.num_rows]
    if not rejected:
        return
    rows = pa.concat_tables(rejected).combine_chunks()
    number = pa.array(np.full(rows.num_rows, ingest, np.int64))
    lake.append_missing(REJECTED, rows.set_column(rows.column_names.index("ingest"), "ingest", number))


def _taken(batch: Sequence[Incoming], written: Written | None) -> list[Taken]:
    """Return what became of the rows of each request."""
    verdicts = iter(() if written is None else written.verdicts)
    found = []
    for one in batch:
        rows = np.full(one.read, REJECTED_ROW, np.int8)
        starts = np.cumsum((0, *one.sizes))
        changed: list[dict[str, set[str]]] = [{} for _ in one.sizes]
        for piece, places in zip(one.pieces, one.places, strict=True):
            verdict = next(verdicts)
            rows[places] = OF_VERDICT[verdict]
            new = np.flatnonzero(verdict != SAME)
            if new.size:
                requests = np.searchsorted(starts, places[new], side="right") - 1
                for request, (student, topics) in zip(requests.tolist(), _topics_of(piece, new), strict=True):
                    changed[request].setdefault(student, set()).update(topics)
        for theirs, first, last in zip(changed, starts[:-1], starts[1:], strict=True):
            topics_of = {student: frozenset(topics) for student, topics in theirs.items()}
            found.append(Taken(rows[first:last], one.refusals, topics_of))
    return found


def _topics_of(piece: Held, rows: Int64s) -> Iterator[tuple[str, set[str]]]:
    """Yield the student of each of some events, and the topics that it names."""
    events = piece.rows.slice(0, piece.rows.num_rows).take(pa.array(rows))
    columns = (events[name].to_pylist() for name in ("student_id", "topic_id", "other_topic_ids"))
    for student, topic, others in zip(*columns, strict=True):
        yield student, {topic, *(others or ())} - {UNASSIGNED}
