"""Bands: a score as one of five words.

A band starts at its threshold: 0.60 is proficient, 0.599 is developing. A score that rests on too little evidence,
or on none at all (NaN), has no band but `not_enough_evidence`, however high it is.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

BANDS = ("not_enough_evidence", "needs_help", "developing", "proficient", "mastered")
NOT_ENOUGH_EVIDENCE, NEEDS_HELP, DEVELOPING, PROFICIENT, MASTERED = range(len(BANDS))

THRESHOLDS = (0.30, 0.60, 0.85)
"""Where developing, proficient and mastered start."""


def band_codes(
    score: npt.NDArray[np.float64], evidence: npt.NDArray[np.int64], min_evidence: int
) -> npt.NDArray[np.int8]:
    """Return int8[P]: the place in `BANDS` of each of P scores in [0, 1] that rest on `evidence` graded answers."""
    codes = np.searchsorted(np.array(THRESHOLDS), score, side="right").astype(np.int8) + np.int8(NEEDS_HELP)
    codes[(evidence < min_evidence) | np.isnan(score)] = NOT_ENOUGH_EVIDENCE
    return codes


def band_of(score: float, evidence: int, min_evidence: int) -> str:
    """Return the name of the band of one score; the same as `BANDS[band_codes(…)]`."""
    if evidence < min_evidence or math.isnan(score):
        return BANDS[NOT_ENOUGH_EVIDENCE]
    return BANDS[NEEDS_HELP + sum(score >= threshold for threshold in THRESHOLDS)]
