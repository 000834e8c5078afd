"""Half widths of the intervals of ml from simulated schools. Written by `scripts/intervals.py --write`."""

from __future__ import annotations

from mastery.scorers.interval import Numbers

FITTED = Numbers(
    below=(0.003878, 0.2646, 0.4687, 0.2473, 0.06193),
    above=(0.1195, 0.22, 0.1785, 0.06509, 1e-06),
    below_rich=0.6,
    above_rich=1.5,
    answers_half=2,
)
"""With fitted parameters."""
