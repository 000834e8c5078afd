"""The fold: events of some students in, their states, ledger and history out. One function for everybody.

The daily recompute gives it a bucket, `show` one student; both get the same bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pyarrow as pa
from propcache import cached_property

from mastery.arrays import Floats, Int64s
from mastery.features.batch import Batch, make_batch
from mastery.features.columns import event_columns
from mastery.features.counters import fold_counters, initial_counters
from mastery.features.feedback import SCORE, fold_feedback, initial_feedback
from mastery.features.ledger import daily_ledger
from mastery.features.windows import Windows, windows
from mastery.pipelines.scoring.derived_history import derived_history as day_ends
from mastery.scorers import DERIVED, SCORERS
from mastery.scorers.base import Model, Scores, States, fold, read, start
from mastery.scorers.derived import inputs_of, read_derived, with_derived
from mastery.scorers.model_set import ModelSet
from mastery.scorers.parameters import Parameters


@dataclass(frozen=True)
class Folded:
    """Everything the events of a batch come to, under one model set, at one time.

    Attributes:
        states: By scorer.
        history: By scorer, float64[3, H]: score, lower, upper at the end of each cell's day; [3, 0] if not asked for.
        counters: int64[P, len(COUNTERS)].
        gap_days, evidence: int64[H]. Days since the last active day; evidence count at the end of the day.
        ledger: int64[len(LEDGER_COUNTS), H].
        feedback: float64[P, 2]. A teacher's last score and its time.
        derived: Parameters of the scorers that fold nothing, by name.
    """

    model_version: str
    as_of_us: int
    batch: Batch
    models: Mapping[str, Model]
    states: Mapping[str, States]
    history: Mapping[str, Floats]
    counters: Int64s
    gap_days: Int64s
    evidence: Int64s
    ledger: Int64s
    feedback: Floats
    derived: Mapping[str, Parameters] = field(default_factory=dict)

    def scores(self, explain: bool = False) -> dict[str, Scores]:
        """Return every scorer's scores at `as_of_us`.

        Unless asked to `explain`, contributions of derived scorers are NaN: exact contributions of trees cost
        fifty times what their scores do.
        """
        found = {
            name: read(SCORERS[name], model, self.batch, self.states[name], self.as_of_us)
            for name, model in self.models.items()
        }
        return found | self.derived_scores(explain)

    def derived_scores(self, explain: bool = False) -> dict[str, Scores]:
        """Return the scores at `as_of_us` of the scorers that fold nothing; see `scores`."""
        return self._read_derived(explain=True) if explain else self._derived_scores

    @cached_property
    def _derived_scores(self) -> dict[str, Scores]:
        """Gold and history ask for the same."""
        return self._read_derived(explain=False)

    def _read_derived(self, explain: bool) -> dict[str, Scores]:
        if not self.derived:
            return {}
        batch = self.batch
        inputs = inputs_of(
            SCORERS,
            self.models,
            self.states,
            batch.slot_student,
            batch.slot_topic,
            batch.topics,
            self.counters,
            explain,
        )
        return read_derived(DERIVED, self.derived, with_derived(DERIVED, self.derived, inputs), self.as_of_us)

    def windows(self) -> Windows:
        """Return the 7, 30 and 90-day features at `as_of_us`."""
        today = self.batch.days.day_of(self.as_of_us)
        return windows(self.batch, self.ledger, self.gap_days, self.feedback[:, SCORE], today)


@dataclass(frozen=True)
class Begun:
    """What an earlier fold left of the students of a batch, by the batch's slots and students; written in place.

    Attributes:
        states: By scorer.
        counters: int64[P, len(COUNTERS)].
        feedback: float64[P, 2].
    """

    states: Mapping[str, States]
    counters: Int64s
    feedback: Floats


def begin(batch: Batch, models: Mapping[str, Model]) -> Begun:
    """Return where everybody stands before any event."""
    slots = batch.slot_topic.size
    states = {name: start(SCORERS[name], model, batch) for name, model in models.items()}
    return Begun(states, initial_counters(slots), initial_feedback(slots))


def fold_events(
    events: pa.Table, model_set: ModelSet, as_of_us: int, history: bool = True, derived_history: bool = False
) -> Folded:
    """Fold all events up to `as_of_us` of the students in `events` (columns `features.columns.READ`), in any order.

    `derived_history`: whether `history` holds the scorers that fold nothing as well, for which everybody is folded once
    more, a day at a time.
    """
    folded = fold_batch(make_batch(event_columns(events, as_of_us), days=model_set.days), model_set, as_of_us, history)
    if not derived_history or not folded.derived:
        return folded
    begun = begin(folded.batch, folded.models)
    points = day_ends(folded.batch, folded.models, folded.derived, begun.states, begun.counters, as_of_us)
    return replace(folded, history={**folded.history, **points})


def fold_batch(
    batch: Batch,
    model_set: ModelSet,
    as_of_us: int,
    history: bool = True,
    begun: Begun | None = None,
    models: Mapping[str, Model] | None = None,
) -> Folded:
    """Fold a batch, none of whose events comes after `as_of_us`; from where `begun` left off, if it is given.

    Counts of the ledger and gaps are those of this batch alone. `models` are those of the set for this batch,
    where they are there already.
    """
    if models is None:
        models = model_set.models(batch.topics, batch.uses)
    if begun is None:
        begun = begin(batch, models)
    gap_days, evidence = fold_counters(batch, begun.counters)
    fold_feedback(batch, begun.feedback)
    points = {
        name: fold(SCORERS[name], model, batch, begun.states[name], as_of_us, history) for name, model in models.items()
    }
    return Folded(
        model_version=model_set.version,
        as_of_us=as_of_us,
        batch=batch,
        models=models,
        states=begun.states,
        history=points,
        counters=begun.counters,
        gap_days=gap_days,
        evidence=evidence,
        ledger=daily_ledger(batch),
        feedback=begun.feedback,
        derived=derived_of(model_set),
    )


def derived_of(model_set: ModelSet) -> dict[str, Parameters]:
    """Return the set's parameters of the scorers that fold nothing, in the order they are read."""
    return {name: model_set.scorers[name] for name in DERIVED if name in model_set.scorers}
