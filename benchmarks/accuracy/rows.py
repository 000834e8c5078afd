"""The data sets, their splits, what others reached on them, and our bars."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Row:
    """One data set with its split.

    Attributes:
        split: As `mastery evaluate --split` takes it.
        folds: As `--folds`; None for what the split says.
        published: The best AUC printed for that split by anyone, and by what.
        pybkt: AUC of pyBKT 1.4.3, without and with forgetting, measured on the same split.
        blend, rnn: What the unconstrained blend, and the monotone linear_rnn alone, must reach.
    """

    name: str
    split: str
    folds: int | None
    clock: Literal["start", "answer"]
    published: str
    pybkt: str
    blend: float
    rnn: float


ROWS: dict[str, Row] = {
    row.name: row
    for row in (
        Row("assist2009_lpp", "column:lpp_split=test", None, "start", "0.77 (Best-LR)", "0.715, 0.722", 0.798, 0.772),
        Row("statics2011", "column:lpp_split=test", None, "start", "0.83 (DKT)", "0.693, 0.713", 0.842, 0.837),
        Row("assist2017", "column:akt_fold", 5, "start", "0.770 (AKT)", "0.633", 0.81, 0.79),
        Row("assist2015", "column:akt_fold", 5, "start", "0.73 (DKT)", "0.701, 0.703", 0.733, 0.727),
        Row("assist2009_pykt", "column:pykt_fold=-1", None, "start", "0.785 (AKT)", "–", 0.79, 0.77),
        Row("assist2012", "student", None, "start", "0.77 (DKT, other filters)", "–", 0.778, 0.765),
        Row("assist2017_timed", "student", None, "start", "0.77 (DKT)", "–", 0.81, 0.785),
    )
}

ASKED_ECE = 0.01
"""Of the blend, after calibration; where perfect predictions would show more on the sample, no more than these."""
