"""`mastery answers` over the sample school, once linear_rnn is active."""

from __future__ import annotations

import json
import math
import shutil
from datetime import datetime

import pytest

from mastery.engine import Engine
from mastery.errors import BadInput, NotFound
from mastery.insight.words import ago
from mastery.pipelines.models.store import load_model_set
from mastery.scorers.linear_rnn.scorer import SCORER
from mastery.settings import load_settings

LATEST = ("--as-of", "latest")


pytestmark = pytest.mark.slow  # a scorer is fitted for them


@pytest.fixture(scope="module")
def remembering(home, tmp_path_factory):
    """A copy of the home whose active set has linear_rnn."""
    from typer.testing import CliRunner

    from mastery.apps.cli import build

    copy = tmp_path_factory.mktemp("remembering") / "home"
    shutil.copytree(home, copy)

    def run(*arguments):
        done = CliRunner().invoke(build(), ["--home", str(copy), *arguments])
        assert done.exit_code == 0, done.output
        return done.stdout

    version = json.loads(run("fit", "--scorer", "linear_rnn", "--json"))["version"]
    run("models", "activate", version, *LATEST)
    return copy


def test_past_answers_add_up_to_what_the_score_stands_for(mastery, remembering):
    document = json.loads(mastery("answers", "S000014", "frac-equiv", *LATEST, "--json", home=remembering).stdout)
    added = [one["contribution"] for one in document["answers"]]
    assert document["start"] + sum(added) == pytest.approx(document["log_odds"], abs=1e-9)
    assert added == sorted(added, key=abs, reverse=True)
    assert len({one["topic_id"] for one in document["answers"]}) > 1

    asked = ("--topic", "frac-equiv", "--scorer", "linear_rnn", *LATEST, "--json")
    shown = json.loads(mastery("show", "S000014", *asked, home=remembering).stdout)["topics"][0]
    own = sum(one["answers"] for one in document["answers"] if one["topic_id"] == "frac-equiv")
    assert own == shown["evidence_count"] > 0
    # The score is on the shared scale, and what was forgotten since is a part of its own.
    lake = Engine.connect(load_settings(home=remembering, environ={}).settings, create=False).lake
    params = (
        load_model_set(lake, document["model_version"]).scorers["linear_rnn"].model([("default", "frac-equiv")], [])
    )
    guess, slip = params.params[0, [SCORER.column("guess"), SCORER.column("slip")]]
    p = 1.0 / (1.0 + math.exp(-document["log_odds"]))
    parts = shown["explanation"]["contributions"]
    at_last_activity = 1.0 / (1.0 + math.exp(parts["forgetting"] - sum(parts.values())))
    assert at_last_activity == pytest.approx((p - guess) / (1.0 - slip - guess), abs=1e-6)


def test_days_are_counted_by_the_calendar_as_in_every_other_reason(mastery, remembering):
    asked = ("S000014", "frac-equiv", "--as-of", "2026-06-01T00:30:00Z", "--json")  # half an hour into a day
    document = json.loads(mastery("answers", *asked, home=remembering).stdout)
    as_of = datetime.fromisoformat(document["as_of"])
    later_in_the_day = False
    for one in document["answers"]:
        last = datetime.fromisoformat(one["last_at"])
        assert one["text"].endswith(ago((as_of.date() - last.date()).days))
        later_in_the_day |= last.time() > as_of.time()
    assert later_in_the_day, "no answer is fewer whole days old than days by the calendar, so this shows nothing"


def test_past_answers_are_printed_in_words(mastery, remembering):
    printed = mastery("answers", "S000014", "frac-equiv", *LATEST, home=remembering).stdout
    assert "Equivalent fractions (frac-equiv)" in printed
    assert "the topic itself, before any answer" in printed
    assert "right answers on Equivalent fractions, the last" in printed


def test_what_cannot_be_taken_apart_is_said(mastery, remembering):
    for arguments, where, error, words in (
        (("S000014", "frac-equiv"), None, BadInput, "has no linear_rnn"),
        (("S000014", "frac-equip"), remembering, NotFound, "did you mean 'frac-equiv'"),
        (("nobody", "frac-equiv"), remembering, NotFound, "no event"),
    ):
        done = mastery("answers", *arguments, *LATEST, **({} if where is None else {"home": where}))
        assert isinstance(done.exception, error)
        assert words in str(done.exception)
