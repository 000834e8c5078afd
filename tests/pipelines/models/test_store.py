"""Model sets in the lake: what was stored is what is loaded, bit for bit, and no more is read than is needed."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace

import numpy as np
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from mastery.errors import BadInput, Conflict, NotFound
from mastery.lake import Lake
from mastery.pipelines.models.active import active_model_set, current_model_set
from mastery.pipelines.models.rules import load_rules
from mastery.pipelines.models.store import load_model_set, store_model_set, versions
from mastery.scorers import SCORERS, SPECS
from mastery.scorers.base import defaults, width
from mastery.scorers.model_set import ModelSet, version_of
from mastery.scorers.parameters import KeyedRows, Parameters, no_rows
from mastery.tables import MODEL_ARRAYS, MODEL_PARAMS
from school import NOW_US

RULES = load_rules("classic").params

numbers = st.floats(allow_nan=True, allow_infinity=True, width=64)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
keys = st.lists(st.tuples(texts, texts), unique=True, max_size=6)
shared_arrays = st.one_of(
    arrays.arrays(
        st.sampled_from([np.uint8, np.int32, np.float32, np.float64, np.bool_, np.dtype(">i8"), np.dtype("<U3")]),
        arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
    )
)


@st.composite
def rows(draw, columns):
    named = draw(keys)
    return KeyedRows(tuple(named), draw(arrays.arrays(np.float64, (len(named), columns), elements=numbers)))


@st.composite
def parameters(draw):
    topic_columns, item_columns = draw(st.integers(0, 5)), draw(st.integers(0, 4))
    return Parameters(
        draw(arrays.arrays(np.float64, topic_columns, elements=numbers)),
        draw(rows(topic_columns)),
        draw(rows(item_columns)),
        draw(st.dictionaries(texts, shared_arrays, max_size=3)),
    )


@st.composite
def model_sets(draw):
    scorers = draw(st.dictionaries(st.sampled_from(["one", "two", "three", "né"]), parameters(), max_size=3))
    return ModelSet(version_of("fit", scorers), scorers)


def same(one: np.ndarray, other: np.ndarray) -> bool:
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()


def assert_same(one: ModelSet, other: ModelSet) -> None:
    assert one.version == other.version
    assert list(one.scorers) == list(other.scorers)
    for name, mine in one.scorers.items():
        theirs = other.scorers[name]
        assert same(mine.default, theirs.default)
        for a, b in ((mine.topics, theirs.topics), (mine.items, theirs.items)):
            assert a.count == b.count
            assert tuple(a.keys) == tuple(b.keys)
            if a.count:  # a version does not tell how many columns no rows have: such a set may be there already
                assert a.columns == b.columns
                assert same(a.values, b.values)
        assert sorted(mine.shared) == sorted(theirs.shared)
        assert all(same(mine.shared[key], theirs.shared[key]) for key in mine.shared)
        assert mine.digest() == theirs.digest()


@pytest.mark.slow
@settings(max_examples=30)
@given(stored=st.lists(model_sets(), min_size=1, max_size=3))
def test_what_is_loaded_is_what_was_stored_bit_for_bit(stored):
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake.open(folder, buckets=1)
        for one in stored:
            store_model_set(lake, one, NOW_US)
        for one in stored:
            if one.scorers:
                assert_same(one, load_model_set(lake, one.version))


def test_a_stored_set_lists_its_scorers_alike_however_its_table_has_been_compacted(lake):
    stored = current_model_set(lake, RULES)
    store_model_set(lake, stored, NOW_US)
    for _ in range(2):
        assert list(load_model_set(lake, stored.version).scorers) == list(stored.scorers)
        assert versions(lake)[stored.version].scorers == tuple(stored.scorers)
        lake.compact(MODEL_ARRAYS)


@pytest.fixture
def lake(tmp_path):
    return Lake.open(str(tmp_path / "lake"), buckets=2)


def wide(scorer: str = "wide", topics: int = 3, items: int = 4) -> ModelSet:
    """A set whose topics and items have many numbers each."""
    draw = np.random.default_rng(1)
    scorers = {
        scorer: Parameters(
            draw.normal(size=700),
            KeyedRows([("north", f"t{i}") for i in range(topics)], draw.normal(size=(topics, 700))),
            KeyedRows([("north", f"i{i}") for i in range(items)], draw.normal(size=(items, 90))),
            {"trees": np.arange(256, dtype=np.uint8).reshape(16, 16)},
        )
    }
    return ModelSet(version_of("fit", scorers), scorers)


def test_items_are_read_when_somebody_asks_for_one(lake):
    stored = wide()
    store_model_set(lake, stored, NOW_US)
    by_size = sorted((tuple(lake.read_files(MODEL_ARRAYS, [f.path], ["role"])["role"].unique().to_pylist()), f.path)
                     for f in lake.snapshot(MODEL_ARRAYS).files)  # fmt: skip
    assert [roles for roles, _ in by_size] == [("item",), ("scorer", "default", "topic", "shared")]
    loaded = load_model_set(lake, stored.version)
    (file_of_items,) = (lake.root + "/model_arrays/" + path for roles, path in by_size if roles == ("item",))
    from pathlib import Path

    Path(file_of_items).unlink()
    mine = loaded.scorers["wide"]
    assert mine.items.count == 4
    model = mine.model([("north", "t1"), ("south", "t1")], ())
    assert same(model.params, np.stack([stored.scorers["wide"].topics.values[1], stored.scorers["wide"].default]))
    assert model.items.shape == (0, 90)
    with pytest.raises(FileNotFoundError):
        mine.model((), [("north", "i1")])


def test_two_who_store_the_same_set_at_once_leave_one(lake, tmp_path):
    stored = wide()
    store_model_set(lake, stored, NOW_US)
    other = Lake.open(str(tmp_path / "other"), buckets=2)
    store_model_set(other, stored, NOW_US)
    lake.append(MODEL_ARRAYS, other.scan(MODEL_ARRAYS))  # the second one had not seen the first
    assert_same(stored, load_model_set(lake, stored.version))
    assert list(versions(lake)) == [stored.version]
    assert versions(lake)[stored.version].scorers == ("wide",)


def test_a_version_that_is_there_is_not_written_again(lake):
    assert store_model_set(lake, wide(), NOW_US)
    before = lake.version(MODEL_ARRAYS)
    assert not store_model_set(lake, wide(), NOW_US + 1)
    assert lake.version(MODEL_ARRAYS) == before


def test_single_numbers_are_readable_by_name_and_vectors_are_not_spelt_out(lake):
    topics = defaults(SCORERS["bkt"], 1)
    bkt = Parameters(
        topics[0],
        KeyedRows([("north", "fractions")], topics + 0.001),
        no_rows(width(SCORERS["bkt"].item_parameters)),
    )
    scorers = {"bkt": bkt, **wide().scorers}
    store_model_set(lake, ModelSet(version_of("fit", scorers), scorers), NOW_US)
    readable = lake.scan(MODEL_PARAMS)
    assert readable["scorer"].unique().to_pylist() == ["bkt"]
    of_topic = readable.filter(pc.and_(pc.equal(readable["topic_id"], "fractions"), pc.equal(readable["name"], "slip")))
    assert of_topic["value"].to_pylist() == [0.1 + 0.001]
    assert readable.num_rows == 2 * topics.size


def test_a_set_of_the_default_parameters_comes_back_and_gives_the_same_version(lake):
    stored = current_model_set(lake, RULES)
    store_model_set(lake, stored, NOW_US)
    loaded = load_model_set(lake, stored.version)
    assert_same(stored, loaded)
    assert version_of("default", loaded.scorers) == stored.version


def test_an_unknown_version_is_refused_with_the_nearest_one(lake):
    stored = wide()
    store_model_set(lake, stored, NOW_US)
    with pytest.raises(NotFound, match=f"did you mean '{stored.version}'"):
        load_model_set(lake, stored.version[:-1] + "z")


def test_numbers_that_meant_something_else_are_refused_with_a_way_out(lake):
    stored = wide()
    store_model_set(lake, stored, NOW_US)
    table = lake.scan(MODEL_ARRAYS)
    older = [
        row | {"bytes": row["bytes"].replace(b'"rules": 2', b'"rules": 0')} if row["role"] == "scorer" else row
        for row in table.to_pylist()
    ]
    lake.replace(MODEL_ARRAYS, type(table).from_pylist(older, schema=table.schema))
    with pytest.raises(Conflict, match=r"observation rules.*mastery fit"):
        load_model_set(lake, stored.version)


def test_an_array_of_objects_is_refused_and_nothing_is_written(lake):
    (name, mine), = wide().scorers.items()  # fmt: skip
    odd = ModelSet("fit-odd", {name: replace(mine, shared={"o": np.array([object()])})})
    with pytest.raises(BadInput, match="'o' is of object"):
        store_model_set(lake, odd, NOW_US)
    assert versions(lake) == {}


def test_before_any_activation_the_default_set_is_active(lake):
    assert active_model_set(lake, RULES).version == current_model_set(lake, RULES).version


def test_of_a_version_that_was_broken_off_between_its_tables_the_rest_is_written_and_nothing_twice(lake, tmp_path):
    stored = current_model_set(lake, RULES)
    whole = Lake.open(str(tmp_path / "whole"), buckets=2)
    store_model_set(whole, stored, NOW_US)
    store_model_set(lake, stored, NOW_US)
    shutil.rmtree(tmp_path / "lake" / "model_arrays")  # as a kill between the two commits leaves it
    again = Lake.open(str(tmp_path / "lake"))
    assert versions(again) == {}
    assert store_model_set(again, stored, NOW_US)
    assert again.scan(MODEL_PARAMS).to_pylist() == whole.scan(MODEL_PARAMS).to_pylist()
    assert_same(stored, load_model_set(again, stored.version))
    assert not store_model_set(again, stored, NOW_US)


def test_readable_rows_that_are_there_without_the_rest_are_not_added_again(lake, tmp_path):
    stored = current_model_set(lake, RULES)
    whole = Lake.open(str(tmp_path / "whole"), buckets=2)
    store_model_set(whole, stored, NOW_US)
    lake.append(MODEL_PARAMS, whole.scan(MODEL_PARAMS))
    assert store_model_set(lake, stored, NOW_US)
    assert lake.count(MODEL_PARAMS) == whole.count(MODEL_PARAMS)


def replaced(parameters: Parameters, **other) -> Parameters:
    return replace(parameters, **{name: KeyedRows([("default", "x")], rows) for name, rows in other.items()})


@pytest.mark.parametrize("scorer", ["bkt", "elo"])
def test_numbers_that_a_scorer_could_not_have_made_are_refused_when_the_set_is_loaded(lake, scorer):
    mine = current_model_set(lake, RULES).scorers[scorer]
    odd = ModelSet("fit-odd", {scorer: replaced(mine, topics=np.full((1, mine.default.size), 7e9))})
    store_model_set(lake, odd, NOW_US)
    with pytest.raises(Conflict, match=f"'fit-odd' in the lake cannot be used: {scorer}: .*mastery fit"):
        load_model_set(lake, "fit-odd")


def test_numbers_of_items_are_checked_when_somebody_asks_for_one(lake):
    mine = current_model_set(lake, RULES).scorers["bkt"]
    store_model_set(lake, ModelSet("fit-odd", {"bkt": replaced(mine, items=np.array([[0.5, 0.6]]))}), NOW_US)
    loaded = load_model_set(lake, "fit-odd").scorers["bkt"]
    for _ in range(2):
        with pytest.raises(Conflict, match=r"'fit-odd' in the lake cannot be used: bkt"):
            loaded.model((), [("default", "x")])


def test_trees_that_lead_nowhere_are_refused_when_the_set_is_loaded(lake):
    row = np.array([parameter.default for parameter in SPECS["ml"].derived.parameters])
    odd = ModelSet("fit-odd", {"ml": Parameters(row, no_rows(row.size), no_rows(1), {"start": np.zeros(1)})})
    store_model_set(lake, odd, NOW_US)
    with pytest.raises(Conflict, match="'fit-odd' in the lake cannot be used: ml: members"):
        load_model_set(lake, "fit-odd")
