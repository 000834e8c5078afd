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
    "rule_based": ((1e-06, 0.3412, 0.3396, 1e-06, 1e-06), (0.3629, 0.2922, 0.2091, 0.07891, 0.05274), 0.3, 2, 2),
    "bkt": ((1e-06, 0.2694, 0.5886, 0.8812, 0.3885), (0.3065, 0.313, 0.1469, 0.01938, 1e-06), 0.15, 1.5, 5),
    "elo": ((0.05047, 0.2889, 0.5535, 0.4383, 1e-06), (0.08088, 0.1983, 0.1674, 0.07436, 1e-06), 0.3, 2.5, 2),
    "irt": ((0.01574, 0.2834, 0.5397, 0.4065, 0.01045), (0.04193, 0.2105, 0.1822, 0.08, 1e-06), 0.6, 2, 2),
    "linear_rnn": ((1e-06, 0.2788, 0.5431, 0.5343, 0.263), (0.1635, 0.1644, 0.1003, 0.0311, 1e-06), 0.45, 4, 2),
    "ml": ((0.02241, 0.2499, 0.4261, 0.2068, 0.05129), (0.04625, 0.2531, 0.2304, 0.1014, 1e-06), 0.8, 0.8, 2),
    "blend": ((0.01455, 0.2465, 0.3837, 0.085, 0.03574), (0.03306, 0.2253, 0.2106, 0.09317, 1e-06), 0.8, 1.25, 5),
}
"""With fitted parameters."""
