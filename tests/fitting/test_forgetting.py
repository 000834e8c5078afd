"""How fast scores fade, found from answers that students who forget gave after pauses."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from answers import answer_batch
from mastery.features.batch import Batch
from mastery.fitting.forgetting import fit_forgetting

DAY_MS = 86_400_000
FIRST_DAY = 20_000  # in 2024: what is before 1990 is no time stamp
KNOWN, UNKNOWN = 0.9, 0.3


def forgetful(students: int, half_life: float, growth: float, seed: int = 0) -> tuple[Batch, np.ndarray]:
    """Return answers on four topics on as many days as pauses of 1 to 60 days make of a year, and what a scorer that
    forgets nothing would expect: 0.3 before the first right one, 0.9 from then on. Wrong ones remind of nothing."""
    rng = np.random.default_rng(seed)
    rows: dict[str, list[object]] = {"student_id": [], "topic_id": [], "is_correct": [], "timestamp": []}
    expected = []
    for student in range(students):
        for topic in range(4):
            day, studied, last = float(rng.uniform(0.0, 30.0)), 0, 0.0
            while day < 365.0:
                probability = UNKNOWN
                if studied:
                    lasting = min(max(half_life, 365.0), half_life * growth ** (studied - 1))
                    probability += 2.0 ** (-(day - last) / lasting) * (KNOWN - UNKNOWN)
                expected.append(KNOWN if studied else UNKNOWN)
                rows["student_id"].append(f"s{student:04d}")
                rows["topic_id"].append(f"t{topic}")
                right = rng.random() < probability
                rows["is_correct"].append(int(right))
                rows["timestamp"].append(FIRST_DAY * DAY_MS + int(day * DAY_MS))
                last, studied = (day, studied + 1) if right else (last, studied)
                day += float(np.exp(rng.uniform(0.1, np.log(60.0))))
    order = np.lexsort((rows["timestamp"], rows["student_id"]))
    table = pa.table(rows).take(pa.array(order))
    timed = table.set_column(3, "timestamp", table["timestamp"].cast(pa.timestamp("ms", tz="UTC")))
    batch = answer_batch(timed)
    return batch, np.array(expected)[order][batch.row]


@pytest.mark.slow
@pytest.mark.parametrize(("half_life", "growth"), [(20.0, 1.35), (60.0, 1.0), (15.0, 1.6)])
def test_half_life_and_growth_are_found(half_life, growth):
    batch, at_last_activity = forgetful(250, half_life, growth)
    found = fit_forgetting(batch, np.ones(batch.row.size, bool), at_last_activity)
    assert found is not None
    assert found.answers > 1_000
    assert found.half_life_days == pytest.approx(half_life, rel=0.3)
    assert found.growth == pytest.approx(growth, abs=0.15)


@pytest.mark.slow
@pytest.mark.parametrize(("half_life", "growth"), [(20.0, 1.35), (60.0, 1.15)])
def test_a_scorer_that_has_the_mean_pause_in_its_probabilities_or_thinks_too_little_of_study_changes_neither(
    half_life, growth
):
    batch, at_last_activity = forgetful(500, half_life, growth, seed=1)
    studied = np.zeros(batch.slot.size)
    for slot in range(batch.slot_topic.size):
        mine = np.flatnonzero(batch.slot == slot)
        studied[mine] = np.cumsum(batch.y[mine]) - batch.y[mine]
    logit = np.log(at_last_activity / (1.0 - at_last_activity))
    logit = np.where(studied > 0, logit - 0.3 - 0.2 * np.log(np.maximum(studied, 1.0)), logit)
    found = fit_forgetting(batch, np.ones(batch.row.size, bool), 1.0 / (1.0 + np.exp(-logit)))
    assert found is not None
    assert found.half_life_days == pytest.approx(half_life, rel=0.35)
    assert found.growth == pytest.approx(growth, abs=0.2)


@pytest.mark.slow
def test_who_forgets_nothing_is_not_made_to_forget():
    batch, at_last_activity = forgetful(250, 1e9, 1.0)
    found = fit_forgetting(batch, np.ones(batch.row.size, bool), at_last_activity)
    assert found is not None
    assert found.half_life_days > 900.0


def test_few_answers_after_pauses_say_nothing():
    batch, at_last_activity = forgetful(3, 20.0, 1.35)
    assert fit_forgetting(batch, np.ones(batch.row.size, bool), at_last_activity) is None
    batch, at_last_activity = forgetful(100, 20.0, 1.35)
    assert fit_forgetting(batch, np.ones(batch.row.size, bool), np.full(batch.row.size, np.nan)) is None


def test_answers_without_a_clock_say_nothing():
    table = pa.table({"student_id": ["a"] * 2_000, "is_correct": [0, 1] * 1_000, "topic_id": ["t"] * 2_000})
    batch = answer_batch(table)
    assert fit_forgetting(batch, np.ones(2_000, bool), np.full(2_000, 0.5)) is None
