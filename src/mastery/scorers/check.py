"""Parameters from outside, checked before any kernel walks them: kernels go wherever an index points."""

from __future__ import annotations

import numpy as np

from mastery.errors import BadInput
from mastery.scorers import SPECS
from mastery.scorers.base import Model, width
from mastery.scorers.parameters import Parameters, check_array


def check_parameters(name: str, mine: Parameters) -> None:
    """Check the numbers of one scorer that come from outside, such as a file.

    Raises:
        BadInput: The scorer is unknown, an array has another type or shape than the scorer's code reads, a parameter
            is out of bounds, or an index leads nowhere.
    """
    if name not in SPECS:
        raise BadInput(f"there is no scorer {name!r}; there are: {', '.join(SPECS)}")
    spec = SPECS[name]
    # How many columns a scorer without a fold has is known to its check.
    columns = mine.default.size if spec.scorer is None else width(spec.scorer.parameters)
    of_items = sum(mine.items.values.shape[1:2]) if spec.scorer is None else width(spec.scorer.item_parameters)
    check_array(f"{name}: default", mine.default, np.float64, (columns,))
    check_array(f"{name}: topics", mine.topics.values, np.float64, (len(mine.topics.keys), columns))
    check_array(f"{name}: items", mine.items.values, np.float64, (len(mine.items.keys), of_items))
    unknown = np.flatnonzero(np.isnan(mine.items.values).all(axis=1) & (of_items > 0))
    if unknown.size:
        raise BadInput(f"{name}: item row {unknown[0]} is nan; expected numbers: an unknown item has no row")
    for what, keys in (("topics", mine.topics.keys), ("items", mine.items.keys)):
        if len(set(keys)) != len(keys):
            raise BadInput(f"{name}: two {what} have the same id; expected each once")
    check = spec.load_check()
    if check is not None:
        check(Model(np.concatenate([mine.default[None, :], mine.topics.values]), mine.items.values, mine.shared))
