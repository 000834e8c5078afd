"""The tenants of a lake: whose events it holds, and how much of each."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pyarrow.compute as pc

from mastery.lake import Lake
from mastery.tables import EVENTS, REJECTED


@dataclass(frozen=True)
class TenantCounts:
    """What the lake holds of one tenant. A tenant may have rejected rows alone."""

    tenant: str
    students: int
    events: int
    rejected: int


def tenants(lake: Lake) -> list[TenantCounts]:
    """Return the tenants by name. Reads two columns of every event, a bucket at a time."""
    events: Counter[str] = Counter()
    students: Counter[str] = Counter()
    snapshot = lake.snapshot(EVENTS)
    for bucket in snapshot.by_bucket:
        if bucket is None:
            continue
        rows = lake.read_bucket(EVENTS, bucket, ["tenant", "student_id"], at=snapshot)
        for row in rows.group_by(["tenant", "student_id"]).aggregate([([], "count_all")]).to_pylist():
            events[row["tenant"]] += row["count_all"]
            students[row["tenant"]] += 1  # one student lies in one bucket
    rejected = {
        row["values"]: row["counts"] for row in pc.value_counts(lake.scan(REJECTED, ["tenant"])["tenant"]).to_pylist()
    }
    names = sorted({*events, *rejected})
    return [TenantCounts(name, students[name], events[name], rejected.get(name, 0)) for name in names]
