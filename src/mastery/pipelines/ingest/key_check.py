"""Whether the students of a lake were named with the key in use: with another, each would be in it a second time.

The first events of a lake bring the key's check value with them. A lake of a version before has none: the key is taken
for the right one, and its check value kept, as soon as a student is read whom the lake knows.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from mastery.directory.pseudonyms import Pseudonyms
from mastery.events.identity import buckets
from mastery.lake import Lake, Snapshot
from mastery.tables import EVENTS

STUDENT = "student_id"


def use_key(lake: Lake, pseudonyms: Pseudonyms) -> None:
    """Let the events that are committed from now on say the key, in a lake that has none yet or says it already.

    Raises:
        WrongKey: The lake's students were named with another key.
    """
    if lake.key_check() is not None or not lake.count(EVENTS):
        lake.commit_key(pseudonyms.check)


def keep_key_if_known(lake: Lake, pseudonyms: Pseudonyms, tenant: str, before: Snapshot) -> None:
    """Keep the key's check value in a lake that lacks it, if one of the tenant's students was in it `before`."""
    if lake.key_check() is not None:
        return
    named = pseudonyms.students_named(tenant)
    place = pa.array(buckets(named, lake.buckets))
    for bucket in pc.unique(place).to_pylist():
        known = lake.read_bucket(EVENTS, bucket, [STUDENT], before).column(STUDENT)
        if pc.any(pc.is_in(named.filter(pc.equal(place, bucket)), pc.unique(known).cast(pa.string()))).as_py():
            lake.keep_key(pseudonyms.check)
            return
