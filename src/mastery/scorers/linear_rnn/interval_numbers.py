"""Half widths of the intervals of linear_rnn from simulated schools. Written by `scripts/intervals.py --write`."""

from __future__ import annotations

from mastery.scorers.interval import Numbers

FITTED = Numbers(
    below=(1e-06, 0.2788, 0.5431, 0.5343, 0.263),
    above=(0.1635, 0.1644, 0.1003, 0.0311, 1e-06),
    below_rich=0.45,
    above_rich=4,
    answers_half=2,
)
"""With fitted parameters."""
