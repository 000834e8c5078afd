"""A class as last published: every student and topic of one tenant, from gold."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mastery.errors import NotFound
from mastery.insight.bands import BANDS
from mastery.insight.ranking import weakest
from mastery.insight.rollups import CurriculumPath
from mastery.insight.words import counted
from mastery.instants import instant
from mastery.lake import Lake
from mastery.pipelines.queries.schemas import ClassDocument, ClassRow, TopicSummary
from mastery.tables import GOLD

SHOWN = (
    "student_id",
    "topic_id",
    "mastery_score",
    "lower",
    "upper",
    "band",
    "evidence_count",
    "model_version",
    "as_of",
)

NOBODY, HELP = BANDS[0], BANDS[1]


def published(lake: Lake, source: str, tenant: str) -> pa.Table:
    """Return the published scores of one scorer and tenant, columns `SHOWN`.

    Raises:
        NotFound: nothing is published for this tenant.
    """
    parts = []
    snapshot = lake.snapshot(GOLD)  # all buckets of one moment: a recompute may publish another model set meanwhile
    for bucket in sorted({file.bucket for file in snapshot.files if file.bucket is not None}):
        rows = lake.read_bucket(GOLD, bucket, [*SHOWN, "tenant", "score_source"], at=snapshot)
        mine = pc.and_(pc.equal(rows["tenant"], tenant), pc.equal(rows["score_source"], source))
        parts.append(rows.filter(mine).select(list(SHOWN)))
    found = pa.concat_tables(parts).unify_dictionaries().combine_chunks() if parts else None
    if found is None or not found.num_rows:
        raise NotFound(f"nothing is published for tenant {tenant!r}; run 'mastery recompute' after an ingest")
    return found


def as_of_us(scores: pa.Table) -> int:
    """Return the moment of published scores."""
    return int(pc.max(scores["as_of"]).cast(pa.int64()).as_py())


def model_version(scores: pa.Table) -> str:
    """Return the model set of published scores."""
    return str(scores["model_version"][0].as_py())


def weakest_rows(scores: pa.Table, limit: int, min_evidence: int) -> list[ClassRow]:
    """Return the weakest student-topics with enough evidence, the weakest first."""
    places = weakest(
        scores["mastery_score"].to_numpy(),
        scores["upper"].to_numpy(),
        scores["evidence_count"].to_numpy(),
        limit,
        min_evidence,
    )
    return _rows(scores.take(pa.array(places)))


def class_scores(
    scores: pa.Table,
    places: Mapping[str, CurriculumPath],
    source: str,
    tenant: str,
    topics: Sequence[str] | None,
) -> ClassDocument:
    """Return the class of published scores: students by their mean score, topics by theirs, the lowest first."""
    rows = _rows(scores)
    if topics is not None:
        rows = [row for row in rows if row.topic_id in topics]
    by_topic: dict[str, list[ClassRow]] = defaultdict(list)
    by_student: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        by_topic[row.topic_id].append(row)
        by_student[row.student_id] += [row.mastery_score] if row.band != NOBODY else []
    without = sorted(topic for topic in by_topic if topic not in places)
    notes = []
    if without:
        are = "is" if len(without) == 1 else "are"
        shown = ", ".join(without[:5]) + (", …" if len(without) > 5 else "")
        notes.append(f"{counted(len(without), 'topic')} {are} not in the topics table: {shown}")
    return ClassDocument(
        tenant=tenant,
        as_of=instant(as_of_us(scores)),
        score_source=source,
        model_version=model_version(scores),
        students=sorted(by_student, key=lambda student: (_mean(by_student[student]), student)),
        topics=sorted(
            (_summary(topic, found, places.get(topic)) for topic, found in by_topic.items()),
            key=lambda one: (one.mean is None, one.mean or 0.0, one.topic_id),
        ),
        scores=rows,
        notes=notes,
    )


def _summary(topic: str, rows: Sequence[ClassRow], place: CurriculumPath | None) -> TopicSummary:
    judged = [row for row in rows if row.band != NOBODY]
    return TopicSummary(
        topic_id=topic,
        title=None if place is None else place.title,
        chapter=None if place is None else place.chapter,
        subject=None if place is None else place.subject,
        course=None if place is None else place.course,
        mean=float(np.mean([row.mastery_score for row in judged])) if judged else None,
        students=len(judged),
        evidence_count=sum(row.evidence_count for row in rows),
        needs_help=sum(row.band == HELP for row in judged),
    )


def _mean(scores: Sequence[float]) -> float:
    """Return the mean; students who cannot be judged yet come last."""
    return float(np.mean(scores)) if scores else 2.0


def _rows(scores: pa.Table) -> list[ClassRow]:
    columns = [name for name in SHOWN if name in ClassRow.model_fields]
    return [ClassRow.model_construct(**row, reason=None) for row in scores.select(columns).to_pylist()]
