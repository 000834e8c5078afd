"""Half widths of the intervals of rule_based from simulated schools. Written by `scripts/intervals.py --write`."""

from __future__ import annotations

from mastery.scorers.interval import Numbers

UNFITTED = Numbers(
    below=(1e-06, 0.2718, 0.604, 0.4794, 1e-06),
    above=(0.4259, 0.2803, 0.161, 0.05743, 1e-06),
    below_rich=0.45,
    above_rich=2,
    answers_half=2,
)
"""With the starter set."""

FITTED = Numbers(
    below=(1e-06, 0.2876, 0.5296, 0.1713, 0.03099),
    above=(0.2655, 0.2231, 0.142, 0.05857, 1e-06),
    below_rich=0.6,
    above_rich=2.5,
    answers_half=2,
)
"""With fitted parameters."""
