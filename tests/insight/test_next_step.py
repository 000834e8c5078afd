from __future__ import annotations

import pytest

from mastery.insight.bands import BANDS
from mastery.insight.next_step import BANDS_WITH_A_STEP, next_step


@pytest.mark.parametrize(
    ("told", "step"),
    [
        ({"recent": "--+", "hints": 9, "last_days_ago": 14}, "work on it again: last worked on 14 days ago"),
        ({"recent": "--+--", "hints": 4, "last_days_ago": 13}, "try it without hints: 4 hints on 5 questions"),
        ({"recent": "--+", "hints": 4}, "go over the wrong answers: 2 of 3 answers wrong"),
        ({"recent": "+-+-+---", "older_right": 2}, "go over the wrong answers: 5 of the last 8 answers wrong"),
        (
            {"recent": "++", "practice_attempts": 10, "practice_right_ppm": 3_000_000},
            "practise it: 3 of 10 practice answers right",
        ),
        (
            {"assignments": 3, "assignment_ppm": 1_350_000},
            "go over the assignments: 45 % on average in 3 assignments",
        ),
        ({"recent": "+++"}, "give it more work: 3 graded pieces so far"),
    ],
)
def test_the_step_is_the_first_that_the_counts_call_for(known, told, step):
    assert next_step(known(**told), "needs_help")[0] == step


@pytest.mark.parametrize("band", BANDS)
def test_there_is_a_step_where_something_is_to_be_done_and_only_there(known, band):
    assert (next_step(known("--+"), band) is None) == (band not in BANDS_WITH_A_STEP)
