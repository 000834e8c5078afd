"""Boosted regression trees as arrays: margins, and exact contributions of every feature. No library is needed to read.

A tree sends a row left where x < threshold (both float32, as XGBoost compares them). A margin is the sum of one leaf of
each tree, in the order of the trees and in float64, so it is the same for a row alone and among others.

Contributions are the Shapley values of Lundberg et al. (2020), From local explanations to global understanding with
explainable AI for trees, Nature Machine Intelligence 2, algorithm 2 ("path dependent"): what XGBoost calls
pred_contribs. For one leaf of value v behind the features U, each with the share z of the training weight that goes the
leaf's way and o = 1 where the row goes it too, feature i is owed

    v (o_i − z_i) Σ_{S ⊆ U∖i} |S|! (|U|−|S|−1)! / |U|! · Π_{j ∈ S} o_j · Π_{j ∉ S} z_j

That depends on the o alone, 2^|U| cases: they are tabled once (Yang 2021, Fast TreeSHAP), and a row looks them up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from propcache import cached_property

from mastery.arrays import Floats, Floats32, Int32s
from mastery.errors import BadInput
from mastery.kernels import kernel
from mastery.scorers.parameters import array_text

FIELDS = ("tree_start", "tree_feature", "tree_threshold", "tree_left", "tree_right", "tree_value", "tree_cover")


@dataclass(frozen=True, eq=False)
class Trees:
    """N nodes of some trees; node numbers count from the tree's own start.

    Attributes:
        start: int32[trees + 1]. Nodes of each tree; its root comes first.
        feature: int32[N]. What a node asks for; 0 in a leaf.
        threshold: float32[N].
        left, right: int32[N]. −1 in a leaf.
        value: float32[N]. What a leaf adds; 0 elsewhere.
        cover: float32[N]. Training weight that came by.
    """

    start: Int32s
    feature: Int32s
    threshold: Floats32
    left: Int32s
    right: Int32s
    value: Floats32
    cover: Floats32

    def shared(self) -> dict[str, npt.NDArray[Any]]:
        """Return it as arrays by name: what `Parameters.shared` holds."""
        return {name: getattr(self, name.removeprefix("tree_")) for name in FIELDS}

    @cached_property
    def depth(self) -> int:
        """Return how many questions the longest way to a leaf asks."""
        return int(_depth(self.start, self.left, self.right))

    @cached_property
    def _complete(self) -> tuple[Int32s, Floats32, Floats32]:
        return _completed(
            self.start, self.feature, self.threshold, self.left, self.right, self.value, max(1, self.depth)
        )

    @cached_property
    def _ways(self) -> tuple[Int32s, Int32s, Floats32, Floats32, Int32s, Floats, float]:
        way_start, ask, low, high, share, values, table_start, expected = _leaf_ways(
            self.start, self.feature, self.threshold, self.left, self.right, self.value, self.cover, self.depth
        )
        return way_start, ask, low, high, table_start, _owed(way_start, share, values, table_start), float(expected)

    def margins(self, rows: Floats32) -> Floats:
        """Return float64[n]: the sum of the leaves that rows (float32[n, F]) reach."""
        out = np.empty(rows.shape[0])
        _margins(rows, *self._complete, max(1, self.depth), out)
        return out

    def contributions(self, rows: Floats32) -> tuple[Floats, float]:
        """Return float64[n, F] and the margin that is expected of a row nothing is known of; together the margins."""
        out = np.zeros(rows.shape)
        *ways, expected = self._ways
        _contributions(rows, *ways, out)
        return out, expected


def trees_of(shared: Mapping[str, npt.NDArray[Any]]) -> Trees:
    """Return the trees that `Parameters.shared` holds."""
    return Trees(*(shared[name] for name in FIELDS))


TYPES = dict(zip(FIELDS, (np.int32, np.int32, np.float32, np.int32, np.int32, np.float32, np.float32), strict=True))

DEEPEST = 12
"""A complete tree of this depth has 4,096 leaves; a fit makes trees of depth 4."""


def check_trees(shared: Mapping[str, npt.NDArray[Any]], features: int) -> None:
    """Check trees from outside: kernels go wherever a node points.

    Raises:
        BadInput: An array is missing or of another type or length, or a node asks for a feature that is not there, or
            leads out of its tree or back up it, or a tree is too deep.
    """
    for name, kind in TYPES.items():
        array = shared.get(name)
        if array is None or array.dtype != kind or array.ndim != 1:
            raise BadInput(f"trees: {name} is {array_text(array)}; expected one row of {np.dtype(kind).name}")
    start, nodes = shared["tree_start"], int(shared["tree_feature"].size)
    if any(shared[name].size != nodes for name in FIELDS[1:]):
        raise BadInput(f"trees: {', '.join(FIELDS[1:])} have different lengths; expected one number of each node")
    if start.size == 0 or start[0] != 0 or start[-1] != nodes or np.any(np.diff(start) < 1):
        raise BadInput(f"trees: tree_start does not cut {nodes} nodes into trees; expected 0, then where each ends")
    check_nodes(start, shared["tree_feature"], shared["tree_left"], shared["tree_right"], features)
    depth = trees_of(shared).depth
    if depth > DEEPEST:
        raise BadInput(f"trees: one asks {depth} questions in a row; expected {DEEPEST} at most")


def check_nodes(start: Int32s, feature: Int32s, left: Int32s, right: Int32s, features: int) -> None:
    """Check that every node but a root hangs below one other, which comes before it in the same tree.

    Args:
        start, feature, left, right: As in `Trees`.
        features: How many there are.

    Raises:
        BadInput: They do not.
    """
    sizes = np.diff(start)
    first = np.repeat(start[:-1].astype(np.int64), sizes)
    size, own = np.repeat(sizes, sizes), np.arange(left.size) - first
    inner = left >= 0
    bad = (~inner & ((left != -1) | (right != -1))) | (feature < 0) | (inner & (feature >= features))
    for child in (left, right):
        bad |= inner & ((child <= own) | (child >= size))
    if not bad.any():
        parents = np.bincount(np.concatenate([(first + left)[inner], (first + right)[inner]]), minlength=left.size)
        bad = parents != (own > 0)
    if bad.any():
        k = int(np.flatnonzero(bad)[0])
        raise BadInput(
            f"trees: node {int(own[k])} of tree {int(np.searchsorted(start, k, 'right')) - 1} asks for feature "
            f"{int(feature[k])} and leads to {int(left[k])} and {int(right[k])}; expected one of {features} features, "
            "and two later nodes of its tree that nothing else leads to"
        )


def no_trees() -> Trees:
    """Return a forest without a tree: every margin is 0."""
    whole, real = np.zeros(0, np.int32), np.zeros(0, np.float32)
    return Trees(np.zeros(1, np.int32), whole, real, whole, whole, real, real)


@kernel
def _depth(start: Int32s, left: Int32s, right: Int32s) -> int:
    deepest = 0
    depth = np.zeros(left.size, np.int64)
    for t in range(start.size - 1):
        for node in range(start[t], start[t + 1]):  # children come after their parents
            if left[node] >= 0:
                depth[start[t] + left[node]] = depth[start[t] + right[node]] = depth[node] + 1
            deepest = max(deepest, depth[node])
    return deepest


@kernel
def _completed(
    start: Int32s, feature: Int32s, threshold: Floats32, left: Int32s, right: Int32s, value: Floats32, depth: int
) -> tuple[Int32s, Floats32, Floats32]:
    """Return every tree as a complete one of that depth, node i above 2i + 1 and 2i + 2: what it asks, and leaves."""
    trees, inner = start.size - 1, (1 << depth) - 1
    ask = np.zeros(trees * inner, np.int32)
    cut = np.full(trees * inner, np.inf, np.float32)
    leaf = np.empty(trees * (inner + 1), np.float32)
    node_of = np.empty(2 * inner + 1, np.int64)
    for t in range(trees):
        node_of[0] = start[t]
        for i in range(inner):
            node = node_of[i]
            node_of[2 * i + 1] = node_of[2 * i + 2] = node
            if left[node] >= 0:
                ask[t * inner + i], cut[t * inner + i] = feature[node], threshold[node]
                node_of[2 * i + 1], node_of[2 * i + 2] = start[t] + left[node], start[t] + right[node]
        for i in range(inner + 1):
            leaf[t * (inner + 1) + i] = value[node_of[inner + i]]
    return ask, cut, leaf


BLOCK = 128
"""Rows are taken through a tree this many at a time, level by level from its leaves up: all questions are asked of all
rows, without a branch and without an address that depends on an answer, so the compiler makes vectors of them. 1.15
million rows/s a core through 200 trees of depth 4; walking down row by row 0.37."""


@kernel
def _margins(rows: Floats32, ask: Int32s, cut: Floats32, leaf: Floats32, depth: int, out: Floats) -> None:
    leaves = 1 << depth
    inner, half = leaves - 1, leaves // 2
    n, features = rows.shape
    x = np.zeros((features, BLOCK), np.float32)
    low, high = np.empty((half, BLOCK), np.float32), np.empty((half, BLOCK), np.float32)
    total = np.empty(BLOCK)
    for start in range(0, n, BLOCK):
        taken = min(BLOCK, n - start)
        for r in range(taken):
            for f in range(features):
                x[f, r] = rows[start + r, f]
        total[:] = 0.0
        for t in range(leaf.size // leaves):
            width = half
            for j in range(width):
                node, end = t * inner + half - 1 + j, t * leaves + 2 * j
                f, c, left, right = ask[node], cut[node], leaf[end], leaf[end + 1]
                for r in range(BLOCK):
                    low[j, r] = right if x[f, r] >= c else left
            while width > 1:
                width //= 2
                for j in range(width):
                    node = t * inner + width - 1 + j
                    f, c = ask[node], cut[node]
                    for r in range(BLOCK):
                        high[j, r] = low[2 * j + 1, r] if x[f, r] >= c else low[2 * j, r]
                low, high = high, low
            for r in range(BLOCK):
                total[r] += low[0, r]
        for r in range(taken):
            out[start + r] = total[r]


@kernel
def _leaf_ways(
    start: Int32s,
    feature: Int32s,
    threshold: Floats32,
    left: Int32s,
    right: Int32s,
    value: Floats32,
    cover: Floats32,
    depth: int,
) -> tuple[Int32s, Int32s, Floats32, Floats32, Floats, Floats, Int32s, float]:
    """Return what `_contributions` looks up.

    A leaf's way is the features asked for on it, once each, with the interval [low, high) that leads on.

    Returns:
        way_start: int32[leaves + 1]. Questions of each leaf.
        ask, low, high: int32, float32, float32 by question.
        share: float64 by question. How much of the training weight goes the leaf's way.
        values: float64[leaves].
        table_start: int32[leaves + 1]. Where the 2^|U| × |U| owed values of each leaf start.
        expected: The leaves' values, weighted by cover.
    """
    leaves, questions, cells = 0, 0, 0
    for node in range(left.size):
        leaves += int(left[node] < 0)
    parent = np.full(left.size, -1, np.int64)
    for t in range(start.size - 1):
        for node in range(start[t], start[t + 1]):
            if left[node] >= 0:
                parent[start[t] + left[node]] = parent[start[t] + right[node]] = node
    way_start = np.zeros(leaves + 1, np.int32)
    ask = np.empty(leaves * max(1, depth), np.int32)
    low = np.full(leaves * max(1, depth), -np.inf, np.float32)
    high = np.full(leaves * max(1, depth), np.inf, np.float32)
    share = np.ones(leaves * max(1, depth))
    table_start = np.zeros(leaves + 1, np.int32)
    values = np.empty(leaves)
    expected, leaf = 0.0, 0
    for t in range(start.size - 1):
        for node in range(start[t], start[t + 1]):
            if left[node] >= 0:
                continue
            first = questions
            child, above = np.int64(node), parent[node]
            reach = 1.0
            while above >= 0:
                q = first
                while q < questions and ask[q] != feature[above]:
                    q += 1
                if q == questions:
                    ask[q] = feature[above]
                    questions += 1
                if start[t] + left[above] == child:
                    high[q] = min(high[q], threshold[above])
                else:
                    low[q] = max(low[q], threshold[above])
                goes = cover[child] / cover[above] if cover[above] > 0.0 else 0.5
                share[q] *= goes
                reach *= goes
                child, above = above, parent[above]
            values[leaf] = value[node]
            expected += value[node] * reach
            u = questions - first
            cells += u << u
            leaf += 1
            way_start[leaf], table_start[leaf] = questions, cells
    return way_start, ask, low, high, share, values, table_start, expected


@kernel
def _owed(way_start: Int32s, share: Floats, values: Floats, table_start: Int32s) -> Floats:
    """Return what each question of each leaf is owed, by case (bit i: question i is answered the leaf's way)."""
    leaves, most = values.size, 0
    for k in range(leaves):
        most = max(most, way_start[k + 1] - way_start[k])
    table = np.empty(table_start[leaves])
    polynomial = np.empty(most + 1)
    for k in range(leaves):
        first, u = way_start[k], way_start[k + 1] - way_start[k]
        for case in range(1 << u):
            for i in range(u):
                # Coefficient of x^s: over the subsets of s others, Π o inside · Π z outside.
                polynomial[0], degree = 1.0, 0
                for j in range(u):
                    if j == i:
                        continue
                    z, o = share[first + j], float((case >> j) & 1)
                    degree += 1
                    polynomial[degree] = 0.0
                    for s in range(degree, 0, -1):
                        polynomial[s] = polynomial[s] * z + polynomial[s - 1] * o
                    polynomial[0] *= z
                total, weight = 0.0, 1.0 / u  # s! (u − s − 1)! / u!
                for s in range(u):
                    total += weight * polynomial[s]
                    weight *= (s + 1.0) / max(1.0, u - s - 1.0)
                own = float((case >> i) & 1) - share[first + i]
                table[table_start[k] + case * u + i] = values[k] * own * total
    return table


@kernel
def _contributions(
    rows: Floats32,
    way_start: Int32s,
    ask: Int32s,
    low: Floats32,
    high: Floats32,
    table_start: Int32s,
    table: Floats,
    out: Floats,
) -> None:
    for i in range(rows.shape[0]):
        for k in range(way_start.size - 1):
            first, u = way_start[k], way_start[k + 1] - way_start[k]
            case = 0
            for q in range(u):
                x = rows[i, ask[first + q]]
                case |= int((x >= low[first + q]) & (x < high[first + q])) << q
            at = table_start[k] + case * u
            for q in range(u):
                out[i, ask[first + q]] += table[at + q]


def dumped(model: Mapping[str, Any]) -> Trees:
    """Return the trees of a booster's JSON (`gradient_booster.model` of XGBoost's model format)."""
    starts = [0]
    columns: dict[str, list[npt.NDArray[Any]]] = {
        name: [] for name in ("feature", "threshold", "left", "right", "value", "cover")
    }
    for tree in model["trees"]:
        left = np.asarray(tree["left_children"], np.int32)
        leaf = left < 0
        cut = np.asarray(tree["split_conditions"], np.float32)
        columns["feature"].append(np.where(leaf, 0, np.asarray(tree["split_indices"], np.int32)).astype(np.int32))
        columns["threshold"].append(np.where(leaf, np.float32(0.0), cut))
        columns["left"].append(left)
        columns["right"].append(np.asarray(tree["right_children"], np.int32))
        columns["value"].append(np.where(leaf, cut, np.float32(0.0)))
        columns["cover"].append(np.asarray(tree["sum_hessian"], np.float32))
        starts.append(starts[-1] + left.size)
    if not model["trees"]:
        return no_trees()
    return Trees(np.array(starts, np.int32), *(np.concatenate(columns[name]) for name in columns))
