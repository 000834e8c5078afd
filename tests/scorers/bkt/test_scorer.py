"""bkt against Corbett & Anderson's equations in probability form, and its guards."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histories import DAY, HOUR, START, Event, active_choice, histories, model, seeds, table
from mastery.errors import BadInput
from mastery.features.batch import make_batch
from mastery.features.columns import event_columns
from mastery.scorers.base import Model, defaults, fold, predict, read, start
from mastery.scorers.bkt import kernels
from mastery.scorers.bkt import kernels as bkt_kernels
from mastery.scorers.bkt import scorer as bkt

LEARN = {
    "quiz": "p_learn",
    "practice": "p_learn_practice",
    "assignment": "p_learn_assignment",
    "video": "p_learn_video",
    "tutor": "p_learn_tutor",
}


def score(events: list[Event], as_of_us: int, seed: int | None = None) -> dict[tuple[str, str], float]:
    batch = make_batch(event_columns(table(events)))
    parameters = model(bkt.SCORER, batch, seed)
    states = start(bkt.SCORER, parameters, batch)
    fold(bkt.SCORER, parameters, batch, states, as_of_us, history=False)
    scores = read(bkt.SCORER, parameters, batch, states, as_of_us).score
    names = zip(batch.slot_student, batch.slot_topic, scores, strict=True)
    return {(batch.students[s], batch.topics[t][1]): float(p) for s, t, p in names}


def naive(events: list[Event], as_of_us: int, params: dict[str, float]) -> float:
    """Return P(known) by eqs. 1-3 of the paper, with λ and weights, for events of one student on one topic."""
    known, last = params["p_init"], None
    guess, slip = params["guess"], params["slip"]
    for event in events:
        if event.kind == "feedback":
            continue
        if last is not None:
            known *= 2.0 ** (-(event.at_us - last) / DAY / params["half_life_days"])
        last = event.at_us
        y, weight, opportunity = event.share_ppm / 1e6, 0.0, 1.0
        if event.kind == "quiz":
            weight = max(0.25, 0.5 ** (max(1, event.attempt_number or 1) - 1)) * (0.5 if event.hints else 1.0)
        elif event.kind == "practice":
            weight = min(event.attempts, 5) * (1.0 - 0.5 * min(1.0, (event.hints or 0) / event.attempts))
        elif event.kind == "assignment":
            weight = 3.0 / len(event.topics)
        else:
            opportunity = y
        yes = known * ((1 - slip) ** y * slip ** (1 - y)) ** weight
        no = (1 - known) * (guess**y * (1 - guess) ** (1 - y)) ** weight
        known = yes / (yes + no)
        known += (1 - known) * params[LEARN[event.kind]] * opportunity
    if last is not None:
        known *= 2.0 ** (-(as_of_us - last) / DAY / params["half_life_days"])
    return known


def test_right_wrong_by_hand():
    # 0.3 → right: 0.27 / (0.27 + 0.14) = 0.658537, learnt: 0.692683 → wrong: 0.069268 / (0.069268 + 0.245854)
    # = 0.219814, learnt: 0.297833.
    events = [Event(START, number=0), Event(START, number=1, sequence=1, share_ppm=0)]
    assert score(events, START)["s_a0", "t0"] == pytest.approx(0.2978328, abs=1e-7)


def test_the_worked_example_of_the_page_is_what_is_computed():
    page = (Path(__file__).parents[3] / "docs" / "scorers" / "bkt.md").read_text("utf-8")
    right, wrong = Event(START, number=0), Event(START, number=1, sequence=1, share_ppm=0)
    for events, at in (([right], START), ([right, wrong], START), ([right], START + 120 * DAY)):
        assert f"**{score(events, at)['s_a0', 't0']:.4f}**" in page


def test_parts_after_one_right_answer_by_hand():
    batch = make_batch(event_columns(table([Event(START)])))
    parameters = model(bkt.SCORER, batch, None)
    states = start(bkt.SCORER, parameters, batch)
    fold(bkt.SCORER, parameters, batch, states, START)
    parts = read(bkt.SCORER, parameters, batch, states, START + 120 * DAY).contributions[0]
    booked = dict(zip(bkt.CONTRIBUTIONS, parts, strict=True))
    assert booked.pop("start") == pytest.approx(math.log(0.3 / 0.7))
    assert booked.pop("answers_right") == pytest.approx(math.log(0.9 / 0.2))
    assert booked.pop("learning") == pytest.approx(
        math.log(0.692683 / 0.307317) - math.log(0.658537 / 0.341463), abs=1e-5
    )
    assert booked.pop("forgetting") == pytest.approx(
        math.log(0.346341 / 0.653659) - math.log(0.692683 / 0.307317), abs=1e-5
    )
    assert set(booked.values()) == {0.0}


@given(events=histories(regrades=False), seed=seeds)
def test_learning_never_counts_against_and_forgetting_never_in_favour(events, seed):
    batch = make_batch(event_columns(table(events)))
    parameters = model(bkt.SCORER, batch, seed)
    states = start(bkt.SCORER, parameters, batch)
    as_of = max(event.at_us for event in events) + DAY
    fold(bkt.SCORER, parameters, batch, states, as_of)
    parts = read(bkt.SCORER, parameters, batch, states, as_of).contributions
    assert np.all(parts[:, bkt.CONTRIBUTIONS.index("learning")] >= -1e-9)
    assert np.all(parts[:, bkt.CONTRIBUTIONS.index("forgetting")] <= 1e-9)


def test_after_one_half_life_half_is_left():
    events = [Event(START)]
    assert score(events, START + 120 * DAY)["s_a0", "t0"] == pytest.approx(0.692683 / 2, abs=1e-6)


@given(events=histories(regrades=False))
def test_odds_agree_with_the_paper_in_probability_form(events):
    as_of = max(e.at_us for e in events) + 3 * DAY
    params = {parameter.name: parameter.default for parameter in bkt.PARAMETERS}
    scores = score(events, as_of)
    for (student, topic), found in scores.items():
        mine = [e for e in active_choice(events) if e.student == student and topic in e.topics]
        if topic == "unassigned":
            continue
        probabilities = [naive(mine[:k], mine[k].at_us, params) for k in range(len(mine))]
        if (
            all(2e-6 < probability < 1 - 2e-6 for probability in probabilities) and len(mine) < 8
        ):  # away from the limits of the odds
            assert found == pytest.approx(naive(mine, as_of, params), abs=1e-12)


@given(events=histories(max_events=10), seed=seeds)
def test_odds_stay_within_their_limits(events, seed):
    batch = make_batch(event_columns(table(events)))
    parameters = model(bkt.SCORER, batch, seed)
    states = start(bkt.SCORER, parameters, batch)
    fold(bkt.SCORER, parameters, batch, states, 0, history=False)
    odds = states.slot[:, bkt.ODDS]
    assert np.all((odds >= bkt_kernels.LOWEST * (1 - 1e-9)) & (odds <= bkt_kernels.HIGHEST * (1 + 1e-9)))


def test_a_video_not_watched_starts_the_clock_like_one_watched_a_little():
    later = Event(START + 400 * DAY, number=1)
    unwatched, glimpsed = (Event(START, kind="video", share_ppm=share) for share in (0, 1))
    place = ("s_a0", "t0")
    assert score([unwatched, later], later.at_us)[place] <= score([glimpsed, later], later.at_us)[place]


def test_guess_and_slip_that_sum_to_one_are_refused():
    params = defaults(bkt.SCORER, 2)
    params[1, [kernels.GUESS, kernels.SLIP]] = 0.6, 0.4
    with pytest.raises(BadInput, match=r"guess 0.6 \+ slip 0.4 of topic row 1 is not below 1"):
        bkt.check(Model(params, np.zeros((0, 0))))


@pytest.mark.parametrize("value", [0.0, 1.0, math.nan, -1.0])
def test_a_parameter_out_of_bounds_is_refused_by_name(value):
    params = defaults(bkt.SCORER, 1)
    params[0, bkt.INIT] = value
    with pytest.raises(BadInput, match="'p_init' of topic row 0"):
        bkt.check(Model(params, np.zeros((0, 0))))


def test_every_kind_of_event_has_its_own_probability_to_learn():
    assert [parameter.name for parameter in bkt.PARAMETERS[bkt.LEARN : bkt.FORGET]] == list(LEARN.values())
    assert np.all(defaults(bkt.SCORER, 1)[0, bkt.LEARN : bkt.FORGET] > 0)


def quizzes(student: np.ndarray, topic: np.ndarray, correct: np.ndarray) -> list[Event]:
    rows = zip(student.tolist(), topic.tolist(), correct.tolist(), strict=True)
    return [
        Event(START, student=f"s_{s:03d}", topics=(f"t{t}",), share_ppm=1_000_000 * y, sequence=k, number=k)
        for k, (s, t, y) in enumerate(rows)
    ]


def test_with_equal_parameters_predictions_are_those_of_pybkt():
    held = json.loads((Path(__file__).parent / "pybkt.json").read_text("utf-8"))
    student, topic, correct = (np.array(held[name]) for name in ("student", "topic", "correct"))
    batch = make_batch(event_columns(table(quizzes(student, topic, correct))))
    params = defaults(bkt.SCORER, len(batch.topics))
    for code, (_, name) in enumerate(batch.topics):
        prior, guess, slip, learn, forget = held["params"][int(name[1:])]
        for column, value in (("p_init", prior), ("guess", guess), ("slip", slip), ("p_learn", learn)):
            params[code, bkt.SCORER.column(column)] = value
        # Theirs is the probability to be found not knowing afterwards, ours that to forget before learning again.
        params[code, bkt.SCORER.column("p_forget")] = forget / (1.0 - learn)
    parameters = Model(params, np.full((batch.use_item.size, 2), np.nan))
    probability = predict(bkt.SCORER, parameters, batch, start(bkt.SCORER, parameters, batch))
    np.testing.assert_allclose(probability[np.argsort(batch.row)], held["predicted"], rtol=0, atol=1e-9)


@given(events=histories(regrades=False))
def test_both_folds_leave_the_same_bits_where_either_will_do(events):
    batch = make_batch(event_columns(table(events)))
    parameters = model(bkt.SCORER, batch, None)
    assert bkt.is_plain(parameters)
    as_of = max(event.at_us for event in events)
    by_slot, in_order = start(bkt.SCORER, parameters, batch), start(bkt.SCORER, parameters, batch)
    one, two = np.zeros((3, batch.cell_slot.size)), np.zeros((3, batch.cell_slot.size))
    bkt.fold_rows(batch, parameters, by_slot.slot, by_slot.student, one, as_of)
    items = np.full((batch.use_item.size + 1, 2), 0.2)
    items[: batch.use_item.size] = np.nan  # one more item, that nobody is asked, is known
    bkt.fold_rows(batch, Model(parameters.params, items), in_order.slot, in_order.student, two, as_of)
    assert by_slot.slot.tobytes() == in_order.slot.tobytes()
    assert one.tobytes() == two.tobytes()


@given(rights=st.lists(st.booleans(), min_size=1, max_size=20), seed=seeds)
def test_updating_a_record_leaves_the_bits_of_a_fold(rights, seed):
    events = [
        Event(START + k * HOUR, topics=(f"t{k % 3}",), share_ppm=1_000_000 * right, number=k, item=f"i{k % 2}")
        for k, right in enumerate(rights)
    ]
    batch = make_batch(event_columns(table(events)))
    parameters = model(bkt.SCORER, batch, seed)
    folded, updated = start(bkt.SCORER, parameters, batch), start(bkt.SCORER, parameters, batch)
    fold(bkt.SCORER, parameters, batch, folded, 0, history=False)
    known = math.nan
    for i in range(batch.row.size):
        known = bkt.update(
            parameters, updated.slot, updated.student, slot=int(batch.slot[i]), student=0,
            topic=int(batch.slot_topic[batch.slot[i]]), item=int(batch.use[i]), at_us=int(batch.at_us[i]),
            y=float(batch.y[i]),
        )  # fmt: skip
    assert updated.slot.tobytes() == folded.slot.tobytes()
    assert updated.student.tobytes() == folded.student.tobytes()
    last = folded.slot[batch.slot[-1], bkt_kernels.ODDS]
    assert known == last / (1.0 + last)


def test_an_item_has_its_own_guess_and_slip_and_an_unknown_one_those_of_its_topic():
    batch = make_batch(event_columns(table([Event(START, item="hard"), Event(START, student="s_a1", item="new")])))
    items = np.full((2, 2), np.nan)
    items[[name for _, name in batch.items].index("hard")] = 0.05, 0.4
    parameters = Model(defaults(bkt.SCORER, 1), items)
    probability = predict(bkt.SCORER, parameters, batch, start(bkt.SCORER, parameters, batch))
    # Known with 0.3: 0.7 · 0.05 + 0.3 · 0.6 on the hard item, 0.7 · 0.2 + 0.3 · 0.9 on one of the topic.
    np.testing.assert_allclose(probability, [0.215, 0.41], atol=1e-12)


def test_a_good_start_elsewhere_raises_the_start_and_shows_as_other_topics():
    params = defaults(bkt.SCORER, 2)
    params[:, bkt.SCORER.column("pull")] = 4.0
    events = [Event(START), Event(START + HOUR, topics=("t1",), number=1)]
    batch = make_batch(event_columns(table(events)))
    parameters = Model(params, np.zeros((0, 2)))
    states = start(bkt.SCORER, parameters, batch)
    fold(bkt.SCORER, parameters, batch, states, START + HOUR, history=False)
    parts = read(bkt.SCORER, parameters, batch, states, START + HOUR).contributions[
        :, bkt.CONTRIBUTIONS.index("other_topics")
    ]
    # One right answer where 0.65 are right: 4 · 0.35 / (1 + 5).
    np.testing.assert_allclose(parts, [0.0, 4.0 * 0.35 / 6.0], atol=1e-12)


def test_an_item_whose_guess_and_slip_sum_to_one_is_refused():
    with pytest.raises(BadInput, match="of item row 0 is not below 1"):
        bkt.check(Model(defaults(bkt.SCORER, 1), np.array([[0.5, 0.5], [np.nan, np.nan]])))
