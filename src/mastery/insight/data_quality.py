"""What somebody should know of a log before trusting what was learnt from it, or measured on it: whole sentences.

None of it is an error. Each tells of answers whose order, independence or topic is uncertain, so that predictions of
them may look better than they are.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mastery.arrays import Bools, Int32s, Int64s
from mastery.features.batch import Batch
from mastery.features.columns import QUIZ
from mastery.insight.words import counted

NAMED = 5
"""Topics are called by name up to this many."""


def data_warnings(batch: Batch) -> list[str]:
    """Return sentences on ties, repeats, answers on several topics and shared items; none where there are none."""
    rows = np.flatnonzero(_answered(batch))
    _, lead, of_event = np.unique(batch.row[rows], return_index=True, return_counts=True)
    first = rows[lead]
    student = np.repeat(np.arange(len(batch.students)), np.diff(batch.student_ptr))[first]
    at, item, right = batch.at_us[first], batch.item[first].astype(np.int64), (batch.y[first] > 0.5).astype(np.int64)
    topic = batch.slot_topic[batch.slot[first]].astype(np.int64)
    said: list[str] = []

    def tell(number: int, verb: tuple[str, str], rest: str) -> None:
        if number:
            told = verb[0] if number == 1 else verb[1]
            said.append(f"{number:,} of {counted(first.size, 'answer')} {told} {rest}")

    tied = _shares(student, at) if at.size and at.min() != at.max() else np.zeros(at.size, np.bool_)
    if tied.any():
        student, at, item, topic, right = (keys[tied] for keys in (student, at, item, topic, right))
        asked = item >= 0
        each = _first_of(student, at, item, topic, right)
        by_topic = _first_of(student, at, item, topic)
        tell(
            int(tied.sum()), ("shares", "share"),
            "the moment with another one of the same student: which came first is known only where the source says so",
        )  # fmt: skip
        tell(
            int(asked.sum() - asked[each].sum()), ("repeats", "repeat"),
            "another one in student, question, topic, moment and outcome, and counts as an answer of its own; if it is "
            'none: --repeats duplicates (in Python, repeats="duplicates")',
        )  # fmt: skip
        tell(
            int((_shares(*(keys[by_topic] for keys in (student, at, item))) & asked[by_topic]).sum()), ("is", "are"),
            "of the student, question and moment of another one, on another topic: if they are one answer on several "
            "topics, give their rows one interaction_id; without it each has seen the outcome of the other",
        )  # fmt: skip
    tell(
        int(np.count_nonzero(of_event > 1)), ("is", "are"),
        "on several topics at once: each is predicted before any of its topics learns from it, and counted once",
    )  # fmt: skip
    shared, items = _shared_items(batch, rows)
    if shared:
        said.append(
            f"{shared:,} of {counted(items, 'question')} {'is' if shared == 1 else 'are'} used on several topics: what "
            "is learnt of a question is learnt on each of them, and leans on the others where answers are few"
        )
    return said


def unknown_topics(known: Sequence[tuple[str, str]], batch: Batch, where: str) -> list[str]:
    """Return a sentence on answers whose topic is not among `known`, of which `where` says what they are."""
    topic, unknown = _answered_topics(known, batch)
    if not unknown.any():
        return []
    names = [batch.topics[code][1] for code in np.unique(topic[unknown]).tolist()]
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    number = int(unknown.sum())
    one = number == 1
    told = (
        f"{number:,} of {counted(topic.size, 'answer')} {where} {'is' if one else 'are'} on "
        f"{counted(len(names), 'topic')} that the fit has not seen ({', '.join(names[:NAMED])}{more}): "
        f"{'it is' if one else 'they are'} scored by what is expected of any topic"
    )
    return [told]


def share_unknown(known: Sequence[tuple[str, str]], batch: Batch) -> float | None:
    """Return the share of the answers whose topic is not among `known`; None where there are none."""
    _, unknown = _answered_topics(known, batch)
    return float(unknown.mean()) if unknown.size else None


def _answered_topics(known: Sequence[tuple[str, str]], batch: Batch) -> tuple[Int32s, Bools]:
    """Return the topic code of each answer, and whether it is not among `known`."""
    there = set(known)
    new = np.array([one not in there for one in batch.topics], np.bool_)
    topic = batch.slot_topic[batch.slot[np.flatnonzero(_answered(batch))]]
    return topic, new[topic]


def _answered(batch: Batch) -> Bools:
    return (batch.kind == QUIZ) & (batch.weight > 0.0)


def _groups(*keys: Int64s) -> tuple[Int64s, Int64s]:
    """Return rows in order of their keys, and where in that order each group of equal ones begins."""
    order = np.lexsort(keys[::-1])
    new = np.ones(order.size, np.bool_)
    if order.size:
        new[1:] = np.any([key[order][1:] != key[order][:-1] for key in keys], axis=0)
    return order, np.flatnonzero(new)


def _shares(*keys: Int64s) -> Bools:
    """Return bool[m]: whether another row has the same keys."""
    order, starts = _groups(*keys)
    size = np.diff(np.append(starts, order.size))
    out = np.zeros(order.size, np.bool_)
    out[order] = np.repeat(size > 1, size)
    return out


def _first_of(*keys: Int64s) -> Int64s:
    """Return the first row of each group of equal keys."""
    order, starts = _groups(*keys)
    return order[starts]


def _shared_items(batch: Batch, rows: Int64s) -> tuple[int, int]:
    """Return how many items have answers on several topics, and how many items there are."""
    item = batch.item[rows].astype(np.int64)
    topic = batch.slot_topic[batch.slot[rows]].astype(np.int64)
    item, topic = item[item >= 0], topic[item >= 0]
    pairs = item[_first_of(item, topic)]
    per_item = np.bincount(pairs, minlength=1)
    return int(np.count_nonzero(per_item > 1)), int(np.count_nonzero(per_item))
