"""A class as last published: the numbers of all of it, and a page of its students with their scores.

Gold is read twice, in two ways. The **index** is one pass over the whole tenant, a bucket at a time: who is in the
class, in which order, and how each topic stands. It keeps some forty bytes a student and no score, and is made once
for each published version (`Reader` keeps it). A **page** reads only the buckets in which its students lie: in the
order of means a hundred students lie in most of 64 buckets, in the order of buckets in one or two.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mastery.arrays import Floats, Int64s
from mastery.errors import NotFound, did_you_mean
from mastery.events.identity import buckets as bucket_of
from mastery.insight.bands import BANDS
from mastery.insight.ranking import weakest
from mastery.insight.rollups import CurriculumPath
from mastery.insight.words import counted
from mastery.instants import instant
from mastery.lake import Lake, Snapshot
from mastery.pipelines.queries.schemas import ClassDocument, ClassRow, ClassTotals, PublishedScorer, TopicSummary
from mastery.scorers import SPECS, with_scores
from mastery.tables import GOLD

NOBODY, HELP = BANDS[0], BANDS[1]

Order = Literal["lowest_mean", "bucket"]
"""How students are listed. `lowest_mean`: by their mean score, those of equal means by pseudonym, those without enough
evidence on any topic last. `bucket`: as they lie in the lake, and by pseudonym."""

SHOWN = ("student_id", "topic_id", "mastery_score", "lower", "upper", "band", "evidence_count")
"""Columns of a `ClassRow`."""

FIXED_POINT = 2.0**40
"""Scores are added up as integers of this fraction, so that a mean does not depend on the order of files. Sums of
eight million scores fit into 63 bits."""


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


def class_index(
    lake: Lake, snapshot: Snapshot, source: str, tenant: str, topic_ids: frozenset[str] | None, order: Order
) -> ClassIndex:
    """Return the index of a class, from one pass over gold.

    Raises:
        NotFound: nothing is published for this tenant, or nothing on a topic that is wanted.
    """
    sums, scorers, topics_there = _Sums(), set(), set()
    as_of_us, model_version = 0, None
    columns = ["tenant", "score_source", "student_id", "topic_id", "mastery_score", "band", "evidence_count"]
    for rows in _of_tenant(lake, snapshot, [*columns, "as_of", "model_version"], tenant):
        scorers.update(pc.unique(rows["score_source"]).to_pylist())
        rows = rows.filter(pc.equal(rows["score_source"], source))
        topics_there.update(pc.unique(rows["topic_id"]).to_pylist())
        if rows.num_rows:
            as_of_us = max(as_of_us, pc.max(rows["as_of"]).cast(pa.int64()).as_py())
            model_version = model_version or rows["model_version"][0].as_py()
        if topic_ids is not None:
            rows = rows.filter(pc.is_in(rows["topic_id"], pa.array(sorted(topic_ids), pa.string())))
        sums.add(rows)
    if model_version is None:
        raise NotFound(
            f"nothing is published for tenant {tenant!r}"
            + (f" by scorer {source!r}" if scorers else "")
            + "; run 'mastery recompute' after an ingest"
        )
    for topic in sorted((topic_ids or frozenset()) - topics_there):
        raise NotFound(
            f"nothing is published on topic {topic!r}{did_you_mean(topic, sorted(topics_there))}; "
            f"leave the topic out to see all {len(topics_there)}"
        )
    students, in_need = sums.students(order)
    return ClassIndex(
        snapshot,
        tenant,
        source,
        topic_ids,
        tuple(name for name in with_scores() if name in scorers),
        as_of_us,
        model_version,
        students,
        in_need,
        sums.topics(),
    )


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
    lake: Lake, index: ClassIndex, places: Mapping[str, CurriculumPath], offset: int, limit: int | None
) -> ClassDocument:
    """Return `limit` students of a class after the first `offset` with their scores, and the numbers of all of it.

    Args:
        places: By topic of the tenant.
        limit: None for all students.
    """
    students = index.students.slice(min(offset, len(index.students)), limit)
    end = offset + len(students)
    bands = {band: sum(topic.bands[band] for topic in index.topics) for band in BANDS}
    return ClassDocument(
        tenant=index.tenant,
        as_of=instant(index.as_of_us),
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
    """Return the scores of some students of a class, columns SHOWN, by bucket. Only their buckets are read."""
    found = []
    for bucket in np.unique(bucket_of(students, lake.buckets)):
        rows = lake.read_bucket(GOLD, int(bucket), [*SHOWN, "tenant", "score_source"], at=index.snapshot)
        mine = pc.and_(pc.equal(rows["score_source"], index.source), pc.is_in(rows["student_id"], students))
        mine = pc.and_(mine, pc.equal(rows["tenant"], index.tenant))
        if index.topic_ids is not None:
            mine = pc.and_(mine, pc.is_in(rows["topic_id"], pa.array(sorted(index.topic_ids), pa.string())))
        found.append(rows.filter(mine).select(list(SHOWN)))
    if not found:
        return pa.schema([GOLD.schema.field(name) for name in SHOWN]).empty_table()
    return pa.concat_tables(found)


def weakest_rows(lake: Lake, index: ClassIndex, limit: int, min_evidence: int) -> list[ClassRow]:
    """Return the weakest student-topics of a class with enough evidence, the weakest first; one pass over gold."""
    best: pa.Table | None = None
    for rows in _of_tenant(lake, index.snapshot, [*SHOWN, "tenant", "score_source"], index.tenant):
        rows = rows.filter(pc.equal(rows["score_source"], index.source)).select(list(SHOWN))
        rows = rows if best is None else pa.concat_tables([best, rows])
        places = weakest(
            rows["mastery_score"].to_numpy(),
            rows["upper"].to_numpy(),
            rows["evidence_count"].to_numpy(),
            limit,
            min_evidence,
        )
        best = rows.take(pa.array(places))
    return [] if best is None else _rows(best)


class _Sums:
    """What one pass over gold adds up: per topic over the class, and per student over topics."""

    def __init__(self) -> None:
        self._topics: dict[str, list[int]] = {}  # of each: sum of judged scores, evidence, students per band
        self._ids: list[pa.Array] = []
        self._means: list[Floats] = []
        self._in_need = 0

    def add(self, rows: pa.Table) -> None:
        """Add the rows of one bucket, which holds all rows of its students."""
        if not rows.num_rows:
            return
        student, topic, band = (_codes(rows[name]) for name in ("student_id", "topic_id", "band"))
        band_at = np.array([BANDS.index(name) for name in band.names])[band.codes]
        judged = band_at != BANDS.index(NOBODY)
        score = np.where(judged, rows["mastery_score"].to_numpy(), 0.0)
        fixed = np.round(score * FIXED_POINT).astype(np.int64)
        evidence = rows["evidence_count"].to_numpy().astype(np.int64)
        in_band = np.bincount(topic.codes * len(BANDS) + band_at, minlength=len(topic.names) * len(BANDS))
        counts = np.column_stack(
            [
                _sum(fixed, topic.codes, len(topic.names)),
                _sum(evidence, topic.codes, len(topic.names)),
                in_band.reshape(-1, len(BANDS)),
            ]
        )
        for name, mine in zip(topic.names, counts.tolist(), strict=True):
            so_far = self._topics.get(name)
            self._topics[name] = mine if so_far is None else [a + b for a, b in zip(so_far, mine, strict=True)]
        total = _sum(fixed, student.codes, len(student.names))
        n_judged = np.bincount(student.codes[judged], minlength=len(student.names))
        means = np.full(len(student.names), np.inf)  # who cannot be judged yet comes last
        np.divide(total / FIXED_POINT, n_judged, out=means, where=n_judged > 0)
        self._ids.append(pa.array(student.names, pa.string()))
        self._means.append(means)
        self._in_need += int(np.unique(student.codes[band_at == BANDS.index(HELP)]).size)

    def students(self, order: Order) -> tuple[pa.Array, int]:
        """Return the students in order, and how many of them need help on some topic."""
        if not self._ids:
            return pa.array([], pa.string()), 0
        if order == "bucket":  # as they came
            first = np.repeat(np.arange(len(self._ids), dtype=np.float64), [len(ids) for ids in self._ids])
        else:
            first = np.concatenate(self._means)
        people = pa.table({"first": first, "id": pa.chunked_array(self._ids)})
        places = pc.sort_indices(people, [("first", "ascending"), ("id", "ascending")])
        return people["id"].combine_chunks().take(places), self._in_need

    def topics(self) -> tuple[TopicNumbers, ...]:
        """Return the topics, the lowest mean first."""
        found = []
        for name, (total, evidence, *in_band) in self._topics.items():
            bands = dict(zip(BANDS, in_band, strict=True))
            judged = sum(in_band) - bands[NOBODY]
            found.append(TopicNumbers(name, total / FIXED_POINT / judged if judged else None, evidence, bands))
        return tuple(sorted(found, key=lambda one: (one.mean is None, one.mean or 0.0, one.topic_id)))


@dataclass(frozen=True)
class _Codes:
    names: list[str]
    codes: Int64s


def _codes(column: pa.ChunkedArray) -> _Codes:
    """Return the values that occur in a column, and for each row the place of its value among them."""
    encoded = column.combine_chunks()
    used, codes = np.unique(encoded.indices.to_numpy(zero_copy_only=False), return_inverse=True)
    return _Codes(encoded.dictionary.take(pa.array(used)).to_pylist(), codes)


def _sum(values: Int64s, codes: Int64s, size: int) -> Int64s:
    """Return int64[size]: the sum of the values of each code."""
    total = np.zeros(size, np.int64)
    np.add.at(total, codes, values)
    return total


def _of_tenant(lake: Lake, snapshot: Snapshot, columns: Sequence[str], tenant: str) -> Iterator[pa.Table]:
    """Yield the rows of a tenant in gold, a bucket at a time."""
    for bucket in sorted(bucket for bucket in snapshot.by_bucket if bucket is not None):
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
        students=sum(topic.bands.values()) - topic.bands[NOBODY],
        evidence_count=topic.evidence_count,
        needs_help=topic.bands[HELP],
        bands=dict(topic.bands),
    )


def _notes(index: ClassIndex, places: Mapping[str, CurriculumPath]) -> list[str]:
    without = sorted(topic.topic_id for topic in index.topics if topic.topic_id not in places)
    if not without:
        return []
    are = "is" if len(without) == 1 else "are"
    shown = ", ".join(without[:5]) + (", …" if len(without) > 5 else "")
    return [f"{counted(len(without), 'topic')} {are} not in the topics table: {shown}"]


def _rows(scores: pa.Table) -> list[ClassRow]:
    return [ClassRow.model_construct(**row, reason=None) for row in scores.select(list(SHOWN)).to_pylist()]
