"""Which events of a student are remembered: the last ones, whether they count or not."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from histories import START, Event, event_id, histories, table
from mastery.features.batch import make_batch
from mastery.features.columns import event_columns
from mastery.features.recent import KEPT, recent_events


@given(events=histories(), data=st.data())
def test_recent_events_are_each_students_last_ones_newest_last_withdrawn_and_replaced_ones_too(events, data):
    events = [*events, *data.draw(st.lists(st.sampled_from(events), max_size=3))]  # read twice
    rows = table(events)
    batch = make_batch(event_columns(rows))
    recent = recent_events(rows, batch)
    for s, student in enumerate(batch.students):
        mine = {event.number: event for event in events if event.student == student}
        numbers = [event.number for event in sorted(mine.values(), key=Event.key)]
        kept = recent.rows[recent.ptr[s] : recent.ptr[s + 1]]
        assert [events[row].number for row in kept] == numbers[-KEPT:]


@given(events=histories(), data=st.data())
def test_missing_ids_are_those_that_an_event_replaces_and_that_have_not_come(events, data):
    late = data.draw(st.sets(st.sampled_from([event.number for event in events])))
    there = [event for event in events if event.number not in late]
    rows = table(there)
    batch = make_batch(event_columns(rows))
    recent = recent_events(rows, batch)
    for s, student in enumerate(batch.students):
        mine = {event.replaces for event in there if event.student == student and event.replaces in late}
        missing = recent.missing[recent.missing_ptr[s] : recent.missing_ptr[s + 1]]
        assert [tuple(row) for row in missing.tolist()] == sorted(event_id(number) for number in mine)


def test_no_more_last_events_are_remembered_than_the_limit():
    events = [Event(START + k, number=k, topics=("t0", "t1"), kind="assignment") for k in range(KEPT + 10)]
    rows = table(events)
    recent = recent_events(rows, make_batch(event_columns(rows)))
    assert recent.rows.tolist() == list(range(10, KEPT + 10))


def test_of_many_withdrawn_events_the_last_are_remembered_and_a_student_with_no_other_has_none():
    withdrawn = [Event(START + k, number=k, share_ppm=None) for k in range(KEPT + 10)]
    others = [Event(START + k, number=1000 + k, share_ppm=None, student="s_a1") for k in range(3)]
    rows = table([*withdrawn, *others, Event(START - 1, number=500)])
    batch = make_batch(event_columns(rows))
    recent = recent_events(rows, batch)
    assert list(batch.students) == ["s_a0"]
    assert recent.rows.tolist() == list(range(10, KEPT + 10))
