"""One file and one entry in the registry: a scorer is folded, fitted, weighed, evaluated, published and shown."""

from __future__ import annotations

import asyncio
import json
import shutil

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from typer.testing import CliRunner

import mastery as ms
import share_right
from answers import answer_batch
from histories import histories, table
from mastery.apps.api.app import create_app
from mastery.apps.cli import build
from mastery.engine import Engine
from mastery.errors import BadInput
from mastery.features.batch import make_batch
from mastery.features.columns import event_columns
from mastery.fitting.fit_all import fit_all
from mastery.scorers import DERIVED, SCORERS, SPECS, needs, register
from mastery.scorers.base import Model, defaults, fold, read, start
from mastery.scorers.blend.scorer import mixture
from mastery.settings import load_settings
from mastery.tables import GOLD, HISTORY

NAME = share_right.SPEC.name


@pytest.fixture(scope="module", autouse=True)
def registered(home):  # the school that other tests read is made before, and has no score of this one
    before = [dict(registry) for registry in (SPECS, SCORERS, DERIVED)]
    register(share_right.SPEC)
    yield
    for registry, kept in zip((SPECS, SCORERS, DERIVED), before, strict=True):
        registry.clear()
        registry.update(kept)


def command_line(home, *arguments: str):
    done = CliRunner().invoke(build(), ["--home", str(home), *map(str, arguments)])
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture(scope="module")
def scored(registered, home, tmp_path_factory):
    """A copy of the sample school in which it has been fitted, activated and published."""
    copy = tmp_path_factory.mktemp("from_outside") / "home"
    shutil.copytree(home, copy)
    card = json.loads(command_line(copy, "fit", "--scorer", NAME, "--json"))
    assert card["scorers"][NAME]["fitted"] and card["scorers"][NAME]["held_out"]["auc"] > 0.5
    command_line(copy, "models", "activate", card["version"], "--as-of", "latest")
    engine = Engine.connect(load_settings(home=copy, environ={}).settings)
    yield copy, engine, card
    engine.close()


@settings(max_examples=30)
@given(events=histories())
def test_it_is_folded_and_its_parts_add_up_to_its_score(events):
    scorer = SCORERS[NAME]
    batch = make_batch(event_columns(table(events)))
    model = Model(defaults(scorer, len(batch.topics)), np.zeros((len(batch.items), 0)))
    states = start(scorer, model, batch)
    fold(scorer, model, batch, states, 2**62)
    scores = read(scorer, model, batch, states, 2**61)
    assert np.all((scores.lower <= scores.score) & (scores.score <= scores.upper))
    np.testing.assert_allclose(scores.contributions.sum(axis=1), scores.score, atol=1e-9)


@pytest.mark.slow
def test_it_is_fitted_with_all_others_and_the_blends_weigh_it():
    assert NAME in needs("blend") and NAME in needs("blend_unconstrained")
    rng = np.random.default_rng(4)
    who = np.repeat(np.arange(30), 20)
    right = rng.random(who.size) < rng.beta(1, 1, 30)[who]
    batch = answer_batch(
        pa.table({
            "student_id": [f"s{s}" for s in who], "topic_id": [f"t{k % 3}" for k in range(who.size)],
            "question_id": [f"q{k % 9}" for k in range(who.size)], "is_correct": right.astype(np.int8),
        })
    )  # fmt: skip
    rules = defaults(SCORERS["rule_based"], 1)[0]
    found = fit_all(batch, rules=rules, scorers=["bkt", NAME, "blend"])
    assert found.measures[NAME]["prior"] == pytest.approx(right.mean(), abs=1e-6)
    assert set(found.held_out.probabilities) == {"bkt", NAME, "blend"}
    assert mixture(found.scorers["blend"].shared).members


def test_it_is_evaluated(tmp_path, home):
    rng = np.random.default_rng(2)
    who = np.repeat(np.arange(20), 25)
    right = rng.random(who.size) < rng.beta(1, 1, 20)[who]
    path = tmp_path / "answers.parquet"
    pq.write_table(
        pa.table({
            "student_id": [f"s{s}" for s in who], "topic_id": [f"t{k % 4}" for k in range(who.size)],
            "question_id": [f"q{k % 20}" for k in range(who.size)], "is_correct": right.astype(np.int8),
            "order": np.arange(who.size),
        }),
        path,
    )  # fmt: skip
    for unfitted in ((), ("--unfitted",)):
        found = json.loads(command_line(home, "evaluate", path, "--scorers", NAME, "--json", *unfitted))
        assert found["scorers"][NAME]["auc"] > 0.55


def test_it_has_an_estimator_in_python(tmp_path):
    school = ms.simulate(students=12, days=12, seed=3)
    model = ms.estimator(NAME, min_evidence=5)
    assert repr(model) == "Registered(scorer='share_right', min_evidence=5)"
    with pytest.raises(ms.NotFitted):
        model.predict(school.answers)
    model.fit(school.answers)
    again = type(model)(**model.get_params()).fit(school.answers)
    said = model.predict(school.answers)["p_correct"]
    assert 0.0 < np.nanmin(said.to_numpy()) < np.nanmax(said.to_numpy()) < 1.0
    loaded = ms.load(model.save(tmp_path / "model"))
    assert loaded.predict(school.answers)["p_correct"] == said == again.predict(school.answers)["p_correct"]
    assert loaded.get_params() == model.get_params() and model.scores(school.answers).num_rows > 12
    assert ms.cross_validate(model, school.answers, folds=2)["auc"][0].as_py() > 0.5
    with pytest.raises(BadInput, match="folds no single answers: its ScorerSpec names no one_answer"):
        model.state(student="new")


def test_the_estimator_of_a_scorer_with_a_class_is_its_class_and_nobody_elses_name_has_one():
    assert repr(ms.estimator("bkt", items=False)) == repr(ms.BKT(items=False))
    assert ms.estimator("ml_unconstrained").scorer_name == "ml_unconstrained"
    with pytest.raises(BadInput, match="no scorer 'share_rigth' .did you mean 'share_right'"):
        ms.estimator("share_rigth")
    with pytest.raises(BadInput, match="has no setting 'itmes' .did you mean 'items'"):
        ms.estimator("bkt", itmes=False)


def test_its_scores_and_history_are_published(scored):
    _, engine, card = scored
    for published in (GOLD, HISTORY):
        rows = engine.lake.scan(published).to_pylist()
        mine = [row for row in rows if row["score_source"] == NAME]
        assert len(mine) == len([row for row in rows if row["score_source"] == "elo"]) > 100
        assert {row["model_version"] for row in mine} == {card["version"]}


def test_it_is_shown_with_its_reasons_by_the_command_line(scored):
    home, _, _ = scored
    shown = json.loads(command_line(home, "show", "S000014", "--as-of", "latest", "--scorer", NAME, "--json"))
    assert shown["score_source"] == NAME
    factors = {factor["name"] for topic in shown["topics"] for factor in topic["explanation"]["factors"]}
    assert "answers_right" in factors
    assert NAME in command_line(home, "class-report", "--scorer", NAME)


def test_it_is_offered_and_shown_by_the_api_from_which_the_page_takes_its_menu(scored):
    _, engine, _ = scored
    app = create_app(lambda _tenant: engine.reader, engine.pseudonyms, lambda: 1_780_000_000_000_000)

    async def ask(path: str):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8321") as client:
            return await client.get(path)

    of_class = asyncio.run(ask(f"/mastery?scorer={NAME}")).json()
    assert of_class["score_source"] == NAME and of_class["scores"]
    assert {"name": NAME, "label": "Share right"} in of_class["scorers"]
    of_one = asyncio.run(ask(f"/mastery/S000014?scorer={NAME}&as_of=latest")).json()
    assert of_one["topics"][0]["scores"].keys() == {"rule_based", "bkt", "elo", "blend", NAME}


def test_the_setting_may_name_it_and_no_scorer_that_nobody_registered(scored):
    home, _, _ = scored
    engine = Engine.connect(load_settings(home=home, environ={"MASTERY_SCORER": NAME}).settings)
    assert engine.reader.class_scores(tenant="default").score_source == NAME
    engine.close()
    wrong = Engine.connect(load_settings(home=home, environ={"MASTERY_SCORER": "share_rigth"}).settings)
    with pytest.raises(BadInput, match="'share_rigth' is not a scorer .*did you mean 'share_right'"):
        _ = wrong.reader
    wrong.close()
