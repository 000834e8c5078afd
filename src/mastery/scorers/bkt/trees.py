"""How the trees of mastery.scorers.bkt.histories grow from the rows of a batch."""

from __future__ import annotations

import numpy as np

from mastery.arrays import Floats, Int8s, Int32s, Int64s
from mastery.features.columns import ASSIGNMENT, FEEDBACK, PRACTICE
from mastery.kernels import kernel

RIGHTS, WRONGS, KIND, OPPORTUNITY, GROUP, TILT = range(6)
"""Columns of what tells events apart: n·y and n·(1 − y); the kind of event, its probability to learn; 1 where guess
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
def grow(  # noqa: C901 # one loop over students, whose parts share a dozen arrays
    slot_order: Int64s,
    topic_ptr: Int64s,
    row_ptr: Int64s,
    ptr: Int64s,
    code: Int32s,
    emission: Int32s,
    step: Int32s,
    first: Int32s,
    parent_of: Int32s,
    code_of: Int32s,
    emission_of: Int32s,
    step_of: Int32s,
    count_of: Floats,
    ends_of: Floats,
) -> Int64s:
    """Write the trees, topic after topic, without gaps; return where each topic's nodes begin."""
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
                h = (np.uint64(u + 1) * np.uint64(0x9E3779B97F4A7C15)) ^ (
                    np.uint64(np.int64(e) * 64 + b) * np.uint64(0xC2B2AE3D27D4EB4F)
                )
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
