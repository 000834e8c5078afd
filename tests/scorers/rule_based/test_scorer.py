"""The rule-based score by hand: Σ weight · factor, then forgetting."""

from __future__ import annotations

import numpy as np
import pytest

from histories import DAY, START, Event, table
from mastery.errors import BadInput
from mastery.features.batch import make_batch
from mastery.features.columns import event_columns
from mastery.scorers.base import Model, defaults, fold, predict, read, start
from mastery.scorers.rule_based import scorer as rule_based

SCORER = rule_based.SCORER


def parts(events: list[Event], as_of_us: int, **changed: float) -> dict[str, float]:
    batch = make_batch(event_columns(table(events)))
    params = defaults(SCORER, len(batch.topics))
    for name, value in changed.items():
        params[:, SCORER.column(name)] = value
    model = Model(params, np.zeros((0, 0)))
    states = start(SCORER, model, batch)
    fold(SCORER, model, batch, states, as_of_us)
    reading = read(SCORER, model, batch, states, as_of_us)
    probability = predict(SCORER, model, batch, start(SCORER, model, batch))
    of_parts = dict(zip(SCORER.contributions, reading.contributions[0], strict=True))
    return of_parts | {"score": reading.score[0], "probability_of_last": probability[-1]}


def test_old_answers_fade_against_newer_ones():
    # Wrong, and right 30 days (one half-life) later: 1 / (1 + ½).
    events = [Event(START, share_ppm=0), Event(START + 30 * DAY, number=1)]
    found = parts(events, START + 30 * DAY)
    assert found["accuracy"] == pytest.approx(0.5 * 1 / 1.5)
    assert found["revisit"] == pytest.approx(0.15 * 1 / 1.5)  # one return, two active days, faded alike
    assert found["score"] == pytest.approx(0.5 / 1.5 + 0.15 / 1.5)


def test_every_factor_by_hand():
    events = [
        Event(START, number=0, hints=1),
        Event(START, number=1, kind="practice", attempts=4, share_ppm=750_000),
        Event(START, number=2, kind="video", share_ppm=400_000),
        Event(START, number=3, kind="tutor", attempts=2, share_ppm=0),
    ]
    found = parts(events, START)
    assert found["accuracy"] == pytest.approx(0.5)  # one right, though hinted: half the weight, all of the share
    assert found["practice_success"] == pytest.approx(0.2 * 0.75)
    assert found["video"] == pytest.approx(0.1 * 0.4)
    assert found["hints"] == pytest.approx(-0.05 * 3 / 5)  # 1 hint and 2 help requests on 5 attempts
    assert found["revisit"] == 0.0
    assert found["score"] == pytest.approx(0.5 + 0.15 + 0.04 - 0.03)


def test_practice_after_a_gap_is_spaced_for_the_whole_day():
    events = [
        Event(START, share_ppm=0),
        Event(START + 2 * DAY, number=1, share_ppm=0),
        Event(START + 5 * DAY, number=2),
        Event(START + 5 * DAY + 1, number=3, share_ppm=0),
    ]
    only = {"spaced_practice_weight": 1.0, "accuracy_weight": 0.0, "revisit_weight": 0.0, "half_life_days": 36_500.0}
    assert parts(events, START + 6 * DAY, **only)["spaced_practice"] == pytest.approx(0.5)
    assert parts(events[:2], START + 2 * DAY, **only)["spaced_practice"] == 0.0


def test_a_prior_counts_as_a_number_of_answers():
    found = parts([Event(START)], START, accuracy_prior=0.4, accuracy_prior_weight=2.0)
    assert found["accuracy"] == pytest.approx(0.5 * (1 + 0.8) / 3)


def test_full_at_says_from_where_a_factor_counts_in_full():
    found = parts([Event(START, hints=1, share_ppm=0)], START, hints_full_at=4.0)
    assert found["hints"] == pytest.approx(-0.05 / 4)


def test_recency_halves_and_the_gain_over_the_prior_is_forgotten():
    only = {"recency_weight": 0.4, "accuracy_weight": 0.6}
    found = parts([Event(START)], START + 14 * DAY, **only)
    assert found["recency"] == pytest.approx(0.2)
    kept = 2 ** (-14 / 120)
    assert found["score"] == pytest.approx(0.8 * kept)
    assert found["forgetting"] == pytest.approx(0.8 * (kept - 1))


def test_a_sum_below_zero_is_lifted_to_zero_and_says_so():
    found = parts([Event(START, share_ppm=0, hints=3)], START)
    assert found["score"] == 0.0
    assert found["limit"] == pytest.approx(0.05)


def test_a_hint_may_not_count_in_favour():
    params = defaults(SCORER, 1)
    params[0, SCORER.column("hints_weight")] = 0.05
    with pytest.raises(BadInput, match="'hints_weight' of topic row 0 is 0.05; expected a number from -1 to 0"):
        rule_based.check(Model(params, np.zeros((0, 0))))


def stands_for(*scores: float) -> dict[str, float]:
    return {f"score_at_{100 * index:.0f}": score for index, score in zip(rule_based.INDEXES, scores, strict=True)}


def test_what_an_index_stands_for_is_read_between_its_neighbours_and_forgotten_towards_that_of_no_data():
    # One right answer: an index of 0.5. No data: one of 0, which stands for 0.1.
    scale = stands_for(0.1, 0.1, 0.2, 0.3, 0.4, 0.8, 0.9, 0.9, 0.9, 0.9, 1.0)
    assert parts([Event(START)], START, **scale)["calibration"] == pytest.approx(0.3)
    half = parts([Event(START)], START + 120 * DAY, **scale)
    assert half["forgetting"] == pytest.approx(-0.35)
    assert half["score"] == pytest.approx(0.45)
    between = parts([Event(START, share_ppm=900_000)], START, **scale)  # an index of 0.45
    assert between["score"] == pytest.approx(0.6)
    top = parts([Event(START)], START, accuracy_weight=1.0, **scale)
    assert top["score"] == 1.0


def test_the_probability_of_a_right_answer_is_the_score_between_guessing_and_slipping():
    found = parts([Event(START), Event(START, number=1)], START, guess=0.2, slip=0.1)
    assert found["probability_of_last"] == pytest.approx(0.2 + 0.7 * 0.5)


def scores_of(weights: np.ndarray, **changed: float) -> np.ndarray:
    """Return the score after one right answer on each of a number of topics, where accuracy weighs this much."""
    batch = make_batch(
        event_columns(table([Event(START, topics=(f"t{k:04d}",), number=k) for k in range(weights.size)]))
    )
    params = defaults(SCORER, weights.size)
    for name, value in changed.items():
        params[:, SCORER.column(name)] = value
    params[:, SCORER.column("accuracy_weight")] = weights[[int(topic[1:]) for _, topic in batch.topics]]
    model = Model(params, np.zeros((0, 0)))
    states = start(SCORER, model, batch)
    fold(SCORER, model, batch, states, START)
    of_topic = dict(zip(batch.slot_topic.tolist(), read(SCORER, model, batch, states, START).score, strict=True))
    by_name = {topic: of_topic[code] for code, (_, topic) in enumerate(batch.topics)}
    return np.array([by_name[name] for name in sorted(by_name)])


def test_an_index_that_stands_for_itself_keeps_its_bits():
    weights = np.linspace(0.0, 1.0, 997)
    assert scores_of(weights).tolist() == weights.tolist()
    assert parts([Event(START, share_ppm=123_456)], START)["calibration"] == 0.0


def test_rounding_never_makes_a_higher_index_a_lower_score():
    rng = np.random.default_rng(1)
    for _ in range(20):
        scale = stands_for(*np.sort(rng.choice([0.1, 0.3, 1 / 3, 0.7], 11)))
        ends = np.array(rule_based.INDEXES[1:-1])
        weights = np.sort(np.concatenate([rng.random(300), ends, np.nextafter(ends, 0), np.nextafter(ends, 1)]))
        assert np.all(np.diff(scores_of(weights, **scale)) >= 0.0)


def test_a_higher_index_may_not_stand_for_less():
    params = defaults(SCORER, 2)
    params[1, SCORER.column("score_at_40")] = 0.2
    with pytest.raises(BadInput, match="topic row 1: an index of 0.4 stands for a lower score than one of 0.3"):
        rule_based.check(Model(params, np.zeros((0, 0))))
