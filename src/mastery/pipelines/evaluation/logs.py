"""The answers that an evaluation is made on: those of files, or those of a lake."""

from __future__ import annotations

import pyarrow as pa

from mastery.errors import BadInput
from mastery.evaluation.splits import Log
from mastery.features.answer_log import Clock
from mastery.features.batch import make_batch
from mastery.features.columns import READ, event_columns
from mastery.lake import Lake
from mastery.pipelines.ingest.answers import Answers
from mastery.tables import EVENTS

ENOUGH_EVENTS = 2_000_000
"""Buckets are read until this many events are there."""


def answers_log(answers: Answers, clock: Clock) -> Log:
    """Return answers that were read from files or a table, with the columns that were kept of their rows."""
    table = answers.table
    return Log(answers.batch(clock), table.take(pa.array(answers.rows)) if table.num_columns else None)


def lake_log(lake: Lake, *, as_of_us: int | None = None, enough: int = ENOUGH_EVENTS) -> tuple[Log, str | None]:
    """Return the events up to `as_of_us` (all of them for None), and a sentence where some buckets were left out.

    Whole buckets are read one after another, for a bucket is a fair sample of the students.

    Raises:
        BadInput: the lake holds none.
    """
    pieces: list[pa.Table] = []
    events, read = 0, 0
    for read in range(1, lake.buckets + 1):
        rows = lake.read_bucket(EVENTS, read - 1, READ)
        if rows.num_rows:
            pieces.append(rows)
            events += rows.num_rows
        if events >= enough:
            break
    if not pieces:
        raise BadInput("the lake holds no events; `mastery ingest FILE` reads some")
    note = None
    if read < lake.buckets:
        note = f"{read} of the lake's {lake.buckets} buckets were read, {events:,} events: enough, and a fair sample"
    table = pa.concat_tables(pieces).unify_dictionaries().combine_chunks()
    return Log(make_batch(event_columns(table, as_of_us))), note
