"""A model set as one file: the same version and bits on the other side, and one sentence for any other file."""

from __future__ import annotations

import json
import zipfile

import numpy as np
import pytest

from mastery.errors import BadInput, MasteryError, NotFound
from mastery.estimators.scorers import RuleBased
from mastery.pipelines.models import files
from mastery.pipelines.models.active import current_model_set
from mastery.pipelines.models.card import cards
from mastery.pipelines.models.exchange import export_set, import_set
from mastery.pipelines.models.fit import fit
from mastery.pipelines.models.rules import load_rules
from mastery.pipelines.models.store import load_model_set, versions
from mastery.pipelines.scoring.fold import fold_events
from mastery.tables import EVENTS
from school import NOW_US, SAMPLE, Deployment

RULES = load_rules("classic").params


@pytest.fixture(scope="module")
def school(tmp_path_factory):
    deployment = Deployment.at(tmp_path_factory.mktemp("school"))
    deployment.ingest(SAMPLE)
    return deployment


@pytest.fixture(scope="module")
def version(school):
    base = current_model_set(school.lake, RULES)
    return fit(school.lake, base, RULES, now_us=NOW_US, code_version="1", scorers=["bkt", "elo"]).card.version


@pytest.fixture
def exported(school, version, tmp_path):
    return export_set(school.lake, load_model_set(school.lake, version), tmp_path / "set.mastery")


def test_an_imported_set_has_the_version_the_card_and_every_score_bit_for_bit(school, version, exported, tmp_path):
    other = Deployment.at(tmp_path / "other")
    found = import_set(other.lake, exported, "default", NOW_US + 1)
    assert (found.version, found.new) == (version, True)
    assert not import_set(other.lake, exported, "default", NOW_US + 2).new
    assert cards(other.lake) == cards(school.lake)
    here, there = (load_model_set(lake, version) for lake in (school.lake, other.lake))
    assert [mine.digest() for mine in here.scorers.values()] == [mine.digest() for mine in there.scorers.values()]
    events = school.lake.read_bucket(EVENTS, 0, None)
    scores = [fold_events(events, one, NOW_US).scores() for one in (here, there)]
    assert list(scores[0]) == list(scores[1])
    for name, expected in scores[0].items():
        for column, values in zip(expected._fields, expected, strict=True):
            np.testing.assert_array_equal(getattr(scores[1][name], column), values, err_msg=f"{name} {column}")
    assert export_set(other.lake, there, tmp_path / "again").read_bytes() == exported.read_bytes()


def test_the_default_set_is_exported_without_a_card(school, tmp_path):
    base = current_model_set(school.lake, RULES)
    other = Deployment.at(tmp_path / "other")
    found = import_set(other.lake, export_set(school.lake, base, tmp_path / "default"), "default", NOW_US)
    assert (found.version, found.card) == (base.version, None) and found.version in versions(other.lake)


def changed(path, **changes):
    with zipfile.ZipFile(path) as file:
        members = {name: file.read(name) for name in file.namelist()}
    members[files.MODEL] = json.dumps(json.loads(members[files.MODEL]) | changes).encode()
    path.write_bytes(files.packed(members))
    return path


def refused(school, path, tenant="default"):
    before = list(versions(school.lake)), school.lake.snapshot(EVENTS).version
    with pytest.raises(MasteryError) as caught:
        import_set(school.lake, path, tenant, NOW_US)
    assert (list(versions(school.lake)), school.lake.snapshot(EVENTS).version) == before, "nothing was stored"
    assert isinstance(caught.value, BadInput | NotFound) and "\n" not in str(caught.value)
    return str(caught.value)


def test_a_damaged_file_is_refused_whatever_byte_it_is(school, exported):
    whole = exported.read_bytes()
    for place in range(0, len(whole), len(whole) // 40):
        exported.write_bytes(whole[:place] + bytes([whole[place] ^ 16]) + whole[place + 1 :])
        refused(school, exported)
    for length in (0, 100, len(whole) - 1):
        exported.write_bytes(whole[:length])
        assert "no whole model file" in refused(school, exported)


def test_foreign_files_are_refused_with_what_they_are(school, exported, tmp_path):
    assert "no such file" in refused(school, tmp_path / "nowhere")
    assert "no whole model file" in refused(school, SAMPLE / "quiz_attempts.csv")
    saved = RuleBased().save(tmp_path / "rules.mastery")
    assert "holds an estimator, not a model set of a deployment; mastery.load reads it" in refused(school, saved)
    with pytest.raises(BadInput, match="holds a model set of a deployment, not an estimator; 'mastery models import'"):
        files.read(exported, files.ESTIMATOR_KINDS)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"model_version": "fit-000000000000"}, "it was changed"),
        ({"model_version": "../fit-000000000000"}, "is none of a model set"),
        ({"observation_version": 99}, "fit the model again"),
        ({"format": 9}, "format 9 of a model file"),
        ({"card": {"version": 3}}, "the card cannot be read at"),
        ({"card": 3}, "card is 3; expected an object"),
        ({"scorers": {}}, "it was changed"),
    ],
)
def test_files_that_say_something_else_are_refused(school, exported, changes, told):
    assert told in refused(school, changed(exported, **changes))


def test_a_set_of_another_tenant_is_refused_with_where_it_belongs(school, exported):
    assert "holds topics of the tenant 'default', and this is 'hill'" in refused(school, exported, tenant="hill")
