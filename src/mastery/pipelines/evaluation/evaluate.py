"""Evaluation: learn from some answers, predict others, each strictly before it is seen, and measure.

What learns and predicts comes in as a function, so that anything that gives probabilities can be measured the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mastery.arrays import Floats, Int64s
from mastery.errors import BadInput
from mastery.evaluation.next_week import correlation, next_week
from mastery.evaluation.outcomes import Outcome
from mastery.evaluation.questions import Questions, questions
from mastery.evaluation.splits import CvFold, Log, Split, cv_folds_of
from mastery.evaluation.student_columns import StudentColumn
from mastery.evaluation.summary import Sample, Summary, mean_of, summarise
from mastery.features.answer_log import Clock
from mastery.features.batch import Batch
from mastery.insight.data_quality import data_warnings, unknown_topics
from mastery.insight.words import counted
from mastery.pipelines.evaluation.cv_fold_result import CvFoldResult
from mastery.pipelines.evaluation.groups import ByGroup, check_groups, group_notes, measured_by_group
from mastery.pipelines.evaluation.outcome import Outside, Said, beside_outcome, outcome_notes, term_of, weeks_said
from mastery.pipelines.evaluation.predictors import Predicted, Predictor

FEWEST_ANSWERS, FEWEST_STUDENTS = 100, 5
"""In all tests together. An AUC of 100 answers is known to about ±0.1; of three it is 0, 0.5 or 1. Intervals come from
students who are drawn with replacement, and of a handful the same few are drawn again and again."""


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation came to.

    Attributes:
        summaries: By scorer: the mean over CV folds.
        notes: What somebody who reads the numbers should know.
    """

    split: str
    clock: Clock
    seed: int
    students: int
    answers: int
    topics: int
    items: int
    cv_folds: Sequence[CvFoldResult]
    summaries: Mapping[str, Summary]
    notes: tuple[str, ...]
    by_group: ByGroup | None = None
    outside: Outside | None = None


def evaluate(
    log: Log,
    split: Split,
    predictor: Predictor,
    *,
    cv_folds: int | None = None,
    scorers: Sequence[str] | None = None,
    clock: Clock = "start",
    seed: int = 0,
    progress: Callable[[str, int, int], None] | None = None,
    hear: Callable[[CvFold, Predicted], None] | None = None,
    groups: StudentColumn | None = None,
    outcome: Outcome | None = None,
    cohort: StudentColumn | None = None,
) -> Evaluation:
    """Return what the predictor's probabilities are worth on every CV fold, and over all of them.

    Args:
        scorers: Those that are measured; all that the predictor names where None.
        progress: Called with (name of the CV fold, how many are done, how many there are).
        hear: Is given every CV fold and what was predicted of it; see mastery.pipelines.evaluation.audit.
        groups: Groups of students that are measured apart.
        outcome: What scores at the end of each week are compared with; see mastery.pipelines.evaluation.outcome.
        cohort: Students whose weeks begin with the first answer of any of them; each with the own first one where None.

    Raises:
        BadInput: the log cannot be split like this, a part of it holds no answers, the groups are none, or there is an
            outcome and no time stamps.

    Where all answers of a test are right, or all wrong, its AUC is not defined (NaN), and a note says so.
    """
    if groups is not None:
        check_groups(groups)
    term = None if outcome is None else term_of(log, cohort)
    read: list[Mapping[int, Said]] = []

    def heard(one: CvFold, predicted: Predicted) -> None:
        if hear is not None:
            hear(one, predicted)
        if term is not None:
            read.append(weeks_said(one.test, predicted.parameters, [*predicted.probability], term))

    names, cut = cv_folds_of(log, split, cv_folds, seed)
    results, notes = [], list[str]()
    for done, one in enumerate(cut):
        if progress is not None:
            progress(names[done], done, len(names))
        result, said = _measure(one, predictor, scorers, seed, log.has_clock, heard)
        results.append(result)
        notes += said
    if not log.has_clock:
        notes.append("the log has no time stamps: nothing is forgotten between answers, and no next week is predicted")
    notes += data_warnings(log.batch)
    few = _too_few(results)
    if few is not None:
        notes.insert(0, few)
    apart = None if groups is None else measured_by_group(results, groups, seed)
    if groups is not None and apart is not None:
        notes += group_notes(groups, apart)
    outside = None
    if outcome is not None and term is not None:
        outside = beside_outcome(read, outcome, term, seed)
        notes += outcome_notes(outcome, outside, term, len(log.batch.students))
    whole = questions(log.batch, np.ones(log.batch.row.size, np.bool_))
    return Evaluation(
        split=named(split),
        clock=clock,
        seed=seed,
        students=len(log.batch.students),
        answers=whole.y.size,
        topics=int(np.unique(log.batch.slot_topic).size),
        items=int(np.unique(log.batch.item[log.batch.item >= 0]).size),
        cv_folds=results,
        summaries={name: mean_of([one.summaries[name] for one in results]) for name in results[0].summaries},
        notes=tuple(dict.fromkeys(notes)),
        by_group=apart,
        outside=outside,
    )


def named(split: Split) -> str:
    """Return the split as it is written on a command line."""
    words = [split.kind, *([split.name] if split.name else [])]
    if split.value is None:
        return ":".join(words)
    return f"{':'.join(words)}{'=' if split.kind == 'column' else ':'}{split.value}"


def _measure(
    one: CvFold,
    predictor: Predictor,
    scorers: Sequence[str] | None,
    seed: int,
    has_clock: bool,
    hear: Callable[[CvFold, Predicted], None] | None,
) -> tuple[CvFoldResult, list[str]]:
    asked = questions(one.test, one.counted)
    learnt = questions(one.train, np.ones(one.train.row.size, np.bool_))
    _check(one.name, asked, learnt)
    one_sided = _one_sided(one.name, asked.y)
    predicted = predictor(one.train, one.test)
    measured = [name for name in predicted.probability if scorers is None or name in scorers]
    if not measured:
        known = ", ".join(predicted.probability) or "none"
        raise BadInput(f"nothing was predicted by {', '.join(scorers or ())}; there are {known}")
    if hear is not None:
        said_of = {name: predicted.probability[name] for name in measured}
        hear(one, Predicted(said_of, parameters=predicted.parameters))
    tested = Sample(asked.student, asked.y, asked.place, _learnt(one, asked, learnt))
    taught = np.unique(one.train.slot_topic[one.train.slot[learnt.rows]]).tolist()
    notes = [*one_sided, *predicted.notes]
    notes += unknown_topics([one.train.topics[code] for code in taught], one.test, "of the test")
    share, weeks = _weeks(one, asked) if has_clock else (np.zeros(0), np.zeros(0, np.int64))
    probability, summaries = {}, {}
    for name in measured:
        p = asked.mean(predicted.probability[name])
        silent = ~np.isfinite(p)
        if silent.any():
            p[silent] = learnt.y.mean()
            notes.append(
                f"{name} predicts nothing for {counted(int(silent.sum()), 'answer')}; the share of right answers "
                "stands in for it"
            )
        probability[name] = np.clip(p, 0.0, 1.0)
        week = (np.nan, 0)
        if has_clock:
            said = (
                predicted.score[name]
                if name in predicted.score
                else _last_said(one.test, asked, predicted.probability[name])
            )
            week = correlation(np.where(weeks > 0, said, np.nan), share), int((weeks > 0).sum())
        summaries[name] = summarise(probability[name], tested, seed, week)
    result = CvFoldResult(one.name, len(one.train.students), learnt.y.size, int(np.unique(asked.student).size),
                        one.test.students, tested, probability, summaries)  # fmt: skip
    return result, notes


def _too_few(results: Sequence[CvFoldResult]) -> str | None:
    """Return what to say where the tests are too small for their measures to mean anything; None where they are not."""
    answers = sum(one.tested.y.size for one in results)
    students = sum(one.test_students for one in results)
    if answers >= FEWEST_ANSWERS and students >= FEWEST_STUDENTS:
        return None
    return (
        f"{counted(answers, 'answer')} of {counted(students, 'student')} were predicted, too few to judge a scorer by: "
        f"measures and intervals mean something from about {FEWEST_ANSWERS} answers of {FEWEST_STUDENTS} students on"
    )


def _check(name: str, asked: Questions, learnt: Questions) -> None:
    for what, answers in (("test", asked), ("training", learnt)):
        if answers.y.size == 0:
            raise BadInput(f"{name}: the {what} part holds no answers; split the log in another way")


def _one_sided(name: str, y: Floats) -> list[str]:
    """Return what to say where nothing can be told apart, for all outcomes of a test are the same."""
    if y.min() != y.max():
        return []
    whole = "the only answer of the test is" if y.size == 1 else f"all {y.size} answers of the test are"
    return [f"{name}: {whole} {'right' if y[0] > 0.5 else 'wrong'}, so its AUC is not defined"]


def _learnt(one: CvFold, asked: Questions, learnt: Questions) -> Int64s:
    """Return int64[m]: answers on each question's topic that were learnt from; of several topics the least."""
    topics = len(one.test.topics)
    # Codes of topics are those of the whole log in both parts.
    by_topic = np.bincount(one.train.slot_topic[one.train.slot[learnt.rows]], minlength=topics)
    found = np.full(asked.y.size, np.iinfo(np.int64).max)
    np.minimum.at(found, asked.question, by_topic[one.test.slot_topic[one.test.slot[asked.rows]]])
    return found


def _weeks(one: CvFold, asked: Questions) -> tuple[Floats, Int64s]:
    counted = np.zeros(one.test.cell_slot.size, np.bool_)
    counted[one.test.cell[asked.rows]] = True
    return next_week(one.test, asked.rows, counted)


def _last_said(batch: Batch, asked: Questions, probability: Floats) -> Floats:
    """Return float64[H]: what was said before the last answer of each student-topic-day."""
    last = np.full(batch.cell_slot.size, -1, np.int64)
    np.maximum.at(last, batch.cell[asked.rows], asked.rows)
    said: Floats = np.where(last >= 0, probability[np.maximum(last, 0)], np.nan)
    return said
