"""elo by hand, and its guards."""

from __future__ import annotations

import math

import numpy as np
import pytest

from histories import DAY, START, Event, table
from mastery.errors import BadInput
from mastery.features.batch import make_batch
from mastery.features.columns import event_columns
from mastery.scorers import elo
from mastery.scorers.base import Model, Reading, States, defaults, fold, read, start


def folded(events: list[Event], difficulty: float = 0.0, item: float = math.nan) -> tuple[States, Reading]:
    batch = make_batch(event_columns(table(events)))
    params = defaults(elo.SCORER, len(batch.topics))
    params[:, elo.DIFFICULTY] = difficulty
    model = Model(params, np.full((len(batch.items), 1), item))
    states = start(elo.SCORER, model, batch)
    as_of = max(event.at_us for event in events)
    fold(elo.SCORER, model, batch, states, as_of)
    return states, read(elo.SCORER, model, batch, states, as_of)


def test_two_answers_by_hand():
    # Right: p = 0.2 + 0.7 · ½ = 0.55, gain 1 + 1 = 2, step 2 · 0.45 = 0.9: ability 0.36, offset 0.54.
    # Wrong: p = 0.2 + 0.7 · σ(0.9) = 0.697665, gain 2 / 1.18 = 1.694915, step −1.182483.
    states, reading = folded([Event(START), Event(START + 1, number=1, share_ppm=0)])
    assert states.student[0, elo.ABILITY] == pytest.approx(0.36 - 0.4 * 1.182483, abs=1e-6)
    assert states.slot[0, elo.OFFSET] == pytest.approx(0.54 - 0.6 * 1.182483, abs=1e-6)
    assert reading.score[0] == pytest.approx(1 / (1 + math.exp(0.282483)), abs=1e-6)
    spread = elo.Z90 * math.sqrt(2 / (1 + 2 * elo.INFORMATION))
    assert reading.lower[0] == pytest.approx(1 / (1 + math.exp(0.282483 + spread)), abs=1e-6)
    assert reading.parts[0] == pytest.approx([0, 0.9, -1.182483, 0, 0, 0, 0, 0], abs=1e-6)


def test_answers_on_another_topic_move_this_one_by_their_share():
    _, reading = folded([Event(START), Event(START, kind="video", topics=("t1",), number=1)])
    assert reading.score[1] == pytest.approx(1 / (1 + math.exp(-0.36)))
    assert reading.parts[1, elo.PARTS.index("other_topics")] == pytest.approx(0.36)


def test_a_hard_item_answered_right_says_more_than_an_easy_one():
    hard, easy = (folded([Event(START, item="i0")], item=difficulty)[1].score[0] for difficulty in (2.0, -2.0))
    unknown = folded([Event(START, item="i0")])[1].score[0]
    assert easy < unknown < hard


def test_idle_time_makes_uncertain_again():
    events = [Event(START + k, number=k) for k in range(20)]
    step = {}
    for wait in (1, 720 * DAY):
        before, _ = folded(events)
        after, _ = folded([*events, Event(START + wait + 20, number=99, share_ppm=0)])
        step[wait] = before.slot[0, elo.OFFSET] - after.slot[0, elo.OFFSET]
    assert step[720 * DAY] > 2 * step[1]


def test_no_step_is_larger_than_the_largest():
    states, _ = folded([Event(START, kind="practice", attempts=12)])
    assert states.student[0, elo.ABILITY] + states.slot[0, elo.OFFSET] == pytest.approx(4.0 * 0.45)


def test_guess_and_slip_that_sum_to_one_are_refused():
    params = defaults(elo.SCORER, 1)
    params[0, [elo.GUESS, elo.SLIP]] = 0.5
    with pytest.raises(BadInput, match="guess \\+ slip of topic row 0 is not below 1"):
        elo.check(Model(params, np.zeros((0, 1))))
