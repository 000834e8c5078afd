"""Half widths of the intervals of ml from simulated schools. Written by `scripts/intervals.py --write`."""

from __future__ import annotations

from mastery.scorers.interval import Numbers

FITTED = Numbers(
    below=(0.01552, 0.2599, 0.4488, 0.244, 0.04214),
    above=(0.05458, 0.204, 0.1947, 0.07714, 1e-06),
    below_rich=0.6,
    above_rich=1.25,
    answers_half=5,
)
"""With fitted parameters."""
