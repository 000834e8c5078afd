"""Half widths of intervals as shipped. Written by `python scripts/intervals.py --write` from simulated schools.

For each scorer below and above at the five knots, below_rich, above_rich, answers_half; see mastery.scorers.interval.
"""

from __future__ import annotations

Numbers = tuple[tuple[float, ...], tuple[float, ...], float, float, float]

UNFITTED: dict[str, Numbers] = {
    "rule_based": ((1e-06, 0.3319, 0.3451, 1e-06, 1e-06), (0.3668, 0.2942, 0.2069, 0.07739, 1e-06), 0.3, 2, 2),
    "bkt": ((1e-06, 0.2678, 0.6741, 0.9395, 0.5853), (0.3678, 0.2728, 0.143, 0.03808, 1e-06), 0.15, 2.5, 2),
    "elo": ((1e-06, 0.2954, 0.614, 0.7141, 1e-06), (0.1261, 0.1219, 0.06943, 0.02383, 1e-06), 0.15, 6, 2),
}
"""With default parameters."""

FITTED: dict[str, Numbers] = {
    "rule_based": ((1e-06, 0.3319, 0.3451, 1e-06, 1e-06), (0.3668, 0.2942, 0.2069, 0.07739, 1e-06), 0.3, 2, 2),
    "bkt": ((1e-06, 0.2591, 0.5675, 0.8383, 0.3916), (0.3141, 0.3276, 0.1551, 0.02728, 1e-06), 0.15, 1.5, 5),
    "elo": ((0.05528, 0.2879, 0.5493, 0.4496, 1e-06), (0.06985, 0.1797, 0.145, 0.06819, 1e-06), 0.3, 3, 2),
    "irt": ((0.02958, 0.3809, 0.6821, 0.5488, 0.02838), (0.0279, 0.1092, 0.1031, 0.04491, 1e-06), 0.3, 4, 2),
    "linear_rnn": ((1e-06, 0.2815, 0.5373, 0.5177, 0.259), (0.1258, 0.1589, 0.09941, 0.03014, 1e-06), 0.45, 4, 2),
    "ml": ((0.02617, 0.2712, 0.5246, 0.4067, 0.05683), (0.05138, 0.1453, 0.1077, 0.04411, 1e-06), 0.45, 2.5, 5),
    "blend": ((0.02544, 0.2629, 0.4908, 0.1206, 0.03427), (0.0529, 0.1588, 0.1375, 0.06105, 1e-06), 0.45, 2.5, 5),
}
"""With fitted parameters."""
