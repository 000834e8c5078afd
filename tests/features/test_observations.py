"""The table of weights in docs/features.md, line by line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given

from histories import START, Event, histories, table
from mastery.features.batch import make_batch
from mastery.features.columns import event_columns
from mastery.features.observations import LEAST_RETRY_WEIGHT, OBSERVATION_VERSION, PRACTICE_CAP

DOCS = Path(__file__).parents[2] / "docs" / "features.md"

CASES = [
    (Event(START), (1.0, 1.0, 1.0)),
    (Event(START, share_ppm=0), (0.0, 1.0, 1.0)),
    (Event(START, share_ppm=600_000), (0.6, 1.0, 1.0)),
    (Event(START, attempt_number=1, hints=0), (1.0, 1.0, 1.0)),
    (Event(START, attempt_number=2), (1.0, 0.5, 1.0)),
    (Event(START, attempt_number=3), (1.0, 0.25, 1.0)),
    (Event(START, attempt_number=9), (1.0, 0.25, 1.0)),
    (Event(START, hints=1), (1.0, 0.5, 1.0)),
    (Event(START, hints=7), (1.0, 0.5, 1.0)),
    (Event(START, hints=1, attempt_number=2), (1.0, 0.25, 1.0)),
    (Event(START, kind="practice", attempts=3, share_ppm=700_000), (0.7, 3.0, 1.0)),
    (Event(START, kind="practice", attempts=50, share_ppm=700_000), (0.7, 5.0, 1.0)),
    (Event(START, kind="practice", attempts=4, hints=2), (1.0, 4 * 0.75, 1.0)),
    (Event(START, kind="practice", attempts=4, hints=9), (1.0, 2.0, 1.0)),
    (Event(START, kind="assignment", share_ppm=800_000), (0.8, 3.0, 1.0)),
    (Event(START, kind="assignment", topics=("t0", "t1"), share_ppm=800_000), (0.8, 1.5, 1.0)),
    (Event(START, topics=("t0", "t1")), (1.0, 0.5, 1.0)),
    (Event(START, topics=("t0", "t1", "t2"), hints=1), (1.0, 0.5 / 3, 1.0)),
    (Event(START, kind="practice", topics=("t0", "t1"), attempts=4, hints=2), (1.0, 1.5, 1.0)),
    (Event(START, kind="video", share_ppm=250_000), (0.25, 0.0, 0.25)),
    (Event(START, kind="tutor", attempts=4, share_ppm=500_000), (0.5, 0.0, 0.5)),
    (Event(START, kind="feedback"), (0.0, 0.0, 0.0)),
    (Event(START, topics=(None,)), (0.0, 0.0, 0.0)),
]


@pytest.mark.parametrize(("event", "expected"), CASES)
def test_an_event_counts_for_what_the_table_says(event, expected):
    batch = make_batch(event_columns(table([event])))
    for found in zip(batch.y, batch.weight, batch.opportunity, strict=True):
        assert found == pytest.approx(expected, abs=1e-12)


@given(events=histories())
def test_shares_and_probabilities_lie_between_0_and_1_and_no_weight_is_below_0(events):
    batch = make_batch(event_columns(table(events)))
    for values, most in ((batch.y, 1.0), (batch.opportunity, 1.0), (batch.weight, PRACTICE_CAP)):
        assert ((values >= 0.0) & (values <= most)).all()


def test_the_page_gives_the_numbers_of_the_code():
    page = DOCS.read_text("utf-8")
    assert f"version {OBSERVATION_VERSION}" in page
    assert re.search(rf"never less than {LEAST_RETRY_WEIGHT}", page)
    assert re.search(rf"at most {PRACTICE_CAP:g}", page)
