"""irt against the same thing done the obvious way, and its guards."""

from __future__ import annotations

import math

import numpy as np
import pytest

from histories import DAY, START, Event, table
from mastery.errors import BadInput
from mastery.features.batch import Batch, make_batch
from mastery.features.columns import event_columns
from mastery.scorers.base import Model, Scores, States, defaults, fold, predict, read, start
from mastery.scorers.irt import scorer as irt
from mastery.scorers.irt.grid import NODES, SEEN, node_values

PHI = node_values()


def batch_of(events: list[Event]) -> Batch:
    return make_batch(event_columns(table(events)))


def folded(events: list[Event], items: list[tuple[float, float]] | None = None, **given) -> tuple[States, Scores]:
    batch = batch_of(events)
    params = defaults(irt.SCORER, len(batch.topics))
    for name, value in given.items():
        params[:, irt.SCORER.column(name)] = value
    model = Model(params, np.full((batch.use_item.size, 2), math.nan) if items is None else np.array(items))
    states = start(irt.SCORER, model, batch)
    as_of = max(event.at_us for event in events)
    fold(irt.SCORER, model, batch, states, as_of)
    return states, read(irt.SCORER, model, batch, states, as_of)


def obvious(answers: list[tuple[int, float]], topics: int, spread: float, drift: float) -> tuple[np.ndarray, ...]:
    """Return ability, and proficiency by topic, from Bayes' rule with whole arrays; items have a = 1, b = 0."""
    kernel = np.exp(-0.5 * ((PHI[:, None] - PHI) / spread) ** 2)
    kernel /= kernel.sum(axis=0)
    move = (1 - 2 * drift) * np.eye(NODES) + drift * (np.eye(NODES, k=1) + np.eye(NODES, k=-1))
    move[0, 0] = move[-1, -1] = 1 - drift
    seen = np.ones((topics, NODES))
    for topic, y in answers:
        right = 1 / (1 + np.exp(-PHI))
        seen[topic] = move @ (seen[topic] * (right**y * (1 - right) ** (1 - y)))
    messages = seen @ kernel
    ability = np.exp(-0.5 * PHI**2) * messages.prod(axis=0)
    proficiency = seen * ((ability / messages) @ kernel.T)
    return ability / ability.sum(), proficiency / proficiency.sum(axis=1, keepdims=True)


def test_states_and_scores_are_those_of_bayes_rule_on_whole_arrays():
    answers = [(0, 1.0), (1, 0.0), (0, 1.0), (0, 0.0), (1, 1.0), (0, 1.0)]
    events = [Event(START + k, topics=(f"t{t}",), share_ppm=int(y * 1e6), number=k) for k, (t, y) in enumerate(answers)]
    states, reading = folded(events, spread=0.7, drift=0.1, guess=0.0, slip=0.0)
    ability, proficiency = obvious(answers, 2, 0.7, 0.1)
    np.testing.assert_allclose(states.student[0], ability, rtol=1e-12)
    mean = proficiency @ PHI
    np.testing.assert_allclose(reading.score, 1 / (1 + np.exp(-mean)), rtol=1e-12)


def test_the_probability_predicted_is_the_mean_of_the_items_curve():
    batch = batch_of([Event(START, item="i0"), Event(START + 1, item="i0", number=1)])
    model = Model(defaults(irt.SCORER, 1), np.array([[1.5, 0.5]]))
    probability = predict(irt.SCORER, model, batch, start(irt.SCORER, model, batch))
    _, before = obvious([], 1, 0.8, 0.08)
    assert probability[0] == pytest.approx(before[0] @ (1 / (1 + np.exp(-1.5 * (PHI - 0.5)))), abs=1e-12)
    assert probability[1] > probability[0]


def test_a_right_answer_moves_other_topics_less_than_its_own():
    video = Event(START, kind="video", topics=("t1",), number=1)
    _, reading = folded([Event(START), video])
    _, untouched = folded([video])
    assert reading.score[0] > reading.score[1] > untouched.score[0]
    assert reading.contributions[1, irt.CONTRIBUTIONS.index("other_topics")] > 0
    assert reading.contributions[0, irt.CONTRIBUTIONS.index("other_topics")] == pytest.approx(0.0, abs=1e-12)


def test_the_less_topics_differ_the_more_one_says_about_another():
    events = [Event(START), Event(START, kind="video", topics=("t1",), number=1)]
    assert folded(events, spread=0.4)[1].score[1] > folded(events, spread=1.5)[1].score[1]


def test_a_hard_item_answered_right_says_more_than_an_easy_one():
    hard, easy = (folded([Event(START, item="i0")], [(1.0, b)])[1].score[0] for b in (2.0, -2.0))
    unknown = folded([Event(START, item="i0")])[1].score[0]
    assert easy < unknown < hard


def test_a_steep_item_tells_more():
    flat, steep = (folded([Event(START, item="i0")], [(a, 0.0)]) for a in (0.3, 2.0))
    assert steep[1].score[0] > flat[1].score[0]
    # What is known of the ability, as entropy: the steeper item leaves less to be known.
    left = [-float(ability @ np.log(ability)) for ability in (flat[0].student[0], steep[0].student[0])]
    assert left[1] < left[0]


@pytest.mark.parametrize(("share", "name"), [(0, "answers_right"), (1_000_000, "answers_wrong")])
def test_a_step_that_drift_turns_round_is_booked_as_the_answer_it_was(share, name):
    """After easy items a hard one tells less than the spreading out takes back."""
    events = [Event(START + k, item=f"i{k % 2}", share_ppm=share, number=k) for k in range(300)]
    states, reading = folded(events, [(1.0, -4.0), (1.0, 4.0)], drift=0.2, guess=0.0, slip=0.0)
    assert reading.contributions[0, irt.CONTRIBUTIONS.index(name)] == 0.0
    assert states.slot[0, irt.RIGHT] + states.slot[0, irt.WRONG] != 0.0


def test_old_answers_count_less_with_drift():
    events = [Event(START + k, share_ppm=1_000_000 * (k < 20), number=k) for k in range(30)]
    assert folded(events, drift=0.24)[1].score[0] < folded(events, drift=0.02)[1].score[0]


def test_scores_have_guessing_and_slipping_taken_out():
    events = [Event(START)]
    plain = folded(events, guess=0.0, slip=0.0)[1].score[0]
    scaled = folded(events, guess=0.3, slip=0.1)[1].score[0]
    assert scaled == pytest.approx((plain - 0.3) / 0.6)


def test_a_student_far_above_and_one_far_below_stay_within_the_bounds():
    for share in (0, 1_000_000):
        states, reading = folded(
            [Event(START + k, topics=(f"t{k % 40}",), share_ppm=share, number=k) for k in range(4_000)]
        )
        assert np.isfinite(states.slot[:, SEEN:]).all()
        assert np.isfinite(states.student).all()
        assert np.all((reading.score >= irt.LEAST_SCORE) & (reading.score <= 1 - irt.LEAST_SCORE))


def test_the_history_that_lowers_elo_does_not_lower_irt():
    """See tests/scorers/test_laws_on_many.py."""
    for events in _passed_around(0), _passed_around(1_000_000):
        assert len(events) == 31
    assert folded(_passed_around(1_000_000))[1].score[0] >= folded(_passed_around(0))[1].score[0]


def _passed_around(first: int) -> list[Event]:
    events = [Event(START, share_ppm=first)]
    for topic in ("t2", "t0", "t1", "t0", "t1", "t2", "t0", "t2", "t0", "t1"):
        for _ in range(3):
            at_us = START + 400 * DAY * len(events)
            more = {"kind": "practice", "attempts": 5, "share_ppm": 550_000}
            events.append(Event(at_us, topics=(topic,), number=len(events), **more))
    return events


def test_information_is_highest_at_the_difficulty_and_a_quarter_of_the_slope_squared_there():
    theta = np.linspace(-4, 4, 801)
    found = irt.information(theta, 1.7, 0.5)
    assert theta[found.argmax()] == pytest.approx(0.5)
    assert found.max() == pytest.approx(1.7**2 / 4)


def test_information_is_the_squared_rise_over_the_spread_of_an_answer():
    a, b, c, upper, h = 1.3, -0.4, 0.2, 0.95, 1e-6

    def probability(theta: float) -> float:
        return c + (upper - c) / (1 + math.exp(-a * (theta - b)))

    for theta in (-2.0, 0.0, 1.5):
        rise = (probability(theta + h) - probability(theta - h)) / (2 * h)
        expected = rise**2 / (probability(theta) * (1 - probability(theta)))
        assert float(irt.information(theta, a, b, c, upper)) == pytest.approx(expected, rel=1e-6)
    assert np.all(irt.information(np.array([-500.0, 500.0]), 6.0, 0.0, 0.2) < 1e-12)


def test_guess_and_slip_that_sum_to_one_are_refused():
    params = defaults(irt.SCORER, 1)
    params[0, [irt.GUESS, irt.SLIP]] = 0.5
    with pytest.raises(BadInput, match="guess 0.5 \\+ slip 0.5 of topic row 0 is not below 1"):
        irt.check(Model(params, np.zeros((0, 2))))
