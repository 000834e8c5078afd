from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given

from histories import DAY, START, Event, active_choice, examples, histories, table
from mastery.features.batch import make_batch
from mastery.features.columns import event_columns
from mastery.features.counters import fold_counters, initial_counters
from mastery.features.ledger import daily_ledger
from mastery.features.returns import returns
from mastery.features.windows import SPACED_GAP_DAYS


def of(events):
    batch = make_batch(event_columns(table(events)))
    gaps, _ = fold_counters(batch, initial_counters(batch.slot_topic.size))
    return batch, returns(batch, daily_ledger(batch), gaps)


def test_only_answers_on_days_after_a_break_are_counted():
    days = [0, 1, 4, 4, 6, 9]
    events = [Event(number=k, at_us=START + day * DAY, share_ppm=1_000_000 * (k % 2)) for k, day in enumerate(days)]
    _, found = of(events)
    assert (found.answers.tolist(), found.right.tolist()) == ([3], [2.0])  # two on day 4, and the one on day 9


@examples(50)
@given(events=histories())
def test_returns_are_what_a_walk_over_the_days_finds(events):
    batch, found = of(events)
    for p, (student, topic) in enumerate(zip(batch.slot_student, batch.slot_topic, strict=True)):
        name = batch.topics[topic][1]
        mine = [e for e in active_choice(events) if e.student == batch.students[student] and e.kind != "feedback"]
        mine = [e for e in mine if name in [one or "unassigned" for one in e.topics]]
        days = sorted({e.at_us // DAY for e in mine})
        back = {day for before, day in pairwise(days) if day - before >= SPACED_GAP_DAYS}
        work = [e for e in mine if e.at_us // DAY in back and e.kind in ("quiz", "practice")]
        assert found.answers[p] == sum(e.attempts for e in work)
        assert found.practice[p] == sum(e.attempts for e in work if e.kind == "practice")
        assert found.right[p] == pytest.approx(sum(e.success_ppm for e in work) / 1e6)
