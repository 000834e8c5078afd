"""Encodings: how often answers in this context were right, among other students.

A context is what is known before an answer: its topic, its item, the tries and outcomes so far, what came before. Its
encoding is the logit of (Σy + k · parent) / (n + k), clipped, with n as round(2 log₂(n + 1)): Micci-Barreca (2001),
A preprocessing scheme for high-cardinality categorical attributes, SIGKDD Explorations 3(1), with a chain of parents.

Sums are raw and **out of fold by student**: rows of a training student take the sums of the students in other CV folds,
rows of a new student those of all training students. With its own answers in the sums a row would see its own label.
Residuals against an out-of-fold parent leak the label just so, by the way of what the other rows lack: there are none.

Contexts are known by 64-bit hashes of topic and item ids, not by codes, which differ from batch to batch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mastery.arrays import Bools, Floats, Floats32, Int32s, Int64s
from mastery.errors import BadInput
from mastery.events.murmur import murmur
from mastery.features.batch import Batch
from mastery.kernels import inlined_kernel, kernel
from mastery.scorers.boosting.answer_features import event_end, items_or_topics, labelled
from mastery.scorers.parameters import check_array
from mastery.splitmix import G1, G2, finalised

UInt64s = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Encoding:
    """One kind of context. `parent` is its place in `ENCODINGS`, −1 for the mean; `once`: an event counts once."""

    name: str
    parent: int
    shrinkage: float
    once: bool


ENCODINGS = (
    Encoding("topic", -1, 10.0, False),
    Encoding("item", 0, 10.0, True),
    Encoding("topic_opportunity", 0, 10.0, False),
    Encoding("topic_last_3", 0, 20.0, False),
    Encoding("topic_last_5", 3, 20.0, False),
    Encoding("topic_previous_topic_outcome", 0, 20.0, False),
    Encoding("item_tries", 1, 10.0, True),
    Encoding("item_last_2_tries", 6, 10.0, True),
    Encoding("item_last_outcome", 1, 10.0, True),
    Encoding("item_topic_last_outcome", 1, 10.0, False),
    Encoding("item_previous_item", 1, 5.0, True),
    Encoding("item_previous_item_outcome", 10, 5.0, True),
    Encoding("item_previous_2_outcomes", 11, 5.0, True),
    Encoding("item_previous_item_of_topic_outcome", 1, 5.0, False),
    Encoding("item_tries_last_item_tries", 6, 20.0, True),
)

LOWEST, HIGHEST = 0.01, 0.99
"""Encodings are clipped: a context seen twice tells nothing about one in a thousand."""

MANY_TRIES, FEW_TRIES, FEWER_TRIES, MANY_OPPORTUNITIES = 7, 5, 3, 9
"""Counts in contexts go no further than this."""

NOTHING = G1
"""Stands for an item or topic that there is not: before a student's first answer."""


@inlined_kernel
def _mix(key: np.uint64, more: np.uint64) -> np.uint64:
    """Return a hash of both; their order counts."""
    return finalised((key ^ (more + NOTHING)) * G2)


@kernel
def _contexts(
    student_ptr: Int64s,
    row: Int64s,
    topic: Int32s,
    item: Int32s,
    topic_key: UInt64s,
    item_key: UInt64s,
    y: Floats,
    weight: Floats,
    out: UInt64s,
    lead: Bools,
) -> None:
    """Write the hash of each context, uint64[len(ENCODINGS), n], and whether a row is the first of its event."""
    topics, items = topic_key.size, item_key.size
    topic_owner, item_owner = np.full(topics, -1, np.int64), np.full(items, -1, np.int64)
    topic_n, topic_bits = np.zeros(topics, np.int64), np.zeros(topics, np.int64)
    topic_item, topic_outcome = np.zeros(topics, np.uint64), np.zeros(topics, np.int64)
    item_n, item_bits = np.zeros(items, np.int64), np.zeros(items, np.int64)
    for s in range(student_ptr.size - 1):
        before, before_2, topic_before = NOTHING, NOTHING, NOTHING
        outcome, outcome_2 = 2, 2  # 2 stands for none
        run, run_before = 0, 0  # tries in a row on the last item, and on the one before it
        begin, end = student_ptr[s], student_ptr[s + 1]
        while begin < end:
            stop = event_end(row, begin, end)
            for i in range(begin, stop):
                t, m = topic[i], item[i]
                lead[i] = i == begin
                if topic_owner[t] != s:
                    topic_owner[t], topic_n[t], topic_bits[t], topic_item[t], topic_outcome[t] = s, 0, 1, NOTHING, 2
                if item_owner[m] != s:
                    item_owner[m], item_n[m], item_bits[m] = s, 0, 1
                # Bits hold a leading 1 and the last five outcomes at most; the last k of them are a context.
                last_5 = topic_bits[t]
                last_3 = last_5 if last_5 < 16 else 8 + last_5 % 8
                tk, mk = topic_key[t], item_key[m]
                few = min(item_n[m], FEW_TRIES)
                out[0, i] = tk
                out[1, i] = mk
                out[2, i] = _mix(tk, np.uint64(min(topic_n[t], MANY_OPPORTUNITIES)))
                out[3, i] = _mix(tk, np.uint64(last_3))
                out[4, i] = _mix(tk, np.uint64(last_5))
                out[5, i] = _mix(_mix(tk, topic_before), np.uint64(outcome))
                out[6, i] = _mix(mk, np.uint64(min(item_n[m], MANY_TRIES)))
                out[7, i] = _mix(mk, np.uint64(item_bits[m] * 8 + few))
                out[8, i] = _mix(mk, np.uint64(outcome))
                out[9, i] = _mix(mk, np.uint64(topic_outcome[t]))
                out[10, i] = _mix(mk, before)
                out[11, i] = _mix(out[10, i], np.uint64(outcome))
                out[12, i] = _mix(_mix(out[11, i], before_2), np.uint64(outcome_2))
                out[13, i] = _mix(_mix(mk, topic_item[t]), np.uint64(topic_outcome[t]))
                last_tries = min(run_before if mk == before else run, MANY_TRIES)
                out[14, i] = _mix(mk, np.uint64(8 * min(item_n[m], FEWER_TRIES) + last_tries))
            counted = False
            for i in range(begin, stop):
                if weight[i] <= 0.0:
                    continue
                t, m = topic[i], item[i]
                right = 1 if y[i] >= 0.5 else 0
                topic_n[t] += 1
                longer = 2 * topic_bits[t] + right
                topic_bits[t] = longer if longer < 64 else 32 + longer % 32
                topic_item[t], topic_outcome[t] = item_key[m], right
                topic_before = topic_key[t]
                if not counted:
                    counted = True
                    item_n[m] += 1
                    longer = 2 * item_bits[m] + right
                    item_bits[m] = longer if longer < 8 else 4 + longer % 4
                    if item_key[m] != before:
                        run_before, run = run, 0
                    run += 1
                    before_2, before = before, item_key[m]
                    outcome_2, outcome = outcome, right
            begin = stop


@kernel
def _sums_by_cv_fold(code: Int64s, counts: Bools, y: Floats, cv_fold: Int32s, n: Floats, right: Floats) -> None:
    for i in range(code.size):
        if counts[i]:
            n[code[i], cv_fold[i]] += 1.0
            right[code[i], cv_fold[i]] += y[i]


@kernel
def _out_of_fold(
    code: Int64s,
    cv_fold: Int32s,
    n: Floats,
    right: Floats,
    parent: Floats,
    shrinkage: float,
    probability: Floats,
    many: Floats,
) -> None:
    for i in range(code.size):
        seen, good = 0.0, 0.0
        for f in range(n.shape[1]):
            if f != cv_fold[i]:
                seen += n[code[i], f]
                good += right[code[i], f]
        probability[i] = (good + shrinkage * parent[i]) / (seen + shrinkage)
        many[i] = seen


@kernel
def _write(probability: Floats, many: Floats, column: int, out: Floats32) -> None:
    for i in range(probability.size):
        p = min(HIGHEST, max(LOWEST, probability[i]))
        out[i, column] = math.log(p / (1.0 - p))
        out[i, column + 1] = round(2.0 * math.log2(many[i] + 1.0))


def names() -> tuple[str, ...]:
    """Return the names of the columns that encodings take: a logit and a count each."""
    return tuple(name for encoding in ENCODINGS for name in (encoding.name, f"{encoding.name}_n"))


def contexts(batch: Batch) -> tuple[UInt64s, Bools]:
    """Return the hash of each row's contexts, uint64[len(ENCODINGS), n], and bool[n]: the first row of its event."""
    topic_hash, _ = murmur(pa.array(["\x1f".join(topic) for topic in batch.topics], pa.string()))
    topic_key = topic_hash.view(np.uint64)
    # A row without an item has its topic's number, complemented, in place of one.
    item_key = np.concatenate([batch.item_key.astype(np.uint64), ~topic_key])
    n = batch.row.size
    out, lead = np.empty((len(ENCODINGS), n), np.uint64), np.empty(n, np.bool_)
    _contexts(batch.student_ptr, batch.row, batch.slot_topic[batch.slot], items_or_topics(batch), topic_key, item_key,
              batch.y, batch.weight, out, lead)  # fmt: skip
    return out, lead


def learn_encodings(batch: Batch, cv_fold: Int32s, out: Floats32) -> dict[str, npt.NDArray[Any]]:
    """Write each row's encodings, out of fold, into float32[n, 2·len(ENCODINGS)]; return the sums of all rows.

    Args:
        cv_fold: int32[n], from 0. Rows of one student are of one CV fold.

    Returns:
        encoding_ptr int64[len(ENCODINGS) + 1], encoding_key uint64[M] ascending within each encoding, encoding_n and
        encoding_right float32[M], encoding_mean float64[1].
    """
    keys, lead = contexts(batch)
    counts = labelled(batch)
    cv_folds = int(cv_fold.max(initial=0)) + 1
    n_of = np.bincount(cv_fold[counts], minlength=cv_folds).astype(np.float64)
    right_of = np.bincount(cv_fold[counts], batch.y[counts], minlength=cv_folds)
    # Half an answer of each kind: a mean is never 0 or 1. Sums of the other CV folds, not of all less one's own: that
    # left the rounding of a CV fold's own answers in.
    others = [np.arange(cv_folds) != f for f in range(cv_folds)]
    mean = np.array([(right_of[rest].sum() + 0.5) / (n_of[rest].sum() + 1.0) for rest in others])[cv_fold]
    probability, many = np.empty((len(ENCODINGS), cv_fold.size)), np.empty(cv_fold.size)
    key_parts, n_parts, right_parts, ptr = [], [], [], [0]
    for e, encoding in enumerate(ENCODINGS):
        distinct, code = np.unique(keys[e], return_inverse=True)
        n, right = np.zeros((distinct.size, cv_folds)), np.zeros((distinct.size, cv_folds))
        _sums_by_cv_fold(code, counts & lead if encoding.once else counts, batch.y, cv_fold, n, right)
        parent = mean if encoding.parent < 0 else probability[encoding.parent]
        _out_of_fold(code, cv_fold, n, right, parent, encoding.shrinkage, probability[e], many)
        _write(probability[e], many, 2 * e, out)
        n_all = n.sum(axis=1)
        kept = n_all > 0.0
        key_parts.append(distinct[kept])
        n_parts.append(n_all[kept].astype(np.float32))
        right_parts.append(right.sum(axis=1)[kept].astype(np.float32))
        ptr.append(ptr[-1] + int(kept.sum()))
    return {
        "encoding_ptr": np.array(ptr, np.int64),
        "encoding_key": np.concatenate(key_parts),
        "encoding_n": np.concatenate(n_parts),
        "encoding_right": np.concatenate(right_parts),
        "encoding_mean": np.array([(right_of.sum() + 0.5) / (n_of.sum() + 1.0)]),
    }


def encode(batch: Batch, sums: Mapping[str, npt.NDArray[Any]], out: Floats32) -> None:
    """Write the encodings of rows of new students into float32[n, 2·len(ENCODINGS)], from the sums of all students."""
    keys, _ = contexts(batch)
    ptr, n = sums["encoding_ptr"], keys.shape[1]
    probability, many, right = np.empty((len(ENCODINGS), n)), np.empty(n), np.empty(n)
    mean = np.full(n, float(sums["encoding_mean"][0]))
    for e, encoding in enumerate(ENCODINGS):
        known = sums["encoding_key"][ptr[e] : ptr[e + 1]]
        place = np.searchsorted(known, keys[e])
        place[place == known.size] = 0
        there = known[place] == keys[e] if known.size else np.zeros(n, np.bool_)
        many[:], right[:] = 0.0, 0.0
        many[there] = sums["encoding_n"][ptr[e] + place[there]]
        right[there] = sums["encoding_right"][ptr[e] + place[there]]
        parent = mean if encoding.parent < 0 else probability[encoding.parent]
        probability[e] = (right + encoding.shrinkage * parent) / (many + encoding.shrinkage)
        _write(probability[e], many, 2 * e, out)


def check_encodings(sums: Mapping[str, npt.NDArray[Any]]) -> None:
    """Raise BadInput where sums from outside are not as `learn_encodings` returns them."""
    check_array("encodings: encoding_mean", sums.get("encoding_mean"), np.float64, (1,))
    check_array("encodings: encoding_ptr", sums.get("encoding_ptr"), np.int64, (len(ENCODINGS) + 1,))
    key, ptr = sums.get("encoding_key"), sums["encoding_ptr"]
    shape = (0 if key is None else key.size,)
    check_array("encodings: encoding_key", key, np.uint64, shape)
    for name in ("encoding_n", "encoding_right"):
        check_array(f"encodings: {name}", sums.get(name), np.float32, shape)
    if ptr[0] != 0 or ptr[-1] != shape[0] or np.any(np.diff(ptr) < 0):
        raise BadInput(
            f"encodings: encoding_ptr does not cut {shape[0]} contexts; expected 0, then where each kind ends"
        )
    mean, many, right = (sums[name] for name in ("encoding_mean", "encoding_n", "encoding_right"))
    if not (0.0 < mean[0] < 1.0 and np.all((right >= 0.0) & (right <= many)) and np.all(np.isfinite(many))):
        raise BadInput("encodings: sums are no counts of answers; expected at least as many answers as right ones")
