"""A class at another moment than the published one: its students are folded again, as `show` does with one of them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pyarrow.compute as pc

from mastery.errors import NotFound
from mastery.features.columns import READ
from mastery.lake import Lake
from mastery.pipelines.scoring.fold import fold_events
from mastery.pipelines.scoring.publish import gold_rows
from mastery.pipelines.scoring.recompute import parts
from mastery.scorers.model_set import ModelSet
from mastery.tables import EVENTS, GOLD


@contextmanager
def gold_at(
    lake: Lake,
    model_set: ModelSet,
    tenant: str,
    as_of_us: int,
    min_evidence: int,
    progress: Callable[[int], None] | None = None,
) -> Iterator[Lake]:
    """Yield a lake in a folder of its own, gone afterwards, whose gold is that of one tenant at a moment.

    It is read as the published one is, so a class looks the same either way. Every event of the tenant is read and
    folded: the time is that of a recompute of them, and what is published stays as it is. `progress` is called with the
    events of each part that is done.

    Raises:
        NotFound: the tenant has no event by then.
    """
    with tempfile.TemporaryDirectory(prefix="mastery-class-") as folder:
        scratch = Lake.open(folder, buckets=lake.buckets)
        snapshot = lake.snapshot(EVENTS)
        files = []
        for bucket in snapshot.buckets:
            for part in parts(lake.read_bucket(EVENTS, bucket, READ, at=snapshot)):
                events = part.filter(pc.equal(part["tenant"], tenant))
                rows = gold_rows(fold_events(events, model_set, as_of_us, history=False), min_evidence, as_of_us)
                if rows.num_rows:
                    files.append(scratch.write_file(GOLD, rows, bucket))
                if progress is not None:
                    progress(part.num_rows)
        if not files:
            raise NotFound(
                f"no event of tenant {tenant!r} by {model_set.days.moment(as_of_us)}; check the tenant and the moment"
            )
        scratch.commit(GOLD, files)
        yield scratch
