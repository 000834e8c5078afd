"""A simulated school as events, without files and without a lake: parsed and identified as an ingest does it."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import numpy as np
import pyarrow as pa

from mastery.directory.pseudonyms import Pseudonyms
from mastery.events.arrangement import Arrangement
from mastery.events.read_options import NOTHING_SAID
from mastery.events.registry import SOURCES
from mastery.pipelines.ingest.chunk import NOTHING_BROKEN, Chunk
from mastery.pipelines.ingest.files import Block
from mastery.pipelines.ingest.prepare import ParseOptions, prepare
from mastery.simulation import SchoolPlan, course, simulate
from mastery.simulation.chunk import student_id
from mastery.simulation.course import CourseNumbers

TENANT = "default"

KEY = Pseudonyms(bytes(32))
"""Not a secret: nobody in this school exists."""


def simulated_events(
    plan: SchoolPlan, first: int, last: int, numbers: CourseNumbers | None = None
) -> tuple[pa.Table, pa.Table]:
    """Return (events, truth) of the students first to last − 1: columns of EVENTS without `bucket`, and of the
    simulation's truth with pseudonyms for student ids.

    `numbers`: what topics and items are; drawn by the plan when left out.
    """
    topics = frozenset(course(plan)[0]["topic_id"].to_pylist())
    now = datetime.combine(plan.start, time(), UTC) + timedelta(days=plan.days)
    events, truths = [], []
    for chunk in simulate(plan, first=first, last=last, numbers=numbers):
        truths.append(chunk.truth)
        for name, rows in chunk.tables.items():
            how = ParseOptions(
                SOURCES[name],
                name,
                Arrangement({column: column for column in rows.column_names}),
                TENANT,
                NOTHING_SAID,
                now,
                topics,
            )
            ready = prepare(_block(rows), how, KEY, 1).events
            assert ready is not None
            events.append(ready.rows.slice(0, ready.rows.num_rows))
    names = {student_id(number): KEY.student(TENANT, student_id(number)) for number in range(first, last)}
    truth = pa.concat_tables(truths)
    ids = pa.array([names[name] for name in truth["student_id"].to_pylist()], pa.string())
    truth = truth.set_column(truth.column_names.index("student_id"), "student_id", ids)
    return pa.concat_tables(events).unify_dictionaries().combine_chunks(), truth


def _block(rows: pa.Table) -> Block:
    chunk = Chunk(rows, np.arange(1, rows.num_rows + 1, dtype=np.int64), NOTHING_BROKEN)
    return Block(lambda: chunk, 0)
