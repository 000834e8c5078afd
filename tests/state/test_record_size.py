"""A record is small: what one student of many topics costs to read and to write."""

from __future__ import annotations

import numpy as np
import pytest

from laws.test_records import model_set
from mastery.pipelines.scoring.continue_record import END_OF_TIME
from mastery.pipelines.scoring.fold import fold_events
from mastery.pipelines.scoring.records import record_block
from mastery.pipelines.simulation.events import simulated_events
from mastery.scorers.model_set import ModelSet
from mastery.simulation import SchoolPlan
from mastery.state import encode_many
from small_sets import starter

MOST = 16 * 1024
"""Bytes of the median record: with the scorers that need no fit, and with all five that fold."""


@pytest.mark.slow
@pytest.mark.parametrize("models", [starter(), model_set(None)])
def test_the_median_record_of_students_of_50_topics_is_at_most_so_large(models: ModelSet) -> None:
    plan = SchoolPlan(students=40, days=180, topics=72, topics_per_student=67)
    events, _ = simulated_events(plan, 0, plan.students)
    folded = fold_events(events, models, END_OF_TIME)
    block = record_block(events, folded, np.arange(len(folded.batch.students)))
    _, ptr = encode_many(block)
    assert np.median(np.diff(block.slot_ptr)) >= 50
    assert np.median(np.diff(ptr)) <= MOST
