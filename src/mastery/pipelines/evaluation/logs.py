"""The answers that an evaluation is made on: those of files, or those of a lake."""

from __future__ import annotations

import pyarrow as pa

from mastery.errors import BadInput
from mastery.evaluation.splits import Log
from mastery.features.answer_log import Clock
from mastery.features.batch import make_batch
from mastery.features.columns import READ, event_columns
from mastery.instants import instant
from mastery.lake import Lake
from mastery.pipelines.ingest.answers import Answers
from mastery.pipelines.models.sample import ENOUGH_EVENTS, sampled_buckets
from mastery.school_days import UTC_DAYS, SchoolDays


def answers_log(answers: Answers, clock: Clock, days: SchoolDays = UTC_DAYS) -> Log:
    """Return answers that were read from files or a table, cut into these days, with the columns that were
    kept of their rows.
    """
    table = answers.table
    return Log(answers.batch(clock, days), table.take(pa.array(answers.rows)) if table.num_columns else None)


def lake_log(
    lake: Lake, *, as_of_us: int | None = None, enough: int = ENOUGH_EVENTS, days: SchoolDays = UTC_DAYS
) -> tuple[Log, str | None]:
    """Return the events up to `as_of_us` (all of them for None), cut into these days, and a sentence
    where some buckets were left out.

    Whole buckets are read one after another, for a bucket is a fair sample of the students.

    Raises:
        BadInput: the lake holds none.
    """
    read = list(sampled_buckets(lake, READ, enough=enough, until_us=as_of_us))
    table = pa.concat_tables(read).unify_dictionaries().combine_chunks()
    if not table.num_rows:
        raise BadInput(
            "the lake holds no events"
            + ("; `mastery ingest FILE` reads some" if as_of_us is None else f" up to {instant(as_of_us)}")
        )
    note = None
    if len(read) < lake.buckets:
        note = (
            f"{len(read)} of the lake's {lake.buckets} buckets were read, {table.num_rows:,} events: "
            "enough, and a fair sample"
        )
    return Log(make_batch(event_columns(table, as_of_us), days=days)), note
