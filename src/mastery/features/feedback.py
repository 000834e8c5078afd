"""The last feedback of a teacher on a student-topic. It is shown beside the computed scores and never changes them."""

from __future__ import annotations

import numpy as np

from mastery.arrays import Floats, Int8s, Int32s, Int64s
from mastery.features.batch import Batch
from mastery.features.columns import FEEDBACK
from mastery.kernels import kernel

SCORE, AT_US = range(2)


def initial_feedback(slots: int) -> Floats:
    """Return float64[slots, 2]: score and time (microseconds) of the last feedback, NaN for none."""
    return np.full((slots, 2), np.nan)


def fold_feedback(batch: Batch, feedback: Floats) -> None:
    """Fold the batch into `feedback`, in place: the last one wins."""
    _fold(batch.slot, batch.at_us, batch.kind, batch.success_ppm, feedback)


@kernel
def _fold(slot: Int32s, at_us: Int64s, kind: Int8s, success_ppm: Int64s, feedback: Floats) -> None:
    for i in range(slot.size):
        if kind[i] == FEEDBACK:
            feedback[slot[i], SCORE] = success_ppm[i] / 1e6
            feedback[slot[i], AT_US] = at_us[i]
