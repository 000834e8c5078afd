"""Order is (occurred_at, sequence, about, event_id, topic) within a student, whatever order rows arrive in."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given

from histories import active_choice, encoded, histories, many, table
from mastery.features import order
from mastery.features.columns import EventColumns, event_columns
from mastery.features.order import order_rows


def expected(columns: EventColumns) -> list[int]:
    """Return the rows in order, each (event, topic) once, by the full key."""

    def key(i: int) -> tuple[int, ...]:
        return (
            int(columns.student[i]),
            int(columns.at_us[i]),
            int(columns.sequence[i]),
            int(columns.about[i]),
            int(columns.id_hi[i]),
            int(columns.id_lo[i]),
            int(columns.topic[i]),
        )

    seen: dict[tuple[int, ...], int] = {}
    for i in range(columns.row.size):
        seen.setdefault(key(i), i)
    return [seen[k] for k in sorted(seen)]


def same_rows(columns: EventColumns, a: np.ndarray, b: list[int]) -> bool:
    """Whether two orders hold the same (event, topic) at every place; which of two equal rows stands is open."""
    keys = np.column_stack([columns.student, columns.id_hi, columns.id_lo, columns.topic])
    return a.size == len(b) and bool(np.array_equal(keys[a], keys[np.array(b, np.int64)]))


@given(events=histories())
def test_rows_are_sorted_by_the_full_key(events):
    columns = event_columns(table(events + events[:3]))
    ptr, found = order_rows(columns)
    assert same_rows(columns, found, expected(columns))
    assert [columns.student[found[ptr[s] : ptr[s + 1]]].tolist() for s in range(len(columns.students))] == [
        [s] * int(ptr[s + 1] - ptr[s]) for s in range(len(columns.students))
    ]


@given(events=histories())
def test_the_order_of_events_is_the_obvious_one(events):
    columns = event_columns(encoded(table(events)))
    _, found = order_rows(columns)
    numbers = [events[i].number for i in columns.row[found]]
    kept = [number for k, number in enumerate(numbers) if k == 0 or number != numbers[k - 1]]
    assert kept == [event.number for event in active_choice(events)]


@pytest.mark.parametrize("ties", [1, 50, 10**15])
def test_thousands_of_rows_in_random_order_take_the_way_of_the_merge_sort(ties):
    rng = np.random.default_rng(5)
    columns = many(rng, 3, 2_000, 10)
    shuffled = rng.permutation(np.concatenate([np.arange(6_000), rng.integers(0, 6_000, 500)]))
    taken = {
        f.name: getattr(columns, f.name)[shuffled]
        for f in fields(columns)
        if isinstance(getattr(columns, f.name), np.ndarray)
    }
    columns = replace(columns, **taken | {"at_us": taken["at_us"] // ties, "sequence": taken["sequence"] // 7 % 3})
    _, found = order_rows(columns)
    assert same_rows(columns, found, expected(columns))
    args = (columns.at_us.copy(), columns.sequence, columns.about, columns.id_hi, columns.id_lo, columns.topic)
    assert not order._insertion_sort(0, 6_500, np.arange(6_500), *args)  # it would have given up
