"""Numbers from outside: what a scorer's parameters may not be is refused, and where it stands is said."""

from __future__ import annotations

import numpy as np
import pytest

from mastery.errors import BadInput
from mastery.scorers import SPECS
from mastery.scorers.base import Model, defaults, place_of, width
from mastery.scorers.check import check_parameters
from mastery.scorers.parameters import KeyedRows, Parameters, no_rows

WITH_ITEMS = {
    name: spec.scorer for name, spec in SPECS.items() if spec.scorer is not None and spec.scorer.item_parameters
}
PARAMETERS = [(name, parameter) for name, scorer in WITH_ITEMS.items() for parameter in scorer.item_parameters]


def items_of(scorer, rows: int):
    return np.tile(np.concatenate([np.full(one.size, one.default) for one in scorer.item_parameters]), (rows, 1))


def checked(name: str, items) -> None:
    row = defaults(WITH_ITEMS[name], 1)[0]
    keys = [("default", f"i{k}") for k in range(len(items))]
    check_parameters(name, Parameters(row, no_rows(row.size), KeyedRows(keys, items)))


@pytest.mark.parametrize(("name", "parameter"), PARAMETERS, ids=lambda one: one if isinstance(one, str) else one.name)
def test_an_items_number_out_of_bounds_or_none_is_refused_with_its_row(name, parameter):
    scorer = WITH_ITEMS[name]
    place = place_of(scorer.item_parameters, parameter.name).stop - 1
    for value in (np.nan, np.inf, -np.inf, np.nextafter(parameter.high, np.inf), np.nextafter(parameter.low, -np.inf)):
        items = items_of(scorer, 3)
        items[2, place] = value
        with pytest.raises(BadInput, match=rf"{name}: (parameter '{parameter.name}' of )?item row 2 is "):
            checked(name, items)


@pytest.mark.parametrize("name", WITH_ITEMS)
def test_an_item_that_nothing_is_known_of_has_no_row_where_rows_are_kept_and_one_of_nan_in_a_batch(name):
    scorer = WITH_ITEMS[name]
    items = items_of(scorer, 3)
    checked(name, items)
    items[1] = np.nan
    scorer.check(Model(defaults(scorer, 1), items))
    scorer.check(Model(defaults(scorer, 1), np.zeros((0, width(scorer.item_parameters)))))
    with pytest.raises(BadInput, match=f"{name}: item row 1 is nan"):
        checked(name, items)
