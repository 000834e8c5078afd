"""Model sets in the lake: written once under their version, read back bit for bit.

Every number lies in MODEL_ARRAYS as its bytes, a row for each topic, item and shared array: a topic of a recurrent
scorer has thousands of numbers, and a name and a value for each would be millions of rows. Items have a file of their
own, which is read when events are folded: what one student's record needs is the smaller one. Parameters that are
single numbers are written into MODEL_PARAMS too, under their names, for people and for SQL.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from deltalake.transaction import AddAction
from propcache import cached_property

from mastery.arrays import Floats
from mastery.errors import BadInput, Conflict, NotFound, did_you_mean
from mastery.features.batch import ON
from mastery.features.observations import OBSERVATION_VERSION
from mastery.instants import instant
from mastery.lake import Lake
from mastery.pipelines.models.arrays import DEFAULT, ITEM, SCORER, SHARED, TOPIC, array_rows, arrays_of, only, rows_of
from mastery.scorers import SCORERS, SPECS, in_order
from mastery.scorers.base import Parameter
from mastery.scorers.check import check_parameters
from mastery.scorers.model_set import ModelSet, meaning
from mastery.scorers.parameters import KeyedRows, Parameters, Scoped, no_rows
from mastery.tables import MODEL_ARRAYS, MODEL_PARAMS


@dataclass(frozen=True)
class StoredVersion:
    """What is known of a stored model set without reading its numbers."""

    version: str
    created_at: datetime
    scorers: tuple[str, ...]


class StoredItems:
    """The rows of items of one version: all scorers' are read at once, when somebody first asks for one of them, and
    checked with what their scorer has besides (`beside`, items aside).
    """

    def __init__(
        self, lake: Lake, version: str, shapes: Mapping[str, tuple[int, int]], beside: Mapping[str, Parameters]
    ) -> None:
        self._lake = lake
        self._version = version
        self._shapes = shapes
        self._beside = beside
        self._lock = threading.Lock()  # workers of a recompute come for them at the same moment
        self._rows: dict[str, KeyedRows] | None = None

    def rows(self, scorer: str) -> KeyedRows:
        """Return the rows of one scorer."""
        with self._lock:
            if self._rows is None:
                table = _read(self._lake, self._version, items=True)
                found = {
                    name: rows_of(self._version, only(table, name, ITEM), name, *shape)
                    for name, shape in self._shapes.items()
                }
                for name, mine in self._beside.items():
                    _check_numbers(
                        self._version, name, replace(mine, topics=no_rows(mine.topics.columns), items=found[name])
                    )
                self._rows = found
            return self._rows[scorer]

    def shape(self, scorer: str) -> tuple[int, int]:
        """Return how many rows of how many columns a scorer has; nothing is read for it."""
        return self._shapes[scorer]


class LazyRows(KeyedRows):
    """Rows of one scorer's items that stay in the lake until somebody asks for one."""

    def __init__(self, items: StoredItems, scorer: str) -> None:
        vars(self).update(_items=items, _scorer=scorer)  # a frozen dataclass takes no other assignment

    @property
    def count(self) -> int:
        """How many items have a row."""
        return int(vars(self)["_items"].shape(vars(self)["_scorer"])[0])

    @property
    def columns(self) -> int:
        """How many numbers each has."""
        return int(vars(self)["_items"].shape(vars(self)["_scorer"])[1])

    @property
    def keys(self) -> Sequence[Scoped]:
        """(tenant, item_id) of each row."""
        return self._rows.keys

    @property
    def values(self) -> Floats:
        """float64[count, columns]."""
        return self._rows.values

    @cached_property
    def _rows(self) -> KeyedRows:
        rows: KeyedRows = vars(self)["_items"].rows(vars(self)["_scorer"])
        return rows


def store_model_set(lake: Lake, model_set: ModelSet, now_us: int) -> bool:
    """Write the set unless its version is there already; tell whether it was written.

    Each table gets the rows of a version in one commit, and none where it has them: whoever was killed between the
    two, or is one of two at once, may do it again.

    Raises:
        BadInput: a shared array holds objects, which have no bytes of their own.
        Unwritable: the disk is full, or may not be written to.
    """
    version = model_set.version
    if version in versions(lake):
        return False
    arrays, items = array_rows(model_set)
    stamp = {"model_version": version, "created_at": instant(now_us)}
    readable = [row | stamp for row in _readable_rows(model_set)]
    name = f"mastery.model_set.{version}"
    lake.append_unless(
        MODEL_PARAMS,
        lambda: version in lake.scan(MODEL_PARAMS, ["model_version"])["model_version"].unique().to_pylist(),
        pa.Table.from_pylist(readable, schema=MODEL_PARAMS.schema),
        name,
    )
    files: list[AddAction] = []
    with lake.discarding(MODEL_ARRAYS, files):
        files.extend(lake.write_file(MODEL_ARRAYS, _stamped(rows, model_set, now_us), None) for rows in arrays + items)
    # last: a version is there when its arrays are
    return lake.commit_unless(MODEL_ARRAYS, lambda: version in versions(lake), files, name)


def load_model_set(lake: Lake, version: str) -> ModelSet:
    """Return a stored set, bit for bit what was stored; its items are read when they are first asked for.

    Raises:
        NotFound: no set has this version.
        Conflict: it was made for other observation rules, or another version of a scorer, than this engine has; or its
            scorers could not use its numbers.
    """
    table = _read(lake, version, items=False)
    if not table.num_rows:
        known = sorted(versions(lake))
        raise NotFound(f"unknown version {version!r}{did_you_mean(version, known)}; 'mastery models list' lists them")
    rows = only(table, None, SCORER)
    manifests = {
        name: json.loads(text) for name, text in zip(*(rows[c].to_pylist() for c in ("scorer", "bytes")), strict=True)
    }
    beside: dict[str, Parameters] = {}
    for name, said in manifests.items():
        _check_meaning(version, name, said)
        beside[name] = Parameters(
            arrays_of(only(table, name, DEFAULT))[""],
            rows_of(version, only(table, name, TOPIC), name, said["topics"], said["topic_columns"]),
            no_rows(said["item_columns"]),
            arrays_of(only(table, name, SHARED)),
        )
        _check_numbers(version, name, beside[name])
    shapes = {name: (said["items"], said["item_columns"]) for name, said in manifests.items()}
    items = StoredItems(lake, version, shapes, beside)
    return ModelSet(version, {name: replace(mine, items=LazyRows(items, name)) for name, mine in beside.items()})


def versions(lake: Lake) -> dict[str, StoredVersion]:
    """Return every stored version, the oldest first. Reads no numbers."""
    found: dict[str, StoredVersion] = {}
    for file in lake.snapshot(MODEL_ARRAYS).files:
        rows = lake.read_files(MODEL_ARRAYS, [file.path], ["model_version", "scorer", "role", "created_at"])
        rows = rows.filter(pc.equal(rows["role"], SCORER))
        for version in rows["model_version"].unique().to_pylist():
            mine = rows.filter(pc.equal(rows["model_version"], version))
            names = tuple(in_order(set(mine["scorer"].to_pylist())))
            found[version] = StoredVersion(version, mine["created_at"][0].as_py(), names)
    return dict(sorted(found.items(), key=lambda one: (one[1].created_at, one[0])))


def _check_meaning(version: str, name: str, said: Mapping[str, int]) -> None:
    if said["version"] and name not in SPECS:
        raise Conflict(
            f"model set {version!r} has a scorer {name!r} that this engine does not know; register it, or run 'mastery "
            "fit' and activate what it finds, or 'mastery models rollback'"
        )
    for what, then, now in (
        ("observation rules", said["rules"], OBSERVATION_VERSION),
        (f"scorer {name!r}", said["version"], meaning(name)),
    ):
        if then != now:
            raise Conflict(
                f"model set {version!r} was made for version {then} of the {what}, this engine has {now}: its numbers "
                "mean something else now; run 'mastery fit' and activate what it finds, or 'mastery models rollback'"
            )


def _check_numbers(version: str, name: str, mine: Parameters) -> None:
    """Raise Conflict where a scorer could not have made these numbers: kernels go wherever an index points.

    Takes 9 ms of 26 for 300 topics and four scorers. Forms that no score is made of are left out: a booster is parsed
    for it, and this is done at each start.
    """
    if not meaning(name):
        return
    try:
        check_parameters(name, mine)
    except BadInput as error:
        raise Conflict(
            f"model set {version!r} in the lake cannot be used: {error}; run 'mastery fit' and activate what it finds, "
            "or 'mastery models rollback'"
        ) from None


def _stamped(rows: pa.Table, model_set: ModelSet, now_us: int) -> pa.Table:
    stamps = {
        "model_version": pa.repeat(pa.scalar(model_set.version, pa.string()), rows.num_rows),
        "created_at": pa.repeat(
            pa.scalar(instant(now_us), MODEL_ARRAYS.schema.field("created_at").type), rows.num_rows
        ),
    }
    for name, column in stamps.items():
        rows = rows.append_column(name, column)
    return rows


def _readable_rows(model_set: ModelSet) -> list[dict[str, object]]:
    """Return name and value of every parameter of the scorers whose parameters are all single numbers."""
    rows: list[dict[str, object]] = []
    for name, mine in model_set.scorers.items():
        scorer = SCORERS.get(name)
        if scorer is None or any(p.size != 1 for p in (*scorer.parameters, *scorer.item_parameters)):
            continue
        places: list[tuple[dict[str, str], Sequence[Parameter], Floats]] = [({}, scorer.parameters, mine.default)]
        for key, parameters, found in (
            ("topic_id", scorer.parameters, mine.topics),
            ("item_id", scorer.item_parameters, mine.items),
        ):
            places += [
                ({"tenant": tenant, **_ids(key, one)}, parameters, values)
                for (tenant, one), values in zip(found.keys, found.values, strict=True)
            ]
        rows += [
            {"scorer": name, **place, "name": parameter.name, "value": float(value)}
            for place, parameters, values in places
            for parameter, value in zip(parameters, values, strict=True)
            if not np.isnan(value)
        ]
    return rows


def _ids(key: str, one: str) -> dict[str, str]:
    """Return the id in its column; of an item on a topic both."""
    item, on, topic = one.partition(ON)
    return {"item_id": item, "topic_id": topic} if on else {key: one}


def _read(lake: Lake, version: str, *, items: bool) -> pa.Table:
    """Return the rows of one version: those of items, or all others. Of two files that hold them, one is read."""
    for file in lake.snapshot(MODEL_ARRAYS).files:
        look = lake.read_files(MODEL_ARRAYS, [file.path], ["model_version", "role"])
        if _mask(look, version, items).any():
            rows = lake.read_files(MODEL_ARRAYS, [file.path])
            mine = _mask(rows, version, items)
            return rows if mine.all() else rows.filter(pa.array(mine))
    return MODEL_ARRAYS.schema.empty_table()


def _mask(rows: pa.Table, version: str, items: bool) -> npt.NDArray[np.bool_]:
    of_items = pc.equal(rows["role"], ITEM)
    wanted = pc.and_(pc.equal(rows["model_version"], version), of_items if items else pc.invert(of_items))
    found: npt.NDArray[np.bool_] = wanted.to_numpy()
    return found
