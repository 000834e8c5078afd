from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from histories import DAY, START, Event, many, monotone, monotone_item, table
from mastery.errors import BadInput
from mastery.features.batch import make_batch
from mastery.features.columns import event_columns
from mastery.scorers import SCORERS
from mastery.scorers.base import Model, defaults, fold, place_of, predict, read, start
from mastery.scorers.linear_rnn import scorer as linear_rnn
from mastery.scorers.linear_rnn.past import contributions_of_past_answers
from mastery.scorers.linear_rnn.scorer import CHANNELS, CONTRIBUTIONS, FADING, GROUP, SCORER, SEEDS, UNCONSTRAINED
from mastery.scorers.past_answers import influences

SIX_TENTHS = FADING.index(0.6) * SEEDS * GROUP
"""A channel that fades by .6."""
FOR_EVER = FADING.index(1.0) * SEEDS * GROUP
"""A channel that weighs all answers alike."""


def batch_of(*events: Event):
    return make_batch(event_columns(table(list(events))))


def one_channel(batch, channel: int = SIX_TENTHS, u: float = 1.0) -> Model:
    """A right answer adds 1 to a channel, a wrong one takes 1; no guessing and no slipping."""
    params = defaults(SCORER, len(batch.topics))
    vectors = {"weights": u, "wrong": -1.0, "gain": 2.0}
    for name, value in vectors.items():
        params[:, _every(name, channel)] = value
    params[:, [SCORER.column("guess"), SCORER.column("slip")]] = 0.0
    return Model(params, np.full((batch.use_item.size, 1 + 3 * CHANNELS), np.nan))


def _every(name: str, channel: int) -> np.ndarray:
    """Return the columns of one channel in every row of a vector parameter."""
    place = place_of(SCORER.parameters, name)
    return np.arange(place.start + channel, place.stop, CHANNELS)


def sigmoid(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x))


def answers(*right: bool, item: str | None = None, topic: str = "t0", apart: int = 60_000_000) -> list[Event]:
    return [
        Event(START + k * apart, topics=(topic,), share_ppm=1_000_000 * r, item=item, number=k)
        for k, r in enumerate(right)
    ]


def test_right_right_wrong_by_hand():
    batch = batch_of(*answers(True, True, False))
    model = one_channel(batch)
    states = start(SCORER, model, batch)
    assert predict(SCORER, model, batch, states) == pytest.approx([0.5, sigmoid(1.0), sigmoid(1.6)], abs=1e-5)
    reading = read(SCORER, model, batch, states, START)
    assert reading.score[0] == pytest.approx(sigmoid(0.6 * 1.6 - 1.0))
    assert reading.contributions[0] == pytest.approx([0.0, -0.04, 0.0, 0.0])
    page = (Path(__file__).parents[3] / "docs" / "scorers" / "linear_rnn.md").read_text("utf-8")
    assert all(f"σ({x:g}) = {sigmoid(x):.3f}" in page for x in (1.0, 1.6))
    assert f"**{reading.score[0]:.3f}**" in page


def test_channels_that_forget_nothing_are_read_by_the_root_of_the_count():
    batch = batch_of(*answers(True, True, False))
    model = one_channel(batch, FOR_EVER)
    states = start(SCORER, model, batch)
    probability = predict(SCORER, model, batch, states)
    assert probability == pytest.approx([0.5, sigmoid(1 / math.sqrt(2)), sigmoid(2 / math.sqrt(3))], abs=1e-5)


def test_a_further_try_at_the_same_item_has_numbers_of_its_own():
    batch = batch_of(*answers(*[False] * 7, item="i0"), Event(START + DAY, item="i1", number=9))
    model = one_channel(batch, u=0.0)
    model.params[:, place_of(SCORER.parameters, "bias")] = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
    probability = predict(SCORER, model, batch, start(SCORER, model, batch))
    assert probability == pytest.approx([sigmoid(b) for b in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.6, 0.1)])


def test_answers_without_an_item_are_a_run_on_their_topic():
    events = [*answers(True, True), *(Event(START + DAY + k, topics=(t,), number=9 + k) for k, t in enumerate("ab"))]
    place, _ = linear_rnn.places_and_buckets(batch_of(*events))
    assert place.tolist() == [0, 1, 0, 0]


def test_the_time_an_answer_took_decides_by_which_numbers_it_counts():
    took = (0, 3_999, 4_000, 100_000, 1_800_000, None)
    batch = batch_of(*(Event(START + k, item=f"i{k}", duration_ms=ms, number=k) for k, ms in enumerate(took)))
    assert linear_rnn.places_and_buckets(batch)[1].tolist() == [0, 0, 1, 3, 5, 5]


def test_an_item_nobody_knows_counts_as_its_topics_mean_item():
    batch = batch_of(*answers(True, False, item="i0"))
    rng = np.random.default_rng(3)
    params = monotone(SCORER, rng)[None, :]
    mean = [params[0, place_of(SCORER.parameters, f"item_{p.name}")] for p in SCORER.item_parameters]
    unknown, known = Model(params, np.full((1, 1 + 3 * CHANNELS), np.nan)), Model(params, np.concatenate(mean)[None, :])
    told = [predict(SCORER, model, batch, start(SCORER, model, batch)) for model in (unknown, known)]
    assert told[0] == pytest.approx(told[1], abs=1e-12)


def test_topics_of_one_event_are_predicted_together_and_fade_the_past_once():
    events = [
        *answers(True),
        Event(START + DAY, kind="assignment", topics=("t0", "t1"), share_ppm=0, number=8),
    ]
    batch = batch_of(*events)
    model = one_channel(batch)
    states = start(SCORER, model, batch)
    probability = predict(SCORER, model, batch, states)
    assert probability[1] == pytest.approx(0.5 + (sigmoid(1.0) - 0.5) * 2 ** (-1 / 120))  # a day is forgotten of t0
    assert probability[2] == pytest.approx(sigmoid(1.0))
    assert states.student[0, 3 + SIX_TENTHS] == pytest.approx(0.6 - 1.5 - 1.5)


def test_a_score_above_its_prior_fades_and_one_below_stays():
    for right in (True, False):
        batch = batch_of(*answers(right))
        model = one_channel(batch)
        states = start(SCORER, model, batch)
        fold(SCORER, model, batch, states, START)
        now, later = (read(SCORER, model, batch, states, START + wait).score[0] for wait in (0, 120 * DAY))
        assert later == pytest.approx(0.5 + 0.5 * (now - 0.5) if right else now)


def test_guessing_and_slipping_are_taken_out_of_the_score():
    batch = batch_of(*answers(True))
    model = one_channel(batch)
    model.params[:, SCORER.column("guess")], model.params[:, SCORER.column("slip")] = 0.25, 0.05
    states = start(SCORER, model, batch)
    fold(SCORER, model, batch, states, START)
    assert read(SCORER, model, batch, states, START).score[0] == pytest.approx((sigmoid(1.0) - 0.25) / 0.7)


def drawn(seed: int):
    rng = np.random.default_rng(seed)
    batch = make_batch(many(rng, 20, 40, 12))
    params = np.array([monotone(SCORER, rng) for _ in range(12)])
    # Of a size at which nothing is cut off at ± 13.8.
    for name in ("weights", "item_weights", "wrong", "gain", "item_wrong", "item_gain"):
        params[:, place_of(SCORER.parameters, name)] *= 0.02
    items = np.array([monotone_item(SCORER, rng) for _ in range(batch.use_item.size)])
    items[:, 1:] *= 0.02
    return batch, Model(params, items)


def test_past_answers_add_up_to_the_log_odds_exactly():
    batch, model = drawn(1)
    states = start(SCORER, model, batch)
    fold(SCORER, model, batch, states, int(batch.at_us.max()))
    reading = read(SCORER, model, batch, states, 0)
    past = CONTRIBUTIONS.index("past_answers")
    for slot in range(batch.slot_topic.size):
        found = contributions_of_past_answers(batch, model, slot)
        params = model.params[batch.slot_topic[slot]]
        assert found.start == params[SCORER.column("bias")] + params[SCORER.column("item_bias")]
        assert found.contributions.sum() == pytest.approx(reading.contributions[slot, past], abs=1e-9)
        grouped = influences(batch, found)
        assert sum(one.contribution for one in grouped) == pytest.approx(reading.contributions[slot, past], abs=1e-9)
        assert sum(one.answers for one in grouped) == found.rows.size


def test_influences_name_topic_outcome_count_and_age():
    events = [
        Event(START, number=0),
        Event(START + DAY, number=1),
        Event(START + 2 * DAY, topics=("t1",), share_ppm=0, number=2),
    ]
    batch = batch_of(*events)
    found = influences(batch, contributions_of_past_answers(batch, one_channel(batch), 0))
    assert [(one.topic[1], one.right, one.answers, one.last_at_us) for one in found] == [
        ("t1", False, 1, START + 2 * DAY),
        ("t0", True, 2, START + DAY),
    ]
    assert [one.contribution for one in found] == pytest.approx([-1.0, 0.36 + 0.6])


def test_a_student_without_answers_has_no_past_answers():
    batch = batch_of(Event(kind="video", share_ppm=500_000))
    found = contributions_of_past_answers(batch, one_channel(batch), 0)
    assert found.logit == 0.0
    assert influences(batch, found) == []


@pytest.mark.parametrize("name", ["weights", "item_weights", "gain", "item_gain"])
def test_vectors_below_zero_break_law_6_and_are_refused_but_in_the_unconstrained_form(name):
    params = defaults(SCORER, 1)
    params[0, place_of(SCORER.parameters, name).start] = -0.1
    model = Model(params, np.zeros((0, 1 + 3 * CHANNELS)))
    with pytest.raises(BadInput, match=f"'{name}'"):
        SCORER.check(model)
    UNCONSTRAINED.check(model)


def test_items_are_checked_too_and_unknown_ones_are_not():
    items = np.full((2, 1 + 3 * CHANNELS), np.nan)
    SCORER.check(Model(defaults(SCORER, 1), items))
    items[1] = 0.0
    items[1, 1] = -0.1
    with pytest.raises(BadInput, match="'weights'"):
        SCORER.check(Model(defaults(SCORER, 1), items))


def test_guess_and_slip_must_leave_room():
    params = defaults(SCORER, 1)
    params[0, :2] = 0.5
    with pytest.raises(BadInput, match=r"guess .* \+ slip .* is not below 1"):
        SCORER.check(Model(params, np.zeros((0, 1 + 3 * CHANNELS))))


def test_the_unconstrained_form_makes_no_scores():
    assert UNCONSTRAINED.name not in SCORERS
    assert UNCONSTRAINED.student_state == SCORER.student_state
