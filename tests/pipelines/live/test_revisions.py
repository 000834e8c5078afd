"""Revisions without a version of their source: the last counts, however what comes in is cut into batches."""

from __future__ import annotations

import pytest

from mastery.pipelines.live.batch import DUPLICATE, REVISED_ROW
from mastery.tables import EVENTS
from pipelines.live.test_batch import answer, has_all, intake_of, post
from school import Deployment

ROWS = (
    answer(1, is_correct=False, hints_used=1),
    answer(1, is_correct=True, hints_used=1),
    answer(2),
    answer(1, is_correct=True),
    answer(1, is_correct=False, hints_used=2),
    answer(2, is_correct=False),
    answer(1, is_correct=False, hints_used=1),
    answer(2, is_correct=True, hints_used=3),
    answer(1, is_correct=True, hints_used=4),
)
"""The fourth only lacks what is known of its event, and the seventh is known as it is: both are duplicates."""

CUTS = ((), (1,), (1, 2, 3, 4, 5, 6, 7, 8), (4,), (2, 3, 7), (5, 6), (1, 6, 8))


@pytest.mark.parametrize("rows", [ROWS, ROWS[::-1]], ids=["there", "back"])
def test_of_revisions_that_came_in_the_last_counts_in_every_cut(tmp_path, rows):
    found = []
    for number, cut in enumerate(CUTS):
        school = Deployment.at(tmp_path / str(number))
        intake = intake_of(school)  # whose clock stands still
        taken = [post(intake, *rows[a:b]) for a, b in zip((0, *cut), (*cut, len(rows)), strict=True)]
        intake.close()
        assert has_all(school)
        counting = school.lake.scan(EVENTS).sort_by("item_id").to_pylist()
        of_rows = [outcome for one in taken for outcome in one.rows.tolist()]
        found.append((of_rows, [(row["item_id"], row["success_ppm"], row["hints"]) for row in counting]))
        school.state.close()
    assert all(one == found[0] for one in found), found
    if rows is ROWS:
        assert [place for place, outcome in enumerate(found[0][0]) if outcome == DUPLICATE] == [3, 6]
        assert found[0][0].count(REVISED_ROW) == 5
        assert found[0][1] == [("q1", 1_000_000, 4), ("q2", 1_000_000, 3)]
