"""Half widths of the intervals of bkt from simulated schools. Written by `scripts/intervals.py --write`."""

from __future__ import annotations

from mastery.scorers.interval import Numbers

UNFITTED = Numbers(
    below=(1e-06, 0.2627, 0.6648, 0.9169, 0.5641),
    above=(0.3666, 0.2707, 0.1448, 0.04069, 1e-06),
    below_rich=0.15,
    above_rich=2.5,
    answers_half=2,
)
"""With default parameters."""

FITTED = Numbers(
    below=(1e-06, 0.2694, 0.5886, 0.8812, 0.3885),
    above=(0.3065, 0.313, 0.1469, 0.01938, 1e-06),
    below_rich=0.15,
    above_rich=1.5,
    answers_half=5,
)
"""With fitted parameters."""
