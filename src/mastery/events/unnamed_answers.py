"""Answers on several topics that nothing names: a row for each topic, in the source's order, without a common id.

Some logs number their rows (`order`) and repeat an answer for each skill of its question. Taken as answers of their
own, the first row of each gives the others away: a log of coin tosses was predicted with an AUC of .87.
"""

from __future__ import annotations

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


def unnamed_answers_of(events: pa.Table, student: Int64s, may: Bools, *, timed: bool) -> Int64s | None:
    """Return int64[n] of identified events, see `unnamed_answers`; None where each is an answer of its own.

    Args:
        student: int64[n]. Hash of each one's student.
        may: bool[n]. Whether a row has an order of the source's own, and neither an id nor an interaction.
    """
    may = may & events["item_id"].is_valid().to_numpy()
    if not may.any():
        return None
    item, topic = (murmur(events[name])[0] for name in ("item_id", "topic_id"))
    at_us, sequence = (events[name].cast(pa.int64()).to_numpy() for name in ("occurred_at", "sequence"))
    first = unnamed_answers(student, item, topic, outcomes(events), at_us, sequence, may, timed=timed)
    return None if np.array_equal(first, np.arange(first.size)) else first


def unnamed_answers(
    student: Int64s, item: Int64s, topic: Int64s, outcome: Int64s, at_us: Int64s, sequence: Int64s, may: Bools,
    *, timed: bool,
) -> Int64s:  # fmt: skip
    """Return int64[n]: of each row the first row, in the source's order, of the answer it belongs to; often itself.

    Rows are one answer if they follow each other in their student's order and share the question, the moment, where
    there is one, and the outcome, each on a topic of its own: of the topics a, b, a the first two are one answer, and
    of a, b, a, b each a, b is. If they are fewer than `FEWEST`, or outcomes differ more often than `MOST_UNLIKE`
    allows, no rows are joined.

    Args:
        student, item, topic, outcome: int64[n]. Codes or hashes.
        at_us, sequence: int64[n]. What orders the rows of a student.
        may: bool[n]. Whether a row has a question and an order of the source's own, and neither an id nor an
            interaction.
        timed: Whether moments mean something. If not, `sequence` alone, or else `at_us`, tells the order.
    """
    n = student.size
    rows = np.arange(n)
    # In a moment the order of questions says nothing, and rows of one answer need not stand together.
    keys = (sequence, item, at_us, student) if timed else (sequence, at_us, student)
    order = np.lexsort(keys)
    here, before = order[1:], order[:-1]
    asked = may[here] & may[before] & (student[here] == student[before]) & (item[here] == item[before])
    asked &= topic[here] != topic[before]
    if timed:
        asked &= at_us[here] == at_us[before]
    alike = asked & (outcome[here] == outcome[before])
    _, count = np.unique(outcome[here][asked], return_counts=True)
    of_any_two = 1.0 - np.square(count / max(1, count.sum())).sum()
    if alike.sum() < FEWEST or asked.sum() - alike.sum() > MOST_UNLIKE * of_any_two * asked.sum():
        return rows
    run = np.concatenate([[0], np.cumsum(~alike)])
    # The second time that a topic comes in a run begins another answer.
    nth = _nth(run, topic[order])
    answer = np.lexsort((np.arange(n), nth, run))
    new = np.concatenate([[True], (np.diff(run[answer]) != 0) | (np.diff(nth[answer]) != 0)])
    first = answer[np.flatnonzero(new)][np.cumsum(new) - 1]
    found = rows.copy()
    found[order[answer]] = order[first]
    return found


def _nth(run: Int64s, topic: Int64s) -> Int64s:
    """Return int64[n]: the number of earlier rows of the same run and topic."""
    order = np.lexsort((np.arange(run.size), topic, run))
    new = np.concatenate([[True], (np.diff(run[order]) != 0) | (np.diff(topic[order]) != 0)])
    begin = np.flatnonzero(new)
    nth = np.empty(run.size, np.int64)
    nth[order] = np.arange(run.size) - begin[np.cumsum(new) - 1]
    return nth
