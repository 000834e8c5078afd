"""The mean mastery of students at the end of each week, beside an outcome from outside.

Students are those of the tests: nothing was learnt from their answers, and nothing from the outcome.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mastery.arrays import Floats, Int32s, Numbers
from mastery.errors import BadInput
from mastery.evaluation.outcomes import Agreement, Outcome, agreements
from mastery.evaluation.splits import Log
from mastery.evaluation.student_columns import StudentColumn
from mastery.features.batch import Batch
from mastery.features.counters import ANSWERS, EVIDENCE, RIGHT
from mastery.features.take_rows import take_rows
from mastery.insight.words import counted
from mastery.instants import DAY_US
from mastery.pipelines.scoring.fold import fold_batch
from mastery.school_days import UTC_DAYS
from mastery.scorers.model_set import ModelSet
from mastery.scorers.parameters import Parameters

WEEKS = (1, 2, 3, 4, 6, 8, 10, 13, 17, 21, 26, 32, 39, 52)
"""Weeks at whose end scores are read."""

WEEK_US = 7 * DAY_US

SHARE, COUNT = "share_right", "answers"
"""What scores are compared with: the share of right answers so far, and how many answers there are."""


@dataclass(frozen=True)
class Term:
    """When the weeks of each student begin.

    Attributes:
        begins_us, ends_us: By student: the midnight (UTC) before the first answer of the student's cohort, and its last
            answer; without cohorts the midnight before the student's own first one, and the last one of the log.
        of_cohort: What the cohorts are the values of.
    """

    begins_us: Mapping[str, int]
    ends_us: Mapping[str, int]
    of_cohort: str | None = None


@dataclass(frozen=True)
class Week:
    """The students who had answered by the end of a week.

    Attributes:
        agreements: By scorer, and `SHARE` and `COUNT`; gains are above `SHARE`. Empty where there are too few students.
    """

    week: int
    students: int
    good: int
    agreements: Mapping[str, Agreement]


@dataclass(frozen=True)
class Outside:
    """Mean mastery beside an outcome, week by week."""

    column: str
    meaning: str
    cohorts: str | None
    weeks: tuple[Week, ...]


@dataclass(frozen=True)
class Said:
    """What is known of n students at the end of one week.

    Attributes:
        mastery: float64[n] by name: mean score of the topics with evidence, and `SHARE` and `COUNT`.
    """

    students: Sequence[str]
    mastery: Mapping[str, Floats]


def term_of(log: Log, cohort: StudentColumn | None) -> Term:
    """Return when the weeks of the log's students begin; a student of several cohorts, or of none, has no weeks.

    Raises:
        BadInput: the log has no time stamps.
    """
    if not log.has_clock:
        raise BadInput("the log has no time stamps, so it has no weeks; an outcome is told week by week")
    batch = log.batch
    first, last = batch.at_us[batch.student_ptr[:-1]], batch.at_us[batch.student_ptr[1:] - 1]
    names = batch.students
    if cohort is None:
        end = int(batch.at_us.max())
        return Term(
            {name: _midnight(batch, int(at)) for name, at in zip(names, first, strict=True)}, dict.fromkeys(names, end)
        )
    code = cohort.codes(names)
    begins = [_midnight(batch, int(first[code == k].min())) for k in range(len(cohort.values))]
    ends = [int(last[code == k].max()) for k in range(len(cohort.values))]
    known = [(name, k) for name, k in zip(names, code.tolist(), strict=True) if k >= 0]
    return Term({name: begins[k] for name, k in known}, {name: ends[k] for name, k in known}, cohort.name)


def weeks_said(
    test: Batch, parameters: Mapping[str, Parameters], scorers: Sequence[str], term: Term
) -> dict[int, Said]:
    """Return what scorers say of the students of a test at the end of each of `WEEKS`, of answers up to then.

    Args:
        parameters: Of these scorers, and of those they read.
    """
    known = np.array([name in term.begins_us for name in test.students], np.bool_)
    begins = np.array([term.begins_us.get(name, 0) for name in test.students], np.int64)
    ends = np.array([term.ends_us.get(name, 0) for name in test.students], np.int64)
    owner = np.repeat(np.arange(len(test.students)), np.diff(test.student_ptr))
    # Earlier, so that all weeks end at one moment, by days of 24 hours that begin as the first of the term did.
    since_us = test.at_us - begins[owner]
    moved = replace(test, at_us=since_us, days=UTC_DAYS)
    found = {}
    for week in WEEKS:
        there = known & (begins + (week - 1) * WEEK_US <= ends)
        keep = there[owner] & (since_us < week * WEEK_US)
        if keep.any():
            found[week] = _said(take_rows(moved, keep), parameters, scorers, week * WEEK_US - 1)
    return found


def _midnight(batch: Batch, at_us: int) -> int:
    """Return when the school day of a moment began."""
    return batch.days.begins_us(batch.days.day_of(at_us))


def _said(batch: Batch, parameters: Mapping[str, Parameters], scorers: Sequence[str], as_of_us: int) -> Said:
    folded = fold_batch(batch, ModelSet("evaluated", parameters), as_of_us, history=False)
    n, student = len(batch.students), batch.slot_student
    answers, right = (_by_student(folded.counters[:, column], student, n) for column in (ANSWERS, RIGHT))
    evident = folded.counters[:, EVIDENCE] > 0
    topics = _by_student(evident, student, n)
    # Who has only watched videos has no share, and no score to go by.
    there = (answers > 0) & (topics > 0)
    mastery = {
        name: _by_student(np.where(evident, scores.score, 0.0), student, n)[there] / topics[there]
        for name, scores in folded.scores().items()
        if name in scorers
    }
    mastery |= {SHARE: right[there] / answers[there], COUNT: answers[there]}
    return Said([name for name, kept in zip(batch.students, there, strict=True) if kept], mastery)


def _by_student(values: Numbers, student: Int32s, n: int) -> Floats:
    return np.bincount(student, values.astype(np.float64), minlength=n).astype(np.float64)


def beside_outcome(said: Sequence[Mapping[int, Said]], outcome: Outcome, term: Term, seed: int) -> Outside:
    """Return how well what was said of the students of all tests goes with their outcome."""
    weeks = []
    for week in WEEKS:
        mine = [one[week] for one in said if week in one]
        if not mine:
            continue
        names = [name for one in mine for name in one.students]
        kept = np.array([name in outcome.number for name in names], np.bool_)
        number = np.array([outcome.number.get(name, np.nan) for name in names], np.float64)[kept]
        good = np.array([outcome.good.get(name, False) for name in names], np.bool_)[kept]
        values = {name: np.concatenate([one.mastery[name] for one in mine])[kept] for name in mine[0].mastery}
        found = agreements(values, number, good, against=SHARE, seed=seed)
        weeks.append(Week(week, good.size, int(good.sum()), found))
    return Outside(outcome.column, outcome.meaning, term.of_cohort, tuple(weeks))


def outcome_notes(outcome: Outcome, found: Outside, term: Term, students: int) -> list[str]:
    """Return what somebody who reads the numbers should know."""
    notes = []
    if outcome.left_out:
        left_out = counted(outcome.left_out, "student")
        notes.append(f"left out beside {outcome.column}: {left_out} without one, or with several")
    if len(term.begins_us) < students:
        without = counted(students - len(term.begins_us), "student")
        notes.append(f"left out beside {outcome.column}: {without} with no {term.of_cohort}, or with several")
    few = [str(one.week) for one in found.weeks if not one.agreements]
    if few:
        notes.append(
            f"{outcome.column}: too few students with either outcome at the end of week{'s' * (len(few) > 1)} "
            f"{', '.join(few)}; --folds 5 (in Python, cv_folds=5) tests every student once"
        )
    return notes
