"""The mean score of each topic over its students, as last published: what people's scores are compared with.

It is published with gold, in CLASS_TOPICS, so that one student shown live, a class, a page and an export all name the
same number. It is of the moment of that publication: a score of another season is not compared with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from mastery.insight.reference import SAME_TIME_DAYS
from mastery.instants import DAY_US, microseconds
from mastery.lake import Lake
from mastery.lake.publication import Publication
from mastery.pipelines.scoring.class_numbers import FIXED_POINT
from mastery.tables import CLASS_TOPICS


class TopicMean(NamedTuple):
    """Mean score of the students of one topic whose evidence is enough, None for none, and how many they are."""

    mean: float | None
    students: int


NO_STUDENTS = TopicMean(None, 0)
NO_MEANS: Mapping[str, TopicMean] = {}


class PublishedMeans(NamedTuple):
    """Means by topic, of the scores at one moment."""

    as_of_us: int
    by_topic: Mapping[str, TopicMean]

    def near(self, as_of_us: int) -> Mapping[str, TopicMean]:
        """Return what scores at a moment are compared with: none where the means are of another time."""
        return self.by_topic if abs(as_of_us - self.as_of_us) <= SAME_TIME_DAYS * DAY_US else NO_MEANS


JUDGED = ("needs_help", "developing", "proficient", "mastered")


def topic_means(lake: Lake, published: Publication) -> dict[tuple[str, str], PublishedMeans]:
    """Return the means by (tenant, scorer); none where nothing is published, or an earlier version of the
    engine published without them.
    """
    if CLASS_TOPICS.name not in published.versions:
        return {}
    paths = [file.path for file in lake.shown(CLASS_TOPICS, published).files]
    found: dict[tuple[str, str], tuple[int, dict[str, TopicMean]]] = {}
    columns = ["tenant", "score_source", "topic_id", "score_sum", "as_of", *JUDGED]
    for row in lake.read_files(CLASS_TOPICS, paths, columns).to_pylist():
        students = sum(row[band] for band in JUDGED)
        mean = row["score_sum"] / FIXED_POINT / students if students else None
        _, by_topic = found.setdefault((row["tenant"], row["score_source"]), (microseconds(row["as_of"]), {}))
        by_topic[row["topic_id"]] = TopicMean(mean, students)
    return {key: PublishedMeans(*one) for key, one in found.items()}
