"""What weights are tuned on is what the score was before each answer, and what is found is better."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given

from histories import histories, many, model, seeds, table
from mastery.errors import BadInput
from mastery.features.batch import make_batch
from mastery.features.columns import QUIZ, event_columns
from mastery.scorers.base import Model, defaults, fold, read, start
from mastery.scorers.rule_based import scorer as rule_based
from mastery.scorers.rule_based.scorer import FACTORS, pre_answer_features, without_data
from mastery.scorers.rule_based.search import HINTS, WEIGHTS, _brier, grid, neighbours, search
from mastery.scorers.scoring_rules import ScoringRules

SCORER = rule_based.SCORER


@given(events=histories(max_events=15), seed=seeds)
def test_the_values_before_each_answer_give_the_score_strictly_before_each_answer(events, seed):
    batch = make_batch(event_columns(table(events)))
    parameters = model(SCORER, batch, seed)
    written = slice(rule_based.SCORE_AT, rule_based.INTERVAL)  # what a fit sets; what is tuned is the index
    parameters.params[:, written] = defaults(SCORER, 1)[0, written]
    values, kept, rows = pre_answer_features(batch, parameters.params)
    assert rows.tolist() == [i for i in range(batch.row.size) if batch.kind[i] == QUIZ and batch.weight[i] == 1.0]
    for k, row in enumerate(rows):
        topic = int(batch.slot_topic[batch.slot[row]])
        one = parameters.params[topic]
        before = _upto(batch, int(row), parameters)
        error = _brier(values[k : k + 1], without_data(one), kept[k : k + 1], np.zeros(1), one[WEIGHTS].copy())
        assert error == pytest.approx(before**2, abs=1e-12)


def _upto(batch, row: int, parameters: Model) -> float:
    """Return the score of the row's topic, at the row's time, from the rows before it."""
    states = start(SCORER, parameters, batch)
    kind = batch.kind.copy()
    kind[row:] = 5  # feedback leaves states as they are
    fold(SCORER, parameters, replace(batch, kind=kind), states, int(batch.at_us[row]), history=False)
    return float(read(SCORER, parameters, batch, states, int(batch.at_us[row])).score[batch.slot[row]])


def planted(students: int):
    """Return a batch where practice says much about the next answer and answers before it say nothing."""
    rng = np.random.default_rng(8)
    columns = many(rng, students, 40, 6)
    skill = rng.random(students)[columns.student]
    share = np.where(columns.kind == QUIZ, rng.random(skill.size) < skill, np.round(skill, 6))
    noise = rng.random(skill.size) < 0.5
    share = np.where((columns.kind == QUIZ) & noise, rng.random(skill.size) < 0.5, share)
    return make_batch(
        replace(columns, success_ppm=(share * columns.attempts * 1_000_000).astype(np.int64), hints=columns.hints * 0)
    )


def test_tuned_rules_do_better_on_students_who_chose_nothing():
    batch = planted(400)
    base = ScoringRules("base", 1, defaults(SCORER, 1)[0])
    told: list[tuple[int, int]] = []
    tuned = search(base, [batch], [np.arange(400) % 5 == 0], (30.0, 1_000.0), lambda done, of: told.append((done, of)))
    assert [one.name for one in tuned.slices] == ["search", "held out"]
    for one in tuned.slices:
        assert one.after < one.before - 0.01
    assert told == [(1, 2), (2, 2)]
    weights = dict(zip(FACTORS, tuned.rules.params[WEIGHTS], strict=True))
    assert weights["hints"] == 0.0  # nobody asked for one: nothing can be said
    SCORER.check(Model(tuned.rules.params[None, :], np.zeros((0, 0))))
    assert sum(max(0.0, w) for w in weights.values()) <= 1.0 + 1e-9
    assert (tuned.rules.name, tuned.rules.version) == ("base-tuned", 2)


def test_the_same_answers_give_the_same_rules():
    batch, held_out = planted(100), np.arange(100) % 5 == 0
    base = ScoringRules("base", 1, defaults(SCORER, 1)[0])
    first, second = (search(base, [batch], [held_out], (30.0,)) for _ in range(2))
    np.testing.assert_array_equal(first.rules.params, second.rules.params)
    assert first.slices == second.slices


def test_too_few_answers_are_refused():
    batch = planted(5)
    told = r"tune on: \d+ unaided first answers of the students searched on and \d+ of those held out"
    with pytest.raises(BadInput, match=told):
        search(ScoringRules("base", 1, defaults(SCORER, 1)[0]), [batch], [np.arange(5) == 0])


def test_every_point_of_the_grid_and_every_step_from_it_is_monotone():
    varies = np.arange(len(FACTORS))
    points = grid(varies)
    assert len({tuple(point) for point in points}) == len(points) == 462 * 3
    for point in [*points, *(near for far in points[::40] for near in neighbours(far, varies))]:
        positive = np.delete(point, HINTS)
        assert np.all(positive >= 0.0)
        assert positive.sum() <= 1.0 + 1e-9
        assert -1.0 <= point[HINTS] <= 0.0


def test_a_perfect_forecast_scores_zero_and_forgetting_counts():
    values, y = np.array([[1.0] + [0.0] * 6]), np.array([1.0])
    weights = np.array([1.0] + [0.0] * 6)
    assert _brier(values, np.zeros(7), np.ones(1), y, weights) == 0.0
    assert _brier(values, np.zeros(7), np.array([0.5]), y, weights) == 0.25
