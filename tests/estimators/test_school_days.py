"""Answers and states by the days of a school."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

import mastery as ms
from mastery.errors import BadInput

CALIFORNIA = "America/Los_Angeles"
START = datetime(2026, 5, 6, 23, 50, tzinfo=UTC)  # 16:50 in California


def sitting(start: datetime) -> pa.Table:
    return pa.table(
        {
            "student_id": ["S1"] * 6,
            "topic_id": ["ratios"] * 6,
            "is_correct": [1, 1, 0, 1, 0, 1],
            "timestamp": [start + timedelta(minutes=4 * k) for k in range(6)],
        }
    )


def scores(start: datetime, zone: str) -> list[float]:
    answers = ms.read_answers(sitting(start), school_timezone=zone)
    return ms.RuleBased().scores(answers)["mastery_score"].to_pylist()


def test_a_sitting_has_one_score_at_either_hour_of_the_school():
    earlier = START - timedelta(hours=1)
    assert scores(START, CALIFORNIA) == scores(earlier, CALIFORNIA)
    assert scores(START, "UTC") != scores(earlier, "UTC")


def test_a_state_goes_on_by_the_days_it_began_with():
    model, answers = ms.RuleBased(), ms.read_answers(sitting(START), school_timezone=CALIFORNIA)
    whole = model.state(answers, student="S1")
    assert whole.timezone == CALIFORNIA
    assert np.array_equal(whole.last_day, [(date(2026, 5, 6) - date(1970, 1, 1)).days])
    at = model.scores(whole, as_of="2026-05-06")["mastery_score"].to_pylist()
    assert at == model.scores(answers, as_of="2026-05-06")["mastery_score"].to_pylist()


def test_a_zone_that_nobody_knows_is_refused():
    for ask in (
        lambda: ms.read_answers(sitting(START), school_timezone="Europe/Berln"),
        lambda: ms.RuleBased().state(student="new", school_timezone="Europe/Berln"),
    ):
        with pytest.raises(BadInput, match="did you mean 'Europe/Berlin'"):
            ask()
