"""What linear_rnn makes of a student's past: what each answer adds to a topic's log-odds, exactly.

The state is a plain sum, so the log-odds are one too: an answer k events ago adds u · r λ^k n (w + y g). Nothing is
approximated and nothing is left over. It needs the student's whole history, not just the state.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mastery.arrays import Floats, Int64s
from mastery.features.batch import Batch
from mastery.scorers.base import Model
from mastery.scorers.linear_rnn import scorer


@dataclass(frozen=True)
class PastAnswers:
    """Where a topic's log-odds come from: `start` and `contributions` add up to them.

    Attributes:
        start: Log-odds on the topic's mean item before any answer.
        rows: int64[m]. Rows of the batch: those of the student that weigh anything, in time order.
        contributions: float64[m]. What each of them adds, as of the student's last event.
    """

    start: float
    rows: Int64s
    contributions: Floats

    @property
    def logit(self) -> float:
        """Log-odds of a right answer on the topic's mean item, before forgetting."""
        return self.start + float(self.contributions.sum())


@dataclass(frozen=True)
class Influence:
    """All right, or all other answers on one topic, and what they add together.

    Attributes:
        topic: (tenant, topic_id) of the answers, not of what they are read for.
        right: Whether at least half right.
        last_at_us: Time of the newest of them.
        contribution: Log-odds; may be of either sign: a wrong answer on a hard item can speak for a student.
    """

    topic: tuple[str, str]
    right: bool
    answers: int
    last_at_us: int
    contribution: float


def contributions_of_past_answers(batch: Batch, model: Model, slot: int) -> PastAnswers:
    """Return what every answer in the batch adds to the log-odds of one slot's topic, for the slot's student.

    The batch holds the student's whole history.
    """
    s = int(batch.slot_student[slot])
    rows = np.arange(batch.student_ptr[s], batch.student_ptr[s + 1])
    rows = rows[batch.weight[rows] > 0.0]
    params, t, items = model.params, int(batch.slot_topic[slot]), model.items
    u = scorer.mean_weights(params[t : t + 1])[0]
    u[scorer.EVEN :] /= np.sqrt(1.0 + batch.weight[rows].sum())
    start = float(params[t, scorer.BIAS] + params[t, scorer.ITEM_BIAS])
    if not rows.size:
        return PastAnswers(start, rows, np.zeros(0))
    place, bucket = scorer.places_and_buckets(batch)
    fresh = np.append(True, batch.row[rows[1:]] != batch.row[rows[:-1]])
    event = np.cumsum(fresh)
    events, own = scorer.written(params, items)
    contributions = np.empty(rows.size)
    for k, i in enumerate(rows):
        topic = int(batch.slot_topic[batch.slot[i]])
        e = topic * scorer.EVENTS + int(place[i] * scorer.BUCKETS + bucket[i])
        o = scorer.own_row(int(batch.item[i]), topic, items, params.shape[0])
        wrong, right = (events[e] + own[o]).astype(np.float64)
        faded = scorer.KEPT ** float(event[-1] - event[k])
        contributions[k] = batch.weight[i] * (u * faded * (wrong + batch.y[i] * (right - wrong))).sum()
    return PastAnswers(start, rows, contributions)


def influences(batch: Batch, model: Model, slot: int) -> list[Influence]:
    """Return the answers behind one slot's log-odds by topic and outcome, those that add or take most first."""
    found = contributions_of_past_answers(batch, model, slot)
    topic, right = batch.slot_topic[batch.slot[found.rows]], batch.y[found.rows] >= 0.5
    made = []
    for code in np.unique(topic):
        for outcome in (True, False):
            mine = (topic == code) & (right == outcome)
            if mine.any():
                made.append(
                    Influence(
                        topic=batch.topics[int(code)],
                        right=outcome,
                        answers=int(mine.sum()),
                        last_at_us=int(batch.at_us[found.rows[mine]].max()),
                        contribution=float(found.contributions[mine].sum()),
                    )
                )
    return sorted(made, key=lambda one: (-abs(one.contribution), one.topic, one.right))
