"""Events in the lake that name no topic take that of their item once metadata know it, as revisions of themselves."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mastery.events.identity import body_hashes
from mastery.events.item_topics import ItemTopics
from mastery.events.ties import NO_ROWS
from mastery.lake import Lake
from mastery.lake.files import Only
from mastery.pipelines.ingest.held_rows import Held, hold
from mastery.pipelines.ingest.row_counts import REVISED_ROWS
from mastery.pipelines.ingest.write_events import write_events
from mastery.tables import EVENTS, UNASSIGNED, UTC

NAMES = [name for name in EVENTS.schema.names if name != "bucket"]


def assign_topics(lake: Lake, topics: ItemTopics, now: datetime) -> int:
    """Write a revision of each event that names no topic and whose item has one, and return how many there are."""
    parts, sizes = [], []
    for bucket in range(lake.buckets):
        before = _nameless(lake, bucket)
        after = topics.assign(before)
        changed = after.filter(pa.array(_texts(after) != _texts(before)))
        parts.append(changed)
        sizes.append(changed.num_rows)
    if not sum(sizes):
        return 0
    rows = pa.concat_tables(parts).unify_dictionaries().combine_chunks()
    made = {
        "body_hash": pa.array(body_hashes(rows, (rows["replaces_hi"], rows["replaces_lo"]))),
        "received_at": pa.array([now] * rows.num_rows, UTC),
    }
    for name, values in made.items():
        rows = rows.set_column(rows.column_names.index(name), name, values)
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    n = rows.num_rows
    no = np.zeros(n, np.bool_)
    ready = Held(hold(rows, np.arange(n)), offsets, no, no, no, interaction=None, lines=NO_ROWS, tail=NO_ROWS)
    found = write_events(lake, [ready], 1, None)  # each belongs to the ingest that brought its event
    return int(found.counts[0, REVISED_ROWS])


def _nameless(lake: Lake, bucket: int) -> pa.Table:
    """Return the events of a bucket that name no topic, and count.

    All rows of their students are read, for another revision of such an event may name one.
    """
    only = Only(column="topic_id", values=(UNASSIGNED,))
    students = lake.read_bucket(EVENTS, bucket, ["student_id"], only=only)["student_id"].cast(pa.string()).unique()
    rows = lake.read_bucket(EVENTS, bucket, NAMES, only=Only(column="student_id", values=tuple(students.to_pylist())))
    return rows.filter(pc.equal(rows["topic_id"].cast(pa.string()), UNASSIGNED))


def _texts(events: pa.Table) -> np.ndarray[tuple[int], np.dtype[np.object_]]:
    return np.array(events["topic_id"].to_pylist(), object)
