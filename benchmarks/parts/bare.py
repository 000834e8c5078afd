"""Yardsticks: what the machine itself takes at that moment for the least that could be done with the same arrays.

The same code gave 62, 47 and 36 million events a second on machines that were shared with others. Measured by turns
with a bare pass, and divided by it, its number stays.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks.child import Stopwatch
from mastery.features.batch import Batch
from mastery.kernels import kernel

CALLS = 10_000
"""Calls of an empty kernel whose mean is taken."""


@kernel
def _touch(student_ptr: Any, slot: Any, at_us: Any, y: Any, weight: Any, sums: Any) -> None:
    """Read what every fold reads of a row, student by student, and change one number of its slot."""
    for s in range(student_ptr.size - 1):
        for i in range(student_ptr[s], student_ptr[s + 1]):
            p = slot[i]
            sums[p] = 0.5 * sums[p] + weight[i] * y[i] + 1e-18 * at_us[i]


@kernel
def _empty(states: Any, params: Any, place: int) -> float:
    return states[place, 0] + params[place, 0]


def pass_over(batches: Sequence[Batch]) -> Callable[[], None]:
    """Return a bare pass over batches, loaded already."""
    sums = [np.zeros(batch.slot_topic.size) for batch in batches]

    def touch() -> None:
        for batch, of in zip(batches, sums, strict=True):
            _touch(batch.student_ptr, batch.slot, batch.at_us, batch.y, batch.weight, of)

    touch()
    return touch


def by_turns(watch: Stopwatch, work: Callable[[], object], bare: Callable[[], object], rounds: int) -> float:
    """Do `work` within the watch and `bare` beside it, `rounds` times; return how many times as long `work` takes.

    Both in seconds of processor time: what else runs on the machine stretches the clock on the wall by chance.
    """
    ratios = []
    for _ in range(rounds):
        before_s, spent_s = cpu_s(bare), watch.cpu_s
        with watch:
            work()
        ratios.append(2 * (watch.cpu_s - spent_s) / (before_s + cpu_s(bare)))
    return statistics.median(ratios)


def cpu_s(work: Callable[[], object]) -> float:
    """Return the seconds of processor time that some work takes, of all threads."""
    began = time.process_time()
    work()
    return time.process_time() - began


def call_us() -> float:
    """Return the µs of a Python call of a compiled function that does nothing, with two arrays and a number."""
    arrays = np.zeros((50, 4)), np.zeros((50, 4))
    _empty(*arrays, 0)
    return cpu_s(lambda: [_empty(*arrays, k % 50) for k in range(CALLS)]) / CALLS * 1e6
