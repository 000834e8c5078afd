"""What bkt is fitted on: the histories of a topic's students, each beginning that several share held once.

Two students whose first answers on a topic are the same have the same probabilities up to there. So the histories of
a topic are a tree: a node is an event, its path from the root is what went before, its count how many students it
stands for. A thousand students with ten answers each need about a fifth of the nodes that they have answers; with
items, or with a clock between the answers, fewer beginnings are alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mastery.arrays import Floats, Int32s, Int64s
from mastery.features.batch import Batch
from mastery.scorers.bkt.trees import TILT, by_topic, codes, first_rows, grow, time_steps

US_PER_DAY = 86_400e6

SHORTEST_DAYS, LONGEST_DAYS, BINS = 60.0 / 86_400.0, 1_000.0, 48
"""Times between two events are told apart in so many steps on a log scale; below the shortest nothing is forgotten."""

LOWEST_EXCESS, HIGHEST_EXCESS, EXCESS_BINS = -0.8, 0.8, 33
"""So many steps of how much better than expected a student did elsewhere."""


@dataclass(frozen=True)
class Histories:
    """The trees of T topics, N nodes; within a topic a node comes after all that are less deep.

    Attributes:
        ptr: int64[T + 1]. Nodes of topic t.
        rows: int64[T]. Events on topic t.
        parent: int32[N]. −1 for a student's first event on the topic.
        code: int32[N]. Row of `kinds`.
        emission: int32[N]. Row of `emissions`; the same as `code` where items are not told apart.
        step: int32[N]. Of time since the parent, a row of `days`; of a first event, of excess, a row of `excess`.
        count, ends: float64[N]. Students who came through here, and whose last event this is.
        kinds: float64[C, 6]. Columns as in `mastery.scorers.bkt.trees`.
        emissions: int32[E, 2]. Code and item, topic after topic.
        emission_ptr: int64[T + 1]. Emissions of topic t, where items are told apart.
        days: float64[BINS + 1].
        excess: float64[EXCESS_BINS].
    """

    ptr: Int64s
    rows: Int64s
    parent: Int32s
    code: Int32s
    emission: Int32s
    step: Int32s
    count: Floats
    ends: Floats
    kinds: Floats
    emissions: Int32s
    emission_ptr: Int64s
    days: Floats
    excess: Floats


def day_steps() -> Floats:
    """Return float64[BINS + 1]: the days that each step of time stands for; none for the first."""
    inner = np.exp(np.linspace(np.log(SHORTEST_DAYS), np.log(LONGEST_DAYS), BINS + 1))
    return np.concatenate([[0.0], np.sqrt(inner[1:] * inner[:-1])])


def excess_steps() -> Floats:
    """Return float64[EXCESS_BINS]: the excess that each step stands for."""
    return np.linspace(LOWEST_EXCESS, HIGHEST_EXCESS, EXCESS_BINS)


def make_histories(
    batch: Batch, clock: bool = False, items: bool = False, excess: Floats | None = None, tilts: bool = False
) -> Histories:
    """Return the histories of every topic of the batch.

    Args:
        clock: Whether times between events are told apart.
        items: Whether items are told apart.
        excess: float64[n]. In the order of `batch.by_slot`: how much better than expected the student did before.
        tilts: Whether the excess is told apart at every event, not at first ones only.
    """
    rows = batch.by_slot
    table, of_row, of_kind = codes(rows.kind, rows.y, rows.weight, rows.opportunity)
    slot_order, topic_ptr, row_ptr = by_topic(rows.ptr, batch.slot_topic, of_row, len(batch.topics))
    inner = np.exp(np.linspace(np.log(SHORTEST_DAYS), np.log(LONGEST_DAYS), BINS + 1)) * US_PER_DAY
    step = time_steps(rows.ptr, rows.at_us, of_row, inner if clock else np.zeros(0))
    plain, same = of_kind, of_row
    first = np.full(batch.slot_topic.size, EXCESS_BINS // 2, np.int32)
    if excess is not None:
        width = (HIGHEST_EXCESS - LOWEST_EXCESS) / (EXCESS_BINS - 1)
        bins = np.clip(np.rint((excess - LOWEST_EXCESS) / width), 0, EXCESS_BINS - 1).astype(np.int32)
        begins = np.flatnonzero(np.diff(rows.ptr) > 0)
        first[begins] = bins[first_rows(rows.ptr[:-1][begins], of_row)]
        if tilts:
            table = np.repeat(table[:of_kind], EXCESS_BINS, axis=0)
            table[:, TILT] = np.tile(excess_steps(), of_kind)
            of_row, of_kind = np.where(of_row >= 0, of_row * EXCESS_BINS + bins, -1).astype(np.int32), table.shape[0]
    kinds = table[:of_kind].copy()
    if items:
        topic = np.repeat(batch.slot_topic, np.diff(rows.ptr)).astype(np.int64)
        pair = (topic * (len(batch.items) + 1) + rows.item + 1) * plain + same
        used, at = np.unique(np.where(same >= 0, pair, -1), return_inverse=True)
        hidden = int(used.size and used[0] < 0)  # feedback
        used, emission = used[hidden:], (at - hidden).astype(np.int32)
        which = (used // plain) % (len(batch.items) + 1) - 1
        emissions = np.column_stack([used % plain * (of_kind // plain) + of_kind // plain // 2, which]).astype(np.int32)
        emission_topic = used // plain // (len(batch.items) + 1)
    else:
        emissions = np.column_stack([np.arange(of_kind), np.full(of_kind, -1)]).astype(np.int32)
        emission, emission_topic = of_row, np.zeros(0, np.int64)
    size = int(row_ptr[-1])
    parent, code, emitted, steps = (np.empty(size, np.int32) for _ in range(4))
    count, ends = np.empty(size), np.empty(size)
    nodes = grow(slot_order, topic_ptr, row_ptr, rows.ptr, of_row, emission, step, first,
                  parent, code, emitted, steps, count, ends)  # fmt: skip
    n = int(nodes[-1])
    return Histories(
        nodes, np.diff(row_ptr), parent[:n], code[:n], emitted[:n] if items else code[:n], steps[:n], count[:n],
        ends[:n], kinds, emissions, np.searchsorted(emission_topic, np.arange(len(batch.topics) + 1)),
        day_steps(), excess_steps(),
    )  # fmt: skip
