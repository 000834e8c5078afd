from __future__ import annotations

import numpy as np
import pytest

from mastery.scorers.base import defaults
from mastery.scorers.bkt.scorer import SCORER as BKT
from mastery.scorers.blend import scorer as blend
from mastery.scorers.elo.scorer import SCORER as ELO
from mastery.scorers.parameters import KeyedRows, Parameters, no_rows
from mastery.scorers.scale import on_one_scale


def one_topic(row: np.ndarray) -> Parameters:
    return Parameters(row, KeyedRows([("a", "t")], row[None, :].copy()), no_rows(0))


def test_guess_and_slip_of_the_scale_are_the_usual_ones_at_most_and_those_of_bkt_its_own():
    found = {}
    for scorer in (BKT, ELO):
        row = defaults(scorer, 1)[0]
        row[scorer.column("guess")], row[scorer.column("slip")] = 0.4, 0.05
        found[scorer.name] = one_topic(row)
    after = on_one_scale(found)
    assert after["bkt"].digest() == found["bkt"].digest()
    for row in (after["elo"].default, after["elo"].topics.values[0]):
        assert (row[ELO.column("guess")], row[ELO.column("slip")]) == (0.2, 0.05)
    again = on_one_scale(after)
    assert again["elo"].digest() == after["elo"].digest()


def test_the_probability_that_a_prior_stands_for_stays():
    row = np.array([parameter.default for parameter in blend.PARAMETERS])
    row[[blend.GUESS, blend.SLIP, blend.PRIOR]] = 0.4, 0.2, 0.5  # a probability of 0.4 + 0.4 · 0.5 = 0.6
    after = on_one_scale({"blend": one_topic(row)})["blend"].default
    assert 0.2 + 0.7 * after[blend.PRIOR] == pytest.approx(0.6)
