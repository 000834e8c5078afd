from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mastery.errors import BadInput
from mastery.features.counters import ANSWERS_TO_RIGHT, EVIDENCE, LAST_AT_US, REFRESHED_AT_US, initial_counters
from mastery.log_odds import log_odds_of, sigmoid_of
from mastery.pipelines.models.rules import load_rules
from mastery.scorers.base import Scores
from mastery.scorers.blend.correct import LEAST_RISE, SCORES, corrected
from mastery.scorers.blend.scorer import (
    GUESS,
    LEARNT_AT,
    PARAMETERS,
    SLIP,
    Correction,
    Mixture,
    Slots,
    blended,
    learnt_by,
    mixture,
)
from mastery.scorers.model_set import default_model_set

STARTER = default_model_set(load_rules("classic").params, {}, {}).scorers["blend"]
LINE = np.array([-4.0, 0.0, 4.0])


def read_with(correction: Correction | None, score: np.ndarray, to_right: np.ndarray) -> Scores:
    """Scores of a blend of one member, at the moment of the last answer."""
    row = np.array([[parameter.default for parameter in PARAMETERS]])
    counters = initial_counters(score.size)
    counters[:, [LAST_AT_US, REFRESHED_AT_US]] = 0
    counters[:, EVIDENCE], counters[:, ANSWERS_TO_RIGHT] = 50, to_right
    mix = Mixture(("a",), np.ones(1), 0.0, np.array([-1.0, 1.0]), np.array([-1.0, 1.0]), correction=correction)
    member = Scores(score, np.zeros(score.size), np.ones(score.size), log_odds_of(score)[:, None])
    expected = {"a": row[0, GUESS] + (1.0 - row[0, GUESS] - row[0, SLIP]) * score}
    slots = Slots(np.zeros(score.size, np.int32), counters)
    return blended(mix, {"a": member}, expected, {"a": ("answers_right",)}, slots, row, 0)


def test_a_correction_by_hand():
    learnt = np.array([0.0, 0.0, 0.0, 0.0, 0.1, 0.3, 0.3])
    found = read_with(Correction(LINE, LINE + 0.2, learnt), np.array([0.5, 0.5, 0.5]), np.array([0, 8, 100]))
    assert found.score == pytest.approx(sigmoid_of(np.array([0.2, 0.3, 0.5])))
    assert found.contributions.sum(axis=1) == pytest.approx(log_odds_of(found.score), abs=1e-9)
    assert read_with(None, np.array([0.5]), np.array([8])).score == pytest.approx([0.5])


@given(
    score=st.floats(0.001, 0.999), higher=st.floats(0.0, 1.0), number=st.integers(0, 100), more=st.integers(0, 100),
    rises=st.lists(st.floats(0.0, 1.0), min_size=len(LEARNT_AT), max_size=len(LEARNT_AT)),
)  # fmt: skip
def test_a_corrected_score_never_falls_where_the_member_or_the_number_of_answers_rises(
    score, higher, number, more, rises
):
    correction = Correction(LINE, np.cumsum([-3.0, rises[0], rises[1]]), np.cumsum(rises) - rises[0])
    scores = np.array([score, score + higher * (0.9995 - score)])
    found = read_with(correction, scores, np.array([number, number + more])).score
    assert found[1] >= found[0]


def test_what_scores_are_off_by_is_found():
    rng = np.random.default_rng(1)
    score, number = rng.uniform(0.1, 0.95, 20_000), rng.integers(0, 40, 20_000)
    truth = sigmoid_of(log_odds_of(score) - 0.3 + 0.2 * np.log2(1.0 + number))
    mix = mixture(corrected(STARTER, score, number, truth).shared)
    assert mix.correction is not None
    line = np.interp(log_odds_of(score), mix.correction.knots_x, mix.correction.knots_y)
    again = sigmoid_of(line + learnt_by(number, mix.correction.learnt))
    assert np.abs(again - truth).mean() < 0.01 < 0.08 < np.abs(score - truth).mean()


def test_it_never_turns_an_answer_against_the_score():
    """Even where the truth is the lower, the more has been answered rightly, and where high scores say nothing."""
    rng = np.random.default_rng(2)
    score, number = rng.uniform(0.0, 1.0, 5_000), rng.integers(0, 40, 5_000)
    found = mixture(corrected(STARTER, score, number, 0.9 - 0.5 * score - 0.01 * number).shared).correction
    assert found is not None and found.learnt.tolist() == [0.0] * len(LEARNT_AT)
    rise = np.diff(found.knots_y) / np.diff(found.knots_x)
    assert rise.min() >= LEAST_RISE - 1e-9 and len(SCORES) == rise.size - 1


def test_nothing_to_learn_from_corrects_nothing():
    assert corrected(STARTER, np.zeros(0), np.zeros(0, np.int64), np.zeros(0)) is STARTER


@pytest.mark.parametrize(("name", "values"), [
    ("learnt", np.array([0.0, 0.1, 0.0, 0.1, 0.2, 0.3, 0.4])), ("learnt", np.zeros(2)),
    ("score knots_y", np.array([0.0, -1.0, 1.0])), ("score knots_y", None),
])  # fmt: skip
def test_a_correction_that_would_break_a_law_is_refused(name, values):
    shared = replace(mixture(STARTER.shared), correction=Correction(LINE, LINE, np.zeros(len(LEARNT_AT)))).shared()
    assert mixture(shared).correction is not None
    broken = {key: value for key, value in shared.items() if key != name} | ({} if values is None else {name: values})
    with pytest.raises(BadInput, match="blend"):
        mixture(broken)
