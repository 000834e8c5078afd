"""What the monotone ml learns from: features before each answer, with what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mastery.arrays import Bools, Floats, Floats32, Int8s, Int32s, Int64s
from mastery.features.batch import Batch
from mastery.features.columns import FEEDBACK, QUIZ
from mastery.instants import DAY_US
from mastery.kernels import kernel
from mastery.scorers import SCORERS
from mastery.scorers.base import predict, start
from mastery.scorers.boosting import scorer as ml
from mastery.scorers.boosting.features import pre_answer_features
from mastery.scorers.fits import held_out
from mastery.scorers.item_codes import shrunk_to_items
from mastery.scorers.parameters import Parameters

CV_FOLDS = 5
"""Bases of items are found in this many CV folds, each for the others: a row's own answer is in none."""

SHRINKAGE = 10.0
"""Bases stand on this many answers of their parent (item → topic → all) before their own."""

WEEK_US = 7 * DAY_US
WEEK_WEIGHT = 0.05
"""What each answer of a coming week weighs in the label of its first one. Held-out log loss of the next answer on
ednet_small by this weight: 0 .5735, 0.05 .5734, 0.1 .5736, 0.25 .5748, 1 .5784: what is learnt meanwhile counts."""

TEACHER_WEIGHT = 4.0
"""A teacher's score counts as this many answers."""


@dataclass(frozen=True)
class Labelled:
    """Rows to learn from: m of them.

    Attributes:
        features: float32[m, N_FEATURES].
        label, weight: float64[m]. The label is a share of right answers.
        student: int32[m].
        at_us: int64[m].
        answer: bool[m]. Whether the label is one answer: what is measured.
    """

    features: Floats32
    label: Floats
    weight: Floats
    student: Int32s
    at_us: Int64s
    answer: Bools

    def take(self, keep: Bools) -> Labelled:
        """Return some of the rows."""
        return Labelled(*(getattr(self, name)[keep] for name in self.__dataclass_fields__))


def own_cv_fold(students: Sequence[str], one_in: int, cv_fold: int) -> Bools:
    """Return bool[S]: `held_out`, by another hash: whoever calls a fit may have left out students by that one."""
    return held_out([f"ml {name}" for name in students], one_in, cv_fold)


def held_out_cv_folds(batch: Batch) -> Int32s:
    """Return int32[S]: which of `CV_FOLDS` each student is in, by a hash of the name."""
    cv_fold = np.zeros(len(batch.students), np.int32)
    for k in range(CV_FOLDS):
        cv_fold[own_cv_fold(batch.students, CV_FOLDS, k)] = k
    return cv_fold


@dataclass(frozen=True)
class Bases:
    """Log-odds of a right answer by topic and item: by CV fold of the students (of all the others), and over all.

    Attributes:
        topic, item: float64[CV_FOLDS + 1, T] and [CV_FOLDS + 1, U]; the last row is over all students.
        seen: int64[U]. Answers of each item on a topic.
        cv_fold: int32[S].
    """

    topic: Floats
    item: Floats
    seen: Int64s
    cv_fold: Int32s

    @staticmethod
    def of(batch: Batch, cv_fold: Int32s) -> Bases:
        quiz = (batch.kind == QUIZ) & (batch.weight > 0.0)
        owner = np.repeat(np.arange(len(batch.students)), np.diff(batch.student_ptr))[quiz]
        topic, item, y = batch.slot_topic[batch.slot[quiz]], batch.use[quiz], batch.y[quiz]
        topics, items = len(batch.topics), batch.use_item.size
        # In whole millionths: sums that do not depend on their order.
        ppm = np.rint(y * 1e6)
        of_topic = np.zeros((2, CV_FOLDS + 1, topics))
        of_item = np.zeros((2, CV_FOLDS + 1, items))
        known = item >= 0
        home = np.maximum(batch.use_topic, 0)
        for k in range(CV_FOLDS + 1):
            mine = cv_fold[owner] != k
            of_topic[0, k] = np.bincount(topic[mine], minlength=topics)
            of_topic[1, k] = np.bincount(topic[mine], ppm[mine], topics) / 1e6
            mine &= known
            of_item[0, k] = np.bincount(item[mine], minlength=items)
            of_item[1, k] = np.bincount(item[mine], ppm[mine], items) / 1e6
        overall = (of_topic[1].sum(axis=1) + 0.5) / (of_topic[0].sum(axis=1) + 1.0)
        share = (of_topic[1] + SHRINKAGE * overall[:, None]) / (of_topic[0] + SHRINKAGE)
        own = (of_item[1] + SHRINKAGE * share[:, home]) / (of_item[0] + SHRINKAGE)
        shrunk = [
            shrunk_to_items(batch.use_item, n, row[:, None])[:, 0] for n, row in zip(of_item[0], own, strict=True)
        ]
        return Bases(_logit(share), _logit(np.stack(shrunk)), of_item[0, CV_FOLDS].astype(np.int64), cv_fold)

    def rows(self, batch: Batch) -> tuple[Floats, Floats]:
        """Return float64[n] each: of the row's topic and item, from the CV folds its student is not in."""
        cv_fold = np.repeat(self.cv_fold, np.diff(batch.student_ptr))
        topic = self.topic[cv_fold, batch.slot_topic[batch.slot]]
        if self.item.shape[1] == 0:
            return topic, topic
        return topic, np.where(batch.use < 0, topic, self.item[cv_fold, np.maximum(batch.use, 0)])


def _logit(share: Floats) -> Floats:
    clipped = np.clip(share, 0.01, 0.99)
    return np.log(clipped / (1.0 - clipped))


def opinions_as_questions(batch: Batch) -> Batch:
    """Return the batch with each teacher's score as a question on the mean item that weighs next to nothing.

    So every scorer predicts it. A weight of 1e-9 of an answer moves a state by as little.
    """
    opinion = batch.kind == FEEDBACK
    if not opinion.any():
        return batch
    order = np.argsort(batch.slot, kind="stable")
    kind = np.where(opinion, np.int8(QUIZ), batch.kind)
    weight, opportunity = np.where(opinion, 1e-9, batch.weight), np.where(opinion, 0.0, batch.opportunity)
    by_slot = batch.by_slot._replace(kind=kind[order], weight=weight[order], opportunity=opportunity[order])
    item, use = (np.where(opinion, np.int32(-1), codes) for codes in (batch.item, batch.use))
    return replace(batch, kind=kind, item=item, use=use, weight=weight, opportunity=opportunity, by_slot=by_slot)


def probabilities_before(
    name: str, batch: Batch, asked: Batch, parameters: Parameters, predicted: Mapping[str, Floats] | None
) -> Floats:
    """Return float64[n]: what a member says before each answer, and in `asked` before each teacher's score."""

    def own(of: Batch) -> Floats:
        model = parameters.model(of.topics, of.uses)
        return predict(SCORERS[name], model, of, start(SCORERS[name], model, of))

    said = predicted[name] if predicted is not None and name in predicted else own(batch)
    return said if asked is batch else np.where(batch.kind == FEEDBACK, own(asked), said)


@kernel
def _weeks(
    slot: Int32s, at_us: Int64s, kind: Int8s, y: Floats, weight: Floats, first_of: Int64s
) -> tuple[Floats, Floats]:
    """Return float64[n] each: on the first answer of a week on its slot, the week's mean of y and its answers."""
    right, answers = np.zeros(slot.size), np.zeros(slot.size)
    for i in range(slot.size):
        if kind[i] != QUIZ or weight[i] <= 0.0:
            continue
        first = first_of[slot[i]]
        if first < 0 or at_us[i] - at_us[first] >= WEEK_US:
            first = first_of[slot[i]] = i
        right[first] += weight[i] * y[i]
        answers[first] += weight[i]
    for i in range(slot.size):
        if answers[i] > 0.0:
            right[i] /= answers[i]
    return right, answers


def labelled(
    batch: Batch, asked: Batch, probabilities: Mapping[str, Floats], sums: Bases, parameters: Parameters
) -> Labelled:
    """Return every row to learn from: answers first, then teachers' scores, then coming weeks.

    Args:
        batch: Training students.
        asked: The same, from `opinions_as_questions`.
        probabilities: By member, float64[n], from `probabilities_before`.
        sums: Bases of topics and items.
        parameters: The shared scale: a teacher's score is a probability of a right answer by its guess and slip.
    """
    topic_base, item_base = sums.rows(asked)
    opinion = np.flatnonzero((batch.kind == FEEDBACK) & (batch.success_ppm >= 0))
    answer = np.flatnonzero((batch.kind == QUIZ) & (batch.weight > 0.0))
    first_of = np.full(batch.slot_topic.size, -1, np.int64)
    share, counted = _weeks(batch.slot, batch.at_us, batch.kind, batch.y, batch.weight, first_of)
    spans = answer.size > 0 and int(np.ptp(batch.at_us[answer])) > WEEK_US
    week = np.flatnonzero(counted > 1.0) if spans else np.zeros(0, np.int64)
    rows = np.concatenate([answer, opinion])
    features, _ = pre_answer_features(batch, rows, topic_base, item_base, probabilities)
    again = np.searchsorted(answer, week)
    params = parameters.topics.values[batch.slot_topic[batch.slot[opinion]]]
    guess, slip = params[:, ml.GUESS], params[:, ml.SLIP]
    told = guess + (1.0 - guess - slip) * np.clip(batch.success_ppm[opinion] / 1e6, 0.0, 1.0)
    every = np.concatenate([rows, week])
    owner = np.repeat(np.arange(len(batch.students), dtype=np.int32), np.diff(batch.student_ptr))
    return Labelled(
        np.concatenate([features, features[again]]),
        np.concatenate([batch.y[answer], told, share[week]]),
        np.concatenate([batch.weight[answer], np.full(opinion.size, TEACHER_WEIGHT), WEEK_WEIGHT * counted[week]]),
        owner[every],
        batch.at_us[every],
        np.arange(every.size) < answer.size,
    )
