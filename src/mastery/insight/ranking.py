"""The lowest scores of a class."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

ORDER = ("mastery_score", "upper", "student_id", "topic_id")


def weakest(rows: pa.Table, count: int, min_evidence: int) -> pa.Table:
    """Return the weakest `count` student-topics, the weakest first.

    By score, then by upper bound (of two equal scores the surer one is the worse), then by student and topic, so that
    it does not depend on how the rows lie. Those with less than `min_evidence`, or without a score, are left out: a
    guess is no reason to worry.

    Args:
        rows: Student-topics of one scorer, columns `ORDER` and `evidence_count` among others.
    """
    score = rows["mastery_score"].to_numpy()
    judged = np.flatnonzero((rows["evidence_count"].to_numpy() >= min_evidence) & ~np.isnan(score))
    if 0 < count < judged.size:  # ordering millions to show five would take a second
        judged = judged[score[judged] <= np.partition(score[judged], count - 1)[count - 1]]
    found = rows.take(pa.array(judged))
    keys = pa.table([found[name].cast(pa.string()) if name.endswith("_id") else found[name] for name in ORDER], ORDER)
    order = pc.sort_indices(keys, [(name, "ascending") for name in ORDER])
    return found.take(order[: max(0, count)])
