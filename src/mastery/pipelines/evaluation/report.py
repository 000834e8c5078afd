"""An evaluation for machines (JSON) and for people (Markdown)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mastery.evaluation.fairness import GroupMeasures
from mastery.evaluation.reliability import reliability
from mastery.evaluation.summary import Group, Summary
from mastery.insight.words import counted
from mastery.pipelines.evaluation.evaluate import Evaluation
from mastery.pipelines.evaluation.groups import ByGroup
from mastery.pipelines.evaluation.outcome import COUNT, SHARE, Outside, Week

DIGITS = 6
"""Of numbers in JSON: more is noise."""

HOW = (
    "Every answer is predicted before it is seen. Intervals: 95 %, students drawn with replacement. ECE: 15 bins of "
    "equal mass; beside it what perfect predictions would show on the same sample, mean and 95th percentile."
)

WEEK = "Next week: correlation of what is said at the end of a day with the share right of the seven days after."

BY_GROUP = (
    "Answers of all tests together. Calibration: mean prediction minus share right; above 0 a group is thought better "
    "than it is. ABROCA: area between the group's ROC curve and that of the largest group (Gardner, Brooks & Baker "
    "2019); beside it what it would be if the two did not differ, mean and 95th percentile. Intervals: 95 %, students "
    "drawn with replacement."
)

GROUP_HEADS = ("scorer", "group", "students", "answers", "AUC", "95 %", "log loss", "ECE", "calibration", "95 %",
               "ABROCA", "95 %", "if equal")  # fmt: skip

OUTSIDE = (
    "The mean score of a student's topics at the end of the week, beside the outcome: AUC (the probability that of two "
    "students the one with the good outcome has the higher mean), after the bar Pearson's r with the outcome as a "
    "number. Nothing was learnt from these students' answers, nor from the outcome."
)

PLAIN = {SHARE: "share right", COUNT: "answers so far"}

TITLES = {
    "first_5": "first 5 answers",
    "first_10": "first 10",
    "first_20": "first 20",
    "after_20": "all later ones",
    "quarter_1": "topics with the fewest answers",
    "quarter_2": "second quarter",
    "quarter_3": "third quarter",
    "quarter_4": "topics with the most answers",
}


def as_json(evaluation: Evaluation) -> dict[str, Any]:
    """Return the evaluation as JSON: {"scorers": {name: {"auc":, "rmse":, "logloss":, "ece":, "n":, …}}, "folds": […]}.

    What is undefined is null.
    """
    return {
        "split": evaluation.split,
        "clock": evaluation.clock,
        "seed": evaluation.seed,
        "log": {
            "students": evaluation.students,
            "answers": evaluation.answers,
            "topics": evaluation.topics,
            "items": evaluation.items,
        },
        "scorers": {
            name: _summary(summary) | {"reliability": _bins(evaluation, name)}
            for name, summary in evaluation.summaries.items()
        },
        "folds": [
            {
                "name": cv_fold.name,
                "train": {"students": cv_fold.train_students, "answers": cv_fold.train_answers},
                "test": {"students": cv_fold.test_students, "answers": int(cv_fold.tested.y.size)},
                "scorers": {name: _summary(summary) for name, summary in cv_fold.summaries.items()},
            }
            for cv_fold in evaluation.cv_folds
        ],
        "by_group": None if evaluation.by_group is None else _by_group(evaluation.by_group),
        "outcome": None if evaluation.outside is None else _outside(evaluation.outside),
        "notes": list(evaluation.notes),
    }


def markdown(evaluation: Evaluation) -> str:
    """Return the evaluation as a page."""
    tests = sum(cv_fold.tested.y.size for cv_fold in evaluation.cv_folds)
    about = (
        f"{counted(evaluation.answers, 'answer')} of {counted(evaluation.students, 'student')} on "
        f"{counted(evaluation.topics, 'topic')} and {counted(evaluation.items, 'item')}. Split: `{evaluation.split}`, "
        f"{counted(len(evaluation.cv_folds), 'test')} with {counted(tests, 'answer')} in all; "
        f"clock: {evaluation.clock}; seed {evaluation.seed}."
    )
    lines = ["# Evaluation", "", about, "", HOW, ""]
    heads = ("scorer", "answers", "AUC", "95 %", "accuracy", "RMSE", "Brier", "log loss", "ECE", "perfect", "next week")
    lines += _table(heads, [_row(name, one) for name, one in evaluation.summaries.items()])
    lines += ["", WEEK]
    for title, groups in (
        ("Cold start", {name: one.cold_start for name, one in evaluation.summaries.items()}),
        ("By size of the topic", {name: one.topic_size for name, one in evaluation.summaries.items()}),
    ):
        lines += ["", f"## {title}", "", "AUC, and log loss after the bar.", "", *_group_table(groups)]
    if evaluation.by_group is not None and (rows := group_rows(evaluation.by_group)):
        lines += ["", f"## By {evaluation.by_group.column}", "", BY_GROUP, ""]
        lines += _table(GROUP_HEADS, rows)
    if evaluation.outside is not None:
        found = evaluation.outside
        lines += ["", f"## Beside {found.column}", "", f"Good is: {found.meaning}. {OUTSIDE}", ""]
        lines += _table(*outside_rows(found))
    if len(evaluation.cv_folds) > 1:
        lines += ["", "## Tests one by one", "", "AUC.", ""]
        names = list(evaluation.summaries)
        rows = [
            (
                cv_fold.name,
                f"{cv_fold.tested.y.size:,}",
                *(shown(cv_fold.summaries[name].measures["auc"]) for name in names),
            )
            for cv_fold in evaluation.cv_folds
        ]
        lines += _table(("test", "answers", *names), rows)
    if evaluation.notes:
        lines += ["", "## Notes", "", *(f"- {note}" for note in evaluation.notes)]
    return "\n".join(lines) + "\n"


def pooled(evaluation: Evaluation, name: str) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return (probability, outcome) of one scorer over all tests, float64 each."""
    return (
        np.concatenate([cv_fold.probability[name] for cv_fold in evaluation.cv_folds]),
        np.concatenate([cv_fold.tested.y for cv_fold in evaluation.cv_folds]),
    )


def shown(value: float, digits: int = 4) -> str:
    """Return a share with four digits behind the point, or a dash."""
    return "–" if math.isnan(value) else f"{value:.{digits}f}"


def group_rows(found: ByGroup) -> list[tuple[str, ...]]:
    """Return the cells below `GROUP_HEADS`."""
    return [(name, *_group_cells(one)) for name, groups in found.scorers.items() for one in groups]


def _group_cells(one: GroupMeasures) -> tuple[str, ...]:
    got = one.measures

    def ends(name: str) -> str:
        low, high = one.intervals.get(name, (math.nan, math.nan))
        return "–" if math.isnan(low) else f"{shown(low, 3)} to {shown(high, 3)}"

    equal = f"{shown(got['abroca_if_equal'])}, at most {shown(got['abroca_if_equal_95'])}"
    return (
        one.name,
        f"{one.students:,}",
        f"{one.answers:,}",
        shown(got["auc"]),
        ends("auc"),
        shown(got["logloss"]),
        shown(got["ece"]),
        f"{got['calibration']:+.4f}",
        ends("calibration"),
        shown(got["abroca"]),
        ends("abroca"),
        "–" if math.isnan(got["abroca"]) else equal,
    )


def outside_rows(found: Outside, bar: str = " \\| ") -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return the heads and the cells of a table: of each week the AUC and the correlation of every number."""
    names = list(dict.fromkeys(name for week in found.weeks for name in week.agreements))

    def cell(week: Week, name: str) -> str:
        if name not in week.agreements:
            return "–"
        got = week.agreements[name].measures
        return f"{shown(got['auc'], 3)}{bar}{shown(got['correlation'], 2)}"

    heads = ("end of week", "students", "good", *(PLAIN.get(name, name) for name in names))
    rows = [
        (str(week.week), f"{week.students:,}", f"{week.good:,}", *(cell(week, name) for name in names))
        for week in found.weeks
    ]
    return heads, rows


def _row(name: str, one: Summary) -> tuple[str, ...]:
    got, (low, high) = one.measures, one.intervals["auc"]
    return (
        name,
        f"{one.answers:,}",
        shown(got["auc"]),
        f"{shown(low, 3)}–{shown(high, 3)}",
        *(shown(got[measure]) for measure in ("accuracy", "rmse", "brier", "logloss", "ece")),
        f"{shown(got['ece_perfect'])}, {shown(got['ece_perfect_95'])}",
        shown(one.next_week, 3),
    )


def _group_table(groups: Mapping[str, tuple[Group, ...]]) -> list[str]:
    names = list(groups)
    rows = [
        (
            TITLES[same[0].name],
            f"{same[0].answers:,}",
            *(f"{shown(one.measures['auc'])} \\| {shown(one.measures['logloss'])}" for one in same),
        )
        for same in zip(*groups.values(), strict=True)
    ]
    return _table(("", "answers", *names), rows)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [
        f"| {' | '.join(heads)} |",
        f"|---{'|---:' * (len(heads) - 1)}|",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]


def _summary(one: Summary) -> dict[str, Any]:
    return {
        "n": one.answers,
        **{name: _number(value) for name, value in one.measures.items()},
        "intervals_95": {name: [_number(low), _number(high)] for name, (low, high) in one.intervals.items()},
        "cold_start": {group.name: _group(group) for group in one.cold_start},
        "topic_size": {group.name: _group(group) for group in one.topic_size},
        "next_week": {"correlation": _number(one.next_week), "student_topic_days": one.weeks},
    }


def _group(group: Group) -> dict[str, Any]:
    return {"n": group.answers, **{name: _number(value) for name, value in group.measures.items()}}


def _by_group(found: ByGroup) -> dict[str, Any]:
    return {
        "column": found.column,
        "scorers": {
            name: {
                one.name: {
                    "students": one.students,
                    "n": one.answers,
                    **{measure: _number(value) for measure, value in one.measures.items()},
                    "intervals_95": {
                        measure: [_number(low), _number(high)] for measure, (low, high) in one.intervals.items()
                    },
                }
                for one in groups
            }
            for name, groups in found.scorers.items()
        },
        "too_small": [{"name": one.name, "students": one.students, "n": one.answers} for one in found.too_small],
    }


def _outside(found: Outside) -> dict[str, Any]:
    return {
        "column": found.column,
        "good": found.meaning,
        "cohort": found.cohorts,
        "weeks": [
            {
                "week": week.week,
                "students": week.students,
                "good": week.good,
                "scores": {
                    name: {measure: _number(value) for measure, value in one.measures.items()}
                    | {
                        "intervals_95": {
                            measure: [_number(low), _number(high)] for measure, (low, high) in one.intervals.items()
                        }
                    }
                    for name, one in week.agreements.items()
                },
            }
            for week in found.weeks
        ],
    }


def _bins(evaluation: Evaluation, name: str) -> list[dict[str, Any]]:
    found = reliability(*pooled(evaluation, name))
    return [
        {"n": int(n), "predicted": _number(p), "right": _number(y)}
        for n, p, y in zip(found.answers, found.predicted, found.right, strict=True)
    ]


def _number(value: float) -> float | None:
    return None if not math.isfinite(value) else round(float(value), DIGITS)
