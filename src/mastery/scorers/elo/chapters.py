"""Which topics belong together: by name where somebody says so, otherwise by how alike students do on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy import sparse
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from mastery.arrays import Floats
from mastery.features.batch import Batch
from mastery.scorers.parameters import Scoped

NO_CHAPTER = -1.0

MOST_TOPICS = 2_000
"""Beyond, correlations of all pairs take more memory than they are worth; then there are no chapters."""

LEAST_EVIDENCE = 2.0
LEAST_CORRELATION = 0.1
STUDENTS_OF_DOUBT = 50.0
"""A correlation over n students counts n / (n + this) of what it is."""


def numbered_chapters(topics: Sequence[Scoped], chapters: Mapping[Scoped, str] | None) -> Floats:
    """Return float64[T]: a number for each topic's chapter, `NO_CHAPTER` for topics of none."""
    given = {} if chapters is None else {topic: (topic[0], chapters[topic]) for topic in topics if topic in chapters}
    number = {chapter: float(k) for k, chapter in enumerate(sorted(set(given.values())))}
    return np.array([number[given[topic]] if topic in given else NO_CHAPTER for topic in topics])


def estimated_chapters(batch: Batch, offset: Floats, evidence: Floats) -> Floats:
    """Return float64[T]: numbers of chapters, gathered from students' offsets (float64[P] each, by slot).

    Offsets of two topics over the students who have both are correlated; topics are joined by average linkage
    (Sokal & Michener 1958) as long as the mean correlation stays above `LEAST_CORRELATION`.
    """
    topics = len(batch.topics)
    found = np.full(topics, NO_CHAPTER)
    slots = evidence >= LEAST_EVIDENCE
    if topics < 3 or topics > MOST_TOPICS or not slots.any():
        return found
    student, topic = batch.slot_student[slots], batch.slot_topic[slots]
    count = np.bincount(topic, minlength=topics)
    mean = np.bincount(topic, offset[slots], topics) / np.maximum(count, 1.0)

    def by_student(values: Floats) -> sparse.csr_array:
        return sparse.csr_array((values, (student, topic)), shape=(len(batch.students), topics))

    def of_pairs(a: sparse.csr_array, b: sparse.csr_array) -> Floats:
        return np.asarray((a.T @ b).toarray())  # of sparse arrays: summed student by student, without BLAS

    away = offset[slots] - mean[topic]
    value, square, there = by_student(away), by_student(away * away), by_student(np.ones(topic.size))
    both, products, squares = of_pairs(there, there), of_pairs(value, value), of_pairs(square, there)
    correlation = products / np.sqrt(np.maximum(squares * squares.T, 1e-12)) * both / (both + STUDENTS_OF_DOUBT)
    distance = 1.0 - np.clip(0.5 * (correlation + correlation.T), -1.0, 1.0)
    np.fill_diagonal(distance, 0.0)
    group = fcluster(linkage(squareform(distance, checks=False), "average"), 1.0 - LEAST_CORRELATION, "distance")
    for number, size in zip(*np.unique(group, return_counts=True), strict=True):
        if size > 1:
            found[group == number] = float(number)
    return found
