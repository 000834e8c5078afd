"""A student's past with another answer at its end, item by item: as it would be once that answer had been given."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from histories import DAY, Event, histories, model, seeds, table
from mastery.features.batch import make_batch
from mastery.features.columns import event_columns
from mastery.features.next_answers import next_answers
from mastery.scorers import folding
from mastery.scorers.base import predict, start

ITEMS = ("i0", "nobody knows it", None)


def of_one(events: list[Event]) -> list[Event]:
    """Return the events of the student of the first one, those that replace another left out."""
    return [event for event in events if event.student == events[0].student and event.replaces is None]


@given(events=histories(), seed=seeds, topic=st.sampled_from(["t0", "t1", "never met"]))
def test_what_is_said_of_the_next_answer_is_what_is_said_once_it_has_been_given(events, seed, topic):
    mine = of_one(events)
    assume(mine)
    at_us = max(event.at_us for event in mine) + DAY
    batch, rows = next_answers(event_columns(table(mine)), topic, ITEMS, at_us)
    assert np.all(batch.at_us[rows] == at_us) and len(rows) == len(ITEMS)
    for k, item in enumerate(ITEMS):
        answer = replace(mine[0], at_us=at_us, kind="quiz", topics=(topic,), item=item, number=9_999, attempts=1)
        given = replace(answer, share_ppm=1_000_000, attempt_number=None, hints=None, rewinds=None, duration_ms=None)
        later = make_batch(event_columns(table([*mine, given])))
        for scorer in folding().values():
            said, expected = (
                predict(scorer, parameters, one, start(scorer, parameters, one))
                for one in (batch, later)
                for parameters in [model(scorer, one, seed)]
            )
            assert said[rows[k]] == expected[-1], scorer.name


@given(events=histories())
def test_copies_of_a_past_are_the_past(events):
    mine = of_one(events)
    assume(mine)
    columns = event_columns(table(mine))
    past, (batch, rows) = make_batch(columns), next_answers(columns, "t0", ITEMS, max(e.at_us for e in mine))
    copies = np.split(np.arange(batch.row.size), rows + 1)[: len(ITEMS)]
    for copy in copies:
        assert copy.size == past.row.size + 1
        for name in ("at_us", "kind", "y", "weight", "opportunity", "attempts", "hints"):
            assert np.array_equal(getattr(batch, name)[copy][:-1], getattr(past, name)), name
        same_event = np.diff(batch.row[copy]) == 0
        assert np.array_equal(same_event[:-1], np.diff(past.row) == 0) and not same_event[-1:].any()
