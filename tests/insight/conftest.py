"""Counters of one student-topic, written as a teacher would tell them."""

from __future__ import annotations

import numpy as np
import pytest

from mastery.features.counters import NEVER
from mastery.instants import DAY_US
from mastery.tables import COUNTERS

TODAY = 20_000
AS_OF_US = TODAY * DAY_US + DAY_US // 2


def counters_of(
    recent="",
    *,
    older_right=0,
    older_wrong=0,
    first_days_ago=0,
    last_days_ago=0,
    practice_days_ago=None,
    active_days=1,
    evidence=None,
    **counts,
):
    """int64[F]; `recent` is like "++-+", the newest answer last."""
    fact = dict.fromkeys(COUNTERS, 0)
    right = recent.count("+") + older_right
    fact |= {
        "answers": len(recent) + older_right + older_wrong,
        "right": right,
        "recent_answers": len(recent),
        "recent_bits": int("0" + recent.replace("+", "1").replace("-", "0"), 2),
        "active_days": active_days,
        "first_at_us": (TODAY - first_days_ago) * DAY_US,
        "last_at_us": (TODAY - last_days_ago) * DAY_US,
        "last_practice_us": int(NEVER) if practice_days_ago is None else (TODAY - practice_days_ago) * DAY_US,
    }
    fact |= counts
    fact["evidence"] = fact["answers"] + fact["assignments"] if evidence is None else evidence
    assert set(fact) == set(COUNTERS)
    return np.array([fact[name] for name in COUNTERS], np.int64)


@pytest.fixture(scope="session")
def counters():
    return counters_of


@pytest.fixture(scope="session")
def as_of_us():
    return AS_OF_US
