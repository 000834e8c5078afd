"""Students of one bucket folded, and all that comes of it. Pure: whoever calls it reads the events and writes the rows.

A recompute calls it in threads, and anything else that hands out buckets may call it in other processes: the arguments
and what comes back can be pickled, once the tables have been listed. The default set of 300 topics and 10,000 items is
0.3 MB then; a fitted one of 300 topics and 6,600 items, as `ModelSet.folding`, 44 MB, of which linear_rnn is 43.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mastery.pipelines.scoring.fold import Folded, fold_events
from mastery.pipelines.scoring.publish import feature_rows, gold_rows, history_rows, ledger_rows
from mastery.pipelines.scoring.records import active_students, record_block
from mastery.scorers.model_set import ModelSet
from mastery.scorers.parameters import Scoped
from mastery.state import NOWHERE, EncodedBlock, Position, encode_block
from mastery.tables import FEATURES, GOLD, HISTORY, LEDGER, SHADOW, UNASSIGNED, Table


@dataclass(frozen=True)
class BucketOptions:
    """What all buckets of one recompute have in common.

    Attributes:
        as_of_us: Moment of the scores; events after it are left out.
        now_us: When they are computed.
        min_evidence: Graded answers that a verdict needs.
        active_days: Students with an event within that many days before `as_of_us` get a record, unless there are
            events after it: a record holds all of a student's events. None: nobody gets one.
        shadow: Model set that is folded beside, into SHADOW.
        seen: What of the lake the records have seen.
        derived_history: Whether scorers that fold nothing have a history too.
    """

    as_of_us: int
    now_us: int
    min_evidence: int
    active_days: int | None = None
    shadow: ModelSet | None = None
    seen: Position = NOWHERE
    derived_history: bool = True


@dataclass(frozen=True)
class BucketCounts:
    """What was folded; counts of students who do not meet add up.

    Attributes:
        events: That count at `as_of_us` or before.
        events_later: After it.
        student_topics, days: Rows of features, and of the ledger.
        newest_event_us: Time of the newest event; None for no event.
        topics: Every (tenant, topic) that events name.
    """

    events: int = 0
    events_later: int = 0
    students: int = 0
    student_topics: int = 0
    days: int = 0
    newest_event_us: int | None = None
    topics: frozenset[Scoped] = field(default_factory=frozenset)

    def __add__(self, other: BucketCounts) -> BucketCounts:
        newest = [one for one in (self.newest_event_us, other.newest_event_us) if one is not None]
        return BucketCounts(
            self.events + other.events,
            self.events_later + other.events_later,
            self.students + other.students,
            self.student_topics + other.student_topics,
            self.days + other.days,
            max(newest, default=None),
            self.topics | other.topics,
        )


class FoldedBucket(NamedTuple):
    """What some students come to.

    Attributes:
        tables: Each table with rows of it, without `bucket`; a table may come twice. They are made one at a time, when
            they are asked for: together they are most of what a worker holds.
        records: Records of the active students, ready to be stored; None for nobody.
        counts: What was folded.
    """

    tables: Iterator[tuple[Table, pa.Table]]
    records: EncodedBlock | None
    counts: BucketCounts


def fold_bucket(events: pa.Table, model_set: ModelSet, options: BucketOptions) -> FoldedBucket:
    """Fold some students under one model set.

    Args:
        events: All events of these students, columns `features.columns.READ` (and `body_hash` where records are
            wanted), in any order.
        model_set: Whose parameters.
        options: What else scores depend on.
    """
    folded = fold_events(events, model_set, options.as_of_us, derived_history=options.derived_history)
    counts = _counts(events, folded)
    records = None
    if options.active_days is not None and not counts.events_later:
        active = active_students(folded, options.active_days)
        records = encode_block(record_block(events, folded, active, options.seen)) if active.size else None
    return FoldedBucket(_tables(events, folded, options), records, counts)


def _tables(events: pa.Table, folded: Folded, options: BucketOptions) -> Iterator[tuple[Table, pa.Table]]:
    yield LEDGER, ledger_rows(folded)
    yield FEATURES, feature_rows(folded)
    yield GOLD, gold_rows(folded, options.min_evidence, options.now_us)
    yield HISTORY, history_rows(folded)
    if options.shadow is not None:
        del folded
        beside = fold_events(events, options.shadow, options.as_of_us, history=False)
        yield SHADOW, gold_rows(beside, options.min_evidence, options.now_us)


def _counts(events: pa.Table, folded: Folded) -> BucketCounts:
    batch = folded.batch
    occurred = events.column("occurred_at").cast(pa.int64())
    later = int((occurred.to_numpy() > folded.as_of_us).sum())
    assigned = np.array([topic != UNASSIGNED for _, topic in batch.topics], bool)
    return BucketCounts(
        events=events.num_rows - later,
        events_later=later,
        students=len(batch.students),
        student_topics=int(assigned[batch.slot_topic].sum()),
        days=batch.cell_slot.size,
        newest_event_us=pc.max(occurred).as_py(),
        topics=frozenset(batch.topics),
    )
