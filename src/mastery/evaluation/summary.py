"""Everything that is measured of one scorer's predictions on one test, and the mean over several tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from mastery.arrays import Floats, Int64s
from mastery.evaluation.measures import bootstrap, interval, measures
from mastery.evaluation.reliability import ece, perfect_ece

FIRST = (5, 10, 20)
"""Cold start: the first answers of each student, apart."""

SIZE_GROUPS = 4
"""Topics by how many answers on them were learnt from: quarters of the topics, the smallest first."""

DRAWS = 500
"""Of a bootstrap."""


@dataclass(frozen=True)
class Sample:
    """m questions answered in one test.

    Attributes:
        student, y, place: As in `mastery.evaluation.questions.Questions`.
        learnt: int64[m]. Answers on the question's topic that were learnt from; of several topics the least.
    """

    student: Int64s
    y: Floats
    place: Int64s
    learnt: Int64s


@dataclass(frozen=True)
class Group:
    """Some of the answers of a test, measured apart."""

    name: str
    answers: int
    measures: Mapping[str, float]


@dataclass(frozen=True)
class Summary:
    """What one scorer's predictions came to.

    Attributes:
        measures: `measures.MEASURES`, and ece, ece_perfect, ece_perfect_95; NaN where undefined.
        draws: float64[DRAWS] of each of `measures.MEASURES`, students drawn with replacement.
        cold_start: first_5, first_10, first_20, after_20.
        topic_size: Quarters of the topics.
        next_week, weeks: Correlation with the share right of the 7 days that follow, and over how many
            student-topic-days; NaN and 0 without a clock.
    """

    answers: int
    measures: Mapping[str, float]
    draws: Mapping[str, Floats]
    cold_start: tuple[Group, ...]
    topic_size: tuple[Group, ...]
    next_week: float = np.nan
    weeks: int = 0
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)


def summarise(p: Floats, test: Sample, seed: int, next_week: tuple[float, int] = (np.nan, 0)) -> Summary:
    """Return what predictions float64[m] are worth."""
    perfect, most = perfect_ece(p, seed)
    draws = bootstrap(p, test.y, test.student, DRAWS, seed)
    cold = [(f"first_{count}", test.place < count) for count in FIRST] + [
        (f"after_{FIRST[-1]}", test.place >= FIRST[-1])
    ]
    groups = tuple(Group(name, int(rows.sum()), measures(p[rows], test.y[rows])) for name, rows in cold)
    sizes = tuple(Group(name, int(rows.sum()), measures(p[rows], test.y[rows])) for name, rows in _by_size(test.learnt))
    found = measures(p, test.y) | {"ece": ece(p, test.y), "ece_perfect": perfect, "ece_perfect_95": most}
    ends = {name: interval(values) for name, values in draws.items()}
    return Summary(p.size, found, draws, groups, sizes, *next_week, ends)


def mean_of(cv_folds: Sequence[Summary]) -> Summary:
    """Return the mean over CV folds: of every measure, and of the draws, one by one. Answers are added up.

    A CV fold where something is undefined is left out of that mean.
    """
    if len(cv_folds) == 1:
        return cv_folds[0]
    draws = {name: _mean([one.draws[name] for one in cv_folds]) for name in cv_folds[0].draws}
    return Summary(
        sum(one.answers for one in cv_folds),
        _mean_measures([one.measures for one in cv_folds]),
        draws,
        _mean_groups([one.cold_start for one in cv_folds]),
        _mean_groups([one.topic_size for one in cv_folds]),
        float(_mean([np.array([one.next_week]) for one in cv_folds])[0]),
        sum(one.weeks for one in cv_folds),
        {name: interval(values) for name, values in draws.items()},
    )


def _by_size(learnt: Int64s) -> list[tuple[str, np.ndarray[tuple[int], np.dtype[np.bool_]]]]:
    sizes = np.unique(learnt)
    if sizes.size == 0:
        return []
    edges = np.quantile(sizes, np.arange(1, SIZE_GROUPS) / SIZE_GROUPS)
    quarter = np.searchsorted(edges, learnt, side="left")
    return [(f"quarter_{k + 1}", quarter == k) for k in range(SIZE_GROUPS)]


def _mean_groups(cv_folds: Sequence[tuple[Group, ...]]) -> tuple[Group, ...]:
    return tuple(
        Group(one.name, sum(group.answers for group in same), _mean_measures([group.measures for group in same]))
        for same in zip(*cv_folds, strict=True)
        for one in same[:1]
    )


def _mean_measures(cv_folds: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: float(_mean([np.array([one[name]]) for one in cv_folds])[0]) for name in cv_folds[0]}


def _mean(values: Sequence[Floats]) -> Floats:
    """Return the mean over arrays of one shape, what is not a number left out; NaN where nothing is."""
    stacked = np.stack(values)
    there = np.isfinite(stacked)
    count = there.sum(axis=0)
    total = np.where(there, stacked, 0.0).sum(axis=0)
    mean: Floats = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return mean
