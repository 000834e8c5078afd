"""elo by hand, and its guards."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from histories import DAY, START, Event, many, table
from mastery.errors import BadInput
from mastery.features.batch import KnownSlots, make_batch
from mastery.features.columns import FEEDBACK, event_columns
from mastery.scorers.base import Model, Scores, States, defaults, fold, read, start
from mastery.scorers.elo import scorer as elo


def folded(events: list[Event], difficulty: float = 0.0, item: float = math.nan) -> tuple[States, Scores]:
    batch = make_batch(event_columns(table(events)))
    params = defaults(elo.SCORER, len(batch.topics))
    params[:, elo.DIFFICULTY] = difficulty
    model = Model(params, np.full((batch.use_item.size, 1), item))
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
    assert reading.contributions[0] == pytest.approx([0, 0.9, -1.182483, 0, 0, 0, 0, 0], abs=1e-6)


def test_answers_on_another_topic_move_this_one_by_their_share():
    _, reading = folded([Event(START), Event(START, kind="video", topics=("t1",), number=1)])
    assert reading.score[1] == pytest.approx(1 / (1 + math.exp(-0.36)))
    assert reading.contributions[1, elo.CONTRIBUTIONS.index("other_topics")] == pytest.approx(0.36)


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
    with pytest.raises(BadInput, match="guess 0.5 \\+ slip 0.5 of topic row 0 is not below 1"):
        elo.check(Model(params, np.zeros((0, 1))))


def in_chapters(events: list[Event], chapters: dict[str, float], **given: float) -> tuple[States, Scores]:
    batch = make_batch(event_columns(table(events)))
    params = defaults(elo.SCORER, len(batch.topics))
    for name, value in given.items():
        params[:, elo.SCORER.column(name)] = value
    params[:, elo.CHAPTER] = [chapters[topic] for _, topic in batch.topics]
    model = Model(params, np.full((batch.use_item.size, 1), math.nan))
    states = start(elo.SCORER, model, batch)
    as_of = max(event.at_us for event in events)
    fold(elo.SCORER, model, batch, states, as_of)
    return states, read(elo.SCORER, model, batch, states, as_of)


def test_an_answer_moves_its_neighbours_in_the_chapter_more_than_other_topics():
    # The step is 0.9 as above: 0.4 of it goes to the ability, 0.2 to the chapter, and 0.4 stays with the topic.
    videos = [Event(START + k, kind="video", topics=(f"t{k}",), number=k) for k in (1, 2)]
    states, reading = in_chapters([Event(START), *videos], {"t0": 3, "t1": 3, "t2": -1}, chapter_share=0.2)
    assert states.slot[:, elo.CHAPTER_VALUE] == pytest.approx([0.18, 0.18, 0.0])
    assert states.slot[0, elo.OFFSET] == pytest.approx(0.36)
    assert reading.score == pytest.approx([1 / (1 + math.exp(-x)) for x in (0.9, 0.54, 0.36)])
    assert reading.contributions[1:, elo.CONTRIBUTIONS.index("other_topics")] == pytest.approx([0.54, 0.36])
    assert reading.contributions[0, elo.CONTRIBUTIONS.index("other_topics")] == pytest.approx(0.0, abs=1e-15)


def test_a_chapter_folded_in_two_batches_is_the_chapter_folded_in_one():
    topics, shares = ("t0", "t1", "t2", "t0", "t3", "t1"), (0, 1_000_000, 1_000_000, 1_000_000, 0, 0)
    events = [
        Event(START + k * DAY, topics=(topic,), share_ppm=share, number=k)
        for k, (topic, share) in enumerate(zip(topics, shares, strict=True))
    ]
    batch = make_batch(event_columns(table(events)))
    params = defaults(elo.SCORER, len(batch.topics))
    params[:, elo.CHAPTER], params[:, elo.CHAPTER_SHARE] = [0, 0, 7, 0], 0.3
    model = Model(params, np.zeros((0, 1)))
    whole = start(elo.SCORER, model, batch)
    fold(elo.SCORER, model, batch, whole, START + 9 * DAY)
    for cut in range(1, len(events)):
        known = make_batch(event_columns(table(events[:cut])))
        first = Model(params[: len(known.topics)], model.items)
        states = start(elo.SCORER, first, known)
        fold(elo.SCORER, first, known, states, START + 9 * DAY)
        columns = event_columns(table(events))
        later = np.arange(cut, len(events))
        rest = make_batch(
            replace(columns, **{n: v[later] for n, v in vars(columns).items() if isinstance(v, np.ndarray)}),
            KnownSlots(known.slot_ptr, known.slot_topic, np.full(known.slot_topic.size, START // DAY)),
        )
        after = start(elo.SCORER, model, rest)
        after.slot[: states.slot.shape[0]], after.student[:] = states.slot, states.student
        fold(elo.SCORER, model, rest, after, START + 9 * DAY)
        assert after.slot.tobytes() == whole.slot.tobytes()


def test_with_shared_chapters_no_random_history_breaks_law_6():
    rng = np.random.default_rng(5)
    students, events, topics = 1_500, 40, 12
    columns = many(rng, students, events, topics)
    room = columns.attempts * 1_000_000 - columns.success_ppm
    pick = np.where((room > 0) & (columns.kind != FEEDBACK), rng.random(room.size), -1.0).reshape(students, events)
    row = (pick.argmax(axis=1) + np.arange(students) * events)[pick.max(axis=1) >= 0]
    success = columns.success_ppm.copy()
    success[row] += room[row]
    batch, raised = make_batch(columns), make_batch(replace(columns, success_ppm=success))
    touched = np.isin(np.arange(batch.slot_topic.size), batch.slot[np.isin(batch.row, row)])
    for chapters, variances, memory in ((2, 1.0, 1.0), (1, 9.0, 0.5), (3, 25.0, 0.8)):
        params = defaults(elo.SCORER, topics)
        params[:, elo.CHAPTER], params[:, elo.CHAPTER_SHARE] = np.arange(topics) % chapters, 0.4
        params[:, [elo.VARIANCE_ABILITY, elo.VARIANCE_OFFSET]] = variances
        params[:, [elo.MEMORY_ABILITY, elo.MEMORY_OFFSET]] = memory
        model = Model(params, np.full((batch.use_item.size, 1), math.nan))
        scores = []
        for one in (batch, raised):
            states = start(elo.SCORER, model, one)
            fold(elo.SCORER, model, one, states, int(columns.at_us.max()))
            scores.append(read(elo.SCORER, model, one, states, int(columns.at_us.max())).score[touched])
        assert np.all(scores[1] >= scores[0] - 1e-12)


def test_with_memory_a_long_history_does_not_stop_the_student_from_moving():
    events = [Event(START + k, share_ppm=1_000_000 * (k < 60), number=k) for k in range(66)]
    still, moving = (in_chapters(events, {"t0": -1}, memory_ability=m, memory_offset=m)[1] for m in (1.0, 0.8))
    assert moving.score[0] < still.score[0]


def test_the_scale_takes_out_its_guess_and_slip_whatever_answers_are_predicted_with():
    _, reading = in_chapters([Event(START)], {"t0": -1}, lower=0.0, upper=1.0, guess=0.25, slip=0.05)
    probability = 1 / (1 + math.exp(-2 * 0.5))
    assert reading.score[0] == pytest.approx((probability - 0.25) / 0.7)
    assert reading.contributions[0].sum() == pytest.approx(math.log(reading.score[0] / (1 - reading.score[0])))
