"""Answers: one student's scores with their reasons, a history, a class."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import pyarrow as pa

from mastery.arrays import Floats
from mastery.errors import BadInput, Conflict, NotFound, did_you_mean
from mastery.features.columns import READ
from mastery.insight.bands import band_of
from mastery.insight.freshness import staleness_note
from mastery.insight.rollups import CurriculumPath
from mastery.insight.words import with_points
from mastery.lake import Lake, TableVersion
from mastery.lake.publication import Publication
from mastery.pipelines.ingest.ingests import IngestEntry
from mastery.pipelines.models.activations import active_choice
from mastery.pipelines.models.active import named_model_set
from mastery.pipelines.models.store import load_model_set
from mastery.pipelines.queries.class_at import gold_at
from mastery.pipelines.queries.class_view import (
    ClassIndex,
    Order,
    added_up_index,
    class_document,
    place_of,
    published_index,
    students_in_need,
    topic_means_of,
)
from mastery.pipelines.queries.item_probabilities import item_probabilities
from mastery.pipelines.queries.names import no_events, no_topic
from mastery.pipelines.queries.past_answers import past_answers
from mastery.pipelines.queries.schemas import (
    AnswersDocument,
    ClassDocument,
    HistoryDocument,
    HistoryPoint,
    InNeedDocument,
    ItemProbabilitiesDocument,
    StudentDocument,
    StudentInNeed,
)
from mastery.pipelines.queries.student_document import student_document
from mastery.pipelines.queries.topic_means import NO_MEANS, PublishedMeans, TopicMean, topic_means
from mastery.pipelines.queries.undo_preview import UndoPreview, undo_preview
from mastery.pipelines.scoring.fold import fold_events
from mastery.pipelines.scoring.records import record_of, snapshot_from
from mastery.pipelines.scoring.snapshot import StudentSnapshot, snapshot_of
from mastery.pipelines.scoring.student_records import StudentRecords
from mastery.school_days import UTC_DAYS, SchoolDays, school_days
from mastery.scorers import best_first, shown_by_default, unfitted, with_scores
from mastery.scorers.model_set import ModelSet
from mastery.state import StateStore
from mastery.tables import EVENTS, GOLD, HISTORY, ITEMS, TOPICS, UNASSIGNED
from mastery.time_zones import UTC_NAME

INDICES_KEPT = 8
"""Indices of classes kept in memory, some forty bytes a student each: a few scorers of one published version."""


@dataclass(frozen=True)
class Metadata:
    """What the lake knows of topics, the active model set, and what is published: of one moment.

    Attributes:
        versions: Of TOPICS and ITEMS.
        active: Version that was activated; None for the default set.
    """

    versions: tuple[TableVersion, TableVersion]
    places: Mapping[str, Mapping[str, CurriculumPath]]
    active: str | None
    model_set: ModelSet
    published: Publication


class Reader:
    """Reads one deployment. Safe for threads.

    A student is read from their record; where there is none that is up to date or can be read, or `as_of` lies before
    the last of all their events, these are folded again from the lake (and the record is put right).
    """

    def __init__(
        self,
        lake: Lake,
        state: StateStore,
        rules: Floats,
        *,
        min_evidence: int,
        default_scorer: str | None,
        target: float = 0.6,
        days: SchoolDays = UTC_DAYS,
    ) -> None:
        if default_scorer is not None and default_scorer not in with_scores():
            raise BadInput(
                f"the setting scorer: {default_scorer!r} is not a scorer (known: {', '.join(with_scores())})"
                f"{did_you_mean(default_scorer, list(with_scores()))}; 'mastery config' says where it is set"
            )
        self._lake = lake
        self._records = StudentRecords(lake, state)
        self._rules = rules
        self._min_evidence = min_evidence
        self._default = default_scorer
        self._target = target
        self.days = days
        self._metadata: Metadata | None = None
        self._items: tuple[TableVersion, Mapping[str, Mapping[str, str | None]]] | None = None
        self._published_set: ModelSet | None = None
        self._means: tuple[Publication, Mapping[tuple[str, str], PublishedMeans]] | None = None
        self._news = (-1, -1, "")  # versions of events: published, now; and what events did in between
        self._lock = threading.Lock()
        self._indices: OrderedDict[tuple[object, ...], ClassIndex] = OrderedDict()
        self._indexing = threading.Lock()

    def student(
        self,
        student_id: str,
        *,
        tenant: str,
        as_of_us: int,
        source: str | None = None,
        topics: Sequence[str] | None = None,
        most: int | None = None,
    ) -> StudentDocument:
        """Return what is known of one student at a moment, lowest score first; of `most` topics where that is given.

        Raises:
            NotFound: no event of this student by then, or none on a requested topic.
            BadInput: a scorer nobody knows.
        """
        metadata = self.metadata()
        source = self._source(source, metadata.model_set)
        published = self._means_of(metadata.published).get((tenant, source))
        means = NO_MEANS if published is None else published.near(as_of_us)
        return self._student(metadata, metadata.model_set, student_id, tenant, as_of_us, source, means, topics, most)

    def _student(
        self,
        metadata: Metadata,
        model_set: ModelSet,
        student_id: str,
        tenant: str,
        as_of_us: int,
        source: str,
        means: Mapping[str, TopicMean],
        topics: Sequence[str] | None,
        most: int | None = None,
    ) -> StudentDocument:
        """Return a student's document under one model set, whichever is active by the time it is read."""
        snapshot = self._snapshot(student_id, tenant, as_of_us, model_set)
        if snapshot.tenant != tenant:
            raise NotFound(no_events(student_id, tenant, as_of_us, model_set.days))
        return student_document(
            snapshot,
            source,
            metadata.places.get(tenant, {}),
            as_of_us,
            min_evidence=self._min_evidence,
            target=self._target,
            wanted=topics,
            most=most,
            means=means,
        )

    def past_answers(self, student_id: str, topic_id: str, *, tenant: str, as_of_us: int) -> AnswersDocument:
        """Return which of a student's past answers make linear_rnn's score of a topic.

        Raises:
            NotFound: no event of this student, or none on the topic, by then.
            BadInput: the active model set has no linear_rnn.
        """
        metadata = self.metadata()
        events = self._lake.read_student(EVENTS, student_id, [*READ, "body_hash"])
        found = past_answers(
            events, metadata.model_set, as_of_us, student_id, topic_id, metadata.places.get(tenant, {})
        )
        if found.tenant != tenant:
            raise NotFound(no_events(student_id, tenant, as_of_us, metadata.model_set.days))
        return found

    def undo_preview(
        self,
        of: IngestEntry,
        as_of_us: int,
        sources: tuple[str, ...] | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> UndoPreview:
        """Return what taking back an ingest would change of the scores that are shown at a moment."""
        model_set = self.metadata().model_set
        scorer = self._source(None, model_set)
        return undo_preview(self._lake, of, model_set, scorer, as_of_us, sources, progress)

    def item_probabilities(
        self, student_id: str, topic_id: str, *, tenant: str, as_of_us: int, items: Sequence[str] | None = None
    ) -> ItemProbabilitiesDocument:
        """Return the probability of a right answer of a student to items of a topic, or to all that metadata place in
        it.

        Raises:
            NotFound: no event of this student by then, or a topic or item that nobody has heard of.
            BadInput: an item of another topic.
        """
        metadata = self.metadata()
        return item_probabilities(
            self._lake.read_student(EVENTS, student_id, [*READ, "body_hash"]),
            metadata.model_set,
            as_of_us,
            student_id,
            tenant,
            topic_id,
            items,
            items=self.items(tenant),
            places=metadata.places.get(tenant, {}),
        )

    def history(self, student_id: str, topic_id: str, *, tenant: str, source: str | None = None) -> HistoryDocument:
        """Return the student's published history on a topic.

        Raises:
            NotFound: nothing has been published of this student and topic.
        """
        metadata = self.metadata()
        source = self._source(source, metadata.model_set)
        shown = self._lake.shown(HISTORY, metadata.published)
        rows = self._lake.read_student(HISTORY, student_id, at=shown).to_pylist()
        mine = [row for row in rows if row["topic_id"] == topic_id and row["tenant"] == tenant]
        places = metadata.places.get(tenant, {})
        if not mine:
            published = {row["topic_id"] for row in rows if row["tenant"] == tenant}
            raise NotFound(self._no_history(metadata, source, tenant, student_id, topic_id, published))
        place = places.get(topic_id)
        return HistoryDocument(
            student_id=student_id,
            tenant=tenant,
            topic_id=topic_id,
            title=None if place is None else place.title,
            score_source=source,
            points=[
                HistoryPoint(
                    day=row["day"],
                    mastery_score=row["mastery_score"],
                    lower=row["lower"],
                    upper=row["upper"],
                    band=band_of(row["mastery_score"], row["evidence_count"], self._min_evidence),
                    evidence_count=row["evidence_count"],
                    model_version=row["model_version"],
                )
                for row in sorted(mine, key=lambda row: row["day"])
                if row["score_source"] == source
            ],
            notes=self._notes_since(metadata.published),
        )

    def _no_history(
        self, metadata: Metadata, source: str, tenant: str, student_id: str, topic_id: str, published: set[str]
    ) -> str:
        """Return what is said where a student has no history on a topic: that nobody has one, or that they have none.

        `published`: the topics on which the student has one.
        """
        places = metadata.places.get(tenant, {})
        events = self._lake.read_student(EVENTS, student_id, ["tenant", "topic_id"]).to_pylist()
        known = {*places, *published, *(row["topic_id"] for row in events if row["tenant"] == tenant)}
        known |= {topic for of, topic in metadata.model_set.scorers[source].topics.keys if of == tenant}
        with suppress(NotFound):  # nothing is published
            known |= {topic.topic_id for topic in self._index(metadata, source, tenant).topics}
        known -= {UNASSIGNED}
        if topic_id not in known:
            return no_topic(topic_id, tenant, known, {one: place.title for one, place in places.items()})
        return (
            f"no history of this student on topic {topic_id!r}; it holds days with activity on it, and is published "
            "by 'mastery recompute'"
        )

    def class_scores(
        self,
        *,
        tenant: str,
        source: str | None = None,
        topics: Sequence[str] | None = None,
        offset: int = 0,
        limit: int | None = None,
        student_id: str | None = None,
        order: Order = "lowest_mean",
    ) -> ClassDocument:
        """Return a class as last published: its numbers, and `limit` of its students after the first `offset`.

        Only the scores of these students are read. The numbers and the order of students are published with them; on
        some topics alone they cost one pass over gold for each published version and scorer. They are kept.

        Args:
            topics: Only these topics: means and order are of them alone.
            limit: None for all students.
            student_id: The page that this student is on, instead of `offset`.
            order: `bucket` where a program walks through everybody: a page of it costs the same however large the
                tenant is.

        Raises:
            NotFound: nothing is published for this tenant, or on one of the topics; or no such student in the class.
        """
        metadata = self.metadata()
        index = self._index(metadata, source, tenant, None if topics is None else frozenset(topics), order)
        if student_id is not None:
            place = place_of(index, student_id)
            offset = 0 if limit is None else place - place % limit
        document = class_document(self._lake, index, metadata.places.get(tenant, {}), offset, limit, self.days)
        return _with_notes(document, self._notes_since(metadata.published))

    def class_report(
        self, *, tenant: str, source: str | None = None, in_need: int = 10, limit: int | None = None
    ) -> tuple[ClassDocument, list[StudentInNeed]]:
        """Return a class as last published, with the scores of `limit` students (None: of all), and up to `in_need`
        students who need help, each with the topics, reasons and a next step: of one publication.

        Raises:
            NotFound: nothing is published for this tenant.
        """
        metadata = self.metadata()
        index = self._index(metadata, source, tenant)
        model_set = self._set_of(index.model_version, metadata)
        document = class_document(self._lake, index, metadata.places.get(tenant, {}), 0, limit, self.days)
        document = _with_notes(document, self._notes_since(metadata.published))
        return document, self._in_need(metadata, model_set, self._lake, index, in_need, metadata.published)

    def in_need(self, *, tenant: str, source: str | None = None, limit: int = 10) -> InNeedDocument:
        """Return who needs help first, as last published.

        Raises:
            NotFound: nothing is published for this tenant.
        """
        metadata = self.metadata()
        index = self._index(metadata, source, tenant)
        model_set = self._set_of(index.model_version, metadata)
        students = self._in_need(metadata, model_set, self._lake, index, limit, metadata.published)
        titles = {topic: place.title for topic, place in metadata.places.get(tenant, {}).items()}
        told = {row.topic_id for one in students for row in one.topics}
        return InNeedDocument(
            tenant=tenant,
            as_of=self.days.instant(index.as_of_us),
            score_source=index.source,
            model_version=index.model_version,
            students_in_need=index.in_need,
            students=students,
            titles={topic: title for topic in sorted(told) if (title := titles.get(topic)) is not None},
        )

    def class_at(
        self,
        *,
        tenant: str,
        as_of_us: int,
        source: str | None = None,
        in_need: int = 10,
        limit: int | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> tuple[ClassDocument, list[StudentInNeed]]:
        """Return a whole class at any moment under the active set, and up to `in_need` students who need help.

        Every event of the tenant is read and folded; what is published is neither read nor changed.

        Args:
            limit: Of how many students the document holds the scores; None for all.
            progress: Called with the number of events of each part that is done.

        Raises:
            NotFound: the tenant has no event by then.
            BadInput: a scorer nobody knows.
        """
        metadata = self.metadata()
        source = self._source(source, metadata.model_set)
        with gold_at(self._lake, metadata.model_set, tenant, as_of_us, self._min_evidence, progress) as folded:
            index = added_up_index(folded, folded.shown(GOLD), source, tenant, None, "lowest_mean")
            document = class_document(folded, index, metadata.places.get(tenant, {}), 0, limit, self.days)
            help_first = self._in_need(metadata, metadata.model_set, folded, index, in_need)
        note = staleness_note(self.newest_event_us(), as_of_us, self.days)
        notes = document.notes if note is None else [*document.notes, note]
        return document.model_copy(update={"notes": notes}), help_first

    def _in_need(
        self,
        metadata: Metadata,
        model_set: ModelSet,
        lake: Lake,
        index: ClassIndex,
        limit: int,
        published: Publication | None = None,
    ) -> list[StudentInNeed]:
        """Return the students of a class in a lake who need help, the one with the lowest score first."""
        source, means = self._source(index.source, model_set), topic_means_of(index)
        found = []
        for who, rows in students_in_need(lake, index, limit, self._min_evidence, published).items():
            lowest, *others = rows
            student = self._student(
                metadata, model_set, who, index.tenant, index.as_of_us, source, means, [lowest.topic_id]
            )
            topic = student.topics[0]
            why = [with_points(factor.text, factor.points) for factor in topic.explanation.factors]
            reason = "; ".join(why) or topic.explanation.summary
            first = lowest.model_copy(update={"reason": reason})
            found.append(StudentInNeed(student_id=who, topics=[first, *others], next_step=topic.next_step))
        return found

    def _means_of(self, published: Publication) -> Mapping[tuple[str, str], PublishedMeans]:
        """Return what scores are compared with, read again only when something else is published."""
        with self._lock:
            if self._means is None or self._means[0] is not published:
                self._means = published, topic_means(self._lake, published)
            return self._means[1]

    def _notes_since(self, published: Publication) -> list[str]:
        """Return what should be known of what was published: that its days are those of another time zone than now, and
        that events have come in since, or were taken back.
        """
        notes, zone = [], published.timezone or UTC_NAME
        if published.number >= 0 and zone != self.days.timezone:
            notes.append(
                f"days of these scores are those of {zone}, and those of the school are {self.days.timezone} now "
                "(settings school_timezone and school_timezones); 'mastery recompute' makes them again"
            )
        read, now = published.changes_until, self._lake.version(EVENTS)
        if published.events is None or now <= read:
            return notes
        if self._news[:2] != (read, now):
            news = self._lake.news(EVENTS, read, now)  # compaction brings none
            came = news is None or bool(news.added)
            self._news = read, now, "have come in" if came else "were taken back" if news else ""
        if self._news[2]:
            notes.append(
                f"events {self._news[2]} since these scores were computed; 'mastery recompute' makes them again"
            )
        return notes

    def newest_event_us(self) -> int | None:
        """Return the time of the newest event in the lake; None when it is empty."""
        return self._lake.newest(EVENTS, "occurred_at")

    def metadata(self) -> Metadata:
        """Return topics, model set and what is published, read again only when their tables have changed.

        Ask once for each answer: the next one may be of another moment.
        """
        versions = (self._lake.identified(TOPICS)[1], self._lake.identified(ITEMS)[1])
        with self._lock:
            published, known = self._lake.publication(), self._metadata
            if known is not None and known.versions == versions and known.published is published:
                return known
            active = active_choice(self._lake, published).active
            if known is not None and known.versions == versions and known.active == active:
                self._metadata = replace(known, published=published)
            else:
                model_set = replace(named_model_set(self._lake, self._rules, active), days=self.days)
                self._metadata = Metadata(versions, _places(self._lake), active, model_set, published)
            return self._metadata

    def items(self, tenant: str) -> Mapping[str, str | None]:
        """Return the topic of each item of a tenant, as metadata say; read again only when they have changed."""
        version = self._lake.identified(ITEMS)[1]
        with self._lock:
            if self._items is None or self._items[0] != version:
                self._items = version, _items(self._lake)
            return self._items[1].get(tenant, {})

    def _source(self, source: str | None, model_set: ModelSet) -> str:
        """Return whose score is shown: the scorer requested, else the one of the settings, else the best there is."""
        known = [name for name in model_set.scorers if name in with_scores()]
        if source is None:
            source = self._default
        if source is None:
            return shown_by_default(known)
        if source in known:
            return source
        if source in with_scores():
            raise BadInput(
                f"scorer {source!r} has no scores under model set {model_set.version!r}, which knows "
                f"{', '.join(known)}; run 'mastery fit', and 'mastery models activate' with the version it makes"
            )
        raise BadInput(f"unknown scorer {source!r}{did_you_mean(source, known)}; known: {', '.join(known)}")

    def _index(
        self,
        metadata: Metadata,
        source: str | None,
        tenant: str,
        topics: frozenset[str] | None = None,
        order: Order = "lowest_mean",
    ) -> ClassIndex:
        """Return the index of a class as last published.

        After a switch, and before the next set is published, the best scorer may not be there yet: then it is the best
        of those that work unfitted, as far as they are there.
        """
        chosen = self._source(source, metadata.model_set)
        others = [] if source is not None or self._default is not None else [*best_first(unfitted())]
        missing: NotFound | None = None
        for name in dict.fromkeys((chosen, *others)):
            try:
                return self._index_of(metadata.published, name, tenant, topics, order)
            except NotFound as error:
                missing = missing or error
        assert missing is not None
        raise missing

    def _index_of(
        self, published: Publication, source: str, tenant: str, topics: frozenset[str] | None, order: Order
    ) -> ClassIndex:
        snapshot = self._lake.shown(GOLD, published)
        # With a file, for a lake that was restored may have another version of the same number.
        key = (snapshot.version, snapshot.files[:1], tenant, source, topics, order)
        with self._lock:
            known = self._indices.get(key)
            if known is not None:
                self._indices.move_to_end(key)
                return known
        with self._indexing:  # a whole class that opens the page at once: one makes it, the others wait for it
            with self._lock:
                known = self._indices.get(key)
            if known is None:
                if topics is None:
                    known = published_index(self._lake, snapshot, published, source, tenant, order)
                if known is None:
                    known = added_up_index(self._lake, snapshot, source, tenant, topics, order)
                with self._lock:
                    self._indices[key] = known
                    while len(self._indices) > INDICES_KEPT:
                        self._indices.popitem(last=False)
        return known

    def _set_of(self, version: str, metadata: Metadata) -> ModelSet:
        """Return the model set of published scores, so that their reasons are theirs; the active one where it is gone.

        They differ while an activation publishes, and after course metadata or the time zone have changed.
        """
        active, days = metadata.model_set, school_days(metadata.published.timezone or UTC_NAME)
        if version == active.version:
            return replace(active, days=days)
        known = self._published_set
        if known is None or known.version != version:
            try:
                self._published_set = known = load_model_set(self._lake, version)
            except (NotFound, Conflict):  # published by an earlier version of the engine
                return replace(active, days=days)
        return replace(known, days=days)

    def _snapshot(self, student_id: str, tenant: str, as_of_us: int, model_set: ModelSet) -> StudentSnapshot:
        found = self._records.find(student_id, model_set)
        if found.record is not None and as_of_us >= found.record.newest_event_us:
            return snapshot_from(found.record, model_set)
        events = self._lake.read_student(EVENTS, student_id, [*READ, "body_hash"], at=found.events)
        folded = fold_events(events, model_set, as_of_us, history=False)
        if not folded.batch.students:
            raise NotFound(no_events(student_id, tenant, as_of_us, model_set.days))
        if found.seen is not None and _newest(events) <= as_of_us:
            self._records.keep(record_of(events, folded, seen=found.seen), found)
        return snapshot_of(folded)


def _with_notes(document: ClassDocument, notes: list[str]) -> ClassDocument:
    return document.model_copy(update={"notes": [*document.notes, *notes]}) if notes else document


def _newest(events: pa.Table) -> int:
    return max(events.column("occurred_at").cast(pa.int64()).to_pylist(), default=0)


def _places(lake: Lake) -> dict[str, dict[str, CurriculumPath]]:
    places: dict[str, dict[str, CurriculumPath]] = {}
    for row in lake.scan(TOPICS, ["tenant", "topic_id", "title", "chapter", "subject", "course"]).to_pylist():
        places.setdefault(row["tenant"], {})[row["topic_id"]] = CurriculumPath(
            chapter=row["chapter"], subject=row["subject"], course=row["course"], title=row["title"]
        )
    return places


def _items(lake: Lake) -> dict[str, dict[str, str | None]]:
    items: dict[str, dict[str, str | None]] = {}
    for row in lake.scan(ITEMS, ["tenant", "item_id", "topic_id"]).to_pylist():
        items.setdefault(row["tenant"], {})[row["item_id"]] = row["topic_id"]
    return items
