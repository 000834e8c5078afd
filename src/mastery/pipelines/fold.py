"""The fold: events of some students in, their states, ledger and history out. One function for everybody.

The daily recompute gives it a bucket, `show` one student; both get the same bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from mastery.arrays import Floats, Int64s
from mastery.features.batch import Batch, make_batch
from mastery.features.columns import event_columns
from mastery.features.facts import fold_facts, initial_facts
from mastery.features.feedback import SCORE, fold_feedback, initial_feedback
from mastery.features.ledger import daily_ledger
from mastery.features.windows import Windows, windows
from mastery.scorers import SCORERS
from mastery.scorers.base import Model, Reading, States, fold, read, start
from mastery.scorers.model_set import ModelSet


@dataclass(frozen=True)
class Folded:
    """Everything the events of a batch come to, under one model set, at one time.

    Attributes:
        states: By scorer.
        history: By scorer, float64[3, H]: score, lower, upper at the end of each cell's day; [3, 0] if not asked for.
        facts: int64[P, len(FACTS)].
        gap_days, evidence: int64[H]. Days since the last active day; evidence count at the end of the day.
        ledger: int64[len(LEDGER_COUNTS), H].
        feedback: float64[P, 2]. A teacher's last score and its time.
    """

    model_version: str
    as_of_us: int
    batch: Batch
    models: Mapping[str, Model]
    states: Mapping[str, States]
    history: Mapping[str, Floats]
    facts: Int64s
    gap_days: Int64s
    evidence: Int64s
    ledger: Int64s
    feedback: Floats

    def readings(self) -> dict[str, Reading]:
        """Return every scorer's scores at `as_of_us`."""
        return {
            name: read(SCORERS[name], model, self.batch, self.states[name], self.as_of_us)
            for name, model in self.models.items()
        }

    def windows(self) -> Windows:
        """Return the 7, 30 and 90-day features at `as_of_us`."""
        return windows(self.batch, self.ledger, self.gap_days, self.feedback[:, SCORE], self.as_of_us)


def fold_events(events: pa.Table, model_set: ModelSet, as_of_us: int, history: bool = True) -> Folded:
    """Fold all events up to `as_of_us` of the students in `events` (columns `features.columns.READ`), in any order."""
    batch = make_batch(event_columns(events, as_of_us))
    models = model_set.models(batch.topics, batch.items)
    slots = batch.slot_topic.size
    facts, feedback = initial_facts(slots), initial_feedback(slots)
    gap_days, evidence = fold_facts(batch, facts)
    fold_feedback(batch, feedback)
    states = {name: start(SCORERS[name], model, batch) for name, model in models.items()}
    points = {
        name: fold(SCORERS[name], model, batch, states[name], as_of_us, history) for name, model in models.items()
    }
    return Folded(
        model_version=model_set.version,
        as_of_us=as_of_us,
        batch=batch,
        models=models,
        states=states,
        history=points,
        facts=facts,
        gap_days=gap_days,
        evidence=evidence,
        ledger=daily_ledger(batch),
        feedback=feedback,
    )
