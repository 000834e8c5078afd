"""Parameters of one scorer as a model set holds them: by topic, by item, and what all of them share."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from propcache import cached_property

from mastery.arrays import Floats, Int64s
from mastery.errors import BadInput
from mastery.features.batch import ON
from mastery.scorers.base import Model

Scoped = tuple[str, str]
"""(tenant, id): ids mean nothing without their tenant."""


@dataclass(frozen=True, eq=False)
class KeyedRows:
    """Rows of numbers by (tenant, id): float64[N, K], one for each key."""

    keys: Sequence[Scoped]
    values: Floats

    @cached_property
    def _place(self) -> Mapping[Scoped, int]:
        return {key: place for place, key in enumerate(self.keys)}

    def __reduce__(self) -> tuple[type[KeyedRows], tuple[Sequence[Scoped], Floats]]:
        """Pickle keys and numbers, also of rows that are still in a store, and nothing that follows from them."""
        return KeyedRows, (tuple(self.keys), self.values)

    @property
    def count(self) -> int:
        """N: how many keys have a row."""
        return len(self.keys)

    @property
    def columns(self) -> int:
        """K: how many numbers each has."""
        return int(self.values.shape[1])

    def places(self, wanted: Sequence[Scoped]) -> Int64s:
        """Return int64[len(wanted)]: the row of each key, −1 where there is none."""
        return np.array([self._place.get(key, -1) for key in wanted], np.int64)

    def take(self, wanted: Sequence[Scoped], otherwise: Floats) -> Floats:
        """Return float64[len(wanted), K]: the rows of these keys, and `otherwise` (float64[K]) where there is none.

        An item on a topic without a row of its own has the item's.
        """
        if not wanted:  # rows that are still in a store stay there
            return np.zeros((0, otherwise.size))
        found = np.empty((len(wanted), otherwise.size))
        found[:] = otherwise
        if not self.count:
            return found
        places = self.places(wanted)
        for k in np.flatnonzero(places < 0).tolist():
            tenant, name = wanted[k]
            if ON in name:
                places[k] = self._place.get((tenant, name.partition(ON)[0]), -1)
        there = places >= 0
        found[there] = self.values[places[there]]
        return found


def no_rows(columns: int) -> KeyedRows:
    """Return rows for nobody."""
    return KeyedRows((), np.zeros((0, columns)))


@dataclass(frozen=True, eq=False)
class Parameters:
    """What a model set holds of one scorer.

    Attributes:
        default: float64[K]. A topic nothing is known about.
        topics: K columns, as in `Scorer.parameters`.
        items: L columns, as in `Scorer.item_parameters`. An item that is asked on several topics has a row for each,
            under `use_key`, beside its own. An item that is missing falls back to its topic.
        shared: Arrays of any shape and type that belong to no topic and no item, by name.
    """

    default: Floats
    topics: KeyedRows
    items: KeyedRows
    shared: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)

    def model(self, topics: Sequence[Scoped], items: Sequence[Scoped]) -> Model:
        """Return the model for a batch with these topics, and these items or uses of items."""
        unknown = np.full(self.items.columns, np.nan)
        return Model(self.topics.take(topics, self.default), self.items.take(items, unknown), self.shared)

    def digest(self) -> str:
        """Return a hash of every number in it, and of what each belongs to."""
        found = hashlib.sha256()
        found.update(self.default.tobytes())
        for rows in (self.topics, self.items):
            for place in sorted(range(len(rows.keys)), key=rows.keys.__getitem__):
                found.update("\x1f".join(rows.keys[place]).encode() + b"\x1e" + rows.values[place].tobytes())
            found.update(b"\x1d")
        for name in sorted(self.shared):
            array = self.shared[name]
            found.update(f"{name} {array.dtype.str} {array.shape}".encode() + np.ascontiguousarray(array).tobytes())
        return found.hexdigest()


def array_text(array: npt.NDArray[Any] | None) -> str:
    """Return what a message says of an array: its type and shape."""
    return "missing" if array is None else f"{array.dtype.name} of shape {array.shape}"


def check_array(what: str, array: npt.NDArray[Any] | None, kind: npt.DTypeLike, shape: tuple[int, ...]) -> None:
    """Raise BadInput where an array from outside is missing, or of another type or shape."""
    if array is None or array.dtype != kind or array.shape != shape:
        raise BadInput(f"{what} is {array_text(array)}; expected {np.dtype(kind).name} of shape {shape}")
