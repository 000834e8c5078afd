"""Tuning of the rule-based score on what the lake holds: mastery.scorers.rule_based.search, fed bucket by bucket."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa

from mastery.arrays import Bools
from mastery.events.identity import buckets
from mastery.features.batch import Batch, make_batch
from mastery.features.columns import READ, event_columns
from mastery.lake import Lake
from mastery.scorers.rule_based.rules import ScoringRules
from mastery.scorers.rule_based.search import Tuned, search
from mastery.tables import EVENTS

HELD_OUT_ONE_IN = 5
"""One student in this many takes no part in choosing, by a hash of the pseudonym: the same ones each time."""

ENOUGH_EVENTS = 2_000_000
"""Buckets are read until this many events are there: a bucket is a fair sample of students."""


def tune(
    lake: Lake,
    base: ScoringRules,
    *,
    as_of_us: int | None = None,
    enough: int = ENOUGH_EVENTS,
    progress: Callable[[int, int], None] | None = None,
) -> Tuned:
    """Return rules tuned on the events of the lake up to `as_of_us` (all of them for None).

    Raises:
        BadInput: too few answers to tune on.
    """
    batches: list[Batch] = []
    held_out: list[Bools] = []
    events = 0
    for bucket in range(lake.buckets):
        batch = make_batch(event_columns(lake.read_bucket(EVENTS, bucket, READ), as_of_us))
        if batch.row.size == 0:
            continue
        batches.append(batch)
        held_out.append(np.asarray(buckets(pa.array(batch.students, pa.string()), HELD_OUT_ONE_IN)) == 0)
        events += batch.row.size
        if events >= enough:
            break
    return search(base, batches, held_out, progress=progress)
