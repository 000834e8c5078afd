"""Half widths of intervals as shipped. Written by `python scripts/intervals.py --write` from simulated schools.

For each scorer below and above at the five knots, below_rich, above_rich, answers_half; see mastery.scorers.interval.
"""

from __future__ import annotations

Numbers = tuple[tuple[float, ...], tuple[float, ...], float, float, float]

UNFITTED: dict[str, Numbers] = {
    "rule_based": ((1e-06, 0.3322, 0.3195, 1e-06, 1e-06), (0.3572, 0.2914, 0.2088, 0.07819, 1e-06), 0.3, 2, 2),
    "bkt": ((1e-06, 0.2627, 0.6648, 0.9169, 0.5641), (0.3666, 0.2707, 0.1448, 0.04069, 1e-06), 0.15, 2.5, 2),
    "elo": ((1e-06, 0.2895, 0.6001, 0.6961, 1e-06), (0.1227, 0.1218, 0.06972, 0.02428, 1e-06), 0.15, 6, 2),
}
"""With default parameters."""

FITTED: dict[str, Numbers] = {
    "rule_based": ((0.009727, 0.3024, 0.5684, 0.2031, 0.03148), (0.2655, 0.223, 0.142, 0.05851, 1e-06), 0.45, 2.5, 2),
    "bkt": ((1e-06, 0.2694, 0.5886, 0.8812, 0.3885), (0.3065, 0.313, 0.1469, 0.01938, 1e-06), 0.15, 1.5, 5),
    "elo": ((0.05262, 0.294, 0.5656, 0.4433, 1e-06), (0.01891, 0.1641, 0.142, 0.06024, 1e-06), 0.3, 3, 2),
    "irt": ((0.03507, 0.2789, 0.5449, 0.4151, 1e-06), (0.0288, 0.2145, 0.1807, 0.07949, 0.0017), 0.6, 2, 2),
    "linear_rnn": ((1e-06, 0.2788, 0.5431, 0.5343, 0.263), (0.1635, 0.1644, 0.1003, 0.0311, 1e-06), 0.45, 4, 2),
    "ml": ((0.01552, 0.2599, 0.4488, 0.244, 0.04214), (0.05458, 0.204, 0.1947, 0.07714, 1e-06), 0.6, 1.25, 5),
    "blend": ((0.01156, 0.2572, 0.416, 0.09299, 0.01959), (0.04003, 0.2011, 0.1958, 0.08274, 1e-06), 0.6, 1.5, 5),
}
"""With fitted parameters."""
