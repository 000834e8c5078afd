"""The daily ledger, its gaps and the cells it stands on, against the obvious way."""

from __future__ import annotations

import numpy as np
from hypothesis import given

from by_hand import active, gaps_of, ledger_of
from folding import cells
from histories import DAY, START, Event, active_choice, histories, table
from mastery.features.batch import make_batch
from mastery.features.columns import event_columns
from mastery.features.counters import fold_counters, initial_counters
from mastery.features.ledger import daily_ledger
from mastery.tables import LEDGER_COUNTS


@given(events=histories())
def test_every_cell_holds_what_was_done_on_that_day(events):
    batch = make_batch(event_columns(table(events)))
    ledger = daily_ledger(batch)
    expected = ledger_of(active_choice(events))
    assert set(cells(batch)) == set(expected)
    assert len(cells(batch)) == len(expected)
    for c, cell in enumerate(cells(batch)):
        assert dict(zip(LEDGER_COUNTS, ledger[:, c].tolist(), strict=True)) == {
            name: expected[cell].get(name, 0) for name in LEDGER_COUNTS
        }


@given(events=histories())
def test_gaps_count_days_since_the_topic_was_last_touched(events):
    batch = make_batch(event_columns(table(events)))
    gaps, _ = fold_counters(batch, initial_counters(batch.slot_topic.size))
    assert dict(zip(cells(batch), gaps.tolist(), strict=True)) == gaps_of(active_choice(events))


@given(events=histories())
def test_evidence_at_the_end_of_a_day_counts_observations_that_weigh(events):
    batch = make_batch(event_columns(table(events)))
    _, evidence = fold_counters(batch, initial_counters(batch.slot_topic.size))
    for (student, topic, day), count in zip(cells(batch), evidence, strict=True):
        weighing = [
            event
            for s, t, event in active(active_choice(events))
            if (s, t) == (student, topic) and event.at_us // DAY <= day and event.kind not in ("video", "tutor")
        ]
        assert count == (len(weighing) if topic != "unassigned" else 0)


@given(events=histories())
def test_days_rows_and_cells_tile_the_batch(events):
    batch = make_batch(event_columns(table(events)))
    assert batch.day_ptr[-1] == batch.slot.size
    assert batch.cell_ptr[-1] == batch.cell_slot.size
    assert batch.student_day_ptr[-1] == batch.day.size
    assert np.all(np.diff(batch.day_ptr) > 0)
    for s in range(len(batch.students)):
        for d in range(batch.student_day_ptr[s], batch.student_day_ptr[s + 1]):
            rows = slice(batch.day_ptr[d], batch.day_ptr[d + 1])
            assert np.all(batch.at_us[rows] // DAY == batch.day[d])
            assert batch.student_ptr[s] <= rows.start
            assert rows.stop <= batch.student_ptr[s + 1]
            touched = {int(c) for c in batch.cell[rows] if c >= 0}
            assert touched == set(range(batch.cell_ptr[d], batch.cell_ptr[d + 1]))
    acting = batch.cell >= 0
    np.testing.assert_array_equal(batch.cell_slot[batch.cell[acting]], batch.slot[acting])


def test_a_day_begins_at_midnight_utc():
    events = [Event(START - 1, number=0), Event(START, number=1), Event(START + DAY - 1, number=2)]
    batch = make_batch(event_columns(table(events)))
    assert batch.day.tolist() == [START // DAY - 1, START // DAY]
    assert daily_ledger(batch)[0].tolist() == [1, 2]


def test_feedback_makes_no_day_active():
    batch = make_batch(event_columns(table([Event(START, kind="feedback")])))
    assert batch.slot_topic.size == 1
    assert batch.cell_slot.size == 0
