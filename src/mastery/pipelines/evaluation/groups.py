"""An evaluation's answers by group of students: what predictions are worth for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mastery.errors import BadInput
from mastery.evaluation.fairness import (
    FEWEST_ANSWERS,
    FEWEST_OF_AN_OUTCOME,
    FEWEST_STUDENTS,
    GroupMeasures,
    SmallGroup,
    by_group,
    large_groups,
)
from mastery.evaluation.student_columns import MOST_VALUES, StudentColumn
from mastery.insight.words import counted
from mastery.pipelines.evaluation.cv_fold_result import CvFoldResult

MOST_NAMED = 12
"""Of groups that are too small a note names that many."""


@dataclass(frozen=True)
class ByGroup:
    """What predictions are worth for each group of students; the answers of all tests together.

    Attributes:
        column: What the groups are the values of.
        scorers: By scorer, the largest group first: the others are compared with it.
        too_small: Groups that are not measured.
    """

    column: str
    scorers: Mapping[str, tuple[GroupMeasures, ...]]
    too_small: tuple[SmallGroup, ...]


def check_groups(groups: StudentColumn) -> None:
    """Raise BadInput where a column has too many values to be groups."""
    if len(groups.values) > MOST_VALUES:
        raise BadInput(
            f"{groups.name} has {len(groups.values):,} values; expected the groups of students, {MOST_VALUES} at most"
        )


def measured_by_group(results: Sequence[CvFoldResult], groups: StudentColumn, seed: int) -> ByGroup:
    """Return what each group's answers in all tests come to: of one test a group has too few."""
    names = sorted({name for one in results for name in one.students})
    code = {name: number for number, name in enumerate(names)}
    student = np.concatenate([
        np.array([code[name] for name in one.students], np.int64)[one.tested.student] for one in results
    ])  # fmt: skip
    y = np.concatenate([one.tested.y for one in results])
    group = groups.codes(names)[student]
    tested = {
        name: by_group(
            np.concatenate([one.probability[name] for one in results]), y, student, group, groups.values, seed
        )
        for name in results[0].probability
    }
    return ByGroup(groups.name, tested, large_groups(y, student, group, groups.values)[1])


def group_notes(groups: StudentColumn, found: ByGroup) -> list[str]:
    """Return what somebody who reads the groups' measures should know."""
    notes = []
    for count, what in ((groups.empty, "no value"), (groups.several, "several values")):
        if count:
            notes.append(
                f"{counted(count, 'student')} with {what} of {groups.name} belong{'s' * (count == 1)} to no group"
            )
    if found.too_small:
        first, more = found.too_small[:MOST_NAMED], len(found.too_small[MOST_NAMED:])
        named = ", ".join(f"{one.name} ({counted(one.students, 'student')})" for one in first)
        named += f" and {more:,} more" if more else ""
        notes.append(
            f"too small to be measured apart by {groups.name}: {named}; a group needs {FEWEST_STUDENTS} students, "
            f"{FEWEST_ANSWERS} answers, and {FEWEST_OF_AN_OUTCOME} right and wrong ones"
        )
    if not next(iter(found.scorers.values())):
        notes.append(f"no group of {groups.name} is large enough to be measured")
    return notes
