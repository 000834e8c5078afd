"""Whether predictions are as good for one group of students as for another.

ABROCA is the absolute area between the ROC curves of two groups (Gardner, Brooks & Baker 2019, Evaluating the fairness
of predictive student models through slicing analysis, LAK, section 3.2): 0 where a threshold costs both the same, at
most 1. It is never below the difference of their AUCs, and it is above 0 for groups that do not differ at all, because
curves of few answers are ragged: `abroca_if_equal` says how far, on students of both groups dealt out again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mastery.arrays import Bools, Floats, Int32s, Int64s
from mastery.evaluation.measures import auc, bootstrap, interval, measures, ranked
from mastery.evaluation.reliability import bootstrap_ece, ece
from mastery.evaluation.summary import DRAWS
from mastery.kernels import kernel

FEWEST_STUDENTS, FEWEST_ANSWERS, FEWEST_OF_AN_OUTCOME = 20, 100, 10
"""Groups with less are named and not measured: of ten students an AUC is known to about ±0.1, and a number of a handful
says more about one child than about the group."""

DEALS = 200
"""Of students to two groups, to say what ABROCA would be if these did not differ: a 95th percentile known to about a
tenth."""

MEASURES = ("auc", "logloss", "rmse", "ece", "predicted", "right", "calibration")
"""Of a group alone. calibration: mean prediction minus share right; above 0 the group is thought better than it is."""

ABROCA = ("abroca", "abroca_if_equal", "abroca_if_equal_95")
"""Of a group against the largest one; NaN for that one."""


@dataclass(frozen=True)
class GroupMeasures:
    """What one scorer's predictions are worth for one group.

    Attributes:
        measures: `MEASURES` and `ABROCA`; NaN where undefined.
        intervals: 95 % of each of `MEASURES` and of abroca: students drawn with replacement, each group's for itself.
    """

    name: str
    students: int
    answers: int
    measures: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class SmallGroup:
    """A group that is too small to be measured."""

    name: str
    students: int
    answers: int


def abroca(p: Floats, y: Floats, first: Bools) -> float:
    """Return the ABROCA of the answers where `first` is true against the others; NaN where either has one outcome.

    Args:
        p, y, first: float64[n] in [0, 1], float64[n] of 0 and 1, bool[n].
    """
    order = np.argsort(p, kind="stable")
    owner, one = first[order].astype(np.int32), np.array([0.0, 1.0])
    return float(weighted_abroca(*ranked(p, y, order), owner, one, 1.0 - one))


@kernel
def weighted_abroca(right: Bools, new: Bools, owner: Int32s, one: Floats, other: Floats) -> float:
    """Return the area between the ROC curves of answers in order of their predictions (`measures.ranked`), of which
    answer i weighs `one[owner[i]]` in the first curve and `other[owner[i]]` in the second.

    Both curves are walked from the lowest prediction on, wrong answers to the right and right ones up: turned half
    round, which leaves the area between them as it is. Ties are straight lines, as in the AUC.
    """
    wrong_1, right_1, wrong_2, right_2 = 0.0, 0.0, 0.0, 0.0
    for i in range(right.size):
        if right[i]:
            right_1 += one[owner[i]]
            right_2 += other[owner[i]]
        else:
            wrong_1 += one[owner[i]]
            wrong_2 += other[owner[i]]
    if min(wrong_1, right_1, wrong_2, right_2) <= 0.0:
        return np.nan
    corners_1, corners_2 = np.zeros((right.size + 1, 2)), np.zeros((right.size + 1, 2))
    sums = np.zeros(4)
    last = 0
    for i in range(right.size):
        if right[i]:
            sums[1] += one[owner[i]]
            sums[3] += other[owner[i]]
        else:
            sums[0] += one[owner[i]]
            sums[2] += other[owner[i]]
        if i + 1 == right.size or new[i + 1]:
            last += 1
            corners_1[last, 0], corners_1[last, 1] = sums[0] / wrong_1, sums[1] / right_1
            corners_2[last, 0], corners_2[last, 1] = sums[2] / wrong_2, sums[3] / right_2
    return _area_between(corners_1[: last + 1], corners_2[: last + 1])


@kernel
def _area_between(one: Floats, other: Floats) -> float:
    """Return the area between two curves of straight pieces from (0, 0) to (1, 1), float64[m, 2] each, neither of which
    ever falls or turns back."""
    i, j, x, area = 0, 0, 0.0, 0.0
    while x < 1.0:
        while one[i + 1, 0] <= x:  # straight up
            i += 1
        while other[j + 1, 0] <= x:
            j += 1
        until = min(one[i + 1, 0], other[j + 1, 0])
        slope_1 = (one[i + 1, 1] - one[i, 1]) / (one[i + 1, 0] - one[i, 0])
        slope_2 = (other[j + 1, 1] - other[j, 1]) / (other[j + 1, 0] - other[j, 0])
        apart = one[i, 1] + slope_1 * (x - one[i, 0]) - other[j, 1] - slope_2 * (x - other[j, 0])
        then = apart + (slope_1 - slope_2) * (until - x)
        if apart * then >= 0.0:
            area += 0.5 * (until - x) * (abs(apart) + abs(then))
        else:  # they cross
            area += 0.5 * (until - x) * (apart * apart + then * then) / (abs(apart) + abs(then))
        x = until
    return area


def by_group(
    p: Floats, y: Floats, student: Int64s, group: Int64s, names: Sequence[str], seed: int, draws: int = DRAWS
) -> tuple[GroupMeasures, ...]:
    """Return what predictions are worth for each group that `large_groups` names, the largest first: it is the one the
    others are compared with.

    Args:
        p, y: float64[n].
        student: int64[n]. Codes from 0.
        group: int64[n]. The group of the answer's student, a place in `names`; −1 for none.
    """
    large, _ = large_groups(y, student, group, names)
    parts = {code: group == code for code in large}
    return tuple(
        _measured(p, y, student, names[code], rows, None if code == large[0] else parts[large[0]], seed, draws)
        for code, rows in parts.items()
    )


def large_groups(
    y: Floats, student: Int64s, group: Int64s, names: Sequence[str]
) -> tuple[list[int], tuple[SmallGroup, ...]]:
    """Return the groups that can be measured, most answers first (codes), and those that are too small."""
    large, small = list[tuple[int, int]](), list[SmallGroup]()
    for code, name in enumerate(names):
        rows = group == code
        answers, students, right = int(rows.sum()), int(np.unique(student[rows]).size), int(y[rows].sum())
        enough = answers >= FEWEST_ANSWERS and students >= FEWEST_STUDENTS
        if enough and min(right, answers - right) >= FEWEST_OF_AN_OUTCOME:
            large.append((-answers, code))
        else:
            small.append(SmallGroup(name, students, answers))
    return [code for _, code in sorted(large)], tuple(small)


def _measured(
    p: Floats, y: Floats, student: Int64s, name: str, rows: Bools, reference: Bools | None, seed: int, draws: int
) -> GroupMeasures:
    mine_p, mine_y = p[rows], y[rows]
    _, mine_student = np.unique(student[rows], return_inverse=True)
    plain = measures(mine_p, mine_y)
    found = {
        "auc": auc(mine_p, mine_y),
        "logloss": plain["logloss"],
        "rmse": plain["rmse"],
        "ece": ece(mine_p, mine_y),
        "predicted": float(mine_p.mean()),
        "right": float(mine_y.mean()),
        "calibration": float(mine_p.mean() - mine_y.mean()),
    }
    drawn = bootstrap(mine_p, mine_y, mine_student, draws, seed)
    means = _means(mine_p, mine_y, mine_student, draws, seed)
    ends = {name: interval(drawn[name]) for name in ("auc", "logloss", "rmse")}
    ends["ece"] = interval(bootstrap_ece(mine_p, mine_y, mine_student, draws, seed))
    ends |= {word: interval(values) for word, values in means.items()}
    found |= dict.fromkeys(ABROCA, np.nan)
    if reference is not None:
        both = rows | reference
        area, again, dealt = _apart(p[both], y[both], student[both], rows[both], seed, draws)
        found |= dict(zip(ABROCA, (area, float(dealt.mean()), float(np.quantile(dealt, 0.95))), strict=True))
        ends["abroca"] = interval(again)
    return GroupMeasures(name, int(mine_student.max()) + 1, mine_p.size, found, ends)


def _means(p: Floats, y: Floats, student: Int64s, draws: int, seed: int) -> dict[str, Floats]:
    """Return float64[draws] of mean prediction, share right and their difference, on the students `bootstrap` draws."""
    sums = np.column_stack([np.bincount(student), np.bincount(student, p), np.bincount(student, y)])
    rng = np.random.default_rng(seed)
    found = np.empty((draws, 2))
    for draw in range(draws):
        times = np.bincount(rng.integers(0, len(sums), len(sums)), minlength=len(sums))
        n, predicted, right = (times[:, None] * sums).sum(axis=0)
        found[draw] = predicted / n, right / n
    return {"predicted": found[:, 0], "right": found[:, 1], "calibration": found[:, 0] - found[:, 1]}


def _apart(
    p: Floats, y: Floats, student: Int64s, mine: Bools, seed: int, draws: int
) -> tuple[float, Floats, Floats]:  # fmt: skip
    """Return the ABROCA of `mine` (bool[n]) against the others, float64[draws] of it on drawn students, and
    float64[DEALS] of it with the students of both dealt out again to groups of the same sizes."""
    _, code = np.unique(student, return_inverse=True)
    order = np.argsort(p, kind="stable")
    right, new = ranked(p, y, order)
    owner = code[order].astype(np.int32)
    belongs = np.zeros(int(code.max()) + 1)
    belongs[code[mine]] = 1.0
    area = float(weighted_abroca(right, new, owner, belongs, 1.0 - belongs))
    rng = np.random.default_rng(seed)
    sides = np.flatnonzero(belongs == 1.0), np.flatnonzero(belongs == 0.0)
    again = np.empty(draws)
    for draw in range(draws):
        times = np.zeros((2, belongs.size))
        for side, people in enumerate(sides):
            times[side, people] = np.bincount(rng.integers(0, people.size, people.size), minlength=people.size)
        again[draw] = weighted_abroca(right, new, owner, times[0], times[1])
    dealt = np.empty(DEALS)
    for deal in range(DEALS):
        other = rng.permutation(belongs)
        dealt[deal] = weighted_abroca(right, new, owner, other, 1.0 - other)
    return area, again, dealt[np.isfinite(dealt)]
