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
    below=(0.05262, 0.294, 0.5656, 0.4433, 1e-06),
    above=(0.01891, 0.1641, 0.142, 0.06024, 1e-06),
    below_rich=0.3,
    above_rich=3,
    answers_half=2,
)
"""With fitted parameters."""
