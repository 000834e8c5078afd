"""Work on days that follow a break: whether something was kept over it can be seen there, and nowhere else."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mastery.arrays import Floats, Int64s
from mastery.features.ledger import PRACTICE_ATTEMPTS, PRACTICE_SUCCESS, Q_ATTEMPTS, Q_SUCCESS
from mastery.features.windows import SPACED_GAP_DAYS, Days
from mastery.tables import MILLION


class Returns(NamedTuple):
    """Work of P slots on days that follow SPACED_GAP_DAYS days or more without any on the topic.

    Attributes:
        answers: int64[P]. Quiz answers and practice answers.
        practice: int64[P]. How many of them are practice answers.
        right: float64[P]. How many of them were right; an answer right in part counts as that part.
    """

    answers: Int64s
    practice: Int64s
    right: Floats


def returns(days: Days, ledger: Int64s, gap_days: Int64s) -> Returns:
    """Return what the days of a ledger tell of P slots; ledger and gap_days as `windows` takes them."""
    slots = int(days.slot_ptr[-1])
    after = gap_days >= SPACED_GAP_DAYS
    slot = days.cell_slot[after]
    answers, practice, success = (np.zeros(slots, np.int64) for _ in range(3))
    np.add.at(answers, slot, (ledger[Q_ATTEMPTS] + ledger[PRACTICE_ATTEMPTS])[after])
    np.add.at(practice, slot, ledger[PRACTICE_ATTEMPTS][after])
    np.add.at(success, slot, (ledger[Q_SUCCESS] + ledger[PRACTICE_SUCCESS])[after])
    return Returns(answers, practice, success / MILLION)
