"""Tuning of the rules that people wrote on what the lake holds: the scorer's own search, fed bucket by bucket."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa

from mastery.arrays import Bools
from mastery.events.identity import buckets
from mastery.features.batch import Batch, make_batch
from mastery.features.columns import READ, event_columns
from mastery.lake import Lake
from mastery.pipelines.models.sample import ENOUGH_EVENTS, sampled_buckets
from mastery.school_days import UTC_DAYS, SchoolDays
from mastery.scorers import written
from mastery.scorers.scoring_rules import ScoringRules, Tuned
from mastery.scorers.spec import load

HELD_OUT_ONE_IN = 5
"""One student in this many takes no part in choosing, by a hash of the pseudonym: the same ones each time."""


def tune(
    lake: Lake,
    base: ScoringRules,
    *,
    as_of_us: int | None = None,
    enough: int = ENOUGH_EVENTS,
    days: SchoolDays = UTC_DAYS,
    progress: Callable[[int, int], None] | None = None,
) -> Tuned:
    """Return rules tuned on the events of the lake up to `as_of_us` (all of them for None), cut into these days.

    Raises:
        BadInput: too few answers to tune on.
    """
    batches: list[Batch] = []
    held_out: list[Bools] = []
    for rows in sampled_buckets(lake, READ, enough=enough, until_us=as_of_us):
        batch = make_batch(event_columns(rows, as_of_us), days=days)
        if batch.row.size == 0:
            continue
        batches.append(batch)
        held_out.append(np.asarray(buckets(pa.array(batch.students, pa.string()), HELD_OUT_ONE_IN)) == 0)
    tuned: Tuned = load(written()[1].tune)(base, batches, held_out, progress=progress)
    return tuned
