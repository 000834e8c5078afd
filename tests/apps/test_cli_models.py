"""`mastery fit` and `mastery models` over the sample school."""

from __future__ import annotations

import json
import re
import shutil

import pytest

from mastery.apps.cli.fit import show_card
from mastery.errors import BadInput, Conflict, NotFound
from mastery.pipelines.models.card import ModelCard
from mastery.scorers import SPECS

LATEST = ("--as-of", "latest")


@pytest.fixture(scope="module")
def fitted(home, tmp_path_factory):
    """A copy of the home in which elo has been fitted, and the version that made."""
    from typer.testing import CliRunner

    from mastery.apps.cli import build

    copy = tmp_path_factory.mktemp("fitted") / "home"
    shutil.copytree(home, copy)
    done = CliRunner().invoke(
        build(), ["--home", str(copy), "fit", "--scorer", "elo", "--until", "2026-04-01", "--json"]
    )
    assert done.exit_code == 0, done.output
    return copy, json.loads(done.stdout)


@pytest.fixture
def chosen(fitted, tmp_path):
    """A home of its own with the fitted version, for a test that switches."""
    copy = tmp_path / "home"
    shutil.copytree(fitted[0], copy)
    return copy, fitted[1]["version"]


def test_fit_prints_the_card_and_leaves_every_score_as_it_was(mastery, home, fitted):
    folder, card = fitted
    assert card["version"].startswith("fit-")
    assert card["scorers"]["elo"]["fitted"] and not card["scorers"]["bkt"]["fitted"]
    assert card["data"]["last_event"] < "2026-04-02" and card["data"]["students"] == 30
    shown = [json.loads(mastery("show", "S000014", *LATEST, "--json", home=where).stdout) for where in (home, folder)]
    assert shown[0] == shown[1]


def test_the_card_says_where_the_widths_of_intervals_were_found(mastery, fitted, chosen):
    folder, card = fitted
    groups = {one["group"]: one for one in card["simulated"]["scorers"]["elo"]}
    assert len(card["simulated"]["schools"]) == 3 and groups["all"]["share"] == pytest.approx(0.9, abs=0.02)
    assert "3 simulated schools like this one" in mastery("models", "show", card["version"], home=folder).stdout
    shipped = mastery("fit", "--scorer", "elo", "--until", "2026-04-01", "--no-simulate", "--json", home=chosen[0])
    shipped = json.loads(shipped.stdout)
    assert shipped["simulated"] is None and shipped["version"] != card["version"]


def test_fitting_again_says_that_the_version_was_there(mastery, chosen):
    folder, version = chosen
    done = mastery("fit", "--scorer", "elo", "--until", "2026-04-01", home=folder)
    assert f"{version} was there already" in done.stdout


def test_the_card_lists_what_a_set_has_to_pass_and_the_sample_school_passes(mastery, fitted):
    folder, card = fitted
    assert card["gate"]["passed"] and card["gate"]["scorer"] == "elo"
    shown = mastery("models", "show", card["version"], home=folder).stdout
    assert "Checks before activation: all are passed" in shown
    assert f"answers: it was fitted to {card['data']['answers']:,} quiz answers; 500 or more are needed" in shown
    gate = json.loads(mastery("models", "show", card["version"], "--json", home=folder).stdout)["gate"]
    assert [one["name"] for one in gate["checks"]] == [
        "answers", "students", "auc", "ece", "pooled", "degenerate", "unknown", "drift"
    ]  # fmt: skip
    assert {one["sentence"].partition(":")[0] for one in gate["checks"]} == {one["name"] for one in gate["checks"]}


@pytest.mark.slow
def test_a_set_that_fails_a_check_is_refused_with_the_reason_and_forced(mastery, chosen, monkeypatch):
    folder, version = chosen
    monkeypatch.setenv("MASTERY_GATE__ANSWERS", "1000000")
    shown = mastery("models", "show", version, home=folder).stdout
    assert "1 check failed, and `models activate` refuses the set without --force" in " ".join(shown.split())
    done = mastery("models", "activate", version, *LATEST, home=folder)
    assert isinstance(done.exception, Conflict) and done.exception.exit_code == 4
    assert "1,000,000 or more are needed" in str(done.exception) and "--force" in str(done.exception)
    done = mastery("models", "activate", version, *LATEST, "--force", home=folder)
    assert done.exit_code == 0 and f"{version} is active." in done.stdout


def test_a_set_is_carried_to_another_home(mastery, fitted, home, tmp_path):
    folder, card = fitted
    file, other = tmp_path / "set.mastery", tmp_path / "other"
    shutil.copytree(home, other)
    assert mastery("models", "export", card["version"], file, home=folder).exit_code == 0
    stored = mastery("models", "import", file, home=other).stdout
    assert f"{card['version']} is stored. To use it: mastery" in stored
    assert "Checks before activation: " in stored and " drift: " in stored, "what is known of it here"
    assert json.loads(mastery("models", "import", file, "--json", home=other).stdout) == {
        "version": card["version"],
        "new": False,
    }
    shown = [mastery("models", "show", card["version"], "--json", home=where).stdout for where in (folder, other)]
    assert json.loads(shown[0])["card"] == json.loads(shown[1])["card"]
    file.write_bytes(file.read_bytes()[:-1])
    assert isinstance(mastery("models", "import", file, home=other).exception, BadInput)


@pytest.mark.slow
def test_a_version_is_listed_shown_activated_and_rolled_back(mastery, chosen):
    folder, version = chosen

    def snapshot():
        return {
            one["version"]: (one["active"], one["published"])
            for one in json.loads(mastery("models", "list", "--json", home=folder).stdout)
        }

    (default,) = set(snapshot()) - {version}
    assert f"{default} is the default set" in mastery("models", "list", home=folder).stdout
    assert snapshot() == {default: (True, True), version: (False, False)}
    before = mastery("show", "S000014", *LATEST, "--json", home=folder).stdout
    done = mastery("models", "activate", version, *LATEST, home=folder)
    assert done.exit_code == 0 and f"{version} is active." in done.stdout
    assert snapshot() == {default: (False, False), version: (True, True)}
    assert json.loads(mastery("show", "S000014", *LATEST, "--json", home=folder).stdout)["model_version"] == version
    assert json.loads(mastery("class-report", "--json", home=folder).stdout)["model_version"] == version
    done = mastery("models", "rollback", *LATEST, "--json", home=folder)
    assert json.loads(done.stdout)["model_version"] == default
    assert snapshot() == {default: (True, True), version: (False, False)}
    assert mastery("show", "S000014", *LATEST, "--json", home=folder).stdout == before


def test_sets_that_nobody_needs_are_listed_and_removed_only_when_that_is_said(mastery, chosen):
    folder, version = chosen
    assert mastery("models", "prune", home=folder).stdout == (
        "There is no model set that nobody needs.\n"
        "2 model sets stay: 1 active, 1 stored within the last 90 days (--days).\n"
    )
    listed = json.loads(mastery("models", "prune", "--days", "0", "--json", home=folder).stdout)
    assert not listed["deleted"] and [one["version"] for one in listed["versions"]] == [version]
    assert "--delete removes them" in mastery("models", "prune", "--days", "0", home=folder).stdout
    done = mastery("models", "prune", "--days", "0", "--delete", home=folder)
    assert version in done.stdout and "1 model set, " in done.stdout and "removed" in done.stdout
    assert version not in mastery("models", "list", home=folder).stdout


@pytest.mark.slow
def test_a_shadow_is_compared_with_the_active_set(mastery, chosen):
    folder, version = chosen
    assert json.loads(mastery("models", "shadow", version, "--json", home=folder).stdout)["shadow"] == version
    assert mastery("recompute", *LATEST, home=folder).exit_code == 0
    found = json.loads(mastery("models", "compare", "default", version, "--json", home=folder).stdout)
    assert found["scorers"]["elo"]["scores"]["student_topics"] == 586
    assert (
        found["scorers"]["elo"]["scores"]["mean_difference"]
        > 0.0
        == found["scorers"]["bkt"]["scores"]["mean_difference"]
    )
    assert "586" in mastery("models", "compare", "default", version, home=folder).stdout
    assert "Nothing runs in shadow" in mastery("models", "shadow", "off", home=folder).stdout


def test_show_tells_data_measures_and_parameters(mastery, fitted):
    folder, card = fitted
    shown = mastery("models", "show", card["version"], home=folder).stdout
    assert f"Model set {card['version']}" in shown
    assert f"{card['data']['events']:,} events" in shown
    assert "p_learn" in shown and re.search(r"bkt +no ", shown)
    assert f"{card['scorers']['elo']['held_out']['auc']:.4f}" in shown
    document = json.loads(mastery("models", "show", "default", "--json", home=folder).stdout)
    assert document["card"] is None and document["defaults"]["bkt"]["guess"] == SPECS["bkt"].starter.numbers["guess"]


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        (("models", "show", "defualt"), NotFound, "did you mean 'default'"),
        (("models", "activate", "fit-0"), NotFound, "models list"),
        (("models", "activate", "default"), Conflict, "active already"),
        (("models", "compare", "default", "fit-0"), NotFound, "unknown version"),
        (("models", "shadow", "fit-0"), NotFound, "unknown version"),
        (("models", "rollback"), Conflict, "nothing to go back to"),
        (("models", "--tenant", "hill", "list"), BadInput, "stands after the command that it is for: `"),
        (("--tenant", "hill", "show", "S000014"), BadInput, "show --tenant …`"),
        (("fit", "--scorer", "btk"), BadInput, "did you mean 'bkt'"),
        (("fit", "--until", "1999-01-01"), BadInput, "no quiz answers"),
        (("fit", "--since", "yesterday"), BadInput, "since 'yesterday' is not a moment"),
        (("show", "S000014", "--scorer", "ml"), BadInput, "mastery fit"),
    ],
)
def test_what_cannot_be_done_is_said_with_what_to_do(mastery, arguments, error, said):
    done = mastery(*arguments)
    assert isinstance(done.exception, error), done.exception
    assert said in str(done.exception)
    assert done.stdout == ""


def test_nothing_is_fitted_where_nothing_was_read(mastery, tmp_path):
    for arguments in (("fit",), ("models", "list"), ("models", "activate", "default")):
        assert isinstance(mastery(*arguments, home=tmp_path / "empty").exception, NotFound), arguments


@pytest.mark.slow
def test_tune_says_what_makes_its_weights_count(mastery, home, chosen, tmp_path):
    folder, version = chosen
    assert "then run `mastery recompute`" in mastery("tune", "--out", tmp_path / "one.yaml", home=folder).stdout
    mastery("models", "activate", version, *LATEST, home=folder)
    said = mastery("tune", "--out", tmp_path / "two.yaml", home=folder).stdout
    assert f"run `mastery fit` and activate the version it makes, because {version}" in said
    assert "recompute" not in said


def test_the_card_says_within_which_bounds_a_set_was_fitted(fitted, capsys):
    card = ModelCard.model_validate({name: value for name, value in fitted[1].items() if name != "gate"})
    bounds = '{"guess": [0.05, 0.3], "slip": [0.1, 0.1], "topics": {"fractions": {"p_learn": [0.05, 0.5]}}}'
    show_card(card.model_copy(update={"settings": card.settings | {"bounds": bounds}}))
    assert "within bounds: guess 0.05 to 0.3, slip 0.1; on fractions p_learn 0.05 to 0.5." in capsys.readouterr().out
    show_card(card)
    assert "bounds" not in capsys.readouterr().out
