"""Counters of one student-topic, written as a teacher would tell them."""

from __future__ import annotations

import numpy as np
import pytest

from mastery.features.counters import NEVER
from mastery.insight.activity_summary import NO_OTHERS, activity_from
from mastery.insight.known import Known
from mastery.insight.reference import Reference
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
    went_well_days_ago=None,
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
    went_well_days_ago = last_days_ago if went_well_days_ago is None else went_well_days_ago
    fact["refreshed_at_us"] = (TODAY - went_well_days_ago) * DAY_US
    fact |= counts
    fact["evidence"] = fact["answers"] + fact["assignments"] if evidence is None else evidence
    assert set(fact) == set(COUNTERS)
    return np.array([fact[name] for name in COUNTERS], np.int64)


HALF = Reference(0.5, 20)


def known_of(
    recent="",
    *,
    elsewhere=NO_OTHERS,
    score=0.5,
    forgotten=0.0,
    returned=0,
    returned_right=0.0,
    returned_practice=0,
    lost_in_pauses=False,
    scale="log_odds",
    reference=HALF,
    **told,
):
    """Known; `told` is what counters_of takes."""
    here = activity_from(counters_of(recent, **told), AS_OF_US)
    return Known(here, elsewhere, score, forgotten, returned, returned_right, scale, reference,
                 returned_practice, lost_in_pauses)  # fmt: skip


@pytest.fixture(scope="session")
def counters():
    return counters_of


@pytest.fixture(scope="session")
def known():
    return known_of


@pytest.fixture(scope="session")
def as_of_us():
    return AS_OF_US
