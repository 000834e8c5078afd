"""What the lake of one tenant holds."""

from __future__ import annotations

from dataclasses import dataclass

from mastery.lake import Lake
from mastery.tables import EVENTS, REJECTED


@dataclass(frozen=True)
class TenantCounts:
    """What the lake holds of one tenant. A tenant may have rejected rows alone."""

    tenant: str
    students: int
    events: int
    rejected: int


def counts_of(lake: Lake, tenant: str) -> TenantCounts:
    """Return what a tenant's lake holds. Reads one column of every event, a bucket at a time."""
    snapshot = lake.snapshot(EVENTS)
    students = events = 0
    for bucket in snapshot.buckets:  # one student lies in one bucket
        rows = lake.read_bucket(EVENTS, bucket, ["student_id"], at=snapshot)
        students += len(rows["student_id"].unique())
        events += rows.num_rows
    return TenantCounts(tenant, students, events, lake.count(REJECTED))
