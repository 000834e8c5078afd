"""Training of the linear recurrence: forward, backward and Adagrad, one update per student.

Duchi, Hazan & Singer (2011), Adaptive subgradient methods for online learning and stochastic optimization, JMLR 12.
Tables are float32: half the memory to move, and the same bits each time. A row of a table is touched only by the
students who met its item or topic, and so are its L2 penalty and its projection.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from mastery.arrays import Bools, Floats, Floats32, Int32s, Int64s
from mastery.kernels import kernel
from mastery.log_odds import sigmoid

LONGEST = 1_000
"""Rows that a gradient goes back through. With 400, statics2011 (671 answers a student) lost .0009 of AUC."""


class Table(NamedTuple):
    """float32[N, K] each: numbers, their gradient from one student, and the sum of squares of all gradients."""

    value: Floats32
    slope: Floats32
    squares: Floats32


class Answers(NamedTuple):
    """Observations that count, student by student.

    Attributes:
        ptr: int64[S + 1].
        item: int32[n]. Negative for none, or one that was not seen in training.
        read, write: int32[n]. Row of a topic's reading vectors (topic, place) and of its event (… and time).
        y, weight: float32[n].
        asked: float32[n]. 1 where the answer is predicted, 0 where it is only seen.
        fresh: bool[n]. Whether the row begins an event.
    """

    ptr: Int64s
    item: Int32s
    read: Int32s
    write: Int32s
    y: Floats32
    weight: Floats32
    asked: Floats32
    fresh: Bools


class Tables(NamedTuple):
    """What is learnt, and the shape of the recurrence.

    Attributes:
        items: I. Rows of items come first; those of topics follow.
        fades: float32[CHANNELS]. λ of each channel.
        even: The first channel that does not fade.
        bias, readers: By item, then by row of a topic.
        writers: By item, then by event; wrong and right in turn.
    """

    items: int
    fades: Floats32
    even: int
    bias: Table
    readers: Table
    writers: Table


class Rates(NamedTuple):
    """Learning rates of vectors and biases, and L2 penalties."""

    vectors: float
    bias: float
    l2_item: float
    l2_topic: float
    l2_bias: float


class Touched(NamedTuple):
    """Which rows of the tables one student's gradient has touched: a mark by row, and the rows in order."""

    met: Bools
    readers: Int64s
    met_writers: Bools
    writers: Int64s


@kernel
def _receive(answers: Answers, t: int, items: int, writers: Table, h: Floats32) -> None:
    """Add to h what answer t writes: of its event, and of its item; right and wrong in the shares they have in it."""
    i = answers.item[t]
    for outcome in range(2):
        share = answers.weight[t] * (answers.y[t] if outcome else np.float32(1.0) - answers.y[t])
        if share > 0.0:
            e = 2 * (items + answers.write[t]) + outcome
            for k in range(h.size):
                h[k] += share * writers.value[e, k]
            if i >= 0:
                for k in range(h.size):
                    h[k] += share * writers.value[2 * i + outcome, k]


@kernel
def _forward(
    answers: Answers, first: int, end: int, tables: Tables, h: Floats32, seen: float, past: Floats32,
    scratch: Floats32, probability: Floats,
) -> float:  # fmt: skip
    """Predict rows first:end from h, fold them into it, and return the weight seen; past[m] is what row m was read of.

    Every loop over channels holds few enough arrays for the compiler to see that they do not overlap: one loop for
    all of them was three times as slow.
    """
    items, fades, even = tables.items, tables.fades, tables.even
    bias, readers, writers = tables.bias, tables.readers, tables.writers
    channels = fades.size
    for t in range(first, end):
        m = t - first
        if answers.fresh[t]:
            for k in range(channels):
                past[m, k] = h[k]
            scale = np.float32(1.0 / math.sqrt(1.0 + seen))
            for k in range(even, channels):
                past[m, k] *= scale
        else:
            for k in range(channels):
                past[m, k] = past[m - 1, k]
        i, q = answers.item[t], items + answers.read[t]
        logit = bias.value[q, 0]
        if i >= 0:
            logit += bias.value[i, 0]
            for k in range(channels):
                scratch[k] = (readers.value[i, k] + readers.value[q, k]) * past[m, k]
        else:
            for k in range(channels):
                scratch[k] = readers.value[q, k] * past[m, k]
        a = b = c = d = np.float32(0.0)
        for k in range(0, channels, 4):
            a += scratch[k]
            b += scratch[k + 1]
            c += scratch[k + 2]
            d += scratch[k + 3]
        probability[t] = sigmoid(logit + (a + b) + (c + d))
        if answers.fresh[t]:
            for k in range(channels):
                h[k] *= fades[k]
        seen += answers.weight[t]
        _receive(answers, t, items, writers, h)
    return seen


@kernel
def _backward(
    answers: Answers, first: int, end: int, tables: Tables, seen: float, past: Floats32, probability: Floats,
    after: Floats32, asked: Floats32, touched: Touched,
) -> tuple[int, int]:  # fmt: skip
    """Add the gradients of rows first:end to the slopes; return how many rows of the tables were touched.

    `after` is the gradient by the state behind a row, `asked` what an event's own answers add to it.
    """
    items, fades, even = tables.items, tables.fades, tables.even
    bias, readers, writers = tables.bias, tables.readers, tables.writers
    met, met_writers = touched.met, touched.met_writers
    channels = fades.size
    readers_met = writers_met = 0
    after[:] = 0.0
    asked[:] = 0.0
    for t in range(end - 1, first - 1, -1):
        m, i, q = t - first, answers.item[t], items + answers.read[t]
        error = np.float32((probability[t] - answers.y[t]) * answers.asked[t])
        for outcome in range(2):
            share = answers.weight[t] * (answers.y[t] if outcome else np.float32(1.0) - answers.y[t])
            if share > 0.0:
                for of_item in range(1 + (i >= 0)):
                    e = 2 * (i if of_item else items + answers.write[t]) + outcome
                    if not met_writers[e]:
                        met_writers[e] = True
                        touched.writers[writers_met] = e
                        writers_met += 1
                    for k in range(channels):
                        writers.slope[e, k] += share * after[k]
        for of_item in range(1 + (i >= 0)):
            r = i if of_item else q
            if not met[r]:
                met[r] = True
                touched.readers[readers_met] = r
                readers_met += 1
            bias.slope[r, 0] += error
            for k in range(channels):
                readers.slope[r, k] += error * past[m, k]
            for k in range(channels):
                asked[k] += error * readers.value[r, k]
        seen -= answers.weight[t]
        if answers.fresh[t]:
            scale = np.float32(1.0 / math.sqrt(1.0 + max(0.0, seen)))
            for k in range(even, channels):
                asked[k] *= scale
            for k in range(channels):
                after[k] = fades[k] * after[k] + asked[k]
            asked[:] = 0.0
    return readers_met, writers_met


@kernel
def _step(
    table: Table, touched: Int64s, count: int, met: Bools, item_rows: int, l2_item: float, l2_topic: float,
    rate: float, least: float,
) -> None:  # fmt: skip
    for o in range(count):
        j = touched[o]
        met[j] = False
        l2, speed, low = np.float32(l2_item if j < item_rows else l2_topic), np.float32(rate), np.float32(least)
        for k in range(table.value.shape[1]):
            slope = table.slope[j, k] + l2 * table.value[j, k]
            squares = table.squares[j, k] + slope * slope
            table.slope[j, k] = 0.0
            table.squares[j, k] = squares
            table.value[j, k] = max(low, table.value[j, k] - speed * slope / np.sqrt(squares))


@kernel
def _part_outcomes(writers: Table, touched: Int64s, count: int) -> None:
    """Project: what a right answer adds to a channel is no less than what a wrong one adds."""
    for o in range(count):
        wrong = touched[o] - touched[o] % 2
        for k in range(writers.value.shape[1]):
            low, high = writers.value[wrong, k], writers.value[wrong + 1, k]
            middle = np.float32(0.5) * (low + high)
            writers.value[wrong, k] = min(low, middle)
            writers.value[wrong + 1, k] = max(high, middle)


@kernel
def epoch(
    answers: Answers,
    order: Int64s,
    tables: Tables,
    rates: Rates,
    learn: bool,
    monotone: bool,
    probability: Floats,
) -> None:
    """Predict every answer (`probability`, float64[n]) of the students in `order`, and learn from each student in
    turn."""
    items, bias, readers, writers = tables.items, tables.bias, tables.readers, tables.writers
    channels = tables.fades.size
    h, after, asked, scratch = (np.zeros(channels, np.float32), np.zeros(channels, np.float32),
                                np.zeros(channels, np.float32), np.zeros(channels, np.float32))  # fmt: skip
    most = 0
    for s in range(answers.ptr.size - 1):
        most = max(most, answers.ptr[s + 1] - answers.ptr[s])
    past = np.zeros((most, channels), np.float32)
    touched = Touched(
        np.zeros(bias.value.shape[0], np.bool_),
        np.zeros(2 * most, np.int64),
        np.zeros(writers.value.shape[0], np.bool_),
        np.zeros(4 * most, np.int64),
    )
    for s in order:
        h[:] = 0.0
        seen = 0.0
        first = answers.ptr[s]
        while first < answers.ptr[s + 1]:
            end = min(first + LONGEST, answers.ptr[s + 1])
            while end < answers.ptr[s + 1] and not answers.fresh[end]:
                end += 1
            seen = _forward(answers, first, end, tables, h, seen, past, scratch, probability)
            if learn:
                count, count_writers = _backward(
                    answers, first, end, tables, seen, past, probability, after, asked, touched
                )
                _step(bias, touched.readers, count, touched.met, items, rates.l2_bias, 0.0, rates.bias, -math.inf)
                _step(readers, touched.readers, count, touched.met, items, rates.l2_item, rates.l2_topic, rates.vectors,
                      0.0 if monotone else -math.inf)  # fmt: skip
                _step(writers, touched.writers, count_writers, touched.met_writers, 2 * items, rates.l2_item,
                      rates.l2_topic, rates.vectors, -math.inf)  # fmt: skip
                if monotone:
                    _part_outcomes(writers, touched.writers, count_writers)
            first = end
