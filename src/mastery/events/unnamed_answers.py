"""Answers on several topics that nothing names: a row for each topic, in the source's order, without a common id.

Some logs number their rows (`order`) and repeat an answer for each skill of its question. Taken as answers of their
own, the first row of each gives the others away: a log of coin tosses was predicted with an AUC of .87.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from mastery.arrays import Bools, Int64s
from mastery.events.murmur import murmur
from mastery.events.several_topics import outcomes

FEWEST = 20
"""With fewer such rows nobody can say whether their outcomes are always alike: no rows are joined."""

MOST_UNLIKE = 0.25
"""Rows that follow one of the same student, question and moment on another topic differ in outcome at most this often,
as a share of how often any two of them do: answers of their own, such as those to the steps of a problem, differ more.
"""


@dataclass(frozen=True)
class Following:
    """n rows, as far as one may be an answer with the row before it.

    Attributes:
        order: int64[n]. The rows in their students' order.
        alike: bool[n − 1]. Whether each of these but the first has the question, the moment, where there is one, and
            the outcome of the row before it, and another topic.
        topic: int64[n]. Codes or hashes, in `order`.
        asked: Number of those that have all but the outcome.
        outcomes: Number of these by outcome.
    """

    order: Int64s
    alike: Bools
    topic: Int64s
    asked: int
    outcomes: Counter[int]

    def first(self) -> Int64s:
        """Return int64[n]: of each row the first row of the answer that it and those before it are; often itself."""
        n = self.order.size
        run = np.concatenate([[0], np.cumsum(~self.alike)])[:n]
        # The second time that a topic comes in a run begins another answer.
        nth = _nth(run, self.topic)
        answer = np.lexsort((np.arange(n), nth, run))
        new = np.concatenate([[True], (np.diff(run[answer]) != 0) | (np.diff(nth[answer]) != 0)])[:n]
        first = answer[np.flatnonzero(new)][np.cumsum(new) - 1]
        found = np.arange(n)
        found[self.order[answer]] = self.order[first]
        return found


def are_one_answer(parts: Iterable[Following]) -> bool:
    """Return whether rows of a log that are alike are one answer: none if they are fewer than `FEWEST`, or if outcomes
    differ more often than `MOST_UNLIKE` allows.

    Args:
        parts: All rows of the log, those of a student in one of the parts.
    """
    alike = asked = 0
    outcomes = Counter[int]()
    for part in parts:
        alike += int(part.alike.sum())
        asked += part.asked
        outcomes += part.outcomes
    of_any_two = 1.0 - sum((count / max(1, asked)) ** 2 for count in outcomes.values())
    return alike >= FEWEST and asked - alike <= MOST_UNLIKE * of_any_two * asked


def unnamed_answers(events: pa.Table, student: Int64s, may: Bools, *, timed: bool) -> Int64s | None:
    """Return int64[n] of identified events of one log: the first row of each one's answer; None where each row is one.

    Args:
        student: int64[n]. Hash of each one's student.
        may: bool[n]. Whether a row has an order of the source's own, and neither an id nor an interaction.
        timed: Whether moments mean something.
    """
    rows = following_in(events, student, may, timed=timed)
    return rows.first() if rows is not None and are_one_answer([rows]) else None


def following_in(events: pa.Table, student: Int64s, may: Bools, *, timed: bool) -> Following | None:
    """Return what `following` does of identified events; None where none may be an answer with another."""
    may = may & events["item_id"].is_valid().to_numpy()
    if not may.any():
        return None
    item, topic = (murmur(events[name])[0] for name in ("item_id", "topic_id"))
    at_us, sequence = (events[name].cast(pa.int64()).to_numpy() for name in ("occurred_at", "sequence"))
    return following(student, item, topic, outcomes(events), at_us, sequence, may, timed=timed)


def following(
    student: Int64s, item: Int64s, topic: Int64s, outcome: Int64s, at_us: Int64s, sequence: Int64s, may: Bools,
    *, timed: bool,
) -> Following:  # fmt: skip
    """Return which rows may be one answer with the row before them.

    These follow each other in their student's order and share the question, the moment, where there is one, and the
    outcome, each on a topic of its own: of the topics a, b, a the first two are one answer, and of a, b, a, b each a, b
    is.

    Args:
        student, item, topic, outcome: int64[n]. Codes or hashes.
        at_us, sequence: int64[n]. What orders the rows of a student.
        may: bool[n]. Whether a row has a question and an order of the source's own, and neither an id nor an
            interaction.
        timed: Whether moments mean something. If not, `sequence` alone, or else `at_us`, tells the order.
    """
    # In a moment the order of questions says nothing, and rows of one answer need not stand together.
    keys = (sequence, item, at_us, student) if timed else (sequence, at_us, student)
    order = np.lexsort(keys)
    here, before = order[1:], order[:-1]
    asked = may[here] & may[before] & (student[here] == student[before]) & (item[here] == item[before])
    asked &= topic[here] != topic[before]
    if timed:
        asked &= at_us[here] == at_us[before]
    values, counts = np.unique(outcome[here][asked], return_counts=True)
    by_outcome = Counter(dict(zip(values.tolist(), counts.tolist(), strict=True)))
    return Following(order, asked & (outcome[here] == outcome[before]), topic[order], int(asked.sum()), by_outcome)


def _nth(run: Int64s, topic: Int64s) -> Int64s:
    """Return int64[n]: the number of earlier rows of the same run and topic."""
    order = np.lexsort((np.arange(run.size), topic, run))
    new = np.concatenate([[True], (np.diff(run[order]) != 0) | (np.diff(topic[order]) != 0)])
    begin = np.flatnonzero(new)
    nth = np.empty(run.size, np.int64)
    nth[order] = np.arange(run.size) - begin[np.cumsum(new) - 1]
    return nth
