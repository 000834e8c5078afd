"""The laws of ARCHITECTURE.md, over every scorer in the registry.

They are numbered as there. Law 9 (parameters are recovered from simulated students) belongs to fitting.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from folding import cells, fold_all, places, together
from histories import (
    DAY,
    GAPS,
    Event,
    active_choice,
    days_of_schools,
    encoded,
    event_id,
    examples,
    histories,
    model,
    seeds,
    table,
)
from mastery.features.batch import make_batch
from mastery.features.columns import event_columns
from mastery.scorers import SCORERS
from mastery.scorers.base import fold, predict, read, start

every_scorer = pytest.mark.parametrize("scorer", SCORERS.values(), ids=SCORERS)
later = st.sampled_from(GAPS)

ROUNDING = 1e-12
"""What the rounding of one fold may differ by from that of another with other numbers."""


def end_of(events: list[Event]) -> int:
    return max(event.at_us for event in events)


@every_scorer
@given(events=histories(), seed=seeds, days=days_of_schools, data=st.data())
def test_law_1_two_batches_equal_one(scorer, events, seed, days, data):
    events = active_choice(events)
    assume(events)
    by_student = {event.student: [e for e in events if e.student == event.student] for event in events}
    cut = {student: data.draw(st.integers(0, len(mine))) for student, mine in by_student.items()}
    first = [e for student, mine in by_student.items() for e in mine[: cut[student]]]
    second = [e for student, mine in by_student.items() for e in mine[cut[student] :]]
    as_of = end_of(events) + DAY
    one = fold_all(scorer, table(events), seed, as_of, days=days)
    before = fold_all(scorer, table(first), seed, as_of, days=days)
    two = together(before, fold_all(scorer, table(second), seed, as_of, before, days))
    for what in ("topics", "slot_state", "student_state", "counters", "feedback", "ledger", "gaps", "readings"):
        assert getattr(two, what) == getattr(one, what), what


@every_scorer
@given(events=histories(), seed=seeds, days=days_of_schools)
def test_law_2_a_student_in_a_batch_equals_the_student_alone(scorer, events, seed, days):
    as_of = end_of(events) + DAY
    together_ = fold_all(scorer, table(events), seed, as_of, days=days)
    for student in together_.topics:
        alone = fold_all(scorer, table([e for e in events if e.student == student]), seed, as_of, days=days)
        assert together_.of(student) == alone


@every_scorer
@given(events=histories(), seed=seeds, data=st.data())
def test_law_3_order_and_repeats_of_arrival_change_nothing(scorer, events, seed, data):
    as_of = end_of(events) + DAY
    again = data.draw(st.permutations(events + data.draw(st.lists(st.sampled_from(events), max_size=5))))
    as_read = encoded(table(again)) if data.draw(st.booleans()) else table(again)
    assert fold_all(scorer, table(events), seed, as_of) == fold_all(scorer, as_read, seed, as_of)


@every_scorer
@given(events=histories(), seed=seeds, data=st.data())
def test_predicting_sees_nothing_of_the_event_it_predicts_and_folds_like_any_fold(scorer, events, seed, data):
    batch = make_batch(event_columns(table(events)))
    assume(batch.row.size)
    parameters = model(scorer, batch, seed)
    folded, states = start(scorer, parameters, batch), start(scorer, parameters, batch)
    fold(scorer, parameters, batch, folded, end_of(events))
    probability = predict(scorer, parameters, batch, states)
    assert states.slot.tobytes() == folded.slot.tobytes()
    assert states.student.tobytes() == folded.student.tobytes()
    assert np.array_equal(np.isnan(probability), batch.weight <= 0.0)
    assert np.all((probability >= 0.0) & (probability <= 1.0) | np.isnan(probability))
    # Every answer from some moment on is turned round: nothing that was said by then may move.
    turn = data.draw(st.integers(0, batch.row.size - 1))
    owner = np.repeat(np.arange(len(batch.students)), np.diff(batch.student_ptr))
    after = (owner == owner[turn]) & (np.arange(batch.row.size) >= np.flatnonzero(batch.row == batch.row[turn]).min())
    y = np.where(after, 1.0 - batch.y, batch.y)
    turned = replace(batch, y=y, by_slot=batch.by_slot._replace(y=y[np.argsort(batch.slot, kind="stable")]))
    again = predict(scorer, parameters, turned, start(scorer, parameters, batch))
    same = ~after | (batch.row == batch.row[turn])
    assert np.array_equal(again[same], probability[same], equal_nan=True)


@every_scorer
@given(events=histories(), seed=seeds, wait=later)
def test_laws_4_and_5_scores_lie_in_their_interval_and_parts_add_up(scorer, events, seed, wait):
    batch = make_batch(event_columns(table(events)))
    parameters = model(scorer, batch, seed)
    states = start(scorer, parameters, batch)
    as_of = end_of(events) + wait
    history = fold(scorer, parameters, batch, states, as_of)
    reading = read(scorer, parameters, batch, states, as_of)
    for score, lower, upper in ((reading.score, reading.lower, reading.upper), history):
        assert np.all((lower >= 0.0) & (lower <= score) & (score <= upper) & (upper <= 1.0))
    on_scale = reading.score if scorer.scale == "index" else np.log(reading.score / (1.0 - reading.score))
    np.testing.assert_allclose(reading.contributions.sum(axis=1), on_scale, rtol=0, atol=1e-9)


@pytest.mark.slow
@every_scorer
@examples(300)
@given(events=histories(regrades=False), seed=seeds, data=st.data())
def test_law_6_a_better_answer_never_lowers_the_score_of_its_topic(scorer, events, seed, data):
    at = data.draw(st.sampled_from([i for i, e in enumerate(events) if e.share_ppm < 1_000_000] or [None]))
    assume(at is not None)
    better = replace(events[at], share_ppm=data.draw(st.sampled_from((1_000_000, events[at].share_ppm + 1))))
    raised = [*events[:at], better, *events[at + 1 :]]
    batch, batch_raised = (make_batch(event_columns(table(some))) for some in (events, raised))
    parameters = model(scorer, batch, seed)
    mine = {(better.student, topic or "unassigned") for topic in better.topics}
    slots = [p for p, place in enumerate(places(batch)) if place in mine]
    days = [c for c, cell in enumerate(cells(batch)) if cell[:2] in mine]
    as_of = end_of(events)
    states, states_raised = start(scorer, parameters, batch), start(scorer, parameters, batch)
    history = fold(scorer, parameters, batch, states, as_of)
    history_raised = fold(scorer, parameters, batch_raised, states_raised, as_of)
    assert np.all(history_raised[0, days] >= history[0, days] - ROUNDING)
    for wait in (0, DAY, 400 * DAY):
        score = read(scorer, parameters, batch, states, as_of + wait).score[slots]
        score_raised = read(scorer, parameters, batch, states_raised, as_of + wait).score[slots]
        assert np.all(score_raised >= score - ROUNDING)


@every_scorer
@given(events=histories(), seed=seeds, wait=later, longer=later)
def test_law_7_idle_time_never_raises_a_score(scorer, events, seed, wait, longer):
    batch = make_batch(event_columns(table(events)))
    parameters = model(scorer, batch, seed)
    states = start(scorer, parameters, batch)
    as_of = end_of(events) + wait
    fold(scorer, parameters, batch, states, as_of, history=False)
    sooner = read(scorer, parameters, batch, states, as_of).score
    assert np.all(read(scorer, parameters, batch, states, as_of + longer).score <= sooner + 1e-15)


@every_scorer
@given(events=histories(), seed=seeds, data=st.data())
def test_law_8_erasing_a_student_leaves_every_other_record_as_it_was(scorer, events, seed, data):
    erased = data.draw(st.sampled_from(sorted({event.student for event in events})))
    as_of = end_of(events) + DAY
    before = fold_all(scorer, table(events), seed, as_of)
    after = fold_all(scorer, table([e for e in events if e.student != erased]), seed, as_of)
    assert erased not in after.topics
    for student in set(before.topics) - {erased}:
        assert after.of(student) == before.of(student)


@every_scorer
@given(events=histories(), seed=seeds)
def test_the_last_point_of_history_is_what_is_read_at_the_end_of_that_day(scorer, events, seed):
    for as_of in (end_of(events), (end_of(events) // DAY + 1) * DAY):
        now = fold_all(scorer, table(events), seed, as_of)
        for student, topic, day in now.history:
            if day == as_of // DAY or day == as_of // DAY - 1 == end_of(events) // DAY:
                assert now.history[student, topic, day] == now.readings[student, topic][:24]


@every_scorer
@given(events=histories(regrades=False), seed=seeds, data=st.data())  # a later regrade rewrites the past
def test_the_past_reads_the_same_whether_from_history_or_by_an_earlier_as_of(scorer, events, seed, data):
    now = fold_all(scorer, table(events), seed, end_of(events) + 10_000 * DAY)
    assume(now.history)
    student, topic, day = data.draw(st.sampled_from(sorted(now.history)))
    kept = [e for e in events if e.at_us < (day + 1) * DAY]
    then = fold_all(scorer, table(kept), seed, (day + 1) * DAY)
    assert now.history[student, topic, day] == then.readings[student, topic][:24]


@every_scorer
@given(events=histories(), seed=seeds)
def test_inputs_are_left_untouched(scorer, events, seed):
    columns = event_columns(table(events))
    batch = make_batch(columns)
    parameters = model(scorer, batch, seed)
    states = start(scorer, parameters, batch)
    inputs = [*vars(columns).values(), *vars(batch).values(), parameters.params, parameters.items]
    arrays = [value for value in inputs if isinstance(value, np.ndarray)]
    copies = [array.copy() for array in arrays]
    fold(scorer, parameters, batch, states, end_of(events))
    before_reading = states.slot.copy(), states.student.copy()
    read(scorer, parameters, batch, states, end_of(events))
    for array, copy in zip([*arrays, states.slot, states.student], [*copies, *before_reading], strict=True):
        np.testing.assert_array_equal(array, copy)


def test_ids_of_the_drawn_events_are_distinct_and_out_of_order():
    ids = [event_id(number) for number in range(2000)]
    assert len(set(ids)) == 2000
    assert ids != sorted(ids)
