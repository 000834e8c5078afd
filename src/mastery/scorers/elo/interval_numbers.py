"""Half widths of the intervals of elo from simulated schools. Written by `scripts/intervals.py --write`."""

from __future__ import annotations

from mastery.scorers.interval import Numbers

UNFITTED = Numbers(
    below=(1e-06, 0.2895, 0.6001, 0.6961, 1e-06),
    above=(0.1227, 0.1218, 0.06972, 0.02428, 1e-06),
    below_rich=0.15,
    above_rich=6,
    answers_half=2,
)
"""With default parameters."""

FITTED = Numbers(
    below=(0.05262, 0.294, 0.5656, 0.4433, 1e-06),
    above=(0.01891, 0.1641, 0.142, 0.06024, 1e-06),
    below_rich=0.3,
    above_rich=3,
    answers_half=2,
)
"""With fitted parameters."""
