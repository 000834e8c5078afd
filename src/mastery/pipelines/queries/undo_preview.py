"""What an undo would change, before it is done: how many events, students and scores, and by how much."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mastery.features.columns import READ
from mastery.lake import Brought, Lake
from mastery.lake.undo import NEEDED, brought_by
from mastery.pipelines.ingest.ingests import IngestEntry, entries
from mastery.pipelines.ingest.undo import check_sources, is_done, read_again
from mastery.pipelines.scoring.fold import fold_events
from mastery.scorers.model_set import ModelSet
from mastery.tables import EVENTS, REJECTED, UNASSIGNED

Key = tuple[str, str]
"""Student and topic."""


@dataclass(frozen=True)
class UndoPreview:
    """What would change.

    Attributes:
        undoes: Id of the ingest.
        sources: Names of the files whose events would go; None for all of it.
        done_before: All of that was taken back before, so that nothing would change.
        events: Events that count and would count no more, or say something else.
        events_back: Those of them of which an earlier revision would count again.
        students: Students with such an event.
        scorer: Whose scores are compared.
        scores: Scores of a student on a topic that would change, those that would be gone included.
        scores_gone: Scores that would be gone, without any event left.
        largest_change: Of the scores that would stay; 0 where none changes.
        rejected: Rejected rows that would go.
        read_again: Id of a later ingest → how many of the events it read again, which were duplicates then: they would
            go, and reading its files again would bring them back.
        metadata: Files among them that describe a course; what they said stays.
    """

    undoes: str
    sources: tuple[str, ...] | None
    done_before: bool
    events: int
    events_back: int
    students: int
    scorer: str
    scores: int
    scores_gone: int
    largest_change: float
    rejected: int
    read_again: Mapping[str, int]
    metadata: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        lists = {
            "sources": None if self.sources is None else list(self.sources),
            "read_again": dict(self.read_again),
            "metadata": list(self.metadata),
        }
        return {**vars(self), **lists}


def undo_preview(
    lake: Lake,
    of: IngestEntry,
    model_set: ModelSet,
    scorer: str,
    as_of_us: int,
    sources: tuple[str, ...] | None = None,
    progress: Callable[[int], None] | None = None,
) -> UndoPreview:
    """Return what taking back an ingest, or some of its files, would change. Writes nothing.

    The students concerned are folded twice. `progress` is called with the events of each bucket that is done.

    Raises:
        BadInput: The ingest read no file of such a name.
    """
    check_sources(of, sources)
    what = [Brought(of.number, sources)]
    events = back = scores = gone = 0
    students: set[str] = set()
    largest = 0.0
    at = lake.snapshot(EVENTS)
    for bucket in at.buckets:
        if brought_by(what, lake.read_bucket(EVENTS, bucket, NEEDED, at)).any():
            before, after = lake.with_and_without(bucket, what, [*READ, *NEEDED], at)
            mine = before.filter(pa.array(brought_by(what, before)))
            theirs = pc.unique(mine["student_id"].cast(pa.string()))
            students.update(theirs.to_pylist())
            before, after = (rows.filter(pc.is_in(rows["student_id"], value_set=theirs)) for rows in (before, after))
            events += mine.num_rows
            back += mine.num_rows - (before.num_rows - after.num_rows)
            old, new = (_scores(rows, model_set, scorer, as_of_us) for rows in (before, after))
            changes = [abs(new[key] - score) for key, score in old.items() if key in new and new[key] != score]
            gone += len(old.keys() - new.keys())
            scores += len(changes) + len(old.keys() ^ new.keys())
            largest = max([largest, *changes])
        if progress is not None:
            progress(at.rows_of(bucket))
    files = [file for file in of.files if sources is None or file.name in sources]
    return UndoPreview(
        undoes=of.id,
        sources=sources,
        done_before=is_done(of, sources),
        events=events,
        events_back=back,
        students=len(students),
        scorer=scorer,
        scores=scores,
        scores_gone=gone,
        largest_change=largest,
        rejected=int(brought_by(what, lake.scan(REJECTED, NEEDED)).sum()),
        read_again=read_again(entries(lake), of),
        metadata=tuple(file.name for file in files if file.table in ("topics", "items")),
    )


def _scores(events: pa.Table, model_set: ModelSet, scorer: str, as_of_us: int) -> dict[Key, float]:
    folded = fold_events(events.select(READ), model_set, as_of_us, history=False)
    if not folded.batch.students:
        return {}
    batch, found = folded.batch, folded.scores()[scorer].score
    names = [topic for _, topic in batch.topics]
    keys = zip(batch.slot_student.tolist(), batch.slot_topic.tolist(), strict=True)
    return {
        (batch.students[student], names[topic]): score
        for (student, topic), score in zip(keys, found.tolist(), strict=True)
        if names[topic] != UNASSIGNED
    }
