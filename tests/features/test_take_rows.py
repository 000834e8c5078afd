import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from histories import active_choice, histories, table
from mastery.features.batch import BySlot, make_batch
from mastery.features.columns import event_columns
from mastery.features.take_rows import take_rows

ROWS = ("student_ptr", "slot_ptr", "slot", "student_day_ptr", "day", "day_ptr", "cell_ptr", "cell_slot", "cell_day",
        "cell", "day_end_us", "days_away",
        "y", "weight", "opportunity", "at_us", "kind", "attempts", "success_ppm", "duration_ms", "hints",
        "rewinds")  # fmt: skip


def same(one, two):
    assert list(one.students) == list(two.students)
    assert [one.topics[t] for t in one.slot_topic] == [two.topics[t] for t in two.slot_topic]
    for name in ROWS:
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name), err_msg=name)
    for name in BySlot._fields:
        if name != "use":  # codes differ between batches
            np.testing.assert_array_equal(getattr(one.by_slot, name), getattr(two.by_slot, name), err_msg=name)


@given(events=histories(), data=st.data())
def test_the_rows_before_a_moment_are_the_batch_of_what_happened_before_it(events, data):
    events = active_choice(events)
    assume(events)
    whole = make_batch(event_columns(table(events)))
    moment = data.draw(st.sampled_from(sorted({event.at_us for event in events}))) + data.draw(st.integers(0, 1))
    before = [event for event in events if event.at_us < moment]
    assume(before)
    same(take_rows(whole, whole.at_us < moment), make_batch(event_columns(table(before))))


@given(events=histories())
def test_all_rows_are_the_batch_itself(events):
    whole = make_batch(event_columns(table(events)))
    assume(whole.row.size)
    found = take_rows(whole, np.ones(whole.row.size, bool))
    same(found, whole)
    np.testing.assert_array_equal(found.row, whole.row)
    np.testing.assert_array_equal(found.item, whole.item)
