"""Model files whose hash was made to fit: each is refused in words, and no kernel walks an index out of it."""

from __future__ import annotations

import io
import json
import zipfile

import numpy as np
import pytest

import mastery as ms
from mastery.pipelines.models import files
from mastery.scorers.boosting.unconstrained import trees_of
from mastery.scorers.model_set import version_of
from mastery.scorers.parameters import KeyedRows, Parameters


@pytest.fixture(scope="session")
def saved(fitted, blend, school, tmp_path_factory):
    """Path of the file of each estimator, by a name of its own."""
    folder = tmp_path_factory.mktemp("models")
    models = {
        "RuleBased": fitted["RuleBased"],
        "BKT": fitted["BKT"],
        "Elo": fitted["Elo"],
        "IRT": fitted["IRT"],
        "LinearRNN": fitted["LinearRNN"],
        "Blend": blend,
        "Boosting unconstrained": ms.Boosting(monotone=False).fit(school.answers),
    }
    return {name: model.save(folder / f"{name}.mastery") for name, model in models.items()}


def forged(path, out, change):
    """Write the file again with its model.json and arrays changed, and its hash and the version made to fit."""
    with zipfile.ZipFile(path) as file:
        model = json.loads(file.read(files.MODEL))
        names = [name for name in file.namelist() if name.endswith(".npy")]
        arrays = {
            name.removeprefix("arrays/").removesuffix(".npy"): np.load(io.BytesIO(file.read(name))) for name in names
        }
    change(model, arrays)
    model["model_version"] = _version(model, arrays)
    members = {files.MODEL: json.dumps(model).encode()}
    members |= {f"arrays/{name}.npy": _bytes_of(array) for name, array in arrays.items()}
    out.write_bytes(files.packed(members))
    return out


def _bytes_of(array):
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def _version(model, arrays):
    """What the version of these parameters would be; that of the file where they are none."""
    try:
        scorers = {}
        for name, one in model["scorers"].items():
            keyed = [
                KeyedRows([tuple(key) for key in one[what]], arrays[f"{name}/{what}"]) for what in ("topics", "items")
            ]
            shared = {each: arrays[f"{name}/shared/{each}"] for each in one["shared"]}
            scorers[name] = Parameters(arrays[f"{name}/default"], *keyed, shared)
        return version_of(model["model_version"].rpartition("-")[0], scorers)
    except (KeyError, IndexError, TypeError, AttributeError):
        return model.get("model_version")


def put(name, place, value):
    def change(_model, arrays):
        arrays[name] = arrays[name].copy()
        arrays[name][place] = value

    return change


def shaped(name, change_array):
    def change(_model, arrays):
        arrays[name] = change_array(arrays[name])

    return change


def told(**changes):
    return lambda model, _arrays: model.update(changes)


def of_scorer(name, **changes):
    return lambda model, _arrays: model["scorers"][name].update(changes)


def dropped(name):
    def change(_model, arrays):
        del arrays[name]

    return change


FORGED = [
    ("BKT", lambda m, _: m.pop("settings"), r"model.json: settings is missing; expected an object"),
    ("BKT", told(scorers=[]), r"scorers is \[\]; expected an object"),
    ("BKT", told(scorers={"bkt": 3}), r"scorers: bkt is 3; expected an object"),
    ("BKT", told(scorers={}), r"BKT needs the parameters of bkt, which are not in it"),
    ("BKT", told(notes=[1]), r"notes is \[1\]; expected texts"),
    ("BKT", told(estimator=["BKT"]), r"estimator is \['BKT'\]; expected a text"),
    ("BKT", told(durations_are_gaps=1), "durations_are_gaps is 1; expected true or false"),
    ("BKT", told(settings={"n_jobs": "two"}), "the setting n_jobs is 'two'; expected one like 1"),
    ("BKT", told(model_version=None), "model_version is None; expected a text"),
    ("BKT", of_scorer("bkt", topics=[["default"]]), r"topics holds \['default'\]; expected an institution and an id"),
    ("BKT", of_scorer("bkt", items="q1"), "items is 'q1'; expected a list"),
    ("BKT", of_scorer("bkt", topics=[["default", "t"]] * 5), "two topics have the same id"),
    ("BKT", of_scorer("bkt", topics=[["default", "t"]]), r"bkt: topics is float64 of shape .*; expected .*\(1, 29\)"),
    ("BKT", shaped("bkt/topics", lambda a: a[:, :-1]), r"bkt: topics is float64 of shape \(5, 28\)"),
    ("BKT", shaped("bkt/topics", lambda a: a.astype("f4")), "bkt: topics is float32 of shape"),
    ("BKT", shaped("bkt/items", np.sum), r"bkt: items is float64 of shape \(\); expected"),
    ("BKT", shaped("bkt/default", lambda a: a[:1]), r"bkt: default is float64 of shape \(1,\); expected .*\(29,\)"),
    ("BKT", put("bkt/default", 0, np.nan), "bkt: parameter .* is nan; expected a number from"),
    ("BKT", put("bkt/topics", (0, 3), -1.0), "bkt: parameter .* is -1; expected a number from"),
    ("BKT", dropped("bkt/default"), r"arrays/bkt/default\.npy is missing"),
    (
        "Elo",
        put("elo/items", (2, 0), np.inf),
        "elo: parameter 'difficulty' of item row 2 is inf; expected a number from",
    ),
    ("Elo", put("elo/items", (1, 0), np.nan), "elo: item row 1 is nan; expected numbers"),
    (
        "IRT",
        put("irt/items", (3, 0), 0.0),
        "irt: parameter 'discrimination' of item row 3 is 0; expected a number from",
    ),
    ("IRT", put("irt/items", (0, 1), np.nan), "irt: parameter 'difficulty' of item row 0 is nan; expected a number"),
    (
        "LinearRNN",
        put("linear_rnn/items", (1, 0), np.nan),
        "linear_rnn: parameter 'bias' of item row 1 is nan; expected",
    ),
    ("Blend", put("ml/items", (0, 0), -11.0), "ml: parameter 'base' of item row 0 is -11; expected a number from -10"),
    ("Blend", put("ml/items", (4, 0), np.nan), "ml: item row 4 is nan; expected numbers"),
    ("LinearRNN", shaped("linear_rnn/default", lambda a: a[:20]), "linear_rnn: default is float64 of shape"),
    ("RuleBased", shaped("rule_based/default", lambda a: a[None]), "rule_based: default is float64 of shape"),
    ("Blend", put("ml/shared/tree_left", 0, 10**8), "trees: node 0 of tree 0 .* and leads to 100000000"),
    ("Blend", put("ml/shared/tree_right", 0, 0), "trees: node 0 of tree 0 .*two later nodes of its tree"),
    ("Blend", put("ml/shared/tree_left", 0, 2), "trees: node .* that nothing else leads to"),
    ("Blend", put("ml/shared/tree_feature", 0, 10**6), "trees: node 0 of tree 0 asks for feature 1000000"),
    ("Blend", put("ml/shared/tree_start", 1, -5), "tree_start does not cut"),
    ("Blend", put("ml/shared/tree_start", -1, 10**6), "tree_start does not cut"),
    ("Blend", shaped("ml/shared/tree_value", lambda a: a[:3]), "have different lengths"),
    ("Blend", shaped("ml/shared/tree_left", lambda a: a.astype(np.int64)), "trees: tree_left is int64"),
    ("Blend", shaped("ml/shared/members", lambda a: a[:0]), r"ml: members is int64 of shape \(0,\)"),
    ("Blend", of_scorer("ml", shared=[]), "ml: start is missing"),
    ("Blend", shaped("ml/items", lambda a: a[:, :0]), r"ml: items is float64 of shape .* 0\)"),
    ("Blend", put("blend/shared/bias", 0, np.nan), "blend: bias is nan; expected a finite number"),
    ("Blend", shaped("blend/shared/knots_x", lambda a: a[:1]), "the calibration is not a line in pieces"),
    ("Blend", shaped("blend/default", lambda a: a[:3]), "blend: topics is float64 of shape"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "change", "said"), FORGED)
def test_a_forged_file_is_refused_with_what_is_wrong_in_it(saved, tmp_path, name, change, said):
    with pytest.raises(ms.BadInput, match=said) as error:
        ms.load(forged(saved[name], tmp_path / "forged.mastery", change))
    assert str(error.value).startswith(str(tmp_path / "forged.mastery"))


def boosters(change):
    """Change the trees of XGBoost, as their JSON."""

    def changed(_model, arrays):
        name = "ml_unconstrained/shared/trees"
        booster = trees_of({"trees": arrays[name]})
        made = json.loads(booster.save_raw("json"))
        change(made["learner"]["gradient_booster"]["model"], made["learner"])
        booster.load_model(bytearray(json.dumps(made).encode()))
        arrays[name] = np.frombuffer(booster.save_raw("ubj"), np.uint8)

    return changed


def first_tree(name, value):
    return boosters(lambda forest, _: forest["trees"][0][name].__setitem__(0, value))


UNCONSTRAINED = [
    (first_tree("left_children", 10**8), "trees: node 0 of tree 0 .* leads to 100000000"),
    (first_tree("left_children", -5), "trees: node 0 of tree 0 .* leads to -5"),
    (first_tree("right_children", 0), "trees: node 0 of tree 0 .*two later nodes"),
    (first_tree("split_indices", 10**6), "trees: node 0 of tree 0 asks for feature 1000000"),
    (boosters(lambda forest, _: forest["tree_info"].__setitem__(0, 7)), "trees cannot be read: groups"),
    (
        boosters(lambda _, learner: learner["learner_model_param"].update(num_feature="3")),
        "trees cannot be read: features: 3; expected 80",
    ),
    (shaped("ml_unconstrained/shared/trees", lambda a: a[:100]), "trees cannot be read: .*in the middle of"),
    (put("ml_unconstrained/shared/trees", slice(3, 11), 127), "trees cannot be read: .*a length of .* goes beyond"),
    (shaped("ml_unconstrained/shared/trees", lambda a: np.frombuffer(b"{}", np.uint8)), "trees cannot be read"),
    (put("ml_unconstrained/shared/clock", 0, 9), "clock is 9; expected a number below 2"),
    (put("ml_unconstrained/shared/encoding_ptr", 1, 10**9), "encoding_ptr does not cut"),
    (shaped("ml_unconstrained/shared/encoding_n", lambda a: a[:1]), "encodings: encoding_n is float32"),
    (put("ml_unconstrained/shared/encoding_mean", 0, np.nan), "sums are no counts of answers"),
    (put("ml_unconstrained/shared/columns", 0, 255), "not text in UTF-8"),
    (shaped("ml_unconstrained/shared/extra", lambda a: a[:0]), "fitted by another version of the engine"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("change", "said"), UNCONSTRAINED)
def test_forged_trees_of_xgboost_are_refused_before_it_walks_them(saved, tmp_path, change, said):
    with pytest.raises(ms.BadInput, match=said):
        ms.load(forged(saved["Boosting unconstrained"], tmp_path / "forged.mastery", change))


@pytest.mark.slow
def test_a_file_that_lacks_a_scorer_which_others_read_says_so(saved, school, tmp_path):
    for name in ("Blend", "Boosting unconstrained"):

        def without(model, arrays):
            del model["scorers"]["bkt"]
            for one in [one for one in arrays if one.startswith("bkt/")]:
                del arrays[one]

        model = ms.load(forged(saved[name], tmp_path / "forged.mastery", without))
        with pytest.raises(ms.BadInput, match="bkt"):
            model.predict(school.answers)


@pytest.mark.parametrize("path", [None, "", 3, b"x", "a\0b", "."])
def test_what_is_no_path_is_refused(fitted, path):
    with pytest.raises(ms.BadInput, match="is not the path of a model file; give one such as 'bkt.mastery'"):
        ms.load(path)
    with pytest.raises(ms.BadInput, match="is not the path of a model file"):
        fitted["BKT"].save(path)
