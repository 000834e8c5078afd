"""Bars that do not move with the machine: ratios to what was measured beside."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from benchmarks.child import Stopwatch
from benchmarks.parts import bare
from benchmarks.registry import benchmarks

KEPT = Path("none")  # no research logs


PROMISED = {
    "intake_one",
    "intake_one_p99",
    "intake_many",
    "intake_batches",
    "event_to_readable",
    "event_to_readable_p99",
    "worker_throughput",
}
"""What somebody waits for, or what a school sends in a second, is promised as such and not as a ratio: measured where
nothing else runs."""


@pytest.mark.parametrize("one", benchmarks(KEPT).values(), ids=lambda one: one.name)
def test_no_bar_is_on_a_number_that_another_process_can_change(one):
    allowed = {"ratio", "peak_mb"} | ({"value"} if one.name in PROMISED else set())
    assert {bar.field for bar in one.bars} <= allowed


def test_five_times_the_work_is_about_five_times_the_yardstick():
    values = np.arange(300_000, dtype=float)

    def once() -> None:
        np.sort(values[::-1])

    def five_times() -> None:
        for _ in range(5):
            once()

    watch = Stopwatch()
    assert 3.0 < bare.by_turns(watch, five_times, once, 9) < 8.0
    assert len(watch.laps) == 9


def test_a_yardstick_leaves_the_arrays_as_they_are():
    from benchmarks.parts.fold import school_batches

    batches, _, _ = school_batches(8)
    before = [(batch.y.copy(), batch.slot.copy(), batch.weight.copy()) for batch in batches]
    bare.pass_over(batches)()
    for batch, (y, slot, weight) in zip(batches, before, strict=True):
        np.testing.assert_array_equal(batch.y, y)
        np.testing.assert_array_equal(batch.slot, slot)
        np.testing.assert_array_equal(batch.weight, weight)
