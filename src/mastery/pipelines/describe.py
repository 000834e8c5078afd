"""One topic of one student, as the document that people and programs are given."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from mastery.features.batch import DAY_US
from mastery.features.facts import EVIDENCE, LAST_AT_US, NEVER
from mastery.features.feedback import AT_US, SCORE
from mastery.insight.bands import band_of
from mastery.insight.reasons import explain
from mastery.insight.retention import retention_of
from mastery.insight.rollups import Place
from mastery.insight.tags import Habits, tags
from mastery.pipelines.documents import (
    ExplanationDocument,
    FactorDocument,
    OverrideDocument,
    RetentionDocument,
    ScoreDocument,
    TagDocument,
    TopicDocument,
)
from mastery.pipelines.moments import moment
from mastery.pipelines.standing import Standing
from mastery.scorers import DERIVED, SCORERS
from mastery.scorers.base import Reading

LOOK_AHEAD_DAYS = 20
"""Between the three readings that tell how a score fades: far enough apart to keep digits, near enough to lose some."""


def fadings(
    standing: Standing, readings: Mapping[str, Reading], source: str, as_of_us: int, target: float
) -> list[RetentionDocument]:
    """Return for each slot what is retained of the score of `source`, and when it falls under the target."""
    step_us = LOOK_AHEAD_DAYS * DAY_US
    now = readings[source].score
    later, later_still = (standing.readings(as_of_us + k * step_us)[source].score for k in (1, 2))
    then = standing.last_readings[source].score
    found = []
    for p, score in enumerate(now):
        fading = retention_of(float(score), float(later[p]), float(later_still[p]), float(LOOK_AHEAD_DAYS))
        days = fading.days_until_below(target)
        found.append(
            RetentionDocument(
                retained=min(1.0, float(score / then[p])) if then[p] > 0.0 else 1.0,
                half_life_days=None if math.isinf(fading.half_life_days) else fading.half_life_days,
                target=target,
                falls_below_at=None if days is None else moment(as_of_us + int(days * DAY_US)),
            )
        )
    return found


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
    fading: RetentionDocument,
) -> TopicDocument:
    """Return the document of slot p: the score of `source` with its reasons, and every scorer's score.

    `trend` is the slot's rolling_mastery_trend, NaN for none; `ways` are the student's habits over all topics;
    `fading` is one of `fadings`.
    """
    topic = standing.topics[p]
    facts, reading = standing.facts[p], readings[source]
    scorer = SCORERS[source] if source in SCORERS else DERIVED[source]
    evidence = int(facts[EVIDENCE])
    explanation = explain(scorer.parts, reading.parts[p], scorer.scale, facts, as_of_us, min_evidence)
    marks = tags(
        facts,
        explanation.parts,
        forgotten=float(standing.last_readings[source].score[p] - reading.score[p]),
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
        retention=fading,
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
