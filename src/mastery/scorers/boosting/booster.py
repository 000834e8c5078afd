"""The bytes of an XGBoost model, checked before XGBoost reads them.

It takes what it reads at its word: a node that leads out of its tree, or a part that is missing, ends the process.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mastery.errors import BadInput
from mastery.scorers.boosting.trees import check_nodes
from mastery.scorers.boosting.ubjson import read_ubjson

OF_NODES = {
    "base_weights": ">f4",
    "default_left": "u1",
    "left_children": ">i4",
    "loss_changes": ">f4",
    "parents": ">i4",
    "right_children": ">i4",
    "split_conditions": ">f4",
    "split_indices": ">i4",
    "split_type": "u1",
    "sum_hessian": ">f4",
}
"""Parts of a tree with a number for each node, and their types."""

OF_CATEGORIES = {
    "categories": ">i4",
    "categories_nodes": ">i4",
    "categories_segments": ">i8",
    "categories_sizes": ">i8",
}
"""Parts that are empty: no feature is a category."""


NO_PARENT = 2**31 - 1
"""Of a root."""


def check_booster(data: bytes, features: int) -> None:
    """Check what `Booster.save_raw("ubj")` returned of trees for one probability; of no bytes there is nothing to say.

    Args:
        features: How many numbers a row has.

    Raises:
        BadInput: It is something else, damaged, or of a version of XGBoost that has other parts.
    """
    if not data:
        return
    try:
        model = read_ubjson(data)
        _check_parts(model, {"learner", "version"}, "the model")
        learner = model["learner"]
        of_learner = {
            "attributes", "feature_names", "feature_types", "gradient_booster", "learner_model_param", "objective"
        }  # fmt: skip
        _check_parts(learner, of_learner, "the learner")
        _check_learner(learner, features)
        trees = learner["gradient_booster"]["model"]["trees"]
        for number, tree in enumerate(trees):
            _check_tree(tree, number, features)
    except BadInput as error:
        raise BadInput(f"trees cannot be read: {error}") from None
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise BadInput(f"trees cannot be read: {type(error).__name__} {error!s:.100}") from None
    start = np.cumsum([0, *(tree["left_children"].size for tree in trees)]).astype(np.int32)
    feature, left, right = (
        np.concatenate([np.zeros(0, np.int32), *(tree[name] for tree in trees)]).astype(np.int32)
        for name in ("split_indices", "left_children", "right_children")
    )
    check_nodes(start, feature, left, right, features)
    for number, tree in enumerate(trees):
        inner = np.flatnonzero(tree["left_children"] >= 0)
        parents = np.full(tree["parents"].size, NO_PARENT)
        for child in ("left_children", "right_children"):
            parents[tree[child][inner]] = inner
        if not np.array_equal(parents, tree["parents"]) or np.any(tree["default_left"] > 1):
            raise BadInput(f"trees: parents or default_left of tree {number} do not go with its nodes")


def _check_learner(learner: Mapping[str, Any], features: int) -> None:
    known, booster, objective = (learner[name] for name in ("learner_model_param", "gradient_booster", "objective"))
    _check_parts(booster, {"model", "name"}, "the booster")
    forest = booster["model"]
    _check_parts(forest, {"cats", "gbtree_model_param", "iteration_indptr", "tree_info", "trees"}, "the forest")
    count = len(forest["trees"])
    expected = {
        "booster": (booster["name"], "gbtree"),
        "objective": (objective["name"], "binary:logistic"),
        "classes": (int(known["num_class"]), 0),
        "targets": (int(known["num_target"]), 1),
        "features": (int(known["num_feature"]), features),
        "trees": (int(forest["gbtree_model_param"]["num_trees"]), count),
        "trees a round": (int(forest["gbtree_model_param"]["num_parallel_tree"]), 1),
        "rounds": (list(forest["iteration_indptr"]), list(range(count + 1))),
        "groups": (list(forest["tree_info"]), [0] * count),
        "names of features": (list(learner["feature_names"]), []),
        "types of features": (list(learner["feature_types"]), []),
        "categories": (_leaves(forest["cats"]), 0),
    }
    for what, (found, wanted) in expected.items():
        if found != wanted:
            raise BadInput(f"{what}: {found!r:.60}; expected {wanted!r:.60}")
    base = float(known["base_score"].strip("[]"))
    if not 0.0 < base < 1.0:
        raise BadInput(f"base_score is {base:g}; expected a probability")


def _check_tree(tree: Mapping[str, Any], number: int, features: int) -> None:
    where = f"tree {number}"
    _check_parts(tree, {*OF_NODES, *OF_CATEGORIES, "id", "tree_param"}, where)
    about = {name: int(value) for name, value in tree["tree_param"].items()}
    nodes = about.get("num_nodes", 0)
    wanted = {"num_deleted": 0, "num_feature": features, "num_nodes": max(1, nodes), "size_leaf_vector": 1}
    if about != wanted or tree["id"] != number:
        raise BadInput(f"{where} is number {tree['id']!r} and says {about}; expected {wanted}")
    for parts, size in ((OF_NODES, nodes), (OF_CATEGORIES, 0)):
        for name, kind in parts.items():
            part = tree[name]
            if not isinstance(part, np.ndarray) or part.dtype != kind or part.size != size:
                raise BadInput(
                    f"{where}: {name} is {part!r:.60}; expected {size} numbers of type {np.dtype(kind).name}"
                )
    if tree["split_type"].any():
        raise BadInput(f"{where} splits by categories; expected numbers")


def _check_parts(found: Any, names: set[str], where: str) -> None:
    if not isinstance(found, dict) or set(found) != names:
        raise BadInput(f"{where} has not the parts {', '.join(sorted(names))}, but {found!r:.60}")


def _leaves(found: Any) -> int:
    """Return how many values there are in what objects and lists hold."""
    if isinstance(found, dict):
        return sum(map(_leaves, found.values()))
    return sum(map(_leaves, found)) if isinstance(found, list) else int(np.size(found))
