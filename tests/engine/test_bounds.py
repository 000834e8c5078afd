"""What people allow a fit to find: from the settings or the call to the numbers, the card and the version."""

from __future__ import annotations

import json

import pytest

from mastery.engine import Engine
from mastery.errors import BadInput
from mastery.pipelines.models.store import load_model_set
from mastery.scorers import SCORERS
from mastery.settings import Settings
from school import SAMPLE

TOPIC = "frac-equiv"
SAID = {"guess": [0.05, 0.3], "slip": 0.1, "topics": {TOPIC: {"guess": 0.25}}}


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    settings = Settings(home=tmp_path_factory.mktemp("bounds") / "home", workers=2, buckets=2, bounds=SAID)
    opened = Engine.connect(settings)
    opened.ingest(SAMPLE)
    yield opened
    opened.close()


@pytest.mark.slow
def test_the_bounds_of_the_settings_hold_and_are_on_the_card_and_in_the_version(engine, tmp_path):
    card = engine.models.fit("bkt").card
    assert json.loads(card.settings["bounds"]) == {
        "guess": [0.05, 0.3], "slip": [0.1, 0.1], "topics": {TOPIC: {"guess": [0.25, 0.25]}}
    }  # fmt: skip
    assert "bounds" in engine.models.show(card.version).card.settings
    mine = load_model_set(engine.lake, card.version).scorers["bkt"]
    guess, slip = (mine.topics.values[:, SCORERS["bkt"].column(name)] for name in ("guess", "slip"))
    at = [topic for _, topic in mine.topics.keys].index(TOPIC)
    assert guess[at] == 0.25 and guess.min() >= 0.05 and guess.max() <= 0.3 and set(slip) == {0.1}
    free = engine.models.fit("bkt", bounds={}).card
    assert free.version != card.version and "bounds" not in free.settings
    # Scorers that are fitted on top of it, and a file of it, keep to it.
    assert engine.models.import_file(engine.models.export(card.version, tmp_path / "set")).version == card.version


@pytest.mark.slow
def test_all_scorers_take_over_a_guess_that_is_fixed(engine):
    card = engine.models.fit(bounds={"guess": 0.25, "slip": 0.05}).card
    found = load_model_set(engine.lake, card.version)
    for name in ("bkt", "elo", "irt", "linear_rnn"):
        scorer, mine = SCORERS[name], found.scorers[name]
        for parameter, expected in (("guess", 0.25), ("slip", 0.05)):
            column = scorer.column(parameter)
            assert set(mine.topics.values[:, column]) | {mine.default[column]} == {expected}, (name, parameter)


def test_bounds_that_cannot_be_used_are_refused_before_anything_is_stored(engine):
    before = [one.version for one in engine.models.versions()]
    with pytest.raises(BadInput, match="no parameter 'gess' that can be bounded"):
        engine.models.fit("bkt", bounds={"gess": 0.1})
    assert [one.version for one in engine.models.versions()] == before
