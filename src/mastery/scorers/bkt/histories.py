"""What bkt is fitted on: the histories of a topic's students, each beginning that several share held once.

Two students whose first answers on a topic are the same have the same probabilities up to there. So the histories of
a topic are a tree: a node is an event, its path from the root is what went before, its count how many students it
stands for. A thousand students with ten answers each need about a fifth of the nodes that they have answers; with
items, or with a clock between the answers, fewer beginnings are alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mastery.arrays import Floats, Int8s, Int32s, Int64s
from mastery.features.batch import Batch
from mastery.features.columns import ASSIGNMENT, FEEDBACK, PRACTICE
from mastery.instants import DAY_S, DAY_US
from mastery.kernels import kernel
from mastery.splitmix import G1, XXHASH_2

SHORTEST_DAYS, LONGEST_DAYS, BINS = 60.0 / DAY_S, 1_000.0, 48
"""The number of steps on a log scale for the time between two events; below the shortest nothing is forgotten."""

LOWEST_EXCESS, HIGHEST_EXCESS, EXCESS_BINS = -0.8, 0.8, 33
"""The number of steps of how much better than expected a student did elsewhere."""


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
        kinds: float64[C, 6]. Columns RIGHTS to TILT.
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


class RowCodes(NamedTuple):
    """The rows of a batch slot by slot: what tells their events apart.

    Attributes:
        ptr: int64[P + 1]. Rows of slot p.
        code, emission, step: int32[n]. As in `Histories`; the code of feedback is negative.
        first: int32[P]. The step of the slot's first event.
    """

    ptr: Int64s
    code: Int32s
    emission: Int32s
    step: Int32s
    first: Int32s


class SlotsByTopic(NamedTuple):
    """Slots in the order of their topics, where each topic's begin, and the running sum of its events."""

    order: Int64s
    topic_ptr: Int64s
    row_ptr: Int64s


class Nodes(NamedTuple):
    """What `grow` writes of each node, as in `Histories`; `through` are the students counted there."""

    parent: Int32s
    code: Int32s
    emission: Int32s
    step: Int32s
    through: Floats
    ends: Floats


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
    slots = SlotsByTopic(*by_topic(rows.ptr, batch.slot_topic, of_row, len(batch.topics)))
    inner = np.exp(np.linspace(np.log(SHORTEST_DAYS), np.log(LONGEST_DAYS), BINS + 1)) * DAY_US
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
        pair = (topic * (batch.use_item.size + 1) + rows.use + 1) * plain + same
        used, at = np.unique(np.where(same >= 0, pair, -1), return_inverse=True)
        hidden = int(used.size and used[0] < 0)  # feedback
        used, emission = used[hidden:], (at - hidden).astype(np.int32)
        which = (used // plain) % (batch.use_item.size + 1) - 1
        emissions = np.column_stack([used % plain * (of_kind // plain) + of_kind // plain // 2, which]).astype(np.int32)
        emission_topic = used // plain // (batch.use_item.size + 1)
    else:
        emissions = np.column_stack([np.arange(of_kind), np.full(of_kind, -1)]).astype(np.int32)
        emission, emission_topic = of_row, np.zeros(0, np.int64)
    size = int(slots.row_ptr[-1])
    made = Nodes(
        np.empty(size, np.int32), np.empty(size, np.int32), np.empty(size, np.int32), np.empty(size, np.int32),
        np.empty(size), np.empty(size),
    )  # fmt: skip
    nodes = grow(RowCodes(rows.ptr, of_row, emission, step, first), slots, made)
    n = int(nodes[-1])
    return Histories(
        nodes, np.diff(slots.row_ptr), made.parent[:n], made.code[:n], (made.emission if items else made.code)[:n],
        made.step[:n], made.through[:n], made.ends[:n], kinds, emissions,
        np.searchsorted(emission_topic, np.arange(len(batch.topics) + 1)), day_steps(), excess_steps(),
    )  # fmt: skip


RIGHTS, WRONGS, KIND, OPPORTUNITY, GROUP, TILT = range(6)
"""Columns of what tells events apart: n·y and n·(1 − y); the kind of event, its opportunity to learn; 1 where guess
and slip are those of practice; the excess."""


@kernel
def codes(kind: Int8s, y: Floats, weight: Floats, opportunity: Floats) -> tuple[Floats, Int32s, int]:
    """Return the table of what tells events apart, the code of each row (−1 for feedback), and how many codes."""
    n = y.size
    size = 64
    while size < 2 * n:
        size *= 2
    place = np.zeros(size, np.int32)  # code + 1, by hash
    table, of_row = np.zeros((min(n, 1024) + 1, 6)), np.empty(n, np.int32)
    codes = 0
    for i in range(n):
        if kind[i] == FEEDBACK:
            of_row[i] = -1
            continue
        rights, wrongs = weight[i] * y[i], weight[i] * (1.0 - y[i])
        mixed = rights * 0.7548776662 + wrongs * 0.5698402910 + opportunity[i] * 0.3176721962 + kind[i] * 0.6180339887
        k = np.int64(abs(mixed) * 2654435761.0) & (size - 1)
        while True:
            c = place[k] - 1
            if c < 0:
                if codes == table.shape[0]:
                    larger = np.zeros((2 * codes, 6))
                    larger[:codes] = table
                    table = larger
                table[codes, RIGHTS], table[codes, WRONGS], table[codes, KIND] = rights, wrongs, kind[i]
                table[codes, OPPORTUNITY] = opportunity[i]
                table[codes, GROUP] = 1.0 if kind[i] == PRACTICE or kind[i] == ASSIGNMENT else 0.0
                place[k], c, codes = codes + 1, codes, codes + 1
                break
            if (
                table[c, RIGHTS] == rights
                and table[c, WRONGS] == wrongs
                and table[c, OPPORTUNITY] == opportunity[i]
                and table[c, KIND] == kind[i]
            ):
                break
            k = (k + 1) & (size - 1)
        of_row[i] = c
    return table, of_row, codes


@kernel
def excess_before(
    student_ptr: Int64s,
    row: Int64s,
    slot: Int32s,
    slot_topic: Int32s,
    y: Floats,
    weight: Floats,
    expected: Floats,
    answers: float,
    slot_row_ptr: Int64s,
) -> Floats:
    """Return float64[n], in the order of `Batch.by_slot`: the student's excess before the event of each row."""
    out, fill = np.empty(slot.size), slot_row_ptr[:-1].copy()
    for s in range(student_ptr.size - 1):
        total, seen, now = 0.0, 0.0, 0.0
        for i in range(student_ptr[s], student_ptr[s + 1]):
            if i == student_ptr[s] or row[i] != row[i - 1]:
                now = total / (seen + answers)
            out[fill[slot[i]]] = now
            fill[slot[i]] += 1
            total += weight[i] * (y[i] - expected[slot_topic[slot[i]]])
            seen += weight[i]
    return out


@kernel
def first_rows(begin: Int64s, code: Int32s) -> Int64s:
    """Return the first row from each on that is no feedback; the last one where there is none."""
    out = begin.copy()
    for k in range(begin.size):
        while code[out[k]] < 0 and out[k] + 1 < code.size:
            out[k] += 1
    return out


@kernel
def by_topic(ptr: Int64s, slot_topic: Int32s, code: Int32s, topics: int) -> tuple[Int64s, Int64s, Int64s]:
    """Return the slots topic by topic, where each topic's begin, and the running sum of its events."""
    slots = slot_topic.size
    topic_ptr, row_ptr = np.zeros(topics + 1, np.int64), np.zeros(topics + 1, np.int64)
    for p in range(slots):
        topic_ptr[slot_topic[p] + 1] += 1
        for i in range(ptr[p], ptr[p + 1]):
            if code[i] >= 0:
                row_ptr[slot_topic[p] + 1] += 1
    for t in range(topics):
        topic_ptr[t + 1] += topic_ptr[t]
        row_ptr[t + 1] += row_ptr[t]
    order, fill = np.empty(slots, np.int64), topic_ptr[:-1].copy()
    for p in range(slots):
        order[fill[slot_topic[p]]] = p
        fill[slot_topic[p]] += 1
    return order, topic_ptr, row_ptr


@kernel
def time_steps(ptr: Int64s, at_us: Int64s, code: Int32s, edges: Floats) -> Int32s:
    """Return the step of time since the event before, of each row; 0 below the first edge and without edges."""
    step = np.zeros(at_us.size, np.int32)
    if edges.size == 0:
        return step
    for p in range(ptr.size - 1):
        last = -1
        for i in range(ptr[p], ptr[p + 1]):
            if code[i] < 0:
                continue
            if last >= 0 and at_us[i] - at_us[last] >= edges[0]:
                step[i] = min(edges.size - 1, int(np.searchsorted(edges, float(at_us[i] - at_us[last]), side="right")))
            last = i
    return step


@kernel
def grow(rows: RowCodes, slots: SlotsByTopic, nodes_of: Nodes) -> Int64s:  # noqa: C901 # one loop over students
    """Write the trees, topic after topic, without gaps; return where each topic's nodes begin."""
    slot_order, topic_ptr, row_ptr = slots.order, slots.topic_ptr, slots.row_ptr
    ptr, code, emission, step, first = rows.ptr, rows.code, rows.emission, rows.step, rows.first
    parent_of, code_of, emission_of, step_of = nodes_of.parent, nodes_of.code, nodes_of.emission, nodes_of.step
    count_of, ends_of = nodes_of.through, nodes_of.ends
    topics = topic_ptr.size - 1
    nodes = np.zeros(topics + 1, np.int64)
    longest = 0
    for t in range(topics):
        longest = max(longest, row_ptr[t + 1] - row_ptr[t])
    size = 64
    while size < 2 * longest:
        size *= 2
    place = np.zeros(size, np.int32)  # node + 1, by hash of its parent and its event
    parent, last, steps = np.empty(longest, np.int32), np.empty(longest, np.int32), np.empty(longest, np.int32)
    depth, event = np.empty(longest, np.int32), np.empty(longest, np.int32)
    count, ends = np.empty(longest), np.empty(longest)
    new = np.empty(longest, np.int64)
    for t in range(topics):
        made, deepest = 0, 0
        within = 64
        while within < 2 * (row_ptr[t + 1] - row_ptr[t]):
            within *= 2
        place[:within] = 0
        for q in range(topic_ptr[t], topic_ptr[t + 1]):
            p = slot_order[q]
            u, deep = -1, 0
            for i in range(ptr[p], ptr[p + 1]):
                if code[i] < 0:
                    continue
                e, b = emission[i], step[i]
                if u < 0:
                    b = first[p]
                h = (np.uint64(u + 1) * G1) ^ (np.uint64(np.int64(e) * 64 + b) * XXHASH_2)
                k = np.int64((h ^ (h >> np.uint64(29))) & np.uint64(within - 1))
                v = place[k] - 1
                while v >= 0 and (parent[v] != u or event[v] != e or steps[v] != b):
                    k = (k + 1) & (within - 1)
                    v = place[k] - 1
                if v < 0:
                    v = made
                    place[k] = made + 1
                    parent[v], event[v], steps[v], last[v], depth[v] = u, e, b, code[i], deep
                    count[v], ends[v] = 0.0, 0.0
                    made += 1
                count[v] += 1.0
                u, deep = v, deep + 1
            if u >= 0:
                ends[u] += 1.0
            deepest = max(deepest, deep)
        # By depth: a node then waits for one computed long before, not for the one just before it.
        of_depth = np.zeros(deepest + 2, np.int64)
        for v in range(made):
            of_depth[depth[v] + 1] += 1
        for d in range(deepest + 1):
            of_depth[d + 1] += of_depth[d]
        base = nodes[t]
        for v in range(made):
            w = base + of_depth[depth[v]]
            of_depth[depth[v]] += 1
            new[v] = w
            parent_of[w] = new[parent[v]] if parent[v] >= 0 else -1
            code_of[w], emission_of[w], step_of[w] = last[v], event[v], steps[v]
            count_of[w], ends_of[w] = count[v], ends[v]
        nodes[t + 1] = base + made
    return nodes
