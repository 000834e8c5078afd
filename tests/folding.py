"""A fold as dictionaries by name, so that tests can compare two folds whose codes differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from histories import model
from mastery.features.batch import NO_DAY, Batch
from mastery.features.columns import event_columns
from mastery.features.counters import LAST_AT_US, NEVER, fold_counters, initial_counters
from mastery.features.feedback import fold_feedback, initial_feedback
from mastery.features.ledger import daily_ledger
from mastery.features.resume import resume
from mastery.school_days import UTC_DAYS, SchoolDays
from mastery.scorers.base import Scorer, States, fold, read, start

Place = tuple[str, str]
"""(student, topic)."""


@dataclass
class Stored:
    """What is kept of a fold, by name. Equality of two of them is equality of every bit."""

    topics: dict[str, list[str]] = field(default_factory=dict)
    slot_state: dict[Place, bytes] = field(default_factory=dict)
    student_state: dict[str, bytes] = field(default_factory=dict)
    counters: dict[Place, bytes] = field(default_factory=dict)
    feedback: dict[Place, bytes] = field(default_factory=dict)
    ledger: dict[tuple[str, str, int], tuple[int, ...]] = field(default_factory=dict)
    gaps: dict[tuple[str, str, int], int] = field(default_factory=dict)
    history: dict[tuple[str, str, int], bytes] = field(default_factory=dict)
    readings: dict[Place, bytes] = field(default_factory=dict)

    def of(self, student: str) -> Stored:
        """Return what is kept of one student."""
        found = Stored()
        for name, values in vars(self).items():
            mine = {key: value for key, value in values.items() if key == student or key[0] == student}
            setattr(found, name, mine)
        return found


def places(batch: Batch) -> list[Place]:
    """Return (student, topic) of each slot."""
    return [(batch.students[s], batch.topics[t][1]) for s, t in zip(batch.slot_student, batch.slot_topic, strict=True)]


def cells(batch: Batch) -> list[tuple[str, str, int]]:
    """Return (student, topic, day) of each cell."""
    of_slot = places(batch)
    return [(*of_slot[p], int(day)) for p, day in zip(batch.cell_slot, batch.cell_day, strict=True)]


def _rows(stored: Mapping[object, bytes], keys: list, into: np.ndarray) -> None:
    for row, key in enumerate(keys):
        if key in stored:
            into[row] = np.frombuffer(stored[key], into.dtype)


def fold_all(
    scorer: Scorer,
    events: pa.Table,
    seed: int | None,
    as_of_us: int,
    stored: Stored | None = None,
    days: SchoolDays = UTC_DAYS,
) -> Stored:
    """Fold the events, after those that `stored` holds, and return everything by name."""
    stored = Stored() if stored is None else stored
    last_at = {place: np.frombuffer(row, np.int64)[LAST_AT_US] for place, row in stored.counters.items()}
    known = {
        student: [(one, NO_DAY if (at := last_at[student, one]) == NEVER else days.day_of(at)) for one in topics]
        for student, topics in stored.topics.items()
    }
    batch = resume(event_columns(events, as_of_us), known, days)
    parameters = model(scorer, batch, seed)
    states = start(scorer, parameters, batch)
    counters, feedback = initial_counters(batch.slot_topic.size), initial_feedback(batch.slot_topic.size)
    slots = places(batch)
    _rows(stored.slot_state, slots, states.slot)
    _rows(stored.student_state, list(batch.students), states.student)
    _rows(stored.counters, slots, counters)
    _rows(stored.feedback, slots, feedback)
    history = fold(scorer, parameters, batch, states, as_of_us)
    gaps, _ = fold_counters(batch, counters)
    fold_feedback(batch, feedback)
    ledger = daily_ledger(batch)
    return _stored(scorer, parameters, batch, states, as_of_us, history, counters, feedback, gaps, ledger)


def _stored(scorer, parameters, batch, states: States, as_of_us, history, counters, feedback, gaps, ledger) -> Stored:
    slots, days = places(batch), cells(batch)
    reading = read(scorer, parameters, batch, states, as_of_us)
    numbers = np.column_stack([reading.score, reading.lower, reading.upper, reading.contributions])
    topics: dict[str, list[str]] = {student: [] for student in batch.students}
    for student, topic in slots:
        topics[student].append(topic)
    return Stored(
        topics=topics,
        slot_state={place: row.tobytes() for place, row in zip(slots, states.slot, strict=True)},
        student_state={name: row.tobytes() for name, row in zip(batch.students, states.student, strict=True)},
        counters={place: row.tobytes() for place, row in zip(slots, counters, strict=True)},
        feedback={place: row.tobytes() for place, row in zip(slots, feedback, strict=True)},
        ledger={cell: tuple(ledger[:, c].tolist()) for c, cell in enumerate(days)},
        gaps={cell: int(gaps[c]) for c, cell in enumerate(days)},
        history={cell: history[:, c].tobytes() for c, cell in enumerate(days)},
        readings={place: row.tobytes() for place, row in zip(slots, numbers, strict=True)},
    )


def together(first: Stored, second: Stored) -> Stored:
    """Return what a store holds after both: the later state, the ledger's days added up, their first gap."""
    ledger = dict(first.ledger)
    for cell, counts in second.ledger.items():
        ledger[cell] = tuple(a + b for a, b in zip(ledger.get(cell, (0,) * len(counts)), counts, strict=True))
    merged = {
        name: getattr(first, name) | getattr(second, name)
        for name in ("topics", "slot_state", "student_state", "counters", "feedback", "readings")
    }
    return Stored(**merged, ledger=ledger, gaps=second.gaps | first.gaps)
