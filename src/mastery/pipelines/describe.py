"""One topic of one student, as the document that people and programs are given."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mastery.features.facts import EVIDENCE, LAST_AT_US, NEVER
from mastery.features.feedback import AT_US, SCORE
from mastery.insight.bands import band_of
from mastery.insight.reasons import explain
from mastery.insight.rollups import Place
from mastery.insight.tags import Habits, tags
from mastery.pipelines.documents import (
    ExplanationDocument,
    FactorDocument,
    OverrideDocument,
    ScoreDocument,
    TagDocument,
    TopicDocument,
)
from mastery.pipelines.moments import moment
from mastery.pipelines.standing import Standing
from mastery.scorers import SCORERS
from mastery.scorers.base import Reading


def topic_document(
    standing: Standing,
    p: int,
    readings: Mapping[str, Reading],
    source: str,
    place: Place | None,
    trend: float,
    ways: Habits,
    as_of_us: int,
    min_evidence: int,
) -> TopicDocument:
    """Return the document of slot p: the score of `source` with its reasons, and every scorer's score.

    `trend` is the slot's rolling_mastery_trend, NaN for none; `ways` are the student's habits over all topics.
    """
    topic = standing.topics[p]
    facts, scorer, reading = standing.facts[p], SCORERS[source], readings[source]
    evidence = int(facts[EVIDENCE])
    explanation = explain(scorer.parts, reading.parts[p], scorer.scale, facts, as_of_us, min_evidence)
    before = scorer.read_slots(
        standing.states[source].slot[p : p + 1],
        standing.states[source].student,
        np.zeros(1, np.int32),
        standing.slot_topic[p : p + 1],
        standing.models[source].params,
        int(facts[LAST_AT_US]) if facts[LAST_AT_US] != NEVER else as_of_us,
    )
    marks = tags(
        facts,
        explanation.parts,
        forgotten=float(before.score[0] - reading.score[p]),
        student_mean_time_ms=ways.mean_time_ms,
        trend=None if np.isnan(trend) else trend,
        as_of_us=as_of_us,
        practises=ways.practises,
        asks_for_hints=ways.asks_for_hints,
    )
    score, at = standing.feedback[p, SCORE], standing.feedback[p, AT_US]
    return TopicDocument(
        topic_id=topic,
        title=None if place is None else place.title,
        chapter=None if place is None else place.chapter,
        subject=None if place is None else place.subject,
        course=None if place is None else place.course,
        mastery_score=float(reading.score[p]),
        lower=float(reading.lower[p]),
        upper=float(reading.upper[p]),
        band=band_of(float(reading.score[p]), evidence, min_evidence),
        score_source=source,
        evidence_count=evidence,
        last_activity_at=None if facts[LAST_AT_US] == NEVER else moment(int(facts[LAST_AT_US])),
        explanation=ExplanationDocument(
            summary=explanation.summary,
            scale=scorer.scale,
            factors=[
                FactorDocument(name=f.name, contribution=f.contribution, value=dict(f.value), text=f.text)
                for f in explanation.factors
            ],
            parts=dict(explanation.parts),
        ),
        strengths=[TagDocument(name=t.name, text=t.text, value=dict(t.value)) for t in marks.strengths],
        weaknesses=[TagDocument(name=t.name, text=t.text, value=dict(t.value)) for t in marks.weaknesses],
        override=None if np.isnan(score) else OverrideDocument(score=float(score), at=moment(int(at))),
        scores={
            name: ScoreDocument(
                mastery_score=float(one.score[p]),
                lower=float(one.lower[p]),
                upper=float(one.upper[p]),
                band=band_of(float(one.score[p]), evidence, min_evidence),
            )
            for name, one in readings.items()
        },
    )
