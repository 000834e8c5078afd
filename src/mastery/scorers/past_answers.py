"""A score taken apart by answer: what each of a student's past answers adds to the log-odds of one topic."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mastery.arrays import Floats, Int64s
from mastery.features.batch import Batch


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


def influences(batch: Batch, found: PastAnswers) -> list[Influence]:
    """Return the answers behind one topic's log-odds by topic and outcome, those that add or take most first."""
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
