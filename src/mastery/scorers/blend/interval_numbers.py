"""Half widths of the intervals of blend from simulated schools. Written by `scripts/intervals.py --write`."""

from __future__ import annotations

from mastery.scorers.interval import Numbers

UNFITTED = Numbers(
    below=(0.05381, 0.2697, 0.523, 0.3465, 0.02955),
    above=(0.04613, 0.2195, 0.1525, 0.04787, 1e-06),
    below_rich=0.6,
    above_rich=2,
    answers_half=2,
)
"""With the starter set."""

FITTED = Numbers(
    below=(0.002214, 0.2679, 0.4745, 0.2455, 0.05405),
    above=(0.1198, 0.2055, 0.174, 0.06573, 1e-06),
    below_rich=0.6,
    above_rich=1.5,
    answers_half=2,
)
"""With fitted parameters."""
