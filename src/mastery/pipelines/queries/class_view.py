"""A class as last published: the numbers of all of it, and a page of its students with their scores.

The **index** says who is in the class, in which order, and how each topic stands. It is published with gold
(CLASS_STUDENTS, CLASS_TOPICS); for a class on some topics alone, and where an earlier version of the engine has
published, it is added up from one pass over gold. It keeps some forty bytes a student and no score, and is made once
for each published version (`Reader` keeps it). A **page** reads only the parts of files in which its students lie.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mastery.errors import NotFound, did_you_mean
from mastery.insight.bands import BANDS
from mastery.insight.ranking import weakest
from mastery.insight.rollups import CurriculumPath
from mastery.insight.words import counted, every
from mastery.instants import microseconds
from mastery.lake import Lake, Snapshot, compaction
from mastery.lake.publication import Publication
from mastery.pipelines.queries.schemas import ClassDocument, ClassRow, ClassTotals, PublishedScorer, TopicSummary
from mastery.pipelines.queries.topic_means import TopicMean
from mastery.pipelines.scoring.class_numbers import COLUMNS, FIXED_POINT, ClassNumbers
from mastery.pipelines.scoring.class_weakest import KEPT
from mastery.school_days import UTC_DAYS, SchoolDays
from mastery.scorers import SPECS, with_scores
from mastery.tables import CLASS_STUDENTS, CLASS_TOPICS, CLASS_WEAKEST, GOLD, Table

NOBODY, HELP = BANDS[0], BANDS[1]

Order = Literal["lowest_mean", "bucket"]
"""How students are listed. `lowest_mean`: by their mean score, those of equal means by pseudonym, those without enough
evidence on any topic last. `bucket`: as they lie in the lake, and by pseudonym."""

SHOWN = ("student_id", "topic_id", "mastery_score", "lower", "upper", "band", "evidence_count")
"""Columns of a `ClassRow`."""

FEW_STUDENTS = 400
"""A page of up to this many students is read student by student; of more, whole buckets are."""


@dataclass(frozen=True)
class TopicNumbers:
    """One topic over the class.

    Attributes:
        mean: Of the students with enough evidence; None for none.
        evidence_count: Of all students.
        bands: Students in each band, in the order of BANDS, zeros too.
    """

    topic_id: str
    mean: float | None
    evidence_count: int
    bands: Mapping[str, int]


@dataclass(frozen=True)
class ClassIndex:
    """A class without its scores.

    Attributes:
        snapshot: Gold as it was read; pages are read from the same version.
        topic_ids: Only these topics; None for all.
        scorers: Whose scores of this tenant are published.
        students: string[S]. Pseudonyms, in the order that was wanted.
        in_need: Students who need help on at least one topic.
        topics: Lowest mean first, those without enough evidence last.
    """

    snapshot: Snapshot
    tenant: str
    source: str
    topic_ids: frozenset[str] | None
    scorers: tuple[str, ...]
    as_of_us: int
    model_version: str
    students: pa.Array
    in_need: int
    topics: tuple[TopicNumbers, ...]


def published_index(
    lake: Lake, snapshot: Snapshot, by: Publication, source: str, tenant: str, order: Order
) -> ClassIndex | None:
    """Return the index of a class as it was published with gold; None where none was.

    Args:
        snapshot: Gold, as the publication names it.

    Raises:
        NotFound: nothing is published for this tenant.
    """
    if not snapshot.rows or any(table.name not in by.versions for table in (CLASS_STUDENTS, CLASS_TOPICS)):
        return None
    students = lake.read_files(CLASS_STUDENTS, _paths(lake, CLASS_STUDENTS, by))
    topics = lake.read_files(CLASS_TOPICS, _paths(lake, CLASS_TOPICS, by))
    return _index_of(snapshot, students, topics, source, tenant, None, order)


def added_up_index(
    lake: Lake, snapshot: Snapshot, source: str, tenant: str, topic_ids: frozenset[str] | None, order: Order
) -> ClassIndex:
    """Return the index of a class from one pass over gold.

    Raises:
        NotFound: nothing is published for this tenant, or nothing on a topic that is wanted.
    """
    numbers, topics_there = ClassNumbers(), set()
    for rows in _of_tenant(lake, snapshot, COLUMNS, tenant):
        if topic_ids is not None:
            topics_there.update(pc.unique(rows.filter(pc.equal(rows["score_source"], source))["topic_id"]).to_pylist())
            rows = rows.filter(pc.is_in(rows["topic_id"], pa.array(sorted(topic_ids), pa.string())))
        numbers.add(rows)
    for topic in sorted((topic_ids or frozenset()) - topics_there if topics_there else ()):
        raise NotFound(
            f"nothing is published on topic {topic!r}{did_you_mean(topic, sorted(topics_there))}; "
            f"leave the topic out to see {every(len(topics_there), 'topic')}"
        )
    students, topics = numbers.student_rows(lake.buckets), numbers.topic_rows()
    return _index_of(snapshot, students, topics, source, tenant, topic_ids, order)


def _index_of(
    snapshot: Snapshot,
    students: pa.Table,
    topics: pa.Table,
    source: str,
    tenant: str,
    topic_ids: frozenset[str] | None,
    order: Order,
) -> ClassIndex:
    """Return an index from rows of CLASS_STUDENTS and CLASS_TOPICS.

    Raises:
        NotFound: there are none of this tenant, or of this scorer.
    """
    topics = topics.filter(pc.equal(topics["tenant"], tenant))
    scorers = pc.unique(topics["score_source"]).to_pylist()
    topics = topics.filter(pc.equal(topics["score_source"], source))
    if not topics.num_rows:
        raise NotFound(
            f"nothing is published for tenant {tenant!r}"
            + (f" by scorer {source!r}" if scorers else "")
            + "; run 'mastery recompute' after an ingest"
        )
    mine = pc.and_(pc.equal(students["tenant"], tenant), pc.equal(students["score_source"], source))
    students = students.filter(mine)
    place = students["place" if order == "lowest_mean" else "lake_place"].to_numpy()
    listed = students["student_id"].cast(pa.string()).combine_chunks().take(pa.array(np.argsort(place)))
    rows = topics.to_pylist()
    return ClassIndex(
        snapshot,
        tenant,
        source,
        topic_ids,
        tuple(name for name in with_scores() if name in scorers),
        max(microseconds(row["as_of"]) for row in rows),
        rows[0]["model_version"],
        listed,
        int(pc.sum(students["in_need"]).as_py() or 0),
        tuple(sorted(map(_numbers, rows), key=lambda one: (one.mean is None, one.mean or 0.0, one.topic_id))),
    )


def _numbers(row: Mapping[str, Any]) -> TopicNumbers:
    bands = {band: row[band] for band in BANDS}
    judged = sum(bands.values()) - bands[NOBODY]
    mean = row["score_sum"] / FIXED_POINT / judged if judged else None
    return TopicNumbers(row["topic_id"], mean, row["evidence"], bands)


def _paths(lake: Lake, table: Table, by: Publication) -> list[str]:
    return [file.path for file in lake.shown(table, by).files]


def place_of(index: ClassIndex, student_id: str) -> int:
    """Return how many students of the class come before this one.

    Raises:
        NotFound: the student is not in the class.
    """
    place = pc.index(index.students, pa.scalar(student_id, index.students.type)).as_py()
    if place < 0:
        raise NotFound(
            f"student {student_id!r} is not in the class as last published; check the id, or run 'mastery recompute'"
        )
    return int(place)


def class_document(
    lake: Lake,
    index: ClassIndex,
    places: Mapping[str, CurriculumPath],
    offset: int,
    limit: int | None,
    days: SchoolDays = UTC_DAYS,
) -> ClassDocument:
    """Return `limit` students of a class after the first `offset` with their scores, and the numbers of all of it.

    Args:
        places: By topic of the tenant.
        limit: None for all students.
        days: By whose clocks moments are shown.
    """
    students = index.students.slice(min(offset, len(index.students)), limit)
    end = offset + len(students)
    bands = {band: sum(topic.bands[band] for topic in index.topics) for band in BANDS}
    return ClassDocument(
        tenant=index.tenant,
        as_of=days.instant(index.as_of_us),
        score_source=index.source,
        scorers=[PublishedScorer(name=name, label=SPECS[name].label) for name in index.scorers],
        model_version=index.model_version,
        totals=ClassTotals(
            students=len(index.students),
            topics=len(index.topics),
            student_topics=sum(bands.values()),
            bands=bands,
            students_in_need=index.in_need,
        ),
        offset=offset,
        next_offset=end if end < len(index.students) and len(students) else None,
        students=students.to_pylist(),
        topics=[_summary(topic, places.get(topic.topic_id)) for topic in index.topics],
        scores=_rows(scores_of(lake, index, students)),
        notes=_notes(index, places),
    )


def scores_of(lake: Lake, index: ClassIndex, students: pa.Array) -> pa.Table:
    """Return the scores of some students of a class, columns SHOWN, by bucket, student and topic. Only what holds them
    is read.
    """
    found, columns = [], [*SHOWN, "tenant", "score_source"]
    for rows in lake.read_students(GOLD, students, columns, index.snapshot, index.source, FEW_STUDENTS):
        mine = pc.equal(rows["tenant"], index.tenant)
        if index.topic_ids is not None:
            mine = pc.and_(mine, pc.is_in(rows["topic_id"], pa.array(sorted(index.topic_ids), pa.string())))
        rows = rows.filter(mine).select(list(SHOWN))
        found.append(rows.take(pa.array(compaction.order(rows, ("student_id", "topic_id")))))  # however the files lie
    if not found:
        return pa.schema([GOLD.schema.field(name) for name in SHOWN]).empty_table()
    return pa.concat_tables(found)


def weakest_rows(
    lake: Lake, index: ClassIndex, limit: int, min_evidence: int, by: Publication | None = None
) -> list[ClassRow]:
    """Return the weakest student-topics of a class with enough evidence, the weakest first.

    As published with gold, where a publication is given that has enough of them by this `min_evidence`; else from one
    pass over gold.
    """
    best = None if by is None else _published_weakest(lake, index, limit, min_evidence, by)
    if best is not None:
        return _rows(best)
    for rows in _of_tenant(lake, index.snapshot, [*SHOWN, "tenant", "score_source"], index.tenant):
        rows = rows.filter(pc.equal(rows["score_source"], index.source)).select(list(SHOWN))
        best = weakest(rows if best is None else pa.concat_tables([best, rows]), limit, min_evidence)
    return [] if best is None else _rows(best)


def students_in_need(
    lake: Lake, index: ClassIndex, limit: int, min_evidence: int, by: Publication | None = None
) -> dict[str, list[ClassRow]]:
    """Return the topics that students need help on, the lowest score first; the student with the lowest score first.

    At most `limit` students, each with all of these topics; none where nobody needs help.
    """
    if not limit:
        return {}
    found = _in_need(weakest_rows(lake, index, KEPT, min_evidence, by))
    if len(found) < min(limit, index.in_need):  # the weakest are many topics of few students
        found = _in_need(weakest_rows(lake, index, limit * len(index.topics), min_evidence))
    chosen = list(found)[:limit]
    rows = _rows(scores_of(lake, index, pa.array(chosen, pa.string())))
    rows.sort(key=lambda row: (row.mastery_score, row.upper, row.topic_id))
    return {student: [row for row in rows if row.student_id == student and row.band == HELP] for student in chosen}


def _in_need(weak: Sequence[ClassRow]) -> dict[str, None]:
    """Return the students of these rows who need help, each once, in their order."""
    return dict.fromkeys(row.student_id for row in weak if row.band == HELP)


def _published_weakest(
    lake: Lake, index: ClassIndex, limit: int, min_evidence: int, by: Publication
) -> pa.Table | None:
    if limit > KEPT or CLASS_WEAKEST.name not in by.versions:
        return None
    rows = lake.read_files(CLASS_WEAKEST, _paths(lake, CLASS_WEAKEST, by))
    mine = pc.and_(pc.equal(rows["tenant"], index.tenant), pc.equal(rows["score_source"], index.source))
    rows = rows.filter(mine).sort_by("place")
    if not rows.num_rows or rows["min_evidence"][0].as_py() != min_evidence:
        return None
    return rows.slice(0, limit)


def _of_tenant(lake: Lake, snapshot: Snapshot, columns: Sequence[str], tenant: str) -> Iterator[pa.Table]:
    """Yield the rows of a tenant in gold, a bucket at a time."""
    for bucket in snapshot.buckets:
        rows = lake.read_bucket(GOLD, bucket, columns, at=snapshot)
        yield rows.filter(pc.equal(rows["tenant"], tenant))


def _summary(topic: TopicNumbers, place: CurriculumPath | None) -> TopicSummary:
    return TopicSummary(
        topic_id=topic.topic_id,
        title=None if place is None else place.title,
        chapter=None if place is None else place.chapter,
        subject=None if place is None else place.subject,
        course=None if place is None else place.course,
        mean=topic.mean,
        students=_judged(topic),
        evidence_count=topic.evidence_count,
        needs_help=topic.bands[HELP],
        bands=dict(topic.bands),
    )


def topic_means_of(index: ClassIndex) -> dict[str, TopicMean]:
    """Return what scores of a class are compared with: means by topic of that class, at its moment."""
    return {topic.topic_id: TopicMean(topic.mean, _judged(topic)) for topic in index.topics}


def _judged(topic: TopicNumbers) -> int:
    return sum(topic.bands.values()) - topic.bands[NOBODY]


def _notes(index: ClassIndex, places: Mapping[str, CurriculumPath]) -> list[str]:
    without = sorted(topic.topic_id for topic in index.topics if topic.topic_id not in places)
    if not without:
        return []
    are = "is" if len(without) == 1 else "are"
    shown = ", ".join(without[:5]) + (", …" if len(without) > 5 else "")
    return [f"{counted(len(without), 'topic')} {are} not in the topics table: {shown}"]


def _rows(scores: pa.Table) -> list[ClassRow]:
    return [ClassRow.model_construct(**row, reason=None) for row in scores.select(list(SHOWN)).to_pylist()]
