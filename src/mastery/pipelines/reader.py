"""Answers: one student's scores with their reasons, a history, a class."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import pyarrow as pa

from mastery.arrays import Floats
from mastery.errors import BadInput, NotFound, did_you_mean
from mastery.features.columns import READ
from mastery.insight.freshness import staleness_note
from mastery.insight.rollups import Place, TopicScore, rollup, unplaced_note
from mastery.insight.tags import habits
from mastery.lake import Lake
from mastery.pipelines import class_view
from mastery.pipelines.describe import topic_document
from mastery.pipelines.documents import (
    ClassDocument,
    ClassRow,
    HistoryDocument,
    HistoryPoint,
    RollupDocument,
    StudentDocument,
    TopicDocument,
)
from mastery.pipelines.fold import fold_events
from mastery.pipelines.learner_state import is_current, record_of, standing_from
from mastery.pipelines.models import current_model_set
from mastery.pipelines.moments import moment
from mastery.pipelines.reconcile import catch_up
from mastery.pipelines.standing import Standing, standing_of
from mastery.scorers.model_set import ModelSet
from mastery.state import Overtaken, StateStore
from mastery.tables import EVENTS, GOLD, HISTORY, ITEMS, LATEST_FEATURES, TOPICS, UNASSIGNED

TREND = LATEST_FEATURES.index("rolling_mastery_trend")


@dataclass(frozen=True)
class Metadata:
    """What the lake knows of topics, and the model set that follows from it, at one version of both tables."""

    versions: tuple[int, int]
    places: Mapping[str, Mapping[str, Place]]
    model_set: ModelSet


class Reader:
    """Reads one deployment. Safe for threads.

    A student is read from their record; where there is none that is up to date, or `as_of` lies before their last
    event, their events are folded again from the lake (and the record is put right).
    """

    def __init__(self, lake: Lake, state: StateStore, rules: Floats, *, min_evidence: int, default_scorer: str) -> None:
        self._lake = lake
        self._state = state
        self._rules = rules
        self._min_evidence = min_evidence
        self._default = default_scorer
        self._metadata: Metadata | None = None
        self._lock = threading.Lock()

    def student(
        self,
        student_id: str,
        *,
        tenant: str,
        as_of_us: int,
        source: str | None = None,
        topics: Sequence[str] | None = None,
    ) -> StudentDocument:
        """Return what is known of one student at a moment, lowest score first.

        Raises:
            NotFound: no event of this student by then, or none on a topic that was asked for.
            BadInput: a scorer nobody knows.
        """
        metadata = self.metadata()
        source = self._source(source)
        standing = self._standing(student_id, tenant, as_of_us, metadata.model_set)
        if standing.tenant != tenant:
            raise NotFound(f"student {student_id!r} is not of tenant {tenant!r}; name the tenant they belong to")
        readings = standing.readings(as_of_us)
        places = metadata.places.get(standing.tenant, {})
        trend = standing.windows(as_of_us).latest[TREND]
        ways = habits(standing.facts)
        documents = [
            topic_document(
                standing, p, readings, source, places.get(topic), float(trend[p]), ways, as_of_us, self._min_evidence
            )
            for p, topic in enumerate(standing.topics)
            if topic != UNASSIGNED
        ]
        scores = [_topic_score(one) for one in documents]
        rollups = rollup(scores, places, self._min_evidence)
        if topics is not None:
            known = {one.topic_id for one in documents}
            for topic in topics:
                if topic not in known:
                    raise NotFound(
                        f"no event of this student on topic {topic!r} by {moment(as_of_us)}"
                        f"{did_you_mean(topic, sorted(known))}; leave the topic out to see all {len(known)}"
                    )
            documents = [one for one in documents if one.topic_id in topics]
        found = (staleness_note(standing.last_event_us, as_of_us), unplaced_note(scores, places))
        notes = [note for note in found if note is not None]
        return StudentDocument(
            student_id=standing.student_id,
            tenant=standing.tenant,
            as_of=moment(as_of_us),
            score_source=source,
            model_version=standing.model_version,
            topics=sorted(documents, key=lambda one: (one.mastery_score, one.topic_id)),
            rollups=[
                RollupDocument(
                    level=one.level,
                    name=one.name,
                    parents=list(one.parents),
                    mastery_score=one.mastery_score,
                    lower=one.lower,
                    upper=one.upper,
                    band=one.band,
                    evidence_count=one.evidence_count,
                    topics=one.topics,
                    topics_known=one.topics_known,
                )
                for one in rollups
            ],
            notes=notes,
        )

    def history(self, student_id: str, topic_id: str, *, tenant: str, source: str | None = None) -> HistoryDocument:
        """Return the student's published history on a topic.

        Raises:
            NotFound: nothing has been published of this student and topic.
        """
        source = self._source(source)
        rows = self._lake.read_student(HISTORY, student_id).to_pylist()
        mine = [row for row in rows if row["topic_id"] == topic_id and row["tenant"] == tenant]
        if not mine:
            known = sorted({row["topic_id"] for row in rows})
            raise NotFound(
                f"no history of this student on topic {topic_id!r}{did_you_mean(topic_id, known)}; "
                "history is published by 'mastery recompute'"
            )
        place = self.metadata().places.get(tenant, {}).get(topic_id)
        return HistoryDocument(
            student_id=student_id,
            tenant=tenant,
            topic_id=topic_id,
            title=None if place is None else place.title,
            score_source=source,
            points=[
                HistoryPoint(**{name: row[name] for name in HistoryPoint.model_fields})
                for row in sorted(mine, key=lambda row: row["day"])
                if row["score_source"] == source
            ],
        )

    def class_scores(
        self, *, tenant: str, source: str | None = None, topics: Sequence[str] | None = None
    ) -> ClassDocument:
        """Return every student and topic of a tenant as last published."""
        places = self.metadata().places.get(tenant, {})
        return class_view.class_scores(self._lake, places, self._source(source), tenant, topics)

    def weakest(self, *, tenant: str, source: str | None = None, limit: int = 10) -> list[ClassRow]:
        """Return the weakest student-topics with enough evidence as last published, each with its reasons."""
        published = class_view.published(self._lake, self._source(source), tenant)
        as_of_us = class_view.as_of_us(published)
        rows = []
        for row in class_view.weakest_rows(published, limit, self._min_evidence):
            student = self.student(
                row.student_id, tenant=tenant, as_of_us=as_of_us, source=source, topics=[row.topic_id]
            )
            factors = student.topics[0].explanation.factors
            rows.append(row.model_copy(update={"reason": "; ".join(factor.text for factor in factors)}))
        return rows

    def newest_event_us(self) -> int | None:
        """Return the time of the newest event in the lake; None when it is empty."""
        return self._lake.newest(EVENTS, "occurred_at")

    def last_as_of_us(self) -> int | None:
        """Return the moment of what is published; None before the first recompute."""
        return self._lake.newest(GOLD, "as_of")

    def metadata(self) -> Metadata:
        """Return topics and model set, read again only when their tables have changed."""
        versions = (self._lake.version(TOPICS), self._lake.version(ITEMS))
        with self._lock:
            if self._metadata is None or self._metadata.versions != versions:
                self._metadata = Metadata(versions, _places(self._lake), current_model_set(self._lake, self._rules))
            return self._metadata

    def _source(self, source: str | None) -> str:
        if source is None:
            return self._default
        known = list(self.metadata().model_set.scorers)
        if source not in known:
            raise BadInput(f"unknown scorer {source!r}{did_you_mean(source, known)}; known: {', '.join(known)}")
        return source

    def _standing(self, student_id: str, tenant: str, as_of_us: int, model_set: ModelSet) -> Standing:
        catch_up(self._lake, self._state)
        record = self._state.get(student_id, model_set.version)
        if record is not None and is_current(record, model_set) and as_of_us >= record.last_event_us:
            return standing_from(record, model_set)
        expected = self._state.version(student_id, model_set.version)
        events = self._lake.read_student(EVENTS, student_id, [*READ, "body_hash"])
        folded = fold_events(events, model_set, as_of_us, history=False)
        if not folded.batch.students:
            raise NotFound(
                f"no event of student {student_id!r} of tenant {tenant!r} by {moment(as_of_us)}; "
                "check the id and the tenant, or ingest their events"
            )
        if _newest(events) <= as_of_us:
            with suppress(Overtaken):  # somebody was faster, with news: theirs stands, this answer is of its moment
                self._state.put(record_of(events, folded), expected)
        return standing_of(folded)


def _newest(events: pa.Table) -> int:
    return max(events.column("occurred_at").cast(pa.int64()).to_pylist(), default=0)


def _topic_score(one: TopicDocument) -> TopicScore:
    return TopicScore(one.topic_id, one.mastery_score, one.lower, one.upper, one.evidence_count)


def _places(lake: Lake) -> dict[str, dict[str, Place]]:
    places: dict[str, dict[str, Place]] = {}
    for row in lake.scan(TOPICS, ["tenant", "topic_id", "title", "chapter", "subject", "course"]).to_pylist():
        places.setdefault(row["tenant"], {})[row["topic_id"]] = Place(
            chapter=row["chapter"], subject=row["subject"], course=row["course"], title=row["title"]
        )
    return places
