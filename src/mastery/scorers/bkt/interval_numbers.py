"""Half widths of the intervals of bkt from simulated schools. Written by `scripts/intervals.py --write`."""

from __future__ import annotations

from mastery.scorers.interval import Numbers

UNFITTED = Numbers(
    below=(1e-06, 0.2801, 0.6374, 0.7984, 0.4378),
    above=(0.3685, 0.2872, 0.1605, 0.04718, 1e-06),
    below_rich=0.15,
    above_rich=2.5,
    answers_half=2,
)
"""With the starter set."""

FITTED = Numbers(
    below=(1e-06, 0.2606, 0.5594, 0.8099, 0.3338),
    above=(0.3064, 0.313, 0.1469, 0.01938, 1e-06),
    below_rich=0.3,
    above_rich=1.5,
    answers_half=5,
)
"""With fitted parameters."""
