"""Where one student stands: the states of all their topics, from a fold or from a stored record, ready to be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from propcache import cached_property

from mastery.arrays import Floats, Int32s, Int64s
from mastery.features.feedback import SCORE
from mastery.features.windows import Windows, windows
from mastery.pipelines.scoring.fold import Folded
from mastery.pipelines.scoring.start import start_scores
from mastery.school_days import SchoolDays
from mastery.scorers import DERIVED, SCORERS
from mastery.scorers.base import Model, Scores, States
from mastery.scorers.derived import Inputs, inputs_of, read_derived, with_derived
from mastery.scorers.parameters import Parameters, Scoped

LEDGER_DAYS = 90
"""The number of school days of ledger in a record, ending with the student's last event: the longest window."""


@dataclass(frozen=True)
class OneStudentsDays:
    """The cells of one student's ledger, each as a day of its own: what `windows` wants to know of days."""

    slot_ptr: Int64s
    student_day_ptr: Int64s
    day: Int32s
    cell_ptr: Int64s
    cell_slot: Int32s

    @staticmethod
    def of(slots: int, day: Int32s, cell_slot: Int32s) -> OneStudentsDays:
        """Return the days of P = `slots` slots with cells (cell_slot, day), int32[H] each, in order of day."""
        cells = day.size
        return OneStudentsDays(
            np.array([0, slots], np.int64),
            np.array([0, cells], np.int64),
            day,
            np.arange(cells + 1, dtype=np.int64),
            cell_slot,
        )


@dataclass(frozen=True)
class StudentSnapshot:
    """One student under one model set, as of their last event.

    Attributes:
        topics: topic_id of each of the P slots.
        counters: int64[P, len(COUNTERS)].
        feedback: float64[P, 2].
        school_days: By which it was folded.
        days, ledger, gap_days: The last `LEDGER_DAYS` days of the ledger, as `windows` takes them.
        last_event_us: Time of the student's last event that counts.
        derived: Parameters of the scorers that fold nothing, by name.
        explain: Whether their contributions are wanted; see `Folded.scores`.
    """

    student_id: str
    tenant: str
    model_version: str
    topics: Sequence[str]
    models: Mapping[str, Model]
    slot_topic: Int32s
    states: Mapping[str, States]
    counters: Int64s
    feedback: Floats
    school_days: SchoolDays
    days: OneStudentsDays
    ledger: Int64s
    gap_days: Int64s
    last_event_us: int
    derived: Mapping[str, Parameters] = field(default_factory=dict)
    explain: bool = True

    @cached_property
    def _inputs(self) -> Inputs:
        """What derived scorers read; their own scores at last activity too, so that trees are asked once."""
        alone = np.zeros(len(self.topics), np.int32)
        inputs = inputs_of(
            SCORERS,
            self.models,
            self.states,
            alone,
            self.slot_topic,
            self._scoped_topics,
            self.counters,
            self.explain,
        )
        return with_derived(DERIVED, self.derived, inputs)

    @cached_property
    def start_scores(self) -> Mapping[str, Scores]:
        """Every scorer's scores, on the same topics, of students of whom nothing is known."""
        return start_scores(self.models, self.derived, self.slot_topic, self._scoped_topics, self.explain)

    @property
    def _scoped_topics(self) -> list[Scoped]:
        """By topic code."""
        topics = [(self.tenant, "")] * (int(self.slot_topic.max(initial=-1)) + 1)
        for code, topic in zip(self.slot_topic, self.topics, strict=True):
            topics[code] = (self.tenant, topic)
        return topics

    @property
    def last_scores(self) -> Mapping[str, Scores]:
        """Every scorer's scores as of each topic's last evidence: nothing is forgotten since."""
        return self._inputs.scores

    def scores(self, as_of_us: int) -> dict[str, Scores]:
        """Return every scorer's scores, with their contributions, at a time that is not before the last event."""
        return {name: self.scores_of(name, as_of_us) for name in (*self.models, *self.derived)}

    def scores_of(self, source: str, as_of_us: int) -> Scores:
        """Return the scores of one scorer; see `scores`."""
        if source in self.derived:
            return read_derived(DERIVED, {source: self.derived[source]}, self._inputs, as_of_us)[source]
        alone, states = np.zeros(len(self.topics), np.int32), self.states[source]
        params = self.models[source].params
        return SCORERS[source].read_slots(states.slot, states.student, alone, self.slot_topic, params, as_of_us)

    def windows(self, as_of_us: int) -> Windows:
        """Return the windowed features at a time that is not before the last event."""
        today = self.school_days.day_of(as_of_us)
        return windows(self.days, self.ledger, self.gap_days, self.feedback[:, SCORE], today)


def snapshot_of(folded: Folded, student: int = 0) -> StudentSnapshot:
    """Return where one student of a fold stands."""
    batch = folded.batch
    slots = slice(int(batch.slot_ptr[student]), int(batch.slot_ptr[student + 1]))
    rows = slice(int(batch.student_ptr[student]), int(batch.student_ptr[student + 1]))
    first_day, last_day = int(batch.student_day_ptr[student]), int(batch.student_day_ptr[student + 1])
    cells = slice(int(batch.cell_ptr[first_day]), int(batch.cell_ptr[last_day]))
    last_event_us = int(batch.at_us[rows.stop - 1])
    day = np.repeat(batch.day[first_day:last_day], np.diff(batch.cell_ptr[first_day : last_day + 1]))
    kept = day > batch.days.day_of(last_event_us) - LEDGER_DAYS
    return StudentSnapshot(
        student_id=batch.students[student],
        tenant=batch.tenants[student],
        model_version=folded.model_version,
        topics=[batch.topics[t][1] for t in batch.slot_topic[slots]],
        models=folded.models,
        slot_topic=batch.slot_topic[slots],
        states={
            name: States(states.slot[slots], states.student[student : student + 1])
            for name, states in folded.states.items()
        },
        counters=folded.counters[slots],
        feedback=folded.feedback[slots],
        school_days=batch.days,
        days=OneStudentsDays.of(
            slots.stop - slots.start, day[kept].astype(np.int32), (batch.cell_slot[cells] - slots.start)[kept]
        ),
        ledger=np.ascontiguousarray(folded.ledger[:, cells][:, kept]),
        gap_days=folded.gap_days[cells][kept],
        last_event_us=last_event_us,
        derived=folded.derived,
    )
