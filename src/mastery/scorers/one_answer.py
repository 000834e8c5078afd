"""One quiz answer folded into the states of one student, without a batch: what a tutoring program does per answer.

`ScorerSpec.one_answer` names `steps(model)`, which lays out once what every answer looks up and returns a `Step`.

Law: folding answers one by one leaves the same bits as `Scorer.fold_rows` on a batch of them, and the probabilities
that steps return are those of `Scorer.predict_rows`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from mastery.arrays import Int32s
from mastery.scorers.base import Model, States

NO_ITEM = -1


class Answer(NamedTuple):
    """One quiz answer.

    Attributes:
        slot: Row of `States.slot`: the student-topic.
        topic: Row of `Model.params`.
        item: Row of `Model.items`; `NO_ITEM` where the answer names none. An item that the model knows nothing of has
            a row of NaN.
        item_key: By which a state remembers an item, as in `Batch.item_key`; −1 − slot where the answer names none.
        at_us: Microseconds since 1970 UTC, at or after that of the answer before.
        days_away: As in `Batch`: school days since the last answer on the topic.
        y: 1 for right, 0 for wrong.
        weight: See mastery.features.observations; above 0.
        hints: Hints used; negative where nothing is known of them.
        duration_ms: Time the answer took; negative where nothing is known of it.
    """

    slot: int
    topic: int
    item: int
    item_key: float
    at_us: int
    days_away: int
    y: float
    weight: float
    hints: int
    duration_ms: int


Step = Callable[[States, Int32s, Answer], float]
"""(states of one student, int32[P] topic of each slot, answer) → the probability of a right answer before it.

The states, float64[P, …] and float64[1, …], are written in place."""

Steps = Callable[[Model], Step]
"""The step with the parameters of a model."""
