"""One student, as the document that people and programs are given."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from mastery.arrays import Floats
from mastery.errors import NotFound
from mastery.features.counters import EVIDENCE, LAST_AT_US, NEVER
from mastery.features.feedback import AT_US, SCORE
from mastery.insight.bands import band_of
from mastery.insight.freshness import staleness_note
from mastery.insight.known import Known
from mastery.insight.next_step import next_step
from mastery.insight.reasons import explain
from mastery.insight.retention import fadings
from mastery.insight.rollups import CurriculumPath, TopicScore, rollup, unplaced_note
from mastery.insight.tags import Habits, habits, tags
from mastery.insight.words import every
from mastery.instants import DAY_US
from mastery.pipelines.queries.known import known_of
from mastery.pipelines.queries.names import topic_meant
from mastery.pipelines.queries.schemas import (
    ExplanationDocument,
    FactorDocument,
    OverrideDocument,
    ReferenceDocument,
    RetentionDocument,
    RollupDocument,
    ScoreDocument,
    StudentDocument,
    TagDocument,
    TopicDocument,
)
from mastery.pipelines.queries.topic_means import NO_MEANS, TopicMean
from mastery.pipelines.scoring.snapshot import StudentSnapshot
from mastery.scorers import DERIVED, SCORERS
from mastery.scorers.base import Scores
from mastery.tables import LATEST_FEATURES, UNASSIGNED

TREND = LATEST_FEATURES.index("rolling_mastery_trend")


def student_document(
    snapshot: StudentSnapshot,
    source: str,
    places: Mapping[str, CurriculumPath],
    as_of_us: int,
    *,
    min_evidence: int,
    target: float,
    wanted: Sequence[str] | None,
    most: int | None = None,
    means: Mapping[str, TopicMean] = NO_MEANS,
) -> StudentDocument:
    """Return what is known of one student, the topic with the lowest score first.

    Args:
        source: Whose scores are shown.
        places: By topic of the student's tenant.
        target: The score to keep; see RetentionDocument.
        wanted: Only these topics; rollups are of all of them.
        most: Only this many of them, those with the lowest scores, and those that nobody can judge yet last.
        means: By topic, the mean score by `source`, as `topic_means` has it: what scores are compared with.

    Raises:
        NotFound: no event on a topic that is wanted.
    """
    scores = snapshot.scores(as_of_us)
    trend = snapshot.windows(as_of_us).latest[TREND]
    ways = habits(snapshot.counters)
    shown, slots = scores[source], [p for p, topic in enumerate(snapshot.topics) if topic != UNASSIGNED]
    numbers = (shown.score, shown.lower, shown.upper, snapshot.counters[:, EVIDENCE])
    of_topics = [
        TopicScore(snapshot.topics[p], *row)
        for p, row in zip(slots, zip(*(values[slots].tolist() for values in numbers), strict=True), strict=True)
    ]
    rollups = rollup(of_topics, places, min_evidence)
    if wanted is not None:
        known = {one.topic_id for one in of_topics}
        for topic in wanted:
            if topic not in known:
                titles = {one: place.title for one, place in places.items()}
                raise NotFound(
                    f"no event of this student on topic {topic!r} by {snapshot.school_days.moment(as_of_us)}"
                    f"{topic_meant(topic, known, titles)}; leave the topic out to see "
                    f"{every(len(known), 'topic')} with events"
                )
    chosen = [(p, one) for p, one in zip(slots, of_topics, strict=True) if wanted is None or one.topic_id in wanted]
    in_all = len(chosen)
    if most is not None and in_all > most:
        chosen.sort(key=lambda one: (one[1].evidence_count < min_evidence, one[1].mastery_score, one[1].topic_id))
        chosen = chosen[:most]
    fading = retention_documents(snapshot, scores, source, as_of_us, target, [p for p, _ in chosen])
    what_is_known = known_of(snapshot, source, shown, as_of_us, means)
    documents = [
        topic_document(
            snapshot,
            p,
            scores,
            source,
            places.get(one.topic_id),
            float(trend[p]),
            ways,
            what_is_known(p),
            min_evidence,
            fades,
        )
        for (p, one), fades in zip(chosen, fading, strict=True)
    ]
    days = snapshot.school_days
    notes = (staleness_note(snapshot.last_event_us, as_of_us, days, of_student=True), unplaced_note(of_topics, places))
    return StudentDocument(
        student_id=snapshot.student_id,
        tenant=snapshot.tenant,
        as_of=days.instant(as_of_us),
        score_source=source,
        model_version=snapshot.model_version,
        topics=sorted(documents, key=lambda one: (one.mastery_score, one.topic_id)),
        topics_left_out=in_all - len(chosen),
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
        notes=[note for note in notes if note is not None],
    )


def retention_documents(
    snapshot: StudentSnapshot,
    scores: Mapping[str, Scores],
    source: str,
    as_of_us: int,
    target: float,
    chosen: Sequence[int],
) -> list[RetentionDocument]:
    """Return for each of the chosen slots what is retained of the score of `source`, and when it falls under the
    target.
    """

    def score_in(days: float) -> Floats:
        return snapshot.scores_of(source, as_of_us + int(days * DAY_US)).score

    by_clock = snapshot.school_days.instant
    now, then, found = scores[source].score, snapshot.last_scores[source].score, []
    for p, fading in zip(chosen, fadings(score_in, target, chosen), strict=True):
        score, last, days = now[p], then[p], fading.days_until_below
        falls = days is not None and score >= target  # one that is below already does not fall below
        found.append(
            RetentionDocument(
                retained=min(1.0, float(score / last)) if last > 0.0 else 1.0,
                half_life_days=None if math.isinf(fading.half_life_days) else fading.half_life_days,
                target=target,
                falls_below_at=by_clock(as_of_us + int(days * DAY_US)) if falls and days is not None else None,
            )
        )
    return found


def topic_document(
    snapshot: StudentSnapshot,
    p: int,
    scores: Mapping[str, Scores],
    source: str,
    place: CurriculumPath | None,
    trend: float,
    ways: Habits,
    known: Known,
    min_evidence: int,
    fading: RetentionDocument,
) -> TopicDocument:
    """Return the document of slot p: the score of `source` with its reasons, and every scorer's score.

    `trend` is the slot's rolling_mastery_trend, NaN for none; `ways` are the student's habits over all topics; `known`
    is what is known of the slot's score; `fading` is one of `retention_documents`.
    """
    topic, days = snapshot.topics[p], snapshot.school_days
    counters, shown = snapshot.counters[p], scores[source]
    scorer = SCORERS[source] if source in SCORERS else DERIVED[source]
    evidence = int(counters[EVIDENCE])
    band = band_of(float(shown.score[p]), evidence, min_evidence)
    start = snapshot.start_scores[source].contributions[p]
    explanation = explain(scorer.contributions, shown.contributions[p], start, known, min_evidence)
    told = [factor.name for factor in explanation.factors]
    marks = tags(known, ways, band=band, told=told, trend=None if np.isnan(trend) else trend)
    step = next_step(known, band)
    score, at = snapshot.feedback[p, SCORE], snapshot.feedback[p, AT_US]
    return TopicDocument(
        topic_id=topic,
        title=None if place is None else place.title,
        chapter=None if place is None else place.chapter,
        subject=None if place is None else place.subject,
        course=None if place is None else place.course,
        mastery_score=float(shown.score[p]),
        lower=float(shown.lower[p]),
        upper=float(shown.upper[p]),
        band=band,
        score_source=source,
        evidence_count=evidence,
        last_activity_at=None if counters[LAST_AT_US] == NEVER else days.instant(int(counters[LAST_AT_US])),
        explanation=ExplanationDocument(
            summary=explanation.summary,
            reference=ReferenceDocument(
                name=known.reference.name, mastery_score=known.reference.score, students=known.reference.students
            ),
            factors=[
                FactorDocument(name=f.name, points=f.points, value=dict(f.value), text=f.text)
                for f in explanation.factors
            ],
            points=dict(explanation.points),
            scale=scorer.scale,
            contributions=dict(explanation.contributions),
        ),
        retention=fading,
        next_step=None if step is None else step[0],
        strengths=[TagDocument(name=t.name, text=t.text, value=dict(t.value)) for t in marks.strengths],
        weaknesses=[TagDocument(name=t.name, text=t.text, value=dict(t.value)) for t in marks.weaknesses],
        override=None if np.isnan(score) else OverrideDocument(score=float(score), at=days.instant(int(at))),
        scores={
            name: ScoreDocument(
                mastery_score=float(one.score[p]),
                lower=float(one.lower[p]),
                upper=float(one.upper[p]),
                band=band_of(float(one.score[p]), evidence, min_evidence),
            )
            for name, one in scores.items()
        },
    )
