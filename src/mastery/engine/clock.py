"""The clock of a deployment. What is below takes its time from here, as a number."""

from __future__ import annotations

import time


def now_us() -> int:
    """Return the time: microseconds since 1970."""
    return time.time_ns() // 1_000
