"""Who needs help first."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mastery.arrays import Floats


def weakest(
    score: Floats, upper: Floats, evidence: npt.NDArray[np.integer], count: int, min_evidence: int
) -> npt.NDArray[np.int64]:
    """Return int64[≤ count]: places of the weakest of P student-topics, the weakest first.

    By score, then by upper bound (of two equal scores the surer one is the worse), then in the order given. Those
    with less than `min_evidence`, or without a score, are left out: a guess is no reason to worry.
    """
    judged = np.flatnonzero((evidence >= min_evidence) & ~np.isnan(score))
    if 0 < count < judged.size:  # ordering millions to show five would take a second
        worst = score[judged]
        judged = judged[worst <= np.partition(worst, count - 1)[count - 1]]
    order = np.lexsort((upper[judged], score[judged]))
    return judged[order][: max(0, count)].astype(np.int64)
