"""A class: the mean over its students of their topics, chapters, subjects and courses.

Every student counts the same, however many answers they gave: a class score is about the class, not about whoever
works most. Students without enough evidence are left out of the mean and counted beside it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from mastery.insight.bands import BANDS, band_of
from mastery.insight.rollups import LEVELS, CurriculumPath, TopicScore, rollup, weighted_mean

ClassLevel = Literal["topic", "chapter", "subject", "course"]


@dataclass(frozen=True)
class ClassRollup:
    """One topic or unit over a class.

    Attributes:
        name: Of the unit; of a topic its title, or its id where the metadata has none.
        topic_id: Of a topic; None for units.
        parents: The units around it, the widest first.
        mastery_score: Mean over students; None when nobody has enough evidence.
        students: How many students it rests on.
        students_seen: How many have worked on it at all.
        evidence_count: Of the students it rests on.
        bands: How many students are in each band, in the order of BANDS, zeros too.
        band: Of the mean.
    """

    level: ClassLevel
    name: str
    topic_id: str | None
    parents: tuple[str, ...]
    mastery_score: float | None
    students: int
    students_seen: int
    evidence_count: int
    bands: dict[str, int]
    band: str


@dataclass(frozen=True)
class _Seen:
    score: float | None
    evidence: int
    band: str


_Key = tuple[ClassLevel, tuple[str, ...], str | None]


def class_rollup(
    students: Iterable[Sequence[TopicScore]], places: Mapping[str, CurriculumPath], min_evidence: int
) -> list[ClassRollup]:
    """Return the class's topics, chapters, subjects and courses, in this order and each by name.

    `students` holds the topic scores of one student each.
    """
    members: dict[_Key, list[_Seen]] = defaultdict(list)
    for scores in students:
        for score in scores:
            band = band_of(score.mastery_score, score.evidence_count, min_evidence)
            judged = band != BANDS[0]
            members[_topic_key(score.topic_id, places)].append(
                _Seen(score.mastery_score if judged else None, score.evidence_count, band)
            )
        for unit in rollup(scores, places, min_evidence):
            members[unit.level, (*unit.parents, unit.name), None].append(
                _Seen(unit.mastery_score, unit.evidence_count, unit.band)
            )
    levels = ("topic", *LEVELS)
    keys = sorted(members, key=lambda key: (levels.index(key[0]), key[1], key[2] or ""))
    return [_mean(key, members[key]) for key in keys]


def _topic_key(topic_id: str, places: Mapping[str, CurriculumPath]) -> _Key:
    place = places.get(topic_id)
    if place is None:
        return "topic", (topic_id,), topic_id
    around = tuple(name for name in (place.course, place.subject, place.chapter) if name)
    return "topic", (*around, place.title or topic_id), topic_id


def _mean(key: _Key, seen: Sequence[_Seen]) -> ClassRollup:
    level, names, topic_id = key
    scores = [one.score for one in seen if one.score is not None]
    mean = weighted_mean(scores, [1] * len(scores)) if scores else None
    in_band = Counter(one.band for one in seen)
    return ClassRollup(
        level=level,
        name=names[-1],
        topic_id=topic_id,
        parents=names[:-1],
        mastery_score=mean,
        students=len(scores),
        students_seen=len(seen),
        evidence_count=sum(one.evidence for one in seen if one.score is not None),
        bands={band: in_band[band] for band in BANDS},
        band=BANDS[0] if mean is None else band_of(mean, 1, 1),
    )
