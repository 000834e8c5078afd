"""The mean score of each topic over its students, as last published: what people's scores are compared with.

It is published with gold, in CLASS_TOPICS, so that one student shown live, a class, a page and an export all name the
same number.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

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

JUDGED = ("needs_help", "developing", "proficient", "mastered")


def topic_means(lake: Lake, published: Publication) -> dict[tuple[str, str], dict[str, TopicMean]]:
    """Return the means by (tenant, scorer) and topic; none where nothing is published, or an earlier version of the
    engine published without them.
    """
    if CLASS_TOPICS.name not in published.versions:
        return {}
    paths = [file.path for file in lake.shown(CLASS_TOPICS, published).files]
    found: dict[tuple[str, str], dict[str, TopicMean]] = {}
    columns = ["tenant", "score_source", "topic_id", "score_sum", *JUDGED]
    for row in lake.read_files(CLASS_TOPICS, paths, columns).to_pylist():
        students = sum(row[band] for band in JUDGED)
        mean = row["score_sum"] / FIXED_POINT / students if students else None
        found.setdefault((row["tenant"], row["score_source"]), {})[row["topic_id"]] = TopicMean(mean, students)
    return found
