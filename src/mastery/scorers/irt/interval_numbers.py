"""Half widths of the intervals of irt from simulated schools. Written by `scripts/intervals.py --write`."""

from __future__ import annotations

from mastery.scorers.interval import Numbers

FITTED = Numbers(
    below=(0.0347, 0.274, 0.5321, 0.3897, 1e-06),
    above=(0.03554, 0.2741, 0.2354, 0.1015, 1e-06),
    below_rich=0.45,
    above_rich=1.5,
    answers_half=5,
)
"""With fitted parameters."""
