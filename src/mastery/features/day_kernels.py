"""School days in kernels: those of `mastery.school_days.SchoolDays`, to the bit."""

from __future__ import annotations

import numpy as np

from mastery.instants import DAY_US
from mastery.kernels import kernel
from mastery.school_days import DayArrays


@kernel
def day_at(at_us: int, days: DayArrays) -> int:
    """Return the school day of a moment."""
    from_us, offset_us, reached = days
    k = 0 if from_us.size == 1 else np.searchsorted(from_us, at_us, side="right") - 1
    return max((at_us + offset_us[k]) // DAY_US, reached[k])


@kernel
def begin_of(day: int, days: DayArrays) -> int:
    """Return the first moment of a school day, or of the next one that there is."""
    from_us, offset_us, reached = days
    k = 0 if from_us.size == 1 else max(0, int(np.searchsorted(reached, day)) - 1)  # not begun before
    return max(day * DAY_US - offset_us[k], from_us[k])
