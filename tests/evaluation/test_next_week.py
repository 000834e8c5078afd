from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from answers import answer_batch
from mastery.evaluation.next_week import correlation, next_week

MONDAY = datetime(2026, 3, 2, 12, tzinfo=UTC)


def test_the_week_begins_the_day_after_and_lasts_seven_days_on_the_same_topic():
    days = [0, 0, 1, 7, 8, 3]
    batch = answer_batch(pa.table({
        "student_id": ["a"] * 6, "topic_id": ["t"] * 5 + ["u"], "is_correct": [1, 0, 1, 0, 1, 0],
        "timestamp": [MONDAY + timedelta(days=day, hours=hour) for hour, day in enumerate(days)],
    }))  # fmt: skip
    share, answers = next_week(batch, np.arange(6), np.ones(batch.cell_slot.size, bool))
    found = {
        (batch.topics[batch.slot_topic[p]][1], int(day - batch.cell_day.min())): (share[c], answers[c])
        for c, (p, day) in enumerate(zip(batch.cell_slot, batch.cell_day, strict=True))
    }
    assert found[("t", 0)] == (0.5, 2)  # days 1 and 7, not 8, and not day 0 itself
    assert found[("t", 1)] == (0.5, 2)
    assert found[("t", 7)] == (1.0, 1)
    assert found[("t", 8)][1] == found[("u", 3)][1] == 0
    assert np.isnan(found[("t", 8)][0])


def test_cells_that_are_not_counted_have_no_week():
    batch = answer_batch(pa.table({"student_id": ["a"] * 2, "is_correct": [1, 0],
                                   "timestamp": [MONDAY, MONDAY + timedelta(days=1)]}))  # fmt: skip
    _, answers = next_week(batch, np.arange(2), np.zeros(2, bool))
    assert answers.tolist() == [0, 0]


def test_correlation_leaves_out_what_is_not_there_and_is_undefined_for_constants():
    assert correlation(np.array([1.0, 2, 3, np.nan]), np.array([2.0, 4, 6, 1])) == pytest.approx(1.0)
    assert np.isnan(correlation(np.ones(5), np.arange(5.0)))
    assert np.isnan(correlation(np.arange(2.0), np.arange(2.0)))
