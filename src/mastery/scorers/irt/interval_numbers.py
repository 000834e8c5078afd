"""Half widths of the intervals of irt from simulated schools. Written by `scripts/intervals.py --write`."""

from __future__ import annotations

from mastery.scorers.interval import Numbers

FITTED = Numbers(
    below=(0.03507, 0.2789, 0.5449, 0.4151, 1e-06),
    above=(0.0288, 0.2145, 0.1807, 0.07949, 0.0017),
    below_rich=0.6,
    above_rich=2,
    answers_half=2,
)
"""With fitted parameters."""
