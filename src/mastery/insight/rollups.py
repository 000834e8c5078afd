"""From topics to chapters, subjects and courses: the mean of the topics' scores, by their evidence.

    score = Σ w · score of topic / Σ w,   w = min(evidence of topic, EVIDENCE_CAP)

Topics below `min_evidence` are left out of the mean, for their scores are guesses; how many of the unit's topics it
rests on is said beside it. Interval bounds are averaged like the score: wider than if the topics erred independently,
which those of one student do not.

Law: raising one topic's score lowers no rollup. (Weights do not depend on scores, and sums are exactly rounded.)
Law: 0 ≤ lower ≤ mastery_score ≤ upper ≤ 1, if the topics keep it.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from mastery.insight.bands import band_of
from mastery.insight.words import counted

Level = Literal["chapter", "subject", "course"]
LEVELS: tuple[Level, ...] = ("chapter", "subject", "course")
"""From the narrowest to the widest."""

EVIDENCE_CAP = 20
"""A topic weighs no more than this many graded answers. Beyond, further answers hardly make its score surer, and one
topic practised every day would drown the other nine of its chapter."""

UNPLACED_NAMED = 5
"""How many topics without a place are named."""

Unit = tuple[Level, tuple[str, ...]]
"""A level and the names that tell a unit from all others, the widest first: (course, subject, chapter)."""


@dataclass(frozen=True)
class TopicScore:
    """One student's score of one topic."""

    topic_id: str
    mastery_score: float
    lower: float
    upper: float
    evidence_count: int


@dataclass(frozen=True)
class CurriculumPath:
    """Where a topic belongs, from its metadata; None where that says nothing."""

    title: str | None
    chapter: str | None
    subject: str | None
    course: str | None


NOWHERE = CurriculumPath(None, None, None, None)
"""That of a topic without metadata."""


@dataclass(frozen=True)
class Rollup:
    """One student's score of a chapter, subject or course.

    Attributes:
        parents: The units around it, the widest first: course and subject of a chapter.
        mastery_score, lower, upper: None when no topic has enough evidence.
        evidence_count: Of the topics it rests on, added up: an answer on two of them counts on each.
        topics: How many topics it rests on.
        topics_known: How many topics the unit has in the metadata.
    """

    level: Level
    name: str
    parents: tuple[str, ...]
    mastery_score: float | None
    lower: float | None
    upper: float | None
    evidence_count: int
    topics: int
    topics_known: int
    band: str


def units_of(place: CurriculumPath) -> list[Unit]:
    """Return the units a topic counts in. A level without a name is left out, and from the names of those in it."""
    around = (place.course, place.subject, place.chapter)
    depths = zip(LEVELS, (3, 2, 1), strict=True)
    return [(level, tuple(name for name in around[:depth] if name)) for level, depth in depths if around[depth - 1]]


def rollup(scores: Sequence[TopicScore], places: Mapping[str, CurriculumPath], min_evidence: int) -> list[Rollup]:
    """Return the rollups of one student's topics: chapters, then subjects, then courses, each by name.

    A unit is there when one of its topics is among `scores`. Topics without a place roll up into nothing;
    `unplaced_note` names them.
    """
    known = topics_known(places)
    members: dict[Unit, list[TopicScore]] = defaultdict(list)
    for score in scores:
        if score.topic_id in places:
            for unit in units_of(places[score.topic_id]):
                members[unit].append(score)
    return [_mean(unit, members[unit], known[unit], min_evidence) for unit in in_order(members)]


def topics_known(places: Mapping[str, CurriculumPath]) -> dict[Unit, int]:
    """Return how many topics each unit has in the metadata."""
    known: dict[Unit, int] = defaultdict(int)
    for place in places.values():
        for unit in units_of(place):
            known[unit] += 1
    return dict(known)


def in_order(units: Iterable[Unit]) -> list[Unit]:
    """Return chapters, then subjects, then courses, each by the names around them and their own."""
    return sorted(units, key=lambda unit: (LEVELS.index(unit[0]), unit[1]))


def _mean(unit: Unit, scores: Sequence[TopicScore], known: int, min_evidence: int) -> Rollup:
    level, names = unit
    judged = [
        score
        for score in scores
        # without any evidence there is no weight, whatever min_evidence says
        if score.evidence_count >= max(1, min_evidence) and not math.isnan(score.mastery_score)
    ]
    evidence = sum(score.evidence_count for score in judged)
    weights = [min(score.evidence_count, EVIDENCE_CAP) for score in judged]
    mean = lower = upper = None
    if judged:
        mean = weighted_mean([score.mastery_score for score in judged], weights)
        lower = weighted_mean([score.lower for score in judged], weights)
        upper = weighted_mean([score.upper for score in judged], weights)
    return Rollup(
        level=level,
        name=names[-1],
        parents=names[:-1],
        mastery_score=mean,
        lower=lower,
        upper=upper,
        evidence_count=evidence,
        topics=len(judged),
        topics_known=known,
        band=band_of(math.nan if mean is None else mean, evidence, min_evidence),
    )


def weighted_mean(values: Sequence[float], weights: Sequence[int]) -> float:
    """Return Σ w v / Σ w. The sum is rounded once, so a greater value never makes a smaller mean."""
    return math.fsum(weight * value for weight, value in zip(weights, values, strict=True)) / sum(weights)


def unplaced_note(scores: Sequence[TopicScore], places: Mapping[str, CurriculumPath]) -> str | None:
    """Return a sentence on topics that roll up into nothing, having no metadata; None when there are none."""
    unplaced = sorted(one.topic_id for one in scores if not units_of(places.get(one.topic_id, NOWHERE)))
    if not unplaced:
        return None
    named = ", ".join(unplaced[:UNPLACED_NAMED]) + (", …" if len(unplaced) > UNPLACED_NAMED else "")
    if len(unplaced) == 1:
        return f"Topic {named} is in no chapter, subject or course; ingest a `topics` table that gives it one."
    return (
        f"{len(unplaced):,} of {counted(len(scores), 'topic')} ({named}) are in no chapter, subject or course; "
        "ingest a `topics` table that gives them one."
    )
