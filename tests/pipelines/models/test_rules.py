"""Rules by name or by file."""

from __future__ import annotations

import numpy as np
import pytest

from histories import START, Event, table
from mastery.errors import BadInput
from mastery.features.batch import make_batch
from mastery.features.columns import event_columns
from mastery.pipelines.models.rules import load_rules, shipped_rules
from mastery.scorers.base import Model, fold, read, start
from mastery.scorers.rule_based import scorer as rule_based


def score(name: str, events: list[Event]) -> float:
    batch = make_batch(event_columns(table(events)))
    model = Model(np.tile(load_rules(name).params, (len(batch.topics), 1)), np.zeros((0, 0)))
    states = start(rule_based.SCORER, model, batch)
    fold(rule_based.SCORER, model, batch, states, events[-1].at_us)
    return float(read(rule_based.SCORER, model, batch, states, events[-1].at_us).score[0])


def test_both_classic_forms_are_shipped_under_their_own_names():
    assert set(shipped_rules()) == {"classic", "spaced"}
    for name in shipped_rules():
        assert load_rules(name).name == name


@pytest.mark.parametrize("name", ["classic", "spaced"])
def test_no_data_and_one_right_answer_do_not_look_like_mastery(name):
    nothing = score(name, [Event(START, kind="feedback")])
    assert nothing < 0.6
    assert nothing < score(name, [Event(START)]) < (0.6 if name == "classic" else 0.85)


def test_a_first_wrong_answer_costs_in_the_classic_form_and_recency_outweighs_it_in_the_other():
    nothing, wrong = [Event(START, kind="feedback")], [Event(START, share_ppm=0)]
    assert score("classic", wrong) < score("classic", nothing)
    assert score("spaced", wrong) > score("spaced", nothing)


def test_the_classic_weights_are_those_of_the_specification():
    params = load_rules("classic").params
    weights = {f: params[rule_based.SCORER.column(f"{f}_weight")] for f in rule_based.FACTORS}
    assert weights == {
        "accuracy": 0.5,
        "practice_success": 0.2,
        "spaced_practice": 0.0,
        "revisit": 0.15,
        "video": 0.10,
        "hints": -0.05,
        "recency": 0.0,
    }


def test_a_file_is_read_by_its_path(tmp_path):
    path = tmp_path / "ours.yaml"
    path.write_text(shipped_rules()["classic"].replace("name: classic", "name: ours"), "utf-8-sig")
    assert load_rules(str(path)).name == "ours"


@pytest.mark.parametrize("name", ["clasic", "nowhere/at/all.yaml", "."])
def test_a_name_that_is_neither_says_what_is_known(name):
    with pytest.raises(BadInput, match="known forms: classic, spaced"):
        load_rules(name)
    if name == "clasic":
        with pytest.raises(BadInput, match="did you mean 'classic'"):
            load_rules(name)
