"""Tuning on a lake: all buckets are seen, the same students are held out each time."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from histories import DAY, START, Event, table
from mastery.errors import BadInput
from mastery.events.identity import buckets
from mastery.lake import Lake
from mastery.pipelines.models.rules import load_rules
from mastery.pipelines.models.tune import tune
from mastery.tables import EVENTS


def school(students: int, answers: int) -> pa.Table:
    """Return answers of students who are right as often as their number says."""
    rng = np.random.default_rng(2)
    events = [
        Event(
            START + k * DAY,
            student=f"s_{s:032x}",
            number=s * answers + k,
            share_ppm=1_000_000 * int(rng.random() < s / students),
        )
        for s in range(students)
        for k in range(answers)
    ]
    rows = table(events)
    rows = rows.append_column("bucket", pa.array(buckets(rows["student_id"], 4)))
    for name in EVENTS.schema.names:
        if name not in rows.column_names:
            rows = rows.append_column(name, pa.nulls(rows.num_rows, EVENTS.schema.field(name).type))
    return rows.select(EVENTS.schema.names).cast(EVENTS.schema)


def test_tuning_reads_every_bucket_and_improves_on_the_held_out(tmp_path):
    lake = Lake.open(str(tmp_path), buckets=4)
    lake.append(EVENTS, school(60, 25))
    tuned = tune(lake, load_rules("classic"))
    assert sum(part.answers for part in tuned.slices) == 60 * 25
    assert tuned.slices[1].after < tuned.slices[1].before
    assert tune(lake, load_rules("classic")).slices == tuned.slices
    earlier = tune(lake, load_rules("classic"), as_of_us=START + 20 * DAY)
    assert sum(part.answers for part in earlier.slices) == 60 * 21


def test_an_empty_lake_says_that_there_is_too_little(tmp_path):
    with pytest.raises(BadInput, match="too few answers"):
        tune(Lake.open(str(tmp_path), buckets=4), load_rules("classic"))
