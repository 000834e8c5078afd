"""Which events count, and what their columns are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histories import DAY, START, Event, active_choice, encoded, event_id, histories, table
from mastery.errors import Conflict
from mastery.features.columns import event_columns


def ids(columns) -> set[tuple[int, int]]:
    return set(zip(columns.id_hi.tolist(), columns.id_lo.tolist(), strict=True))


@given(events=histories())
def test_replaced_and_withdrawn_events_are_left_out(events):
    assert ids(event_columns(table(events))) == {event_id(event.number) for event in active_choice(events)}


@given(events=histories(), wait=st.integers(0, 500))
def test_as_of_sees_what_had_happened_by_then(events, wait):
    as_of = START + wait * DAY
    by_then = [event for event in events if event.at_us <= as_of]
    assert ids(event_columns(table(events), as_of)) == {event_id(event.number) for event in active_choice(by_then)}


@given(events=histories())
def test_dictionaries_and_plain_strings_come_to_the_same(events):
    plain, coded = event_columns(table(events)), event_columns(encoded(table(events)))
    assert list(plain.students) == list(coded.students)
    assert list(plain.tenants) == list(coded.tenants)
    for columns in (plain, coded):
        assert list(columns.topics) == sorted(columns.topics)
        assert list(columns.students) == sorted(columns.students)
    assert [plain.topics[t] for t in plain.topic] == [coded.topics[t] for t in coded.topic]
    for name in ("row", "student", "kind", "topics_of_event", "at_us", "attempts", "success_ppm", "hints"):
        np.testing.assert_array_equal(getattr(plain, name), getattr(coded, name))


@given(events=histories())
def test_names_belong_to_their_tenant(events):
    columns = event_columns(table(events))
    kept = {event_id(event.number): event for event in active_choice(events)}
    for i in range(columns.row.size):
        event = kept[int(columns.id_hi[i]), int(columns.id_lo[i])]
        assert columns.students[columns.student[i]] == event.student
        assert columns.tenants[columns.student[i]] == event.tenant
        tenant, topic = columns.topics[columns.topic[i]]
        assert tenant == event.tenant
        assert topic in [name or "unassigned" for name in event.topics]
        assert columns.topics_of_event[i] == len(event.topics)
        if event.item is None:
            assert columns.item[i] == -1
        else:
            assert columns.items[columns.item[i]] == (event.tenant, event.item)


def test_a_student_without_an_event_that_counts_is_not_among_the_students():
    events = [Event(START), Event(START + DAY, student="s_b0", tenant="b", number=1)]
    for read in (table(events), encoded(table(events))):
        columns = event_columns(read, START)
        assert (list(columns.students), list(columns.tenants)) == (["s_a0"], ["a"])


def test_no_events_give_empty_columns():
    for empty in (table([]), encoded(table([]))):
        columns = event_columns(empty)
        assert (len(columns.students), columns.row.size) == (0, 0)


def test_columns_that_an_old_lake_lacks_may_be_missing():
    events = table([Event(START)]).drop_columns(["item_id", "other_topic_ids"])
    columns = event_columns(events)
    assert columns.item.tolist() == [-1]
    assert columns.topics_of_event.tolist() == [1]


def test_a_slice_of_a_table_reads_like_a_table_of_its_own():
    events = [
        Event(START + k, number=k, kind="assignment", topics=("t0", "t1", "t2")[: 1 + k % 3], item=f"i{k}")
        for k in range(9)
    ]
    sliced, whole = event_columns(table(events).slice(4, 3)), event_columns(table(events[4:7]))
    for name in ("row", "student", "topics_of_event", "at_us", "id_lo"):
        np.testing.assert_array_equal(getattr(sliced, name), getattr(whole, name))
    assert [sliced.topics[t] for t in sliced.topic] == [whole.topics[t] for t in whole.topic]


def test_chunks_with_dictionaries_of_their_own_are_read_as_one():
    events = [Event(START + k, number=k, student=f"s_a{k % 3}", topics=(f"t{k % 4}",)) for k in range(12)]
    parts = pa.concat_tables([encoded(table(events[5:])), encoded(table(events[:5]))])
    columns, whole = event_columns(parts), event_columns(table([*events[5:], *events[:5]]))
    np.testing.assert_array_equal(columns.student, whole.student)
    assert [columns.topics[t] for t in columns.topic] == [whole.topics[t] for t in whole.topic]


@given(events=histories(), data=st.data())
def test_codes_depend_on_what_is_there_and_not_on_its_order(events, data):
    mine, last_us = event_columns(table(events)), max((event.at_us for event in events), default=START)
    later = [replace(event, number=999, topics=("a-topic",), item="an-item", at_us=last_us + 1) for event in events[:1]]
    other = event_columns(encoded(table([*later, *data.draw(st.permutations(events))])), last_us)
    assert list(mine.topics) == list(other.topics) == sorted(mine.topics)
    assert list(mine.items) == list(other.items) == sorted(mine.items)
    assert {mine.items[code] for code in mine.item if code >= 0} == set(mine.items)

    def rows(columns):
        names = ("student", "topic", "item", "id_lo", "at_us")
        return sorted(zip(*(getattr(columns, name).tolist() for name in names), strict=True))

    assert rows(mine) == rows(other)


def test_an_unknown_kind_says_what_to_do():
    with pytest.raises(Conflict, match="kind 'essay'.*upgrade"):
        event_columns(table([replace(Event(START), kind="essay")]))
