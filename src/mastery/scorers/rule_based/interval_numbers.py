"""Half widths of the intervals of rule_based from simulated schools. Written by `scripts/intervals.py --write`."""

from __future__ import annotations

from mastery.scorers.interval import Numbers

UNFITTED = Numbers(
    below=(1e-06, 0.3322, 0.3195, 1e-06, 1e-06),
    above=(0.3572, 0.2914, 0.2088, 0.07819, 1e-06),
    below_rich=0.3,
    above_rich=2,
    answers_half=2,
)
"""With default parameters."""

FITTED = Numbers(
    below=(0.009727, 0.3024, 0.5684, 0.2031, 0.03148),
    above=(0.2655, 0.223, 0.142, 0.05851, 1e-06),
    below_rich=0.45,
    above_rich=2.5,
    answers_half=2,
)
"""With fitted parameters."""
