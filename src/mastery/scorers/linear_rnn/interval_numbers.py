"""Half widths of the intervals of linear_rnn from simulated schools. Written by `scripts/intervals.py --write`."""

from __future__ import annotations

from mastery.scorers.interval import Numbers

FITTED = Numbers(
    below=(1e-06, 0.2787, 0.5379, 0.4864, 0.2487),
    above=(0.1541, 0.1633, 0.1022, 0.0324, 1e-06),
    below_rich=0.45,
    above_rich=4,
    answers_half=2,
)
"""With fitted parameters."""
