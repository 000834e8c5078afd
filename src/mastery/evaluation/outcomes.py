"""Outcomes from outside, such as final marks, and how well numbers of students go with them.

An outcome is one number a student, and good or not. Neither is ever learnt from: it is what a school finds out later,
and not from the answers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from mastery.arrays import Bools, Floats
from mastery.errors import BadInput
from mastery.evaluation.measures import auc, interval, ranked, weighted_auc
from mastery.evaluation.next_week import correlation
from mastery.evaluation.student_columns import StudentColumn
from mastery.evaluation.summary import DRAWS
from mastery.events.numbers import read_number

FEWEST_STUDENTS, FEWEST_OF_A_KIND = 20, 10
"""With fewer students, or fewer with a good or with another outcome, nothing is measured."""

MEASURES = ("auc", "correlation", "auc_gain")
"""auc: probability that a student with a good outcome has the higher number; a tie counts half. correlation: Pearson's
r with the outcome as a number. auc_gain: AUC above that of the number it is compared with."""


@dataclass(frozen=True)
class OutcomeRule:
    """Which column holds the outcome, and what is good in it; see `parse_outcome`."""

    column: str
    good: tuple[str, ...] = ()
    least: float | None = None


@dataclass(frozen=True)
class Outcome:
    """An outcome of students.

    Attributes:
        number: By student. 0 or 1 where the outcome is a word.
        good: By student.
        meaning: What counts as good, in words.
        left_out: How many students have none, or several.
    """

    column: str
    number: Mapping[str, float]
    good: Mapping[str, bool]
    meaning: str
    left_out: int


@dataclass(frozen=True)
class Agreement:
    """How well a number of each student goes with the outcome.

    Attributes:
        measures: `MEASURES`.
        intervals: 95 % of each, students drawn with replacement.
    """

    measures: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]]


def parse_outcome(text: str) -> OutcomeRule:
    """Return the rule that a text names: COLUMN, COLUMN=VALUE,VALUE… or COLUMN>=NUMBER.

    Raises:
        BadInput: it names none.
    """
    column, at_least, number = text.partition(">=")
    if at_least:
        try:
            least = float(number)
        except ValueError:
            least = math.nan
        if column and math.isfinite(least):
            return OutcomeRule(column, least=least)
    else:
        column, equals, values = text.partition("=")
        good = tuple(dict.fromkeys(value.strip() for value in values.split(",") if value.strip()))
        if column and bool(equals) == bool(good):
            return OutcomeRule(column, good=good)
    raise BadInput(f"unknown outcome {text!r}; expected COLUMN, COLUMN=VALUE,VALUE or COLUMN>=NUMBER")


def outcome_of(rule: OutcomeRule, column: StudentColumn) -> Outcome:
    """Return the outcome that a column of students holds. Of numbers without a rule those above the median are good.

    Raises:
        BadInput: none of the good values is there, or a value is no number where numbers are wanted.
    """
    left_out = column.empty + column.several
    if rule.good:
        unknown = [value for value in rule.good if value not in column.values]
        if unknown:
            raise BadInput(f"no student has {rule.column} {unknown[0]!r}; its values are: {_some(column.values)}")
        good = {name: value in rule.good for name, value in column.of_student.items()}
        return Outcome(rule.column, good, good, f"{rule.column} {' or '.join(rule.good)}", left_out)
    numbers = _numbers(rule, column.values)
    number = {name: numbers[value] for name, value in column.of_student.items()}
    if rule.least is not None:
        good = {name: value >= rule.least for name, value in number.items()}
        return Outcome(rule.column, number, good, f"{rule.column} {rule.least:g} or more", left_out)
    if set(number.values()) == {0.0, 1.0}:
        return Outcome(rule.column, number, {name: value > 0.5 for name, value in number.items()},
                       f"{rule.column} 1", left_out)  # fmt: skip
    middle = float(np.median([*number.values()]))
    good = {name: value > middle for name, value in number.items()}
    return Outcome(rule.column, number, good, f"{rule.column} above its median, {middle:g}", left_out)


def agreements(
    said: Mapping[str, Floats], number: Floats, good: Bools, *, against: str, seed: int, draws: int = DRAWS
) -> dict[str, Agreement]:
    """Return how well each of these numbers of n students goes with the outcome; of too few students nothing.

    Args:
        said: float64[n] by name.
        against: The name whose AUC the gains are above. Every draw is of the same students for all names.
    """
    n = good.size
    if n < FEWEST_STUDENTS or min(int(good.sum()), n - int(good.sum())) < FEWEST_OF_A_KIND:
        return {}
    rng = np.random.default_rng(seed)
    times = np.array([np.bincount(rng.integers(0, n, n), minlength=n) for _ in range(draws)], np.float64)
    outcome = good.astype(np.float64)
    drawn, whole = {}, {}
    for name, values in said.items():
        order = np.argsort(values, kind="stable")
        right, new = ranked(values, outcome, order)
        owner = order.astype(np.int32)
        areas = np.array([weighted_auc(right, new, owner, weight) for weight in times])
        whole[name] = auc(values, outcome), correlation(values, number)
        drawn[name] = areas, _correlations(values, number, times)
    return {
        name: Agreement(
            dict(zip(MEASURES, (*whole[name], whole[name][0] - whole[against][0]), strict=True)),
            {
                "auc": interval(drawn[name][0]),
                "correlation": interval(drawn[name][1]),
                "auc_gain": interval(drawn[name][0] - drawn[against][0]),
            },
        )
        for name in said
    }


def _correlations(a: Floats, b: Floats, times: Floats) -> Floats:
    """Return float64[draws]: Pearson's r of pairs of which each counts float64[draws, n] times; NaN of a constant."""
    a, b = a - a.mean(), b - b.mean()
    moments = np.column_stack([a, b, a * b, a * a, b * b])
    ma, mb, ab, aa, bb = ((times[:, :, None] * moments[None, :, :]).sum(axis=1) / times.sum(axis=1)[:, None]).T
    spread = (aa - ma * ma) * (bb - mb * mb)
    there = spread > 1e-24
    found: Floats = np.where(there, (ab - ma * mb) / np.sqrt(np.where(there, spread, 1.0)), np.nan)
    return found


def _numbers(rule: OutcomeRule, values: Sequence[str]) -> dict[str, float]:
    """Return the number that each value is, written with a decimal point, or a comma where it can be nothing else."""
    plain = [{"true": "1", "false": "0"}.get(value.lower(), value) for value in values]
    numbers = read_number(pa.array(plain, pa.string())).values.to_pylist()
    for value, number in zip(values, numbers, strict=True):
        if number is None:
            a_word = next((one for one in values if "," not in one), None)
            raise BadInput(
                f"{rule.column} is {value!r}, which is no number; expected numbers such as 12.5"
                + (f", or say which values are good, as in {rule.column}={a_word}" if a_word is not None else "")
                + f"; its values are: {_some(values)}"
            )
    return dict(zip(values, numbers, strict=True))


def _some(values: Sequence[str], most: int = 12) -> str:
    return ", ".join(values[:most]) + (", …" if len(values) > most else "")
