"""Half widths of the intervals of elo from simulated schools. Written by `scripts/intervals.py --write`."""

from __future__ import annotations

from mastery.scorers.interval import Numbers

UNFITTED = Numbers(
    below=(0.02277, 0.2744, 0.5278, 0.2683, 1e-06),
    above=(0.1339, 0.2243, 0.1769, 0.07647, 1e-06),
    below_rich=0.6,
    above_rich=2,
    answers_half=2,
)
"""With the starter set."""

FITTED = Numbers(
    below=(0.05399, 0.2934, 0.5644, 0.4246, 1e-06),
    above=(0.01961, 0.1873, 0.163, 0.06882, 1e-06),
    below_rich=0.3,
    above_rich=2.5,
    answers_half=2,
)
"""With fitted parameters."""
